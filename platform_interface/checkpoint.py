"""What is carried from run to run: checkpoints of models, fingerprints of their input, quarantine.

Keys of the state of an asset::

    checkpoint/<model>/<end>      state after all samples before `end`
    fingerprint/<model>/<day>     pieces of input that the model has seen on that UTC day
    quarantine/<sensor>           times of samples that came from the future
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from platform_interface.errors import ModelError
from platform_interface.fingerprint import Piece
from platform_interface.platforms.base import Platform
from platform_interface.when import DAY, day_of

HOUR = 3_600_000


@dataclass(frozen=True)
class Checkpoint:
    """A model after all samples before `end`.

    Attributes
    ----------
    end : int
        [ms UTC]
    origin : int or None
        First instant that counts, when a manual run began in the middle of the data. [ms UTC]
    state : dict
        The model's own.
    carry : dict
        The framework's: last samples, unit counts, decimation, seeds.
    digest : str
        Chained hash of the settings and the input that led here.
    producers : dict
        Digest of each model that this one reads from, at the same instant.
    """

    end: int
    origin: int | None
    model_version: str
    state_version: int
    plan: dict[str, str]
    state: dict[str, Any] = field(default_factory=dict)
    carry: dict[str, Any] = field(default_factory=dict)
    digest: str = ""
    producers: dict[str, str] = field(default_factory=dict)


@dataclass
class Day:
    """What is known of the input of one UTC day."""

    pieces: list[Piece] = field(default_factory=list)
    token: str = ""

    def as_text(self) -> str:
        return json.dumps({"pieces": [piece.as_list() for piece in self.pieces], "token": self.token})


@dataclass
class History:
    """Checkpoints and fingerprints of one model on one asset."""

    model: str
    checkpoints: dict[int, Checkpoint] = field(default_factory=dict)
    days: dict[int, Day] = field(default_factory=dict)
    damaged: dict[str, str | None] = field(default_factory=dict)
    fault: str = ""

    @property
    def watermark(self) -> int | None:
        return max(self.checkpoints, default=None)

    @property
    def latest(self) -> Checkpoint | None:
        return self.checkpoints[max(self.checkpoints)] if self.checkpoints else None

    def before(self, instant: int) -> Checkpoint | None:
        """Return the last checkpoint that covers nothing from `instant` on."""
        ends = [end for end in self.checkpoints if end <= instant]
        return self.checkpoints[max(ends)] if ends else None

    def rolled_back(self, instant: int) -> dict[str, str | None]:
        """Forget everything after the last checkpoint that ends by `instant`; return the changes of the state."""
        target = self.before(instant)
        limit = target.end if target is not None else None
        changes: dict[str, str | None] = {}
        for end in [end for end in self.checkpoints if limit is None or end > limit]:
            del self.checkpoints[end]
            changes[_checkpoint_key(self.model, end)] = None
        for day in [day for day in self.days if limit is None or day + DAY > limit]:
            record = self.days[day]
            record.pieces = [] if limit is None else [piece for piece in record.pieces if piece.end <= limit]
            record.token = ""
            if record.pieces:
                changes[_day_key(self.model, day)] = record.as_text()
            else:
                del self.days[day]
                changes[_day_key(self.model, day)] = None
        return changes

    def advanced(
        self, checkpoint: Checkpoint, pieces: Iterable[Piece], tokens: dict[int, str], lookback: float
    ) -> dict[str, str | None]:
        """Add a checkpoint with the input it covers; return the changes of the state."""
        changes: dict[str, str | None] = {}
        for piece in pieces:
            day = day_of(piece.start)
            record = self.days.setdefault(day, Day())
            record.pieces.append(piece)
            record.token = tokens.get(day, "")
            changes[_day_key(self.model, day)] = record.as_text()
        self.checkpoints[checkpoint.end] = checkpoint
        changes[_checkpoint_key(self.model, checkpoint.end)] = _strict_json(vars(checkpoint), self.model)
        keep = worth_keeping(self.checkpoints, checkpoint.end, lookback)
        for end in [end for end in self.checkpoints if end not in keep]:
            del self.checkpoints[end]
            changes[_checkpoint_key(self.model, end)] = None
        return changes

    def refreshed(self, day: int, record: Day) -> dict[str, str | None]:
        """Replace what is known of a day that was looked at again."""
        self.days[day] = record
        return {_day_key(self.model, day): record.as_text()}


def worth_keeping(ends: Iterable[int], watermark: int, lookback: float) -> set[int]:
    """Choose the checkpoints to keep: all of the last 2 h, one an hour for 2 days, one a day within the
    look-back, and the newest one before it.

    Parameters
    ----------
    ends : iterable of int
        [ms UTC]
    watermark : int
        [ms UTC]
    lookback : float
        [s]
    """
    oldest = watermark - round(lookback * 1000)
    keep: dict[object, int] = {}
    for end in sorted(ends):
        age = watermark - end
        step = 1 if age <= 2 * HOUR else HOUR if age <= 2 * DAY else DAY
        keep["before" if end < oldest else (step, end // step)] = end
    return set(keep.values())


def load_history(platform: Platform, asset: str, model: str) -> History:
    """Read checkpoints and fingerprints of one model; what cannot be read is its `fault`, for a full run to mend."""
    history = History(model)
    saved = {**platform.load_state(asset, f"checkpoint/{model}/"), **platform.load_state(asset, f"fingerprint/{model}/")}
    try:
        for key, text in saved.items():
            kind, _, instant = key.split("/")
            content = json.loads(text)
            if kind == "checkpoint":
                history.checkpoints[int(instant)] = Checkpoint(**content)
            else:
                history.days[int(instant)] = Day([Piece(*piece) for piece in content["pieces"]], content["token"])
    except (ValueError, TypeError, KeyError) as error:
        return History(model, damaged=dict.fromkeys(saved), fault=f"its saved state cannot be read ({error})")
    return history


def erased(history: History) -> dict[str, str | None]:
    """Return the changes that forget a model's whole past."""
    changes: dict[str, str | None] = {_checkpoint_key(history.model, end): None for end in history.checkpoints}
    changes.update({_day_key(history.model, day): None for day in history.days})
    changes.update(history.damaged)
    history.checkpoints.clear()
    history.days.clear()
    return changes


