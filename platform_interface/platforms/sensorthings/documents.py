"""What SensorThings has no entity for: state, lease, alarms, links to pages.

Each is a document in the properties of a Datastream of its own ("Twin State", ...), without observations. One PATCH
replaces it: all or nothing.
"""

from __future__ import annotations

import base64
import json
import os
import threading
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from platform_interface.errors import DamagedError, LeaseError, PlatformError
from platform_interface.platforms.holder import alive, this_host
from platform_interface.platforms.sensorthings.entities import Entities, kind_of, twin_of
from platform_interface.platforms.sensorthings.making import SENSOR, TWIN, observed
from platform_interface.platforms.sensorthings.service import Id

STATE, LEASE, ALARMS, PAGES = "state", "lease", "alarms", "pages"
#: A lease is read back after this time, longer on a slow way: of two that took it at once, the later one has it. [s]
SETTLE, LONGEST = 0.25, 3.0
#: A state that unpacks to more is not one of ours. [byte]
MOST_BYTES = 512 * 2**20


class Documents:
    """The documents of assets.

    Parameters
    ----------
    entities : Entities
        Where to find and make them.
    """

    def __init__(self, entities: Entities) -> None:
        self.entities = entities
        self._streams: dict[str, dict[str, Id]] = {}
        self._lock = threading.RLock()

    def forgotten(self, asset: str) -> None:
        """Look an asset's documents up anew."""
        with self._lock:
            self._streams.pop(asset, None)

    def _found(self, asset: str, kind: str) -> Id | None:
        """Return the Datastream of a document; of several that a repeated request made, the one that was written last."""
        with self._lock:
            if asset not in self._streams:
                service = self.entities.service
                path = service.path("Things", self.entities.thing(asset).id, "Datastreams")
                found = [entity for entity in service.entities(path) if kind_of(entity) is not None]
                found.sort(key=lambda entity: (_written(entity), str(entity.get("@iot.id"))))
                self._streams[asset] = {str(kind_of(entity)): service.id_of(entity, path) for entity in found}
            return self._streams[asset].get(kind)

    def read(self, asset: str, kind: str) -> dict[str, Any]:
        """Return a document; an empty one where there is none."""
        stream = self._found(asset, kind)
        if stream is None:
            return {}
        entity = self.entities.service.entity(self.entities.service.path("Datastreams", stream))
        if entity is None:
            self.forgotten(asset)
            return {}
        return twin_of(entity)

    def write(self, asset: str, kind: str, content: Mapping[str, Any]) -> None:
        """Replace a document."""
        own = {"kind": kind, "written": round(time.time(), 3), **content}
        stream = self._found(asset, kind)
        if stream is None:
            with self._lock:
                stream = self._made(asset, kind)  # looks first: another run may have made it
        service = self.entities.service
        service.patch(service.path("Datastreams", stream), {"properties": {TWIN: own}})

    def _made(self, asset: str, kind: str) -> Id:
        self.forgotten(asset)
        before = self._found(asset, kind)
        if before is not None:
            return before
        sensor = self.entities.maker.shared("Sensors", SENSOR)
        of_what = self.entities.maker.shared("ObservedProperties", observed("Twin documents", ""))
        name = f"Twin {kind.title()}"
        self.entities.maker.made_stream(
            self.entities.thing(asset).id, asset, name, "dimensionless", {"kind": kind}, sensor, of_what
        )
        self.forgotten(asset)
        stream = self._found(asset, kind)
        if stream is None:
            raise PlatformError(
                f"{self.entities.service.http.address} does not keep the properties of a Datastream ('{name}'), which hold the "
                "state of a run. SensorThings 1.1 is needed for writing."
            )
        return stream

    # state

    def load_state(self, asset: str) -> dict[str, str]:
        """Return every saved text by its key."""
        packed = self.read(asset, STATE).get("content")
        return {} if not packed else _unpacked(packed, asset)

    def save_state(self, asset: str, changes: Mapping[str, str | None], owner: str) -> None:
        """Save texts, all or nothing, under the lease of `owner`; whether it still holds is asked before and after."""
        self._hold(asset, owner)
        texts = self.load_state(asset)
        texts.update({key: text for key, text in changes.items() if text is not None})
        for key in [key for key, text in changes.items() if text is None]:
            texts.pop(key, None)
        self.write(asset, STATE, {"format": "base64 of zlib of JSON", "content": _packed(texts)})
        self._hold(asset, owner)

    def _hold(self, asset: str, owner: str) -> None:
        if self.read(asset, LEASE).get("owner") != owner:
            raise LeaseError("another run took this asset over; this one stops, nothing of it is lost or mixed")

    # lease

    def take_lease(self, asset: str, owner: str, seconds: float) -> str | None:
        """Take or renew the lease; return a description of the holder when it is another, alive."""
        began = time.monotonic()
        held = self.read(asset, LEASE)
        asked = time.monotonic() - began
        if held.get("owner") != owner:
            self.forgotten(asset)  # another run may have made the documents meanwhile
            held = self.read(asset, LEASE)
        if held.get("owner") not in (owner, "", None) and _alive(held):
            return _holder(held)
        mine = {"owner": owner, "host": this_host(), "pid": os.getpid(), "expires": time.time() + seconds}
        self.write(asset, LEASE, mine)
        if held.get("owner") == owner:
            return None
        time.sleep(max(SETTLE, min(3 * asked, LONGEST)))  # one that read before we wrote has written by then
        self.forgotten(asset)  # another run may have made a Datastream of its own for its lease
        now = self.read(asset, LEASE)
        return None if now.get("owner") == owner else _holder(now)

    def drop_lease(self, asset: str, owner: str) -> None:
        """Give the lease back, if `owner` has it."""
        if self.read(asset, LEASE).get("owner") == owner:
            self.write(asset, LEASE, {"owner": "", "host": "", "pid": 0, "expires": 0.0})

    # alarms

    def alarms(self, asset: str) -> list[dict[str, Any]]:
        """Return every alarm, oldest first."""
        found = self.read(asset, ALARMS).get("alarms", [])
        if not isinstance(found, list) or not all(
            isinstance(alarm, dict) and isinstance(alarm.get("key"), str) for alarm in found
        ):
            raise DamagedError(f"the alarms of {asset} cannot be read; restore the Datastream 'Twin Alarms', or delete it")
        return found

    def save_alarms(self, asset: str, alarms: Sequence[Mapping[str, Any]]) -> None:
        """Add alarms, or change those with the same key."""
        known = {alarm["key"]: alarm for alarm in self.alarms(asset)}
        known.update({alarm["key"]: dict(alarm) for alarm in alarms})
        self.write(asset, ALARMS, {"alarms": list(known.values())})

    # pages

    def save_page(self, asset: str, name: str, link: str) -> None:
        """Leave the address of a page where people who use the platform find it."""
        known = self.read(asset, PAGES).get("pages", {})
        self.write(asset, PAGES, {"pages": {**(known if isinstance(known, dict) else {}), name: link}})


