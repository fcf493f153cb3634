"""Assets of the store as ThingsBoard's entities: stable UUIDs, and what a list of them needs, kept in memory."""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from platform_interface.errors import PlatformError
from platform_interface.log import LOGGER
from platform_interface.platforms.base import Asset
from platform_interface.platforms.local_served import ServedStore
from platform_interface.server.answers import RefusalError

NAMESPACE = uuid.UUID("6f7b7b58-27a0-5b0e-9d4c-8d3f6c1f2b11")
#: ThingsBoard's word for "no customer".
NO_CUSTOMER = "13814000-1dd2-11b2-8080-808080808080"
#: A file that changed this recently may change again under the same stamp. [ns]
_FRESH = 100_000_000
_UUID = re.compile(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")


def id_of(kind: str, name: str) -> str:
    """Return the UUID of a thing by its name: the same on every start and machine."""
    return str(uuid.uuid5(NAMESPACE, f"{kind}/{name}"))


def reference(kind: str, identifier: str) -> dict[str, str]:
    """Return ThingsBoard's way to name an entity."""
    return {"entityType": kind, "id": identifier}


def tenant() -> dict[str, str]:
    """Return the id of the one tenant."""
    return reference("TENANT", id_of("tenant", ""))


def checked_uuid(text: str) -> str:
    """Return a UUID in lower case, or refuse it as ThingsBoard does."""
    if not _UUID.fullmatch(text):
        raise RefusalError(400, f"Invalid UUID string: {text[:64]}")
    return text.lower()


@dataclass(frozen=True)
class Entity:
    """One asset, with what only clients of the API keep of it, and its alarms that stand."""

    asset: Asset
    created: int
    kept: dict[str, Any] = field(default_factory=dict)
    standing: tuple[dict[str, Any], ...] = ()

    @property
    def uuid(self) -> str:
        return id_of("asset", self.asset.id)

    @property
    def profile(self) -> str:
        """Name of the asset profile."""
        word = self.kept.get("type") or self.asset.parameters.get("profile")
        return word if isinstance(word, str) and word else "default"

    def as_json(self) -> dict[str, Any]:
        """Return the asset as ThingsBoard shows it."""
        info = {**self.kept.get("additionalInfo", {}), "tags": list(self.asset.tags)}
        return {
            "id": reference("ASSET", self.uuid), "createdTime": self.created, "tenantId": tenant(),
            "customerId": reference("CUSTOMER", NO_CUSTOMER), "name": self.asset.id, "type": self.profile,
            "label": self.asset.name or None, "assetProfileId": reference("ASSET_PROFILE", id_of("profile", self.profile)),
            "additionalInfo": info, "version": self.kept.get("version", 1),
        }  # fmt: skip

    def as_info(self) -> dict[str, Any]:
        """Return the asset with the names of what it points to."""
        return {**self.as_json(), "customerTitle": None, "customerIsPublic": False, "assetProfileName": self.profile}


class Entities:
    """The assets of a store by UUID, read again when their files change.

    Parameters
    ----------
    store : ServedStore
        The store.
    """

    def __init__(self, store: ServedStore) -> None:
        self.store = store
        self._known: dict[str, tuple[tuple[int, ...], Entity]] = {}
        self._names: dict[str, str] = {}
        self._locks: dict[str, threading.RLock] = {}
        self._guard = threading.Lock()

    def lock(self, asset: str) -> threading.RLock:
        """Return the lock of an asset: one change at a time."""
        with self._guard:
            return self._locks.setdefault(asset, threading.RLock())

    def all(self) -> list[Entity]:
        """Return every asset that can be read; one that cannot is logged."""
        found = []
        for name in self.store.ids():
            try:
                found.append(self.named(name))
            except (PlatformError, RefusalError) as error:
                LOGGER.warning("%s is left out: %s", name, error)
        return found

    def named(self, name: str) -> Entity:
        """Return an asset by its name."""
        stamp = self.store.stamp(name)
        if stamp is None:
            raise RefusalError(404, f"Asset with name [{name}] is not found")
        known = self._known.get(name)
        if known and known[0] == stamp:
            return known[1]
        kept = self.store.load_served(name, "")
        created = kept.get("created", ("", stamp[1] // 1_000_000))[1]
        standing = tuple(alarm for alarm in self.store.alarms(name) if alarm["status"] == "active")
        entity = Entity(self.store.asset(name), created, json.loads(kept.get("entity", ("{}", 0))[0]), standing)
        if self.store.stamp(name) != stamp:  # it was changed while it was read: what was read may be half of it
            return entity
        if time.time_ns() - max(stamp[1], stamp[3] if len(stamp) > 3 else 0) > _FRESH:
            self._known[name] = (stamp, entity)
        return entity

    def name_of(self, identifier: str, kind: str = "ASSET") -> str:
        """Return the name of the asset with a UUID.

        Raises
        ------
        RefusalError
            400 on something that is no UUID, 404 where there is no such asset.
        """
        identifier = checked_uuid(identifier)
        if kind.upper() != "ASSET":
            raise RefusalError(404, f"{kind.capitalize()} with id [{identifier}] is not found; this platform holds assets only")
        name = self._names.get(identifier)
        if name is None or not self.store.has(name):
            self._names = {id_of("asset", word): word for word in self.store.ids()}
            name = self._names.get(identifier)
        if name is None:
            raise RefusalError(404, f"Asset with id [{identifier}] is not found")
        return name
