"""The embedded platform with what only its server needs: one value a series and time, and keepsakes of its clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from platform_interface.errors import LeaseError
from platform_interface.platforms.base import Asset, Sensor
from platform_interface.platforms.local import LocalPlatform, is_asset_id
from platform_interface.platforms.local_lock import writing
from platform_interface.platforms.local_series import DayFiles
from platform_interface.table import Table


class ServedStore(LocalPlatform):
    """A store that is written over HTTP; runs on the same machine may work in it at the same time."""

    def has(self, asset: str) -> bool:
        """Whether there is such an asset."""
        return self.stamp(asset) is not None

    def stamp(self, asset: str) -> tuple[int, ...] | None:
        """Return a word that changes with the asset's file; none where there is no such asset."""
        if not is_asset_id(asset):
            return None
        path = self.folder / asset / "asset.db"
        try:
            status = path.stat()
        except OSError:
            return None
        try:
            ahead = path.with_name("asset.db-wal").stat()
        except OSError:
            ahead = None
        if ahead is None or not ahead.st_size:  # reading alone makes an empty one
            return status.st_ino, status.st_mtime_ns, status.st_size
        return status.st_ino, status.st_mtime_ns, status.st_size, ahead.st_mtime_ns, ahead.st_size

    def asset(self, asset: str) -> Asset:
        """Return one asset."""
        return self._file(asset).asset()

    def change_asset(self, asset: str, change: Callable[[Asset], Asset]) -> None:
        """Change an asset from what it is at this moment."""
        self._file(asset).change_asset(change)

    def state_unit(self, asset: str, name: str, unit: str) -> None:
        """Say the unit of a series that came without one."""
        self._file(asset).state_unit(name, unit)

    def bases(self, asset: str) -> dict[str, tuple[str, Sensor]]:
        """Return time base and sensor, by series name."""
        return self._file(asset).sensors()

    def files(self, asset: str, base: str) -> DayFiles:
        """Return the day files of one time base."""
        return self._base(asset, base)

    def register(self, asset: str, base: str, units: Mapping[str, str], output: bool) -> None:
        """Enter series under their time base, without samples."""
        self._file(asset).save_sensors(base, units, output)

    def upsert(self, asset: str, base: str, table: Table) -> None:
        """Lay samples of one time base over those that are held."""
        with writing(self.folder / asset):
            self._base(asset, base).upsert(table)

    def remove(self, asset: str, base: str, names: Sequence[str], start: int, end: int) -> None:
        """Take samples of some series of one time base out."""
        with writing(self.folder / asset):
            self._base(asset, base).remove(names, start, end)

    def load_served(self, asset: str, prefix: str) -> dict[str, tuple[str, int]]:
        """Return texts that clients keep here, each with when it changed. [ms UTC]"""
        return self._file(asset).load_served(prefix)

    def save_served(self, asset: str, changes: Mapping[str, str | None], now: int) -> None:
        """Save or delete texts of clients, all or nothing."""
        self._file(asset).save_served(changes, now)

    def forget_unless_busy(self, asset: str) -> None:
        """Delete an asset with everything it has.

        Raises
        ------
        LeaseError
            A run on this machine is computing it.
        """
        holder = self.take_lease(asset, "forget", 60.0)
        if holder is not None:
            raise LeaseError(f"{asset} is being computed ({holder}); nothing was deleted. Wait for it.")
        self.forget(asset)


def folder_of(store: Path, name: str) -> Path:
    """Return the server's own folder in a store; no asset can have a name that begins with a dot."""
    return store / ".served" / name
