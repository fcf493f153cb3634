"""`SensorThings`: the door to a server of OGC SensorThings 1.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from platform_interface.errors import PlatformError, UsageError
from platform_interface.log import LOGGER
from platform_interface.platforms.base import Asset, Bucket, Sensor
from platform_interface.platforms.http import Http, authority_of
from platform_interface.platforms.sensorthings.documents import Documents
from platform_interface.platforms.sensorthings.entities import Entities, Series, kind_of, twin_of
from platform_interface.platforms.sensorthings.extent import Extents, Group, buckets_of
from platform_interface.platforms.sensorthings.making import TWIN, feature_name
from platform_interface.platforms.sensorthings.samples import (
    FIRST,
    LAST,
    NOTHING,
    Samples,
    newest,
    read_samples,
    side_by_side,
    without_repeats,
)
from platform_interface.platforms.sensorthings.service import Service
from platform_interface.platforms.sensorthings.signing import signature_of
from platform_interface.platforms.sensorthings.writing import Refusals, Wanted, Writer, missing, stale, wanted_of, within
from platform_interface.table import Table
from platform_interface.when import DAY, now

if TYPE_CHECKING:
    from platform_interface.launch import Launch
    from platform_interface.settings import Settings

#: So many results that are no numbers are passed over in search of a latest value.
MOST_WORDS = 100


class SensorThings:
    """Assets on a SensorThings server.

    Parameters
    ----------
    service : Service
        The server, opened.
    lookback : float
        Days older than this are not asked for again. [s]
    pages : Path
        Folder of the pages.
    pages_address : str
        Where that folder is published; empty where it is not.
    """

    def __init__(self, service: Service, lookback: float, pages: Path, pages_address: str) -> None:
        self.service = service
        self.entities = Entities(service)
        self.documents = Documents(self.entities)
        self.extents = Extents(service)
        self.writer = Writer(service)
        self._lookback = round(lookback * 1000)
        self._pages = pages
        self._pages_address = pages_address
        self._told: set[tuple[str, str]] = set()

    @classmethod
    def open(cls, launch: Launch, settings: Settings) -> SensorThings:
        """Open the server that the settings, or the launch, name.

        Raises
        ------
        UsageError
            Address or credentials cannot be right.
        PlatformError
            It cannot be reached, or is no SensorThings service.
        """
        platform = settings.platform
        if platform.options:
            raise UsageError("settings.json", ["parameters.platform.options: the connector sensorthings takes none"])
        signature = signature_of(launch)
        http = Http(platform.address or launch.iotApi, platform, lambda _again: signature, authority_of(settings))
        service = Service(http, platform.request_values)
        service.open()
        return cls(service, settings.execution.lookback, settings.folder(platform.pages), platform.pages_address)

    def describe(self) -> str:
        """Say what and where this platform is."""
        return f"SensorThings server at {self.service.http.address}"

    def assets(self, ids: Sequence[str], tag: str) -> list[Asset]:
        """Return the named assets, or those with the tag, or all of them."""
        if ids:
            return [self.entities.thing(asset).asset for asset in ids]
        return [thing.asset for thing in self.entities.things() if not tag or tag in thing.asset.tags]

    def save_asset(self, asset: Asset) -> None:
        """Create an asset or change its label, tags and parameters."""
        self.entities.save_asset(asset)

    def sensors(self, asset: str) -> dict[str, Sensor]:
        """Return the series of an asset by name."""
        unreadable = self.entities.unreadable(asset)
        if unreadable and (asset, "") not in self._told:
            self._told.add((asset, ""))
            LOGGER.warning(
                "%s has MultiDatastreams (%s), which this connector does not read; give each result a Datastream of its own",
                asset, ", ".join(f"'{name}'" for name in unreadable[:5]),
            )  # fmt: skip
        found = self.entities.series(asset, fresh=True)
        return {name: Sensor(name, series.unit, series.output) for name, series in found.items()}

    # reading

    def read(self, asset: str, names: Sequence[str], start: int, end: int) -> list[Table]:
        """Return samples with ``start <= t < end``, a table a time base, sorted by time."""
        known = self.entities.series(asset)
        wanted = [known[name] for name in dict.fromkeys(names) if name in known]
        columns = self.service.http.map(lambda series: self._samples(asset, series, start, end), wanted)
        groups: dict[str, list[int]] = {}
        for i, series in enumerate(wanted):
            groups.setdefault(series.group, []).append(i)
        return [side_by_side([wanted[i].name for i in group], [columns[i] for i in group]) for group in groups.values()]

    def _samples(self, asset: str, series: Series, start: int, end: int) -> Samples:
        raw = read_samples(self.service, series.streams, start, end, series.margin)
        found = without_repeats(raw)
        words = int((raw.values != raw.values).sum())
        if words and (asset, series.name) not in self._told:
            self._told.add((asset, series.name))
            LOGGER.warning("%s: '%s' holds %d results that are no numbers; they are left out", asset, series.name, words)
        return newest(found) if series.output else found

    def last_value(self, asset: str, name: str, before: int) -> float | None:
        """Return the latest value of a series before an instant."""
        series = self.entities.series(asset).get(name)
        if series is None:
            return None
        end = min(before, LAST + 1)
        for _ in range(MOST_WORDS):
            edges = [self.extents.edge(stream, newest=True, end=end) for stream in series.streams]
            end = max((edge for edge in edges if edge is not None), default=FIRST)
            if end == FIRST:
                break
            found = self._samples(asset, series, end, end + 1)
            if found.values.size:
                return float(found.values[-1])
        return None

    def buckets(self, asset: str, names: Sequence[str], known: Mapping[int, str]) -> list[Bucket]:
        """Return where samples lie, a bucket a day; days before the look-back that are known are not asked for again."""
        series = self.entities.series(asset)
        groups: dict[str, list[Series]] = {}
        for name in dict.fromkeys(names):
            if name in series:
                groups.setdefault(name.rsplit("|", 1)[0], []).append(series[name])
        start = (max(known) + DAY - self._lookback) // DAY * DAY if known else FIRST
        return buckets_of(self.extents, [group for members in groups.values() for group in _groups(members)], start)

    # writing

    def append(self, asset: str, base: str, table: Table, units: Mapping[str, str]) -> None:
        """Add raw samples, except those that are there already, alike in time and value."""
        fresh = self.entities.ensure(asset, base, units, output=False)
        wanted = wanted_of(table, self._streams(asset))
        known = [part for part in wanted if part.name not in fresh]
        todo = [part for part in wanted if part.name in fresh] + self._lacking(asset, known)
        refusals = Refusals()
        feature = self.entities.feature(asset)
        self.writer.post(todo, feature, now(), lambda parts: self._lacking(asset, parts), refusals)
        if refusals.rows:
            raise PlatformError(f"{asset}: " + "; ".join(refusals.sentences()))

    def replace(self, asset: str, base: str, start: int, end: int | None, table: Table, units: Mapping[str, str]) -> list[str]:
        """Put a model's rows in place of all it had in the range: new ones first, then what is stale goes."""
        fresh = self.entities.ensure(asset, base, units, output=True)
        upto = within(end)
        if table.time.size and (int(table.time.min()) < start or int(table.time.max()) >= upto):
            raise PlatformError(f"{base}: rows outside the replaced range")
        series = [one for one in self.entities.series(asset).values() if one.output and one.base == base]
        wanted = {part.name: part for part in wanted_of(table, self._streams(asset))}

        def held(known_empty: set[str]) -> dict[str, Samples]:
            def one(series: Series) -> Samples:
                return NOTHING if series.name in known_empty else read_samples(self.service, series.streams, start, upto)

            return dict(zip([one.name for one in series], self.service.http.map(one, series), strict=True))

        there = held(fresh)
        refusals = Refusals()
        todo = [missing(part, there[part.name]) for part in wanted.values()]
        if any(part.time.size for part in todo):
            feature = self.entities.feature(asset)
            if self.writer.post(todo, feature, now(), lambda parts: self._lacking(asset, parts), refusals):
                there = held(set())
        self.writer.delete([ident for one in series for ident in stale(wanted.get(one.name), there[one.name])])
        return refusals.sentences()

    def _lacking(self, asset: str, parts: Sequence[Wanted]) -> list[Wanted]:
        """Return what the server lacks of what it was to get."""
        known = self.entities.series(asset)

        def one(part: Wanted) -> Wanted:
            series = known[part.name]
            first, last = int(part.time.min()), int(part.time.max())
            return missing(part, read_samples(self.service, series.streams, first, last + 1, series.margin))

        return self.service.http.map(one, parts)

    def _streams(self, asset: str) -> dict[str, Any]:
        return {name: series.streams[0] for name, series in self.entities.series(asset).items()}

    # what SensorThings has no entity for

    def alarms(self, asset: str) -> list[dict[str, Any]]:
        """Return every alarm ever raised."""
        return self.documents.alarms(asset)

    def save_alarms(self, asset: str, alarms: Sequence[Mapping[str, Any]]) -> None:
        """Add alarms or change their status."""
        self.documents.save_alarms(asset, alarms)

    def load_state(self, asset: str, prefix: str) -> dict[str, str]:
        """Return the saved texts whose key begins with `prefix`."""
        return {key: saved for key, saved in sorted(self.documents.load_state(asset).items()) if key.startswith(prefix)}

    def save_state(self, asset: str, changes: Mapping[str, str | None], owner: str) -> None:
        """Save texts, all or nothing, under the lease of `owner`."""
        self.documents.save_state(asset, changes, owner)

    def take_lease(self, asset: str, owner: str, seconds: float) -> str | None:
        """Take or renew the asset for `owner`."""
        return self.documents.take_lease(asset, owner, seconds)

    def drop_lease(self, asset: str, owner: str) -> None:
        """Give the asset back."""
        self.documents.drop_lease(asset, owner)

    def put_page(self, asset: str, name: str, page: Path) -> str:
        """Leave the published address of a page in a document of the asset; a SensorThings server takes no files."""
        if not self._pages_address:
            return ""
        try:
            inside = page.resolve().relative_to(self._pages.resolve()).as_posix()
        except ValueError:
            inside = page.name
        link = f"{self._pages_address.rstrip('/')}/{quote(inside)}"
        self.documents.save_page(asset, name, link)
        return link

    def forget(self, asset: str) -> None:
        """Delete what the twin made of an asset; a Thing or a Datastream that others made stays."""
        thing = self.entities.thing(asset)
        path = self.service.path("Things", thing.id, "Datastreams")
        for entity in self.service.entities(path):
            if kind_of(entity) is not None or twin_of(entity).get("base"):
                self.service.delete(self.service.path("Datastreams", self.service.id_of(entity, path)))
        for entity in self.service.named("/FeaturesOfInterest", feature_name(asset)):
            if twin_of(entity).get("made") is True and self._is_unused(entity):
                self.service.delete(self.service.path("FeaturesOfInterest", self.service.id_of(entity, "FeaturesOfInterest")))
        if thing.own and not self.service.entities(path) and not self.entities.unreadable(asset):
            self.service.delete(self.service.path("Things", thing.id))
        elif TWIN in thing.properties and not thing.own:
            kept = {key: given for key, given in thing.properties.items() if key != TWIN}
            self.service.patch(self.service.path("Things", thing.id), {"properties": kept})
        self.entities.forgotten(asset)
        self.documents.forgotten(asset)

    def _is_unused(self, feature: Mapping[str, Any]) -> bool:
        path = self.service.path("FeaturesOfInterest", self.service.id_of(feature, "FeaturesOfInterest"), "Observations")
        return not self.service.entities(path, {"$top": "1"})


def _groups(members: Sequence[Series]) -> list[Group]:
    """Count an array by its first and its last member: one of them may be dead."""
    streams = tuple(stream for series in members for stream in series.streams)
    margin, half = max(series.margin for series in members), len(members) // 2
    first = Group(streams, members[0].streams, len(members) - half, margin)
    return [first] if not half else [first, Group((), members[-1].streams, half, margin)]
