"""Reads the sensors of one asset straight from the store, raw but for what settings state, and weighs them. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from platform_interface import units
from platform_interface.doctor.channels import BASE_UNITS, Channel
from platform_interface.doctor.clock import ahead, clock_changes
from platform_interface.doctor.evidence import Evidence, evidence_of
from platform_interface.doctor.findings import Finding
from platform_interface.doctor.temperature import CODES
from platform_interface.fingerprint import ordered
from platform_interface.manifest import Manifest
from platform_interface.mapping import USUAL_SENTINELS, expand, wanted_by
from platform_interface.platforms.base import Asset, Bucket, Platform, Sensor
from platform_interface.settings import AssetFacts, ModelSettings, SensorFacts, Settings
from platform_interface.table import Table, tables_of
from platform_interface.when import DAY
from platform_interface.window import windows

#: Days that are looked at, unless told otherwise.
DAYS = 30
_AHEAD = 300_000
_DIMENSIONS = {"volt": "cell_voltage", "degC": "temperature"}


@dataclass(frozen=True)
class Sighted:
    """A sensor or an array as the doctor reads it."""

    pattern: str
    names: tuple[str, ...]
    quantity: str
    unit: str
    facts: SensorFacts
    sign: float = 1.0


@dataclass
class Examination:
    """What the doctor looked at, and what it found."""

    asset: str
    days: int = 0
    of_days: int = 0
    values: int = 0
    sensors: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "asset": self.asset, "days": self.days, "of_days": self.of_days, "values": self.values, "sensors": self.sensors,
            "findings": [finding.as_dict() for finding in self.findings],
        }  # fmt: skip


def examine(
    platform: Platform, asset: Asset, settings: Settings, manifests: Iterable[Manifest], present: int, days: int = DAYS,
    progress: Callable[[float], None] = lambda share: None,
) -> Examination:  # fmt: skip
    """Look at every sensor of an asset.

    Parameters
    ----------
    platform, asset, settings
        What is looked at, and what is stated of it.
    manifests : iterable of Manifest
        Of the plugins: they say which sensor is the current, the voltage, the state of charge.
    present : int
        [ms UTC]
    days : int
        Most days that are read; the first and the last, and others evenly between.
    """
    facts = settings.facts_of(asset.id)
    known = platform.sensors(asset.id)
    sighted = sensors_of(known, quantities(manifests, settings, known), facts, asset)
    names = [name for each in sighted for name in each.names]
    buckets = platform.buckets(asset.id, names, {})
    evidence = evidence_of(asset, facts, rows=None)
    chosen = chosen_days(buckets, days, evidence.zone)
    result = Examination(asset.id, len(chosen), len(buckets), sum(bucket.values for bucket in chosen))
    result.sensors = {each.pattern: each.quantity for each in sighted}
    most = settings.execution.max_values
    latest, future = 0, 0
    for number, bucket in enumerate(chosen, 1):
        for start, end in windows([bucket], bucket.first, bucket.last + 1, most):
            tables = platform.read(asset.id, names, start, end)
            newest, count = _look(evidence, sighted, tables, present)
            latest, future = max(latest, newest), future + count
        progress(number / len(chosen))
    result.findings = evidence.findings(asset.id) + ahead(latest, future, present, evidence.zone)
    return result


def _look(evidence: Evidence, sighted: Sequence[Sighted], tables: Sequence[Table], present: int) -> tuple[int, int]:
    """Weigh one window; return the latest stamp, and how many lie ahead of the present."""
    view = {}
    for each in sighted:
        channel = channel_of(each, tables)
        if channel.time.size:
            view[each.pattern] = channel
    evidence.add(view)
    stamps = max((table.time for table in tables), key=lambda time: time.size, default=np.empty(0, np.int64))
    evidence.clock.add_stamps(stamps)
    times = [table.time for table in tables if table.time.size]
    newest = max((int(time.max()) for time in times), default=0)
    return newest, max((int((time > present + _AHEAD).sum()) for time in times), default=0)


def channel_of(sighted: Sighted, tables: Sequence[Table]) -> Channel:
    """Return the samples of one sensor: ordered, sentinels and codes taken out, in the base unit, current positive on discharge."""
    table = ordered(tables_of(sighted.names, tables)).table
    time, first = np.unique(table.time, return_index=True)
    raw = table.values[:, first] if time.size < table.time.size else table.values
    stated = sighted.facts.sentinels
    raw = np.where(np.isin(raw, USUAL_SENTINELS if stated is None else stated) | ~np.isfinite(raw), np.nan, raw)
    raw = np.where(np.isclose(raw, 65.535, rtol=1e-6) | np.isclose(raw, 66.535, rtol=1e-6), np.nan, raw)
    codes: dict[int, tuple[float, int]] = {}
    if "temperature" in sighted.quantity:
        raw, codes = without_codes(raw)
    if sighted.quantity in ("voltage", "cell_voltage"):
        raw = np.where(raw == 0.0, np.nan, raw)
    if sighted.facts.valid_range is not None:
        low, high = sighted.facts.valid_range
        raw = np.where((raw < low) | (raw > high), np.nan, raw)
    base = BASE_UNITS.get(sighted.quantity, "degC" if "temperature" in sighted.quantity else sighted.unit)
    factor = units.shifted(units.conversion(sighted.unit, base), sighted.facts.offset)
    values = (raw if factor.is_identity else raw * factor.multiply / factor.divide + factor.add) * sighted.sign
    some = ~np.isnan(values).all(axis=0)
    numbers = tuple(int(name.rsplit("|", 1)[1]) for name in sighted.names) if sighted.pattern.endswith("|*") else ()
    return Channel(sighted.pattern, numbers, sighted.quantity, sighted.unit, time[some], values[:, some], codes)


def without_codes(raw: Any) -> tuple[Any, dict[int, tuple[float, int]]]:
    """Take codes for "not fitted" out of temperatures, where the other values are far from them."""
    coded = np.isin(raw, CODES)
    rest = raw[~coded & ~np.isnan(raw)]
    if not coded.any() or (rest.size and float(np.median(rest)) > 150.0):
        return raw, {}
    found = {}
    for element in np.flatnonzero(coded.any(axis=1)):
        values = raw[element][coded[element]]
        found[int(element)] = (float(values[0]), int(values.size))
    return np.where(coded, np.nan, raw), found


def quantities(manifests: Iterable[Manifest], settings: Settings, known: dict[str, Sensor]) -> dict[str, str]:
    """Return what each sensor measures, as the models' inputs say: pattern -> quantity."""
    found: dict[str, str] = {}
    for manifest in manifests:
        mapped = settings.models.get(manifest.name, ModelSettings())
        for name, given in manifest.inputs.items():
            wanted = str(wanted_by(name, given, mapped))
            if given.is_sensor and given.quantity in BASE_UNITS and expand(wanted, known):
                found.setdefault(wanted, given.quantity)
    return found


