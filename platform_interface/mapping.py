"""Site names, units and sign -> what a model's inputs read. The sign of a current is turned here, and only here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from platform_interface import units
from platform_interface.checked import Range
from platform_interface.manifest import Input, Manifest
from platform_interface.platforms.base import Asset, Sensor
from platform_interface.settings import AssetFacts, ModelSettings, SensorFacts
from platform_interface.spelling import did_you_mean

#: Raw values that loggers send for "no value": all bits set in 16 or 32 bits, at the usual scales;
#: and 66.535 V, seen on vehicles.
USUAL_SENTINELS = (65535.0, 6553.5, 655.35, 65.535, 66.535, 32767.0, -32768.0, 3276.7, 4294967295.0)
_ABBREVIATIONS = {"soc": "SOC", "soh": "SOH", "ocv": "OCV", "bms": "BMS", "pinn": "PINN"}


@dataclass(frozen=True)
class Source:
    """One sensor, or one array sensor, as an input of a model reads it."""

    pattern: str
    names: tuple[str, ...]
    conversion: units.Conversion
    sign: float
    valid_range: Range | None
    sentinels: tuple[float, ...]
    conflicts: Literal["drop", "mean", "least", "greatest"]
    max_gap: float
    unit: str
    quantity: str

    @property
    def numbers(self) -> tuple[int, ...]:
        """Return the site's own numbers of an array's elements; those from 0 where two would be equal."""
        found = tuple(int(name.rsplit("|", 1)[1]) for name in self.names if "|" in name)
        return found if len(set(found)) == len(self.names) else tuple(range(len(self.names)))

    def convert(self, raw: Any) -> Any:
        """Return raw values in the manifest's unit and the inside sign."""
        if not self.conversion.is_identity:
            raw = raw * self.conversion.multiply / self.conversion.divide + self.conversion.add
        return raw * self.sign if self.sign != 1.0 else raw


@dataclass(frozen=True)
class Plan:
    """One model on one asset: what it reads and writes, or why it cannot."""

    manifest: Manifest
    configuration: Mapping[str, Any]
    outputs: Mapping[str, str]
    sources: Mapping[str, Source] = field(default_factory=dict)
    computed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seeds: Mapping[str, str] = field(default_factory=dict)
    refusals: tuple[str, ...] = ()
    unserved: bool = False
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def hashes(self) -> dict[str, str]:
        """Hash of everything but the data that decides the numbers, part by part, so that a change can be named."""
        inputs = {name: given.model_dump(mode="json", exclude={"description"}) for name, given in self.manifest.inputs.items()}
        parts = {
            "configuration": dict(self.configuration),
            "mapping": [{name: repr(source) for name, source in self.sources.items()}, self.computed, self.seeds],
            "parameters": dict(self.parameters),
            "manifest": [inputs, {name: given.decimation_threshold for name, given in self.manifest.outputs.items()}],
            "output names": dict(self.outputs),
        }
        if self.manifest.weights:
            parts["weights"] = dict(self.manifest.weights)
        return {part: _hash(content) for part, content in parts.items()}


def _hash(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=repr)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def site_name(logical: str) -> str:
    """Return the name that a logical one has on a site that says nothing: ``cell_voltage`` is "Cell Voltage"."""
    return " ".join(_ABBREVIATIONS.get(word, word.capitalize()) for word in logical.split("_"))


def output_names(manifest: Manifest, settings: ModelSettings) -> dict[str, str]:
    """Return the series name of every output."""
    return {name: settings.outputs.get(name) or given.series or site_name(name) for name, given in manifest.outputs.items()}


def configuration_of(manifest: Manifest, settings: ModelSettings) -> dict[str, Any]:
    """Return the configuration: the manifest's defaults, overridden by the settings."""
    return {**{name: option.default for name, option in manifest.configuration.items()}, **settings.configuration}


def wanted_by(name: str, given: Input, settings: ModelSettings) -> Any:
    """Return what an input reads: as the settings say, else the manifest, else the name that any site would give."""
    usual = given.sensor or site_name(name) + ("|*" if given.type == "pd.DataFrame" else "")
    return settings.inputs.get(name, usual)


def expand(pattern: str, sensors: Mapping[str, Sensor]) -> tuple[str, ...]:
    """Return the sensors of a name, or of ``"Name|*"`` in numeric order."""
    if not pattern.endswith("|*"):
        return (pattern,) if pattern in sensors else ()
    element = re.compile(re.escape(pattern[:-1]) + r"(\d+)$")
    numbered = sorted((int(match.group(1)), name) for name in sensors if (match := element.match(name)))
    return tuple(name for _, name in numbered)


