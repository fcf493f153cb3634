"""The embedded platform: a folder an asset, Parquet for series, SQLite for the rest.

::

    twin-store/
      storage-module/
        asset.db                    parameters, sensors, state, checkpoints, alarms, lease
        series/pack/2026-01-31.parquet
        series/cell_voltage/2026-01-31.parquet
        series/model.eq_cycles/2026-01-31.parquet
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from platform_interface.errors import PlatformError
from platform_interface.log import LOGGER
from platform_interface.platforms.base import Asset, Bucket, Sensor
from platform_interface.platforms.local_series import DayFiles
from platform_interface.platforms.local_state import AssetFile, make_asset_file
from platform_interface.spelling import did_you_mean
from platform_interface.table import Table

_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$")
_DATABASE = "asset.db"


class LocalPlatform:
    """Assets in a folder of this machine.

    Parameters
    ----------
    folder : Path
        The store; created on the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept = threading.local()  # a connection belongs to one thread

    def describe(self) -> str:
        """Say what and where this platform is."""
        return f"embedded platform in {self.folder}"

    def _file(self, asset: str) -> AssetFile:
        path = self.folder / _checked(asset) / _DATABASE
        if not path.exists():
            known = self._ids()
            raise PlatformError(f"asset '{asset}' is not in {self.folder}{did_you_mean(asset, known)}")
        kept: dict[str, AssetFile] = self._kept.__dict__
        if asset not in kept:
            kept[asset] = AssetFile(path)
        return kept[asset]

    def _ids(self) -> list[str]:
        return sorted(path.parent.name for path in self.folder.glob(f"*/{_DATABASE}"))

    def _base(self, asset: str, base: str) -> DayFiles:
        return DayFiles(self.folder / _checked(asset) / "series" / base)

    def _bases(self, asset: str, names: Sequence[str]) -> dict[str, list[str]]:
        """Group sensor names by the time base that holds them."""
        known = self._file(asset).sensors()
        grouped: dict[str, list[str]] = {}
        for name in names:
            if name in known:
                grouped.setdefault(known[name][0], []).append(name)
        return grouped

    def assets(self, ids: Sequence[str], tag: str) -> list[Asset]:
        """Return the named assets, or those with the tag, or all of them."""
        if ids:
            return [self._file(asset).asset() for asset in ids]
        found = []
        for asset in self._ids():
            try:
                found.append(self._file(asset).asset())
            except PlatformError as error:
                LOGGER.warning("%s is left out: %s", asset, error)
        return [asset for asset in found if not tag or tag in asset.tags]

    def sensors(self, asset: str) -> dict[str, Sensor]:
        """Return the series of an asset by name."""
        return {name: sensor for name, (_, sensor) in self._file(asset).sensors().items()}

    def buckets(self, asset: str, names: Sequence[str], known: Mapping[int, str]) -> list[Bucket]:
        """Return where samples lie, a bucket a day; days whose files did not change are left out."""
        bases = {base: self._base(asset, base) for base in self._bases(asset, names)}
        tokens: dict[int, dict[str, str]] = {}
        for base, files in bases.items():
            for day in files.days():
                tokens.setdefault(day, {})[base] = files.token(day)
        found = []
        for day, words in sorted(tokens.items()):
            token = " ".join(f"{base}:{word}" for base, word in sorted(words.items()))
            if known.get(day) != token:
                parts = [bases[base].bucket(day, names) for base in words]
                first, last = min(part.first for part in parts), max(part.last for part in parts)
                found.append(Bucket(day, parts[0].end, sum(part.values for part in parts), first, last, token))
        return found

    def read(self, asset: str, names: Sequence[str], start: int, end: int) -> list[Table]:
        """Return raw samples, one table a time base, in the order they came."""
        return [self._base(asset, base).read(group, start, end) for base, group in self._bases(asset, names).items()]

    def last_value(self, asset: str, name: str, before: int) -> float | None:
        """Return the latest value of a series before an instant."""
        for base in self._bases(asset, [name]):
            files = self._base(asset, base)
            for day in reversed([day for day in files.days() if day < before]):
                table = files.read([name], day, min(day + 86_400_000, before))
                finite = table.values[0] == table.values[0]
                if finite.any():
                    return float(table.values[0][finite][table.time[finite].argmax()])
        return None

    def append(self, asset: str, base: str, table: Table, units: Mapping[str, str]) -> None:
        """Add raw samples as they came."""
        self._file(asset).save_sensors(base, units, output=False)
        self._base(asset, base).append(table)

    def replace(self, asset: str, base: str, start: int, end: int | None, table: Table, units: Mapping[str, str]) -> None:
        """Put a model's rows in place of all it had in the range."""
        self._file(asset).save_sensors(base, units, output=True)
        self._base(asset, base).replace(start, end, table)

    def save_asset(self, asset: Asset) -> None:
        """Create an asset or change it."""
        path = self.folder / _checked(asset.id) / _DATABASE
        if path.exists():
            self._file(asset.id).save_asset(asset)
        else:
            make_asset_file(path, asset)

    def alarms(self, asset: str) -> list[dict[str, Any]]:
        """Return every alarm ever raised."""
        return self._file(asset).alarms()

    def save_alarms(self, asset: str, alarms: Sequence[Mapping[str, Any]]) -> None:
        """Add alarms or change their status."""
        self._file(asset).save_alarms(alarms)

    def load_state(self, asset: str, prefix: str) -> dict[str, str]:
        """Return the saved texts whose key begins with `prefix`."""
        return self._file(asset).load_state(prefix)

    def save_state(self, asset: str, changes: Mapping[str, str | None], owner: str) -> None:
        """Save texts, all or nothing, under the lease of `owner`."""
        self._file(asset).save_state(changes, owner)

    def take_lease(self, asset: str, owner: str, seconds: float) -> str | None:
        """Take or renew the asset for `owner`."""
        return self._file(asset).take_lease(owner, seconds)

    def drop_lease(self, asset: str, owner: str) -> None:
        """Give the asset back."""
        self._file(asset).drop_lease(owner)

    def forget(self, asset: str) -> None:
        """Delete an asset with everything it has."""
        self._file(asset).close()
        shutil.rmtree(self.folder / _checked(asset))


def _checked(asset: str) -> str:
    """Return the id; it becomes a folder name, so it may hold no path."""
    if not _ID.fullmatch(asset) or asset.endswith((".", " ")):
        raise PlatformError(
            f"{asset!r} cannot be an asset id here: 1 to 100 letters, digits, spaces, '.', '_' or '-', a letter or digit first"
        )
    return asset
