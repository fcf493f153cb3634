"""State of an asset as attributes, all or nothing: texts lie in parts that never change, and one index names those that count.

::

    twin.state        {"version": 1, "count": 17, "owner": "...", "parts": {"twin.s.5f0c...": ["checkpoint/soc/", 8123]}}
    twin.s.5f0c...    "z:..."    texts of one group by key, as packed JSON

A save writes new parts, then the index: that one write is the moment at which it counts. Parts that no index names are swept.
"""

from __future__ import annotations

import base64
import binascii
import threading
import uuid
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from platform_interface.errors import DamagedError, LeaseError
from platform_interface.platforms.thingsboard.attributes import OURS, Attributes
from platform_interface.platforms.thingsboard.entities import Entity
from platform_interface.platforms.thingsboard.leases import LEASE, lease_of

INDEX = f"{OURS}state"
PART = f"{OURS}s."
#: A text longer than this has a part of its own. [characters]
LONG = 2048
#: Short texts of one part.
MANY = 64
#: Parts of one request, read or written, hold about this much. [characters]
REQUEST = 4_000_000
#: Things whose parts are remembered: runs compute one after the other, or a few beside one another.
_REMEMBERED = 8


@dataclass
class _Index:
    count: int = 0
    owner: str = ""
    parts: dict[str, tuple[str, int]] = field(default_factory=dict)

    def as_value(self) -> dict[str, Any]:
        parts = {name: [group, size] for name, (group, size) in self.parts.items()}
        return {"version": 1, "count": self.count, "owner": self.owner, "parts": parts}


class States:
    """Loads and saves the state of things.

    What a part holds never changes, so it is read once. The index is read at every save, and at every load without a lease.
    """

    def __init__(self, attributes: Attributes) -> None:
        self.attributes = attributes
        self._parts: OrderedDict[str, dict[str, dict[str, str]]] = OrderedDict()
        self._saved: dict[str, tuple[str, int]] = {}
        self._indices: dict[str, _Index] = {}
        self._swept: set[str] = set()
        self._lock = threading.Lock()

    def load(self, entity: Entity, prefix: str, leased: bool = False) -> dict[str, str]:
        """Return the texts whose key begins with `prefix`, in the order of keys; who has the lease reads the index once."""
        for attempt in range(5):
            index = self._index(entity, leased and not attempt)
            wanted = [name for name, (group, _) in index.parts.items() if group.startswith(prefix) or prefix.startswith(group)]
            missing = self._fetch(entity, index, wanted)
            if not missing:
                break
            if attempt == 4:  # a writer sweeps a part only after an index without it
                raise DamagedError(
                    f"{entity.id}: parts of its saved state are gone from the platform; run with compute_type full"
                )
        held = self._held(entity)
        texts = {key: text for name in wanted for key, text in held[name].items() if key.startswith(prefix)}
        return dict(sorted(texts.items()))

    def _index(self, entity: Entity, kept: bool) -> _Index:
        """Return the index as it is there, or, where that will do, as it was when last read."""
        if not kept or entity.uuid not in self._indices:
            self._indices[entity.uuid] = _index_of(self.attributes.read(entity, [INDEX]).get(INDEX), entity)
        return self._indices[entity.uuid]

    def save(self, entity: Entity, changes: Mapping[str, str | None], owner: str) -> None:
        """Save and delete texts, if `owner` still holds the lease and nobody else has saved since it last did."""
        self._indices.pop(entity.uuid, None)  # unknown until this has succeeded
        now = self.attributes.read(entity, [LEASE, INDEX])
        index = _index_of(now.get(INDEX), entity)
        saved = self._saved.get(entity.uuid, ("", 0))
        overtaken = saved[0] == owner and (index.owner, index.count) != saved  # two that overlap end at the same count
        if lease_of(now.get(LEASE)).get("owner") != owner or overtaken:
            raise LeaseError("another run took this asset over; this one stops, nothing of it is lost or mixed")
        touched = {self._group(key) for key in changes} | set(changes)
        names = [name for name, (group, _) in index.parts.items() if group in touched]
        if self._fetch(entity, index, names):
            raise DamagedError(f"{entity.id}: parts of its saved state are gone from the platform; forget the asset's state")
        fresh, gone = self._repacked(entity, names, changes)
        following = _Index(index.count + 1, owner, {name: each for name, each in index.parts.items() if name not in gone})
        following.parts.update({name: (group, len(text)) for name, (group, _, text) in fresh.items()})
        for batch in _batches({name: len(text) for name, (_, _, text) in fresh.items()}):
            self.attributes.write(entity, {name: fresh[name][2] for name in batch})
        self.attributes.write(entity, {INDEX: following.as_value()})
        held = self._held(entity)
        held.update({name: texts for name, (_, texts, _) in fresh.items()})
        self._saved[entity.uuid] = (owner, following.count)
        self._indices[entity.uuid] = following
        self._sweep(entity, gone, following)

    def released(self, entity: Entity) -> None:
        """Forget what is remembered of a thing that another may compute next."""
        with self._lock:
            self._parts.pop(entity.uuid, None)
            self._saved.pop(entity.uuid, None)
            self._indices.pop(entity.uuid, None)
            self._swept.discard(entity.uuid)

    def _held(self, entity: Entity) -> dict[str, dict[str, str]]:
        with self._lock:
            found = self._parts.setdefault(entity.uuid, {})
            self._parts.move_to_end(entity.uuid)
            while len(self._parts) > _REMEMBERED:
                self._parts.popitem(last=False)
            return found

    def _fetch(self, entity: Entity, index: _Index, names: list[str]) -> list[str]:
        """Read the parts that are not remembered; return those that are not there."""
        held = self._held(entity)
        wanted = {name: index.parts[name][1] for name in names if name not in held}
        for batch in _batches(wanted):
            for name, value in self.attributes.read(entity, batch).items():
                held[name] = _unpacked(value, name, entity)
        return [name for name in wanted if name not in held]

    @staticmethod
    def _group(key: str) -> str:
        return key[: key.rfind("/") + 1]

    def _repacked(
        self, entity: Entity, names: list[str], changes: Mapping[str, str | None]
    ) -> tuple[dict[str, tuple[str, dict[str, str], str]], list[str]]:
        """Return new parts, each with its group, texts and packed text, and the names of those that they replace."""
        held = self._held(entity)
        gone = [name for name in names if any(key in changes for key in held[name])]
        loose = {key: text for name in gone for key, text in held[name].items() if key not in changes}
        loose.update({key: text for key, text in changes.items() if text is not None})
        groups: dict[str, list[dict[str, str]]] = {}
        for key, text in sorted(loose.items()):
            if len(text) > LONG:
                groups.setdefault(key, []).append({key: text})
                continue
            pages = groups.setdefault(self._group(key), [])
            if not pages:
                pages.append(self._open_page(names, gone, self._group(key), held))
            if len(pages[-1]) >= MANY:
                pages.append({})
            pages[-1][key] = text
        return {_fresh_name(): (group, texts, _packed(texts)) for group, pages in groups.items() for texts in pages}, gone

    @staticmethod
    def _open_page(names: list[str], gone: list[str], group: str, held: Mapping[str, dict[str, str]]) -> dict[str, str]:
        """Take the texts of a part that still has room, so that parts do not become many."""
        for name in names:
            texts = held[name]
            if (
                name not in gone
                and len(texts) < MANY
                and all(len(t) <= LONG and States._group(k) == group for k, t in texts.items())
            ):
                gone.append(name)
                return dict(texts)
        return {}

    def _sweep(self, entity: Entity, gone: list[str], index: _Index) -> None:
        """Delete what no index names any more; once a run also what a killed one left."""
        stray = list(gone)
        if entity.uuid not in self._swept:
            self._swept.add(entity.uuid)
            stray = [name for name in self.attributes.keys(entity) if name.startswith(PART) and name not in index.parts]
        self.attributes.delete(entity, stray)
        held = self._held(entity)
        for name in gone:
            held.pop(name, None)