def _checkpoint_key(model: str, end: int) -> str:
    return f"checkpoint/{model}/{end:015d}"


def _day_key(model: str, day: int) -> str:
    return f"fingerprint/{model}/{day:015d}"


def _strict_json(content: dict[str, Any], model: str) -> str:
    try:
        fault = None if _is_strict(content["state"]) else fault_in_state(content["state"])
    except RecursionError:
        fault = "the state holds itself, or is nested too deeply"
    if fault:
        raise ModelError(f"{model}: {fault}")
    return json.dumps(content, allow_nan=False, separators=(",", ":"))


def _is_strict(value: Any) -> bool:
    """Decide as `fault_in_state` does, at a tenth of its cost: no path is built."""
    kind = type(value)
    if kind is float:
        return bool(value - value == 0.0)
    if kind is list:
        return all(map(_is_strict, value))
    if kind is dict:
        return all(type(key) is str for key in value) and all(map(_is_strict, value.values()))
    return value is None or kind in (str, int, bool)


def fault_in_state(value: Any, path: str = "state") -> str | None:
    """Return what in a state is not strict JSON, with its path; ``None`` when it is.

    Examples
    --------
    >>> fault_in_state({"cells": [1, (2, 3)]})
    'state.cells[1] is a tuple; a state is strict JSON: use a list'
    """
    if value is None or type(value) in (bool, int, str):
        return None
    if type(value) is float:
        if value - value != 0.0:
            return f"{path} is {value}; a state is strict JSON: use None, or leave it out"
        return None
    if type(value) is dict:
        for key, item in value.items():
            if type(key) is not str:
                return f"{path} has the key {key!r} of type {type(key).__name__}; a state is strict JSON: use str(key)"
            fault = fault_in_state(item, f"{path}.{key}")
            if fault:
                return fault
        return None
    if type(value) is list:
        return next((fault for i, item in enumerate(value) if (fault := fault_in_state(item, f"{path}[{i}]"))), None)
    remedy = "use a list" if isinstance(value, (tuple, set)) else "use float(), int() or .tolist()"
    return f"{path} is a {type(value).__name__}; a state is strict JSON: {remedy}"
