"""Does a connector do what it promises? It writes to an asset of its own, reads back, and cleans up.

Some platforms ignore the time that is sent, keep a small number as text, or say yes and keep nothing: a run would not notice.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from platform_interface.errors import LeaseError, PlatformError, TwinError
from platform_interface.platforms.base import Asset, Platform
from platform_interface.table import Table, empty, tables_of

#: The asset that the test makes, and deletes again.
ASSET = "twin-selftest"
BASE = "model.twin_selftest"
SERIES = "Twin Selftest"
#: An hour and odd milliseconds of 2026; a platform that writes its own time instead is caught.
TIMES = (1_767_225_600_001, 1_767_227_400_377, 1_767_229_199_999)
#: Of the size of a resistance in milliohm, with 16 decimals, and whole.
VALUES = (0.001, 0.0003123456789012, 3.0)
_LEASE = 60.0


@dataclass(frozen=True)
class Finding:
    """One property; `idle`: it could not be tried, which is no fault."""

    good: bool
    text: str
    idle: bool = False


@dataclass
class _Trial:
    platform: Platform
    owner: str

    def series(self) -> None:
        """outputs come back with their own times, to the millisecond, and as the numbers sent"""
        self._replace(TIMES, VALUES)
        self._held(TIMES, VALUES)

    def replaced(self) -> None:
        """recomputed outputs replace those of the range: a stale one is gone, one changed is changed"""
        self._replace((TIMES[0], TIMES[2]), (0.002, VALUES[2]))
        self._held((TIMES[0], TIMES[2]), (0.002, VALUES[2]))

    def latest(self) -> None:
        """the last value before an instant is found"""
        found = self.platform.last_value(ASSET, SERIES, TIMES[2])
        _same(found, 0.002, f"last value before {TIMES[2]} ms")

    def counted(self) -> None:
        """days that have samples are listed"""
        found = self.platform.buckets(ASSET, [SERIES], {})
        _same(sum(bucket.values for bucket in found), 2, "number of samples listed")
        _same((found[0].first, found[-1].last), (TIMES[0], TIMES[2]), "first and last sample listed [ms]")

    def state(self) -> None:
        """state is saved all or nothing, and only by the run that holds the asset"""
        texts = {"selftest/a": "1", "selftest/b": '{"x": 0.1, "y": "ü<&>"}' * 300}
        self.platform.save_state(ASSET, texts, self.owner)
        _same(self.platform.load_state(ASSET, "selftest/"), texts, "saved state")
        self.platform.save_state(ASSET, {"selftest/a": None}, self.owner)
        _same(list(self.platform.load_state(ASSET, "selftest/")), ["selftest/b"], "keys of the saved state")
        try:
            self.platform.save_state(ASSET, {"selftest/a": "2"}, "somebody else")
        except LeaseError:
            return
        raise PlatformError("a run that does not hold the asset could save state")

    def lease(self) -> None:
        """two runs cannot hold one asset"""
        if self.platform.take_lease(ASSET, "somebody else", _LEASE) is None:
            raise PlatformError("the lease of the asset was given twice")

    def alarms(self) -> None:
        """an alarm is raised, ended, and not doubled"""
        alarm: dict[str, Any] = {
            "key": "twin_selftest/Twin Selftest/1", "model": "twin_selftest", "name": "Twin Selftest", "severity": "info",
            "text": "Made by a test of the connector.", "start": TIMES[0], "end": None, "status": "active", "seen": TIMES[1],
        }  # fmt: skip
        for record in (alarm, {**alarm, "end": TIMES[1], "status": "cleared"}):
            self.platform.save_alarms(ASSET, [record])
            _same([a for a in self.platform.alarms(ASSET) if a["key"] == alarm["key"]], [record], "alarm")

    def _replace(self, times: tuple[int, ...], values: tuple[float, ...]) -> None:
        table = Table(np.array(times, np.int64), (SERIES,), np.array([values], float))
        refused = self.platform.replace(ASSET, BASE, TIMES[0], TIMES[2] + 1, table, {SERIES: "dimensionless"})
        if refused:
            raise PlatformError(" ".join(refused))

    def _held(self, times: tuple[int, ...], values: tuple[float, ...]) -> None:
        tables = self.platform.read(ASSET, [SERIES], TIMES[0] - 86_400_000, TIMES[2] + 86_400_000)
        found = tables_of((SERIES,), tables) if tables else empty((SERIES,))
        order = np.argsort(found.time, kind="stable")
        _same(found.time[order].tolist(), list(times), "times [ms]")
        _same(found.values[0][order].tolist(), list(values), "values")


def self_test(platform: Platform) -> Iterator[Finding]:
    """Try what a run needs of the platform, on an asset of the test's own; one finding a property.

    Nothing else is touched. Where the platform lets us make no asset, one idle finding says so.
    """
    try:
        platform.save_asset(Asset(ASSET, "scratch asset of `check`", (), {"twin_selftest": 0.5}))
        [asset] = platform.assets([ASSET], "")
    except TwinError as error:
        yield Finding(True, f"self-test: not tried, for the asset '{ASSET}' cannot be made ({error})", idle=True)
        return
    trial = _Trial(platform, f"selftest-{os.getpid()}-{uuid.uuid4().hex}")
    try:
        holder = _taken(trial)
    except TwinError as error:
        yield Finding(False, f"self-test: the asset '{ASSET}' cannot be leased: {error}")
        return
    if holder is not None:
        yield Finding(True, f"self-test: not tried, another one runs ({holder})", idle=True)
        return
    try:
        yield _tried(
            "an asset comes back with its parameters", lambda: _same(asset.parameters.get("twin_selftest"), 0.5, "parameter")
        )
        steps = (trial.series, trial.replaced, trial.latest, trial.counted, trial.state, trial.lease, trial.alarms)
        for step in steps:
            yield _tried(str(step.__doc__), step)
    finally:
        left = _tried("the scratch asset is deleted again", lambda: _cleaned(trial))
    yield left


def _taken(trial: _Trial) -> str | None:
    holder = trial.platform.take_lease(ASSET, trial.owner, _LEASE)
    if holder is not None:
        time.sleep(1.0)
        holder = trial.platform.take_lease(ASSET, trial.owner, _LEASE)
    return holder


def _tried(text: str, step: Callable[[], None]) -> Finding:
    try:
        step()
    except TwinError as error:
        return Finding(False, f"self-test: {text}: FAILED: {error}")
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        return Finding(False, f"self-test: {text}: FAILED: the connector broke with {type(error).__name__}: {error}")
    return Finding(True, f"self-test: {text}")


def _cleaned(trial: _Trial) -> None:
    trial.platform.drop_lease(ASSET, trial.owner)
    trial.platform.forget(ASSET)
    try:
        kept = trial.platform.assets([ASSET], "")
    except PlatformError:
        return
    series = [name for asset in kept for name, sensor in trial.platform.sensors(asset.id).items() if sensor.output]
    if series:
        raise PlatformError(f"the series {', '.join(series)} is still there; delete the asset '{ASSET}' by hand")


def _same(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise PlatformError(f"{what}: {str(wanted)[:120]} was written, {str(found)[:120]} came back")