def _fresh_name() -> str:
    return PART + uuid.uuid4().hex[:16]


def _batches(sizes: Mapping[str, int]) -> list[list[str]]:
    """Group names such that what they stand for fits a request."""
    batches: list[list[str]] = []
    total = REQUEST
    for name, size in sizes.items():
        if total + size > REQUEST:
            batches.append([])
            total = 0
        batches[-1].append(name)
        total += size
    return batches


def _packed(texts: Mapping[str, str]) -> str:
    """Return texts as one that can be taken for no number, and holds nothing that an XSS filter minds."""
    return "z:" + base64.b64encode(zlib.compress(orjson.dumps(dict(texts)), 3)).decode()


def _unpacked(value: Any, name: str, entity: Entity) -> dict[str, str]:
    try:
        if not isinstance(value, str) or not value.startswith("z:"):
            raise ValueError("it is something else")
        content = orjson.loads(zlib.decompress(base64.b64decode(value[2:], validate=True)))
        if not isinstance(content, dict) or not all(isinstance(text, str) for text in content.values()):
            raise ValueError("it holds no texts")
    except (ValueError, binascii.Error, zlib.error) as error:
        raise DamagedError(f"{entity.id}: the attribute {name} of its saved state cannot be read ({error})") from None
    return content


def _index_of(content: Any, entity: Entity) -> _Index:
    if content is None:
        return _Index()
    try:
        if content["version"] != 1:
            raise ValueError(f"version {content['version']!r}")
        parts = {str(name): (str(group), int(size)) for name, (group, size) in content["parts"].items()}
        return _Index(int(content["count"]), str(content["owner"]), parts)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedError(f"{entity.id}: the attribute {INDEX} cannot be read ({type(error).__name__}: {error})") from None
