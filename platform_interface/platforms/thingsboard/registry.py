"""Which series a thing has, and of which the twin knows unit, time base and whether a model made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_interface.errors import PlatformError
from platform_interface.platforms.base import Sensor
from platform_interface.platforms.thingsboard.api import Api, misshaped
from platform_interface.platforms.thingsboard.attributes import OURS, Attributes
from platform_interface.platforms.thingsboard.entities import Entity

#: Attribute that says of each series what ThingsBoard does not: unit, time base, whether it is an output.
SENSORS = f"{OURS}sensors"


@dataclass(frozen=True)
class Known:
    """What the twin knows of one series; `base` is empty for one that it never wrote."""

    unit: str
    base: str
    output: bool


@dataclass
class Registry:
    """Series of things; remembered, for one run, until `forget`."""

    api: Api
    attributes: Attributes
    _kept: dict[str, dict[str, Known]] = field(default_factory=dict)

    def sensors(self, entity: Entity) -> dict[str, Sensor]:
        """Return the series by name."""
        self.forget(entity)
        return {name: Sensor(name, known.unit, known.output) for name, known in self.known(entity).items()}

    def known(self, entity: Entity) -> dict[str, Known]:
        """Return everything that has samples or was entered."""
        if entity.uuid not in self._kept:
            path = f"{entity.telemetry}/keys/timeseries"
            names = self.api.get(path)
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise misshaped(path, "a list of keys", names)
            entered = self._entered(entity)
            found = {name: entered.get(name, Known("", "", False)) for name in sorted(names)}
            self._kept[entity.uuid] = {**entered, **found}
        return self._kept[entity.uuid]

    def base(self, entity: Entity, base: str) -> list[str]:
        """Return the series of a time base."""
        return [name for name, known in self.known(entity).items() if known.base == base]

    def enter(self, entity: Entity, base: str, units: Mapping[str, str], output: bool) -> None:
        """Enter series under their time base, before anything of them is written.

        Raises
        ------
        PlatformError
            A series is there as something else.
        """
        wanted = {name: Known(unit, base, output) for name, unit in units.items()}
        known = self.known(entity)
        if all(known.get(name) == each for name, each in wanted.items()):
            return
        self.forget(entity)
        known = self.known(entity)
        for name, each in wanted.items():
            fault = _contradiction(name, known.get(name), each)
            if fault:
                raise PlatformError(fault)
        entered = {name: each for name, each in {**known, **wanted}.items() if each.base}
        stated = {name: {"unit": each.unit, "base": each.base, "output": each.output} for name, each in sorted(entered.items())}
        self.attributes.write(entity, {SENSORS: stated})
        self._kept[entity.uuid] = {**known, **wanted}

    def forget(self, entity: Entity) -> None:
        """Ask the platform again next time."""
        self._kept.pop(entity.uuid, None)

    def _entered(self, entity: Entity) -> dict[str, Known]:
        content = self.attributes.read(entity, [SENSORS]).get(SENSORS)
        if content is None:
            return {}
        if not isinstance(content, dict):
            raise misshaped(f"{entity.id}, attribute {SENSORS}", "an object", content)
        return {name: _known(facts, f"{entity.id}, attribute {SENSORS}") for name, facts in content.items()}


def _known(facts: Any, where: str) -> Known:
    if not isinstance(facts, dict):
        raise misshaped(where, "an object a series", facts)
    unit, base = facts.get("unit", ""), facts.get("base", "")
    if not isinstance(unit, str) or not isinstance(base, str):
        raise misshaped(where, "words", facts)
    return Known(unit, base, facts.get("output") is True)


def _contradiction(name: str, known: Known | None, wanted: Known) -> str:
    """Return what speaks against entering a series: old samples would change their meaning, or be overwritten."""
    if known is None or known == wanted:
        return ""
    if known.output != wanted.output:
        kind = "an output of a model" if known.output else "a sensor"
        return f"'{name}' is {kind} already; give the other one another name"
    if known.base and known.base != wanted.base:
        return f"'{name}' is on the time base '{known.base}' already, not '{wanted.base}'; give it another name"
    if known.base and not wanted.output and known.unit != wanted.unit:
        return f"'{name}' is in {known.unit}, and this is in {wanted.unit}; give it another name, or state one unit for both"
    return ""