class Mapper:
    """Resolves the inputs of one model on one asset; gathers refusals instead of stopping at the first."""

    def __init__(
        self, asset: Asset, sensors: Mapping[str, Sensor], facts: AssetFacts, producers: Mapping[str, tuple[str, str]]
    ) -> None:
        self.asset = asset
        self.sensors = sensors
        self.facts = facts
        self.producers = producers
        self.refusals: list[str] = []
        self.absent: set[str] = set()
        self.notes: list[str] = []
        self.vendor = False

    def plan(self, manifest: Manifest, settings: ModelSettings) -> Plan:
        """Return what the model reads and writes on this asset."""
        self.vendor = manifest.vendor
        plan = Plan(manifest, configuration_of(manifest, settings), output_names(manifest, settings))
        sources: dict[str, Source] = {}
        computed: dict[str, tuple[str, str]] = {}
        parameters: dict[str, Any] = {}
        seeds: dict[str, str] = {}
        for name, given in manifest.inputs.items():
            wanted = wanted_by(name, given, settings)
            stated = name in settings.inputs
            if given.initialisation_value is not None:
                seeds[name] = given.initialisation_value
            elif given.is_sensor:
                self._sensor(name, given, wanted, stated, manifest.name, sources, computed)
            else:
                self._parameter(name, given, wanted, stated, manifest.name, parameters)
        if not sources and not computed and not self.refusals:
            names = ", ".join(f"'{name}'" for name, given in manifest.inputs.items() if given.is_sensor)
            text = f"{self.asset.id} has none of the sensors that it may read ({names}). Set models.{manifest.name}.inputs."
            self.refusals.append(text)
            self.absent.add(text)
        return replace(
            plan, sources=sources, computed=computed, parameters=parameters, seeds=seeds,
            refusals=tuple(self.refusals), notes=tuple(self.notes), unserved=bool(self.refusals) and set(self.refusals) <= self.absent,
        )  # fmt: skip

    def _missing(self, given: Input, stated: bool, text: str, absent: bool = False) -> None:
        """Refuse, or note; `absent`: the site has no such thing, which is no fault of what anybody wrote."""
        if given.required:
            self.refusals.append(text)
            self.absent.update([text] if absent else [])
        elif stated:
            self.notes.append(text)

    def _sensor(
        self, name: str, given: Input, wanted: Any, stated: bool, model: str,
        sources: dict[str, Source], computed: dict[str, tuple[str, str]],
    ) -> None:  # fmt: skip
        where = f"models.{model}.inputs.{name}"
        producer = self.producers.get(str(wanted).removesuffix("|*"))
        if producer is not None and producer[0] != model:
            computed[name] = producer
            return
        if producer is not None:
            self._missing(given, True, f"input '{name}' reads '{wanted}', the model's own output; carry it in self.state")
            return
        names = expand(str(wanted), self.sensors)
        if self.vendor and not names and (elements := expand(f"{wanted}|*", self.sensors)):
            names, wanted = elements, f"{wanted}|*"  # such folders name an array sensor without its elements
        if any(self.sensors[each].output for each in names):
            text = f"input '{name}' reads '{wanted}', the output of a model that is not enabled: what the platform has of it is decimated"
            self._missing(given, True, f"{text}. Enable that model in execution.enabled_models.")
            return
        if not names:
            hint = did_you_mean(str(wanted), _measured(self.sensors))
            text = f"input '{name}' reads sensor '{wanted}', which {self.asset.id} does not have{hint}"
            self._missing(given, stated, f"{_ended(text)} Set {where} in settings.json, or send the sensor.", absent=True)
            return
        if given.type == "pd.Series" and len(names) > 1 and not self.vendor:
            self._missing(given, True, f"input '{name}' takes one sensor, and {where} is the array '{wanted}'")
            return
        source = self._source(str(wanted), names, given, where)
        if source is not None:
            sources[name] = source

    def _source(self, pattern: str, names: tuple[str, ...], given: Input, where: str) -> Source | None:
        facts = self.facts.sensors.get(pattern, SensorFacts())
        unit = facts.unit or self.sensors[names[0]].unit
        if not unit:
            self._missing(given, True, f"the unit of sensor '{pattern}' is not known. State it: sensors.'{pattern}'.unit")
            return None
        try:
            conversion = units.shifted(units.conversion(unit, given.unit), facts.offset)
        except ValueError as error:
            self._missing(given, True, f"sensor '{pattern}' ({where}): {error}")
            return None
        sign = self._sign(given, pattern)
        if sign is None:
            return None
        source = Source(
            pattern, names, conversion, sign, given.valid_range, (), facts.conflicts,
            given.max_gap if facts.max_gap is None else facts.max_gap, unit, given.quantity,
        )  # fmt: skip
        sentinels = USUAL_SENTINELS if facts.sentinels is None else tuple(facts.sentinels)
        limits = facts.valid_range
        if limits is not None:
            site = sorted(float(source.convert(bound)) for bound in limits)
            low, high = given.valid_range or (float("-inf"), float("inf"))
            source = replace(source, valid_range=(max(low, site[0]), min(high, site[1])))
        return replace(source, sentinels=tuple(float(source.convert(value)) for value in sentinels))

    def _sign(self, given: Input, pattern: str) -> float | None:
        if not given.signed:
            return 1.0
        positive = self.facts.positive_current or self.asset.parameters.get("positive_current")
        if positive not in ("discharge", "charge"):
            text = (
                f"what a positive '{pattern}' means on {self.asset.id} is not stated, and guessing would turn charge into "
                f'discharge. Set assets.{self.asset.id}.positive_current in settings.json to "discharge" or "charge".'
            )
            self._missing(given, True, text)
            return None
        return 1.0 if positive == "discharge" else -1.0

    def _parameter(self, name: str, given: Input, wanted: Any, stated: bool, model: str, parameters: dict[str, Any]) -> None:
        where = f"models.{model}.inputs.{name}"
        known = {**self.asset.parameters, **self.facts.parameters}
        value = known.get(wanted.removeprefix("BP/"), known.get(wanted)) if isinstance(wanted, str) else wanted
        if value is None and given.choices and isinstance(wanted, str):
            value = next((choice for choice in given.choices if choice.casefold() == wanted.casefold()), None)
        if value is None:
            hint = did_you_mean(str(wanted), known)
            text = f"parameter '{wanted}' (input '{name}') is not set on {self.asset.id}{hint}"
            self._missing(given, stated, f"{_ended(text)} Set it on the platform, or {where} in settings.json.", absent=True)
        elif given.type == "dict":
            if isinstance(value, dict):
                parameters[name] = value
            else:
                self._missing(given, True, f"parameter '{wanted}' (input '{name}') is {value!r}, not an object")
        elif given.type == "str":
            self._word(name, given, wanted, value, where, parameters)
        else:
            self._number(name, given, wanted, value, where, parameters)

    def _word(self, name: str, given: Input, wanted: Any, value: Any, where: str, parameters: dict[str, Any]) -> None:
        """Take a text, or one of the manifest's choices in the manifest's spelling."""
        if not isinstance(value, str) or not value:
            self._missing(given, True, f"parameter '{wanted}' ({where}) is {value!r}, not a text")
            return
        known = {choice.casefold(): choice for choice in given.choices or [value]}
        if value.casefold() not in known:
            text = f"parameter '{wanted}' is '{value}', which input '{name}' does not take{did_you_mean(value, known.values())}"
            text = f"{_ended(text)} Correct it on the platform, or set {where} in settings.json."
            self._missing(given, True, text)
            return
        parameters[name] = known[value.casefold()]

    def _number(self, name: str, given: Input, wanted: Any, value: Any, where: str, parameters: dict[str, Any]) -> None:
        unit = given.unit
        if isinstance(value, dict) and "value" in value:
            unit, value = value.get("unit", unit), value["value"]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self._missing(given, True, f"parameter '{wanted}' ({where}) is {value!r}, not a number")
            return
        try:
            number = float(replace(_PLAIN, conversion=units.conversion(unit, given.unit)).convert(float(value)))
        except (ValueError, AttributeError, TypeError, OverflowError) as error:
            self._missing(given, True, f"parameter '{wanted}' ({where}): {error}")
            return
        low, high = given.valid_range or (float("-inf"), float("inf"))
        if not low <= number <= high:
            text = f"parameter '{wanted}' is {value:g} {unit}, outside {low:g} to {high:g} {given.unit}. "
            text += f"Correct it on the platform, or {where} in settings.json."
            self._missing(given, True, text)
            return
        parameters[name] = number


_PLAIN = Source("", (), units.Conversion(), 1.0, None, (), "drop", 0.0, "", "other")


def _ended(sentence: str) -> str:
    """Close a sentence that may end in "did you mean 'x'?"."""
    return sentence if sentence.endswith("?") else f"{sentence}."


def _measured(sensors: Mapping[str, Sensor]) -> set[str]:
    """Return the names that an input may read, an array once; outputs of models come and go, so they are no hint."""
    names = [name for name, sensor in sensors.items() if not sensor.output]
    return {name.rsplit("|", 1)[0] + "|*" if "|" in name else name for name in names}
