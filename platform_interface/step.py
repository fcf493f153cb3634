"""One window of one model: inputs are built, `process` runs, outputs are prepared."""

from __future__ import annotations

import json
import math
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from platform_interface import units
from platform_interface.alarms import records_of
from platform_interface.checks import Clean
from platform_interface.errors import ModelError
from platform_interface.log import LOGGER
from platform_interface.manifest import Input
from platform_interface.mapping import Plan
from platform_interface.model import Model, ModelInput
from platform_interface.outputs import Column, OutputError, Prepared, prepare
from platform_interface.table import Times, Values

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Outcome:
    """What one window of one model came to: `prepared`, or a reason."""

    prepared: Prepared | None = None
    state: dict[str, Any] = field(default_factory=dict)
    carry: dict[str, Any] = field(default_factory=dict)
    refused: str = ""
    failed: str = ""
    notes: list[str] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    alarms: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Given:
    """What a window has for one model, by logical input name."""

    window: tuple[int, int]
    clean: Mapping[str, Clean]
    context: Mapping[str, Clean]
    computed: Mapping[str, tuple[Column, str]]
    seeds: Mapping[str, float]


def index_of(time: Times) -> pd.DatetimeIndex:
    """Return UTC times for milliseconds."""
    import pandas as pd

    return pd.DatetimeIndex(time.view("M8[ms]")).tz_localize("UTC")


def run_step(
    cls: type[Model], plan: Plan, given: Given, state: dict[str, Any], carry: dict[str, Any], state_version: int
) -> Outcome:
    """Run one window. A refusal or a failure of the model is an outcome, not an exception.

    Parameters
    ----------
    state_version : int
        Of `state`; an older one is migrated by the model first.
    """
    outcome = Outcome(carry=json.loads(json.dumps(carry)))
    try:
        data = _model_input(plan, given, outcome.carry)
        model = cls(dict(plan.configuration))
        if not plan.manifest.vendor:
            model.state = _of_today(model, plan, json.loads(json.dumps(state)), state_version)
        returned = model.process(data)
        outcome.notes = [str(note) for note in getattr(model, "notes", [])]
        outcome.refusals = {str(name): str(reason) for name, reason in getattr(model, "refusals", {}).items()}
        outcome.alarms = records_of(getattr(model, "alarms", []), plan.name, given.window)
        outcome.state = {} if plan.manifest.vendor else model.state
        decimation = outcome.carry.get("decimation", {})
        outcome.prepared = prepare(returned, plan.manifest.outputs, plan.outputs, given.window, decimation)
    except OutputError as error:
        outcome.failed = str(error)
    except ModelError as error:
        outcome.refused = str(error)
    except (Exception, SystemExit) as error:  # the one place: a plugin may do anything, and must stay alone in it
        outcome.failed = _described(error)
        LOGGER.debug("traceback of %s", plan.name, exc_info=error)
    if outcome.prepared is not None:
        outcome.notes += outcome.prepared.notes
        outcome.carry["decimation"] = outcome.prepared.carry
        last = {name: float(c.values[0, -1]) for name, c in outcome.prepared.columns.items() if c.time.size}
        known = {name: value for name, value in last.items() if math.isfinite(value)}  # an array may be known in part
        outcome.carry["seeds"] = {**outcome.carry.get("seeds", {}), **known}
    return outcome


def _of_today(model: Model, plan: Plan, state: dict[str, Any], state_version: int) -> dict[str, Any]:
    """Return a state in today's form."""
    if state_version == plan.manifest.state_version or not state:
        return state
    migrated = model.migrate(state, state_version)
    if not isinstance(migrated, dict):
        raise ModelError(
            f"its state has version {state_version}, the model now has {plan.manifest.state_version}. "
            "Run once with compute_type full to compute it anew."
        )
    return migrated


