"""Things and Datastreams <-> assets and series."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from platform_interface.errors import PlatformError
from platform_interface.log import LOGGER
from platform_interface.platforms.base import Asset
from platform_interface.platforms.http import RefusedError
from platform_interface.platforms.sensorthings import words
from platform_interface.platforms.sensorthings.extent import interval_of
from platform_interface.platforms.sensorthings.making import SENSOR, TWIN, Maker, observed
from platform_interface.platforms.sensorthings.service import Id, Service
from platform_interface.spelling import did_you_mean


@dataclass(frozen=True)
class Thing:
    """A Thing as the server has it."""

    id: Id
    asset: Asset
    own: bool
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Series:
    """A Datastream, or several that a repeated request made of one.

    Attributes
    ----------
    base : str
        Time base; empty on a Datastream that others made.
    own : bool
        Whether the twin made it.
    margin : int
        Length of its observations, where they are intervals. [ms]
    """

    name: str
    streams: tuple[Id, ...]
    unit: str = ""
    base: str = ""
    output: bool = False
    own: bool = False
    margin: int = 0

    @property
    def group(self) -> str:
        """What is sampled together: a time base, or the members of an array."""
        return f"base {self.base}" if self.base else f"array {self.name.rsplit('|', 1)[0]}"


class Entities:
    """What there is on the server, looked up once a run.

    Parameters
    ----------
    service : Service
        Where to ask.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.maker = Maker(service)
        self._things: dict[str, Thing] = {}
        self._series: dict[str, dict[str, Series]] = {}
        self._features: dict[str, Id | None] = {}
        self._lock = threading.RLock()

    # assets

    def things(self) -> list[Thing]:
        """Return every Thing; those that share a name cannot be told apart and are left out, with a warning."""
        found = []
        for entity in self.service.entities("/Things"):
            try:
                found.append(self._thing_of(entity))
            except PlatformError as error:
                LOGGER.warning("left out: %s", error)
        names = Counter(thing.asset.id for thing in found)
        for name, number in sorted(names.items()):
            if number > 1:
                LOGGER.warning("'%s' is the name of %d Things; give each its own name", name, number)
        return [thing for thing in found if names[thing.asset.id] == 1]

    def thing(self, asset: str) -> Thing:
        """Return the Thing of an asset, by its name or its id.

        Raises
        ------
        PlatformError
            It is not there, or several have the name.
        """
        with self._lock:
            if asset not in self._things:
                self._things[asset] = self._found(asset)
            return self._things[asset]

    def _found(self, asset: str) -> Thing:
        thing = self._known(asset)
        if thing is None:
            known = [thing.asset.id for thing in self.things()]
            raise PlatformError(f"asset '{asset}' is not on {self.service.http.address}{did_you_mean(asset, known)}")
        return thing

    def _known(self, asset: str) -> Thing | None:
        """Return the Thing of a name, else of an id; one whose name others have is an asset by its id."""
        entities = self.service.named("/Things", asset)
        if len(entities) > 1:
            raise PlatformError(
                f"'{asset}' is the name of several Things; give each its own name, or name the one by its @iot.id"
            )
        if entities:
            return self._thing_of(entities[0])
        ident = _as_id(asset)
        entity = None if ident is None else self.service.entity(self.service.path("Things", ident))
        if entity is None:
            return None
        thing = self._thing_of(entity)
        alone = len(self.service.named("/Things", thing.asset.id)) == 1
        return thing if alone else replace(thing, asset=replace(thing.asset, id=asset))

    def _thing_of(self, entity: Mapping[str, Any]) -> Thing:
        ident = self.service.id_of(entity, "Things")
        name = entity.get("name")
        if not isinstance(name, str) or not name:
            raise PlatformError(f"the Thing {str(ident)[:60]} has no name; give it one")
        given = entity.get("properties")
        properties = dict(given) if isinstance(given, dict) else {}
        own = twin_of(entity)
        tags = own.get("tags", properties.get("tags"))
        label = own.get("name", entity.get("description"))
        parameters = {key: value for key, value in properties.items() if key != TWIN}
        asset = Asset(
            name, label if isinstance(label, str) else "",
            tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (), parameters,
        )  # fmt: skip
        return Thing(ident, asset, own.get("made") is True, properties)

    def save_asset(self, asset: Asset) -> None:
        """Create a Thing, or change its properties."""
        thing = self._known(asset.id)
        if thing is not None:
            own = {"made": thing.own, "name": asset.name, "tags": list(asset.tags)}
            body: dict[str, Any] = {"properties": {**asset.parameters, TWIN: own}}
            self.service.patch(self.service.path("Things", thing.id), body)
        else:
            own = {"made": True, "name": asset.name, "tags": list(asset.tags)}
            body = {"name": asset.id, "description": asset.name or asset.id, "properties": {**asset.parameters, TWIN: own}}
            self.maker.made("Things", body, lambda: self.service.named("/Things", asset.id))
        self.forgotten(asset.id)

    def forgotten(self, asset: str) -> None:
        """Look an asset up anew when it is needed again."""
        with self._lock:
            self._things.pop(asset, None)
            self._series.pop(asset, None)
            self._features.pop(asset, None)
        self.maker.forgotten(asset)

    # series

    def series(self, asset: str, fresh: bool = False) -> dict[str, Series]:
        """Return the series of an asset by name."""
        with self._lock:
            known = None if fresh else self._series.get(asset)
        if known is None:  # not under the lock: several requests at a time wait for one another there
            known = self._listed(self.thing(asset))
            with self._lock:
                self._series[asset] = known
        return known

    def _listed(self, thing: Thing) -> dict[str, Series]:
        entities = self.service.entities(self.service.path("Things", thing.id, "Datastreams"))
        named = [entity for entity in entities if isinstance(entity.get("name"), str) and entity["name"]]
        if len(named) < len(entities):
            LOGGER.warning("%s: %d Datastreams without a name are left out", thing.asset.id, len(entities) - len(named))
        named = [entity for entity in named if kind_of(entity) is None]
        every = self.service.http.map(self._series_of, named)
        found: dict[str, Series] = {}
        for one in sorted((one for one in every if one.own), key=lambda one: str(one.streams[0])):
            before = found.get(one.name, one)
            found[one.name] = replace(before, streams=tuple(dict.fromkeys((*before.streams, *one.streams))))
        names = Counter(one.name for one in every)
        for one in every:
            if not one.own:  # others may give one name twice: each is told apart by its id
                unique = one.name if names[one.name] == 1 else f"{one.name} [{one.streams[0]}]"
                found[unique] = replace(one, name=unique)
        return found

    def _series_of(self, entity: Mapping[str, Any]) -> Series:
        ident = self.service.id_of(entity, "Datastreams")
        name = str(entity["name"])
        own = twin_of(entity)
        unit = own.get("unit")
        base = own.get("base")
        known = unit if isinstance(unit, str) else words.unit_of(entity.get("unitOfMeasurement"))
        if isinstance(base, str) and base:
            return Series(name, (ident,), known, base, own.get("output") is True, True)
        return Series(name, (ident,), known, margin=interval_of(self.service, ident))

    def unreadable(self, asset: str) -> list[str]:
        """Return the names of an asset's MultiDatastreams, which this connector does not read."""
        if "MultiDatastreams" not in self.service.sets:
            return []
        try:
            found = self.service.entities(self.service.path("Things", self.thing(asset).id, "MultiDatastreams"))
        except RefusedError as error:
            if error.status in (404, 501):
                return []
            raise
        return sorted(str(entity.get("name")) for entity in found)

    def ensure(self, asset: str, base: str, units: Mapping[str, str], output: bool) -> set[str]:
        """Make the Datastreams that are missing; return the names of those.

        Raises
        ------
        PlatformError
            A series is there with another unit or on another time base, or as an output.
        """
        known = self.series(asset)
        missing = [name for name in units if name not in known]
        if missing:
            known = self.series(asset, fresh=True)
        for name, unit in units.items():
            fault = _contradiction(known.get(name), base, unit, output)
            if fault:
                raise PlatformError(fault)
        missing = [name for name in units if name not in known]
        if not missing:
            return set()
        thing = self.thing(asset)
        sensor = self.maker.shared("Sensors", SENSOR)
        for stem in {(name.rsplit("|", 1)[0], units[name]) for name in missing}:
            self.maker.shared("ObservedProperties", observed(*stem))
        self.service.http.map(lambda name: self._made_series(thing, sensor, name, base, units[name], output), missing)
        lost = [name for name in missing if name not in self.series(asset, fresh=True)]
        if lost or not all(self.series(asset)[name].own for name in missing):
            raise PlatformError(
                f"{self.service.http.address} does not keep the properties of a Datastream ('{(lost or missing)[0]}'), which tell "
                "outputs from sensors. SensorThings 1.1 is needed for writing."
            )
        return set(missing)

    def _made_series(self, thing: Thing, sensor: Id, name: str, base: str, unit: str, output: bool) -> None:
        of_what = self.maker.shared("ObservedProperties", observed(name.rsplit("|", 1)[0], unit))
        own = {"base": base, "output": output, "unit": unit}
        self.maker.made_stream(thing.id, thing.asset.id, name, unit, own, sensor, of_what)

    def feature(self, asset: str) -> Id | None:
        """Return what observations are of, where the Thing has no place from which a server could derive it."""
        with self._lock:
            if asset not in self._features:
                located = self.service.entities(self.service.path("Things", self.thing(asset).id, "Locations"), {"$top": "1"})
                self._features[asset] = None if located else self.maker.feature(asset)
            return self._features[asset]


def twin_of(entity: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the twin wrote into an entity."""
    properties = entity.get("properties")
    own = properties.get(TWIN) if isinstance(properties, dict) else None
    return own if isinstance(own, dict) else {}


def kind_of(entity: Mapping[str, Any]) -> str | None:
    """Return which document of the twin a Datastream carries; ``None`` for a series."""
    kind = twin_of(entity).get("kind")
    return kind if isinstance(kind, str) else None


def _as_id(asset: str) -> Id | None:
    if asset.isascii() and asset.isdigit() and len(asset) <= 18:
        return int(asset)
    try:
        return str(uuid.UUID(asset))
    except ValueError:
        return None


def _contradiction(series: Series | None, base: str, unit: str, output: bool) -> str | None:
    if series is None:
        return None
    name = series.name
    if series.output != output:
        return f"'{name}' is {'an output of a model' if series.output else 'a sensor'} already; give the other one another name"
    if series.base and series.base != base:
        return f"'{name}' is on the time base '{series.base}' already, not '{base}'; give it another name, or forget the asset first"
    if not output and series.unit != unit:
        held = series.unit or "a unit that the server does not say"
        return f"'{name}' is in {held}, and this is in {unit or 'no stated unit'}; give it another name, or state one unit for both"
    return None
