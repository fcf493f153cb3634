"""The door to ThingsBoard."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from platform_interface.errors import PlatformError
from platform_interface.log import LOGGER
from platform_interface.platforms.base import Asset, Bucket, Sensor
from platform_interface.platforms.http import Http, RefusedError, authority_of
from platform_interface.platforms.thingsboard.alarms import Alarms
from platform_interface.platforms.thingsboard.api import Api
from platform_interface.platforms.thingsboard.attributes import OURS, Attributes
from platform_interface.platforms.thingsboard.counting import Counter
from platform_interface.platforms.thingsboard.entities import Directory, Entity, entity_of
from platform_interface.platforms.thingsboard.leases import Leases
from platform_interface.platforms.thingsboard.pages import Pages
from platform_interface.platforms.thingsboard.reading import EARLIEST, LATEST, Reader
from platform_interface.platforms.thingsboard.registry import SENSORS, Registry
from platform_interface.platforms.thingsboard.replacing import Replacer
from platform_interface.platforms.thingsboard.signing import Signing
from platform_interface.platforms.thingsboard.state import States
from platform_interface.platforms.thingsboard.writing import Writer
from platform_interface.platforms.upsert import one_value_a_time
from platform_interface.table import Table

if TYPE_CHECKING:
    from platform_interface.launch import Launch
    from platform_interface.settings import Settings

#: Attribute of an asset that the twin made: only such a one is deleted by `forget`.
MADE = f"{OURS}made"


class ThingsBoard:
    """Assets and devices of one tenant or customer of ThingsBoard.

    Parameters
    ----------
    http : Http
        Signed requests to it.
    lookback : float
        Late data are looked for this far back. [s]
    request_values : int
        Most values of one series in one answer.
    refused : Path
        Folder for samples that it refuses for good.
    published : str
        Address under which the folder of the pages is published; empty: nowhere.
    """

    def __init__(self, http: Http, lookback: float, request_values: int, refused: Path, published: str = "") -> None:
        self.http = http
        self.api = Api(http)
        self.directory = Directory(self.api, self.describe())
        self.attributes = Attributes(self.api)
        self.registry = Registry(self.api, self.attributes)
        self.reader = Reader(self.api, request_values)
        self.counter = Counter(self.api, self.reader, lookback)
        self.writer = Writer(self.api, refused)
        self.replacer = Replacer(self.reader, self.writer, self.registry)
        self.states = States(self.attributes)
        self.leases = Leases(self.attributes)
        self.pages = Pages(self.api, self.attributes, published)
        self._alarms = Alarms(self.api)
        self._owners: dict[str, str] = {}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, launch: Launch, settings: Settings) -> ThingsBoard:
        """Sign in, and make sure that we are let in."""
        platform = settings.platform
        signing = Signing(launch.userApiKey, launch.userName, launch.userPassword)
        http = Http(platform.address or launch.iotApi, platform, signing.headers, authority_of(settings))
        signing.http = http
        refused = settings.folder(platform.reports) / "refused"
        found = cls(http, settings.execution.lookback, platform.request_values, refused, platform.pages_address)
        found.directory.user()
        return found

    def describe(self) -> str:
        """Say what and where this platform is."""
        return f"ThingsBoard at {self.http.address}"

    def assets(self, ids: Sequence[str], tag: str) -> list[Asset]:
        """Return the named assets and devices, or those with the tag, profile or relation, or all."""
        entities = [self.directory.find(name) for name in ids] if ids else self.directory.with_tag(tag)
        return self.http.map(self._asset, entities)

    def _asset(self, entity: Entity) -> Asset:
        return Asset(entity.id, entity.label, entity.tags, self.attributes.parameters(entity))

    def sensors(self, asset: str) -> dict[str, Sensor]:
        """Return the series of an asset by name."""
        return self.registry.sensors(self.directory.find(asset))

    def buckets(self, asset: str, names: Sequence[str], known: Mapping[int, str]) -> list[Bucket]:
        """Return where samples lie, a bucket a day, by what the platform counts."""
        return self.counter.buckets(self.directory.find(asset), sorted(set(names)), known)

    def read(self, asset: str, names: Sequence[str], start: int, end: int) -> list[Table]:
        """Return raw samples, one table a time base."""
        return self.reader.tables(self.directory.find(asset), names, start, end)

    def last_value(self, asset: str, name: str, before: int) -> float | None:
        """Return the latest value of a series before an instant."""
        return self.reader.last_number(self.directory.find(asset), name, before)

    def append(self, asset: str, base: str, table: Table, units: Mapping[str, str]) -> None:
        """Add raw samples; the platform holds one value a time, so contradictory ones are left out and told."""
        entity = self.directory.find(asset)
        self.registry.enter(entity, base, units, output=False)
        table, contradicted = one_value_a_time(table)
        absent = 0 if table.absent is None else int(table.absent.sum())
        broken = int((~np.isfinite(table.values)).sum()) - absent
        outside = int(((table.time < EARLIEST) | (table.time >= LATEST)).sum())
        for count, what in (
            (contradicted, "contradict another of the same time, and it holds one value a time"),
            (broken, "are no finite numbers"),
            (outside, "lie outside the years 1970 to 2100"),
        ):
            if count:
                LOGGER.warning("%s, %s: %d values are not sent to the platform: they %s", asset, base, count, what)
        self.writer.write(entity, table.between(EARLIEST, LATEST))

    def replace(self, asset: str, base: str, start: int, end: int | None, table: Table, units: Mapping[str, str]) -> list[str]:
        """Put a model's rows in place of all it had in the range: first the new rows, then what is stale goes."""
        entity = self.directory.find(asset)
        self.registry.enter(entity, base, units, output=True)
        return self.replacer.replace(entity, base, start, end, table)

    def save_asset(self, asset: Asset) -> None:
        """Create an asset, or change its label, tags and parameters; no attribute is ever deleted here."""
        entity = self.directory.lookup(asset.id)
        if entity is None:
            entity = self._made(asset)
        elif entity.label != asset.name or entity.tags != tuple(asset.tags):
            information = entity.body.get("additionalInfo")
            body = {**entity.body, "label": asset.name, "additionalInfo": {**(information or {}), "tags": list(asset.tags)}}
            self.api.post(f"/api/{entity.kind.lower()}", body)
            self.directory.forget(entity)
        self.attributes.save_parameters(entity, asset.parameters)

    def _made(self, asset: Asset) -> Entity:
        """Create an asset; whether a request whose answer was lost did so shows in a second look."""
        body = {"name": asset.id, "type": "default", "label": asset.name, "additionalInfo": {"tags": list(asset.tags)}}
        try:
            entity = entity_of(self.api.post("/api/asset", body, again=False), "ASSET")
        except PlatformError:
            found = self.directory.lookup(asset.id)
            if found is None:
                raise
            entity = found
        self.attributes.write(entity, {MADE: True})
        return entity

    def alarms(self, asset: str) -> list[dict[str, Any]]:
        """Return every alarm of ours ever raised."""
        return self._alarms.all(self.directory.find(asset))

    def save_alarms(self, asset: str, alarms: Sequence[Mapping[str, Any]]) -> None:
        """Add alarms or change their status."""
        self._alarms.save(self.directory.find(asset), alarms)

    def load_state(self, asset: str, prefix: str) -> dict[str, str]:
        """Return the saved texts whose key begins with `prefix`."""
        entity = self.directory.find(asset)
        return self.states.load(entity, prefix, leased=entity.uuid in self._owners)

    def save_state(self, asset: str, changes: Mapping[str, str | None], owner: str) -> None:
        """Save texts, all or nothing, under the lease of `owner`."""
        self.states.save(self.directory.find(asset), changes, owner)

    def take_lease(self, asset: str, owner: str, seconds: float) -> str | None:
        """Take or renew the asset for `owner`."""
        entity = self.directory.find(asset)
        holder = self.leases.take(entity, owner, seconds)
        with self._lock:
            if holder is None and self._owners.get(entity.uuid) != owner:
                self._owners[entity.uuid] = owner
                self._released(entity)
        return holder

    def drop_lease(self, asset: str, owner: str) -> None:
        """Give the asset back."""
        entity = self.directory.find(asset)
        with self._lock:
            self._owners.pop(entity.uuid, None)
            self._released(entity)
        self.leases.drop(entity, owner)

    def _released(self, entity: Entity) -> None:
        """Forget what only holds while nobody else writes."""
        self.states.released(entity)
        self.registry.forget(entity)
        self.replacer.forget(entity)
        self._alarms.forget(entity)

    def put_page(self, asset: str, name: str, page: Path) -> str:
        """Give a finished page to people who use the platform."""
        return self.pages.put(self.directory.find(asset), name, page)

    def forget(self, asset: str) -> None:
        """Delete all that the twin made: series, state, alarms, pages, and the asset itself only if the twin made it."""
        entity = self.directory.find(asset)
        ours = [name for name in self.attributes.keys(entity) if name.startswith(OURS)]
        made = entity.kind == "ASSET" and self.attributes.read(entity, [MADE]).get(MADE) is True
        self.pages.delete_all(entity)
        if not made:
            self._alarms.delete_all(entity)  # else they go with the asset
        entered = [name for name, known in self.registry.known(entity).items() if known.base and (made or known.output)]
        self.writer.delete_all(entity, entered)
        self._released(entity)
        if made:
            self.api.delete(f"/api/asset/{entity.uuid}")
        else:
            self.attributes.delete(entity, [name for name in ours if name != SENSORS])
            self._without_sensors(entity)
        self.directory.forget(entity)

    def _without_sensors(self, entity: Entity) -> None:
        """Delete the list of series, where it is kept: the embedded platform makes it from what it holds."""
        try:
            self.attributes.delete(entity, [SENSORS])
        except RefusedError as error:
            if error.status != 400:
                raise