def _described(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "platform_interface" not in frame.filename]
    inside = next((f for f in reversed(frames) if "models" in f.filename), frames[-1] if frames else None)
    where = f" ({inside.filename.rsplit('/', 1)[-1]}, line {inside.lineno})" if inside else ""
    return f"{type(error).__name__}: {error}{where}"


def _model_input(plan: Plan, given: Given, carry: dict[str, Any]) -> ModelInput:
    import pandas as pd

    values: dict[str, Any] = dict(plan.parameters)
    gaps: dict[str, pd.DataFrame] = {}
    for name, wanted in plan.manifest.inputs.items():
        if name in given.clean:
            cleaned = given.clean[name]
            gaps[name] = pd.DataFrame(
                {"start": index_of(np.array([g[0] for g in cleaned.gaps], np.int64)),
                 "end": index_of(np.array([g[1] for g in cleaned.gaps], np.int64))}
            )  # fmt: skip
            time, block = _with_context(given.context.get(name), cleaned)
            numbers = plan.sources[name].numbers
        elif name in given.computed:
            column, unit = given.computed[name]
            factor = units.conversion(unit if column.time.size else wanted.unit, wanted.unit)
            time, block = column.time, column.values * factor.multiply / factor.divide + factor.add
            numbers = column.numbers
        else:
            if name in given.seeds:
                values[name] = given.seeds[name]
            elif plan.manifest.vendor and wanted.is_sensor:
                values[name] = pd.Series(dtype=float, index=index_of(np.empty(0, np.int64)))
            continue
        target = _times_of(wanted.align_to, given)
        if target is not None:
            time, block = _aligned(name, wanted, time, block, target, carry)
        values[name] = _as_pandas(wanted, time, block, numbers)
    limits = {name: source.max_gap for name, source in plan.sources.items()}
    start, end = (pd.Timestamp(instant, unit="ms", tz="UTC") for instant in given.window)
    return ModelInput(values, start, end, gaps, limits)


def _times_of(name: str | None, given: Given) -> Times | None:
    """Return the times to align to: those of another input, measured or computed."""
    if name is None:
        return None
    if name in given.clean:
        return given.clean[name].time
    return given.computed[name][0].time if name in given.computed else None


def _with_context(context: Clean | None, cleaned: Clean) -> tuple[Times, Values]:
    if context is None or not context.time.size:
        return cleaned.time, cleaned.values
    return np.concatenate([context.time, cleaned.time]), np.concatenate([context.values, cleaned.values], axis=1)


def _aligned(
    name: str, wanted: Input, time: Times, values: Values, target: Times, carry: dict[str, Any]
) -> tuple[Times, Values]:
    """Give the latest sample not younger than each target time and not older than the tolerance."""
    last = carry.setdefault("aligned", {}).get(name)
    if last is not None:
        time = np.concatenate([np.array([last[0]], np.int64), time])
        values = np.concatenate([np.array([last[1]], float).T, values], axis=1)
    if time.size:
        carry["aligned"][name] = [int(time[-1]), [None if np.isnan(v) else float(v) for v in values[:, -1]]]
    found = np.searchsorted(time, target, side="right") - 1
    usable = found >= 0
    usable[usable] &= target[usable] - time[found[usable]] <= wanted.tolerance * 1000
    aligned = np.full((values.shape[0], target.size), np.nan)
    aligned[:, usable] = values[:, found[usable]]
    return target, aligned


def _as_pandas(wanted: Input, time: Times, block: Values, numbers: tuple[int, ...]) -> pd.Series | pd.DataFrame:
    """Return the samples on memory that cannot be written to; the columns of an array have the site's numbers."""
    import pandas as pd

    block = block.view()
    block.flags.writeable = False
    if wanted.type == "pd.DataFrame" or block.shape[0] > 1:  # a vendor's folder says pd.Series of an array sensor too
        return pd.DataFrame(block.T, index=index_of(time), columns=list(numbers or range(block.shape[0])), copy=False)
    return pd.Series(block[0], index=index_of(time), copy=False)