def _written(entity: Mapping[str, Any]) -> float:
    written = twin_of(entity).get("written", 0.0)
    return float(written) if isinstance(written, (int, float)) else 0.0


def _packed(texts: Mapping[str, str]) -> str:
    return base64.b64encode(zlib.compress(json.dumps(dict(texts), sort_keys=True).encode(), 6)).decode()


def _unpacked(packed: Any, asset: str) -> dict[str, str]:
    try:
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(base64.b64decode(packed, validate=True), MOST_BYTES)
        if not unpacker.eof:
            raise ValueError("it is cut off")
        texts = json.loads(content)
        if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
            raise ValueError("it holds no texts")
    except (ValueError, TypeError, zlib.error) as error:
        raise DamagedError(
            f"the saved state of {asset} cannot be read ({error}). Restore the Datastream 'Twin State', or delete it and run with "
            "compute_type full."
        ) from None
    return texts


def _alive(lease: Mapping[str, Any]) -> bool:
    """Whether a holder may still run: by its time, and on this machine by its process."""
    expires, pid = lease.get("expires"), lease.get("pid")
    if not isinstance(expires, (int, float)) or expires <= time.time():
        return False
    return not isinstance(pid, int) or alive(str(lease.get("host")), pid)


def _holder(lease: Mapping[str, Any]) -> str:
    expires = lease.get("expires")
    until = (
        time.strftime("%H:%M:%S", time.gmtime(expires)) if isinstance(expires, (int, float)) and 0 <= expires < 1e11 else "?"
    )
    return f"process {str(lease.get('pid'))[:20]} on {str(lease.get('host'))[:60]}, until {until} UTC"
