"""The platform of a backtest: it reads from the real one, and keeps in memory what is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from platform_interface.alarm_figures import RESOLVABLE
from platform_interface.errors import UsageError
from platform_interface.platforms.base import Asset, Bucket, Platform, Sensor
from platform_interface.table import Table


class Memory:
    """A platform that reads from another, and keeps in memory what is written to it."""

    def __init__(self, source: Platform) -> None:
        self.source = source
        self.raised: dict[str, dict[str, Any]] = {}
        self.intervals = 0
        self.short_intervals = 0
        self.first: int | None = None

    def describe(self) -> str:
        return self.source.describe()

    def assets(self, ids: Sequence[str], tag: str) -> list[Asset]:
        return self.source.assets(ids, tag)

    def sensors(self, asset: str) -> dict[str, Sensor]:
        return self.source.sensors(asset)

    def buckets(self, asset: str, names: Sequence[str], known: Mapping[int, str]) -> list[Bucket]:
        return self.source.buckets(asset, names, known)

    def read(self, asset: str, names: Sequence[str], start: int, end: int) -> list[Table]:
        tables = self.source.read(asset, names, start, end)
        for table in tables:
            if table.time.size:
                self.first = min(x for x in (int(table.time.min()), self.first) if x is not None)
            steps = np.diff(np.unique(table.time))
            self.intervals += steps.size
            self.short_intervals += int((steps <= RESOLVABLE).sum())
        return tables

    def last_value(self, asset: str, name: str, before: int) -> float | None:
        return None

    def append(self, asset: str, base: str, table: Table, units: Mapping[str, str]) -> None:
        raise UsageError("a backtest brings nothing in")

    def replace(self, asset: str, base: str, start: int, end: int | None, table: Table, units: Mapping[str, str]) -> list[str]:
        """Forget the outputs: only the alarms count."""
        return []

    def save_asset(self, asset: Asset) -> None:
        raise UsageError("a backtest changes no asset")

    def alarms(self, asset: str) -> list[dict[str, Any]]:
        return list(self.raised.values())

    def save_alarms(self, asset: str, alarms: Sequence[Mapping[str, Any]]) -> None:
        self.raised.update({alarm["key"]: dict(alarm) for alarm in alarms})

    def load_state(self, asset: str, prefix: str) -> dict[str, str]:
        return {}

    def save_state(self, asset: str, changes: Mapping[str, str | None], owner: str) -> None:
        """Forget the checkpoints."""

    def take_lease(self, asset: str, owner: str, seconds: float) -> str | None:
        return None

    def drop_lease(self, asset: str, owner: str) -> None:
        """Nothing was taken."""

    def put_page(self, asset: str, name: str, page: Path) -> str:
        return ""

    def forget(self, asset: str) -> None:
        raise UsageError("a backtest deletes nothing")