def sensors_of(known: dict[str, Sensor], mapped: dict[str, str], facts: AssetFacts, asset: Asset) -> list[Sighted]:
    """Return every sensor that a check understands: those that models read, and arrays and temperatures by their unit."""
    patterns: dict[str, None] = {}
    for name, sensor in known.items():
        if not sensor.output:
            array = "|" in name and name.rsplit("|", 1)[1].isdigit()
            patterns[name.rsplit("|", 1)[0] + "|*" if array else name] = None
    positive = facts.positive_current or asset.parameters.get("positive_current")
    found = []
    for pattern in patterns:
        names = expand(pattern, known)
        stated = facts.sensors.get(pattern, SensorFacts())
        unit = stated.unit or (known[names[0]].unit if names else "")
        quantity = mapped.get(pattern) or (_by_unit(unit, pattern.endswith("|*")) if unit else "")
        if not names or not unit or not quantity or not _fits(unit, quantity):
            continue
        sign = -1.0 if quantity == "current" and positive == "charge" else 1.0
        if quantity != "current" or positive:
            found.append(Sighted(pattern, names, quantity, unit, stated, sign))
    return found


def _by_unit(unit: str, array: bool) -> str:
    quantity = _DIMENSIONS.get(units.dimension(unit), "")
    if array:
        return quantity
    return "other temperature" if quantity == "temperature" else ""


def _fits(unit: str, quantity: str) -> bool:
    return units.dimension(unit) == units.dimension(BASE_UNITS.get(quantity, "degC"))


def chosen_days(buckets: Sequence[Bucket], most: int, zone: str | None) -> list[Bucket]:
    """Return the days to look at: all, or the first and last third and every so manieth between, and nights of clock changes."""
    if len(buckets) <= most or not buckets:
        return list(buckets)
    third = max(1, most // 3)
    middle = np.linspace(third, len(buckets) - third - 1, max(1, most - 2 * third)).round().astype(int)
    places = {*range(third), *(int(place) for place in middle), *range(len(buckets) - third, len(buckets))}
    if zone:
        changes = clock_changes(zone, buckets[0].start // DAY, buckets[-1].start // DAY)
        for instant, _ in changes[-4:]:
            places |= {i for i, bucket in enumerate(buckets) if abs(bucket.start + DAY // 2 - instant) <= 3 * DAY}
    return [buckets[place] for place in sorted(places)]
