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

import os
import re
import shutil
import threading
import uuid
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_interface.errors import PlatformError
from platform_interface.log import LOGGER
from platform_interface.platforms.base import Asset, Bucket, Sensor
from platform_interface.platforms.local_lock import writing
from platform_interface.platforms.local_series import DayFiles
from platform_interface.platforms.local_state import AssetFile, make_asset_file
from platform_interface.spelling import did_you_mean
from platform_interface.table import Table

if TYPE_CHECKING:
    from platform_interface.launch import Launch
    from platform_interface.settings import Settings

_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$")
_BASE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 ._-]{0,99}")  # a folder's name too, and it may come from a client
_DATABASE = "asset.db"
#: Where what is forgotten lies for as long as it takes to delete it; no asset can have such a name.
_GONE = ".forgotten"
#: Asset files that one thread keeps open; the least recently used is let go.
CONNECTIONS = 8


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

    @classmethod
    def open(cls, launch: Launch, settings: Settings) -> LocalPlatform:
        """Open the store that the settings name."""
        del launch  # the embedded platform needs neither address nor key
        return cls(settings.folder(settings.platform.store))

    def describe(self) -> str:
        """Say what and where this platform is."""
        return f"embedded platform in {self.folder}"

    def _file(self, asset: str) -> AssetFile:
        path = self.folder / _checked(asset) / _DATABASE
        if not path.exists():
            known = self.ids()
            raise PlatformError(f"asset '{asset}' is not in {self.folder}{did_you_mean(asset, known)}")
        kept: dict[str, AssetFile] = self._kept.__dict__
        found = kept.pop(asset, None) or AssetFile(path)
        if len(kept) >= CONNECTIONS:
            kept.pop(next(iter(kept))).close()
        kept[asset] = found
        return found

    def ids(self) -> list[str]:
        """Return the id of every asset, also of one whose file is damaged."""
        return sorted(path.parent.name for path in self.folder.glob(f"*/{_DATABASE}"))

    def _base(self, asset: str, base: str) -> DayFiles:
        if not _BASE.fullmatch(base):
            raise PlatformError(f"{base[:40]!r} cannot be a time base: 1 to 100 letters, digits, spaces, '.', '_' or '-'")
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
        for asset in self.ids():
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
        with writing(self.folder / asset):
            self._base(asset, base).append(table)

    def replace(self, asset: str, base: str, start: int, end: int | None, table: Table, units: Mapping[str, str]) -> list[str]:
        """Put a model's rows in place of all it had in the range."""
        self._file(asset).save_sensors(base, units, output=True)
        with writing(self.folder / asset):
            self._base(asset, base).replace(start, end, table)
        return []

    def save_asset(self, asset: Asset) -> None:
        """Create an asset or change it."""
        path = self.folder / _checked(asset.id) / _DATABASE
        if path.exists() or not make_asset_file(path, asset):
            self._file(asset.id).save_asset(asset)

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

    def put_page(self, asset: str, name: str, page: Path) -> str:
        """Leave the page where it is: the folder of the pages is at hand."""
        del asset, name, page
        return ""

    def forget(self, asset: str) -> None:
        """Delete an asset with everything it has: at once, so that a kill leaves all of it or nothing."""
        self._file(asset).close()
        gone = self.folder / _GONE
        gone.mkdir(exist_ok=True)
        folder = self.folder / _checked(asset)
        with writing(folder) if os.name == "posix" else nullcontext():  # elsewhere a folder with an open file cannot move
            folder.rename(gone / uuid.uuid4().hex)
        for path in gone.iterdir():  # what a killed process left there, too
            shutil.rmtree(path, ignore_errors=True)


def is_asset_id(asset: str) -> bool:
    """Whether a name can be that of an asset; it becomes a folder name, so it may hold no path."""
    return bool(_ID.fullmatch(asset)) and not asset.endswith((".", " "))


def _checked(asset: str) -> str:
    if not is_asset_id(asset):
        raise PlatformError(
            f"{asset!r} cannot be an asset id here: 1 to 100 letters, digits, spaces, '.', '_' or '-', a letter or digit first"
        )
    return asset
