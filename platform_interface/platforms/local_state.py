"""What is not a series, of one asset: one SQLite file (WAL), so that readers are never blocked."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from platform_interface.errors import DamagedError, LeaseError, PlatformError
from platform_interface.platforms.base import Asset, Sensor

_SCHEMA = """
create table if not exists asset (id text primary key, name text, tags text, parameters text);
create table if not exists sensor (name text primary key, base text not null, unit text not null, output integer not null);
create table if not exists state (key text primary key, value text not null);
create table if not exists alarm (key text primary key, position integer not null, body text not null);
create table if not exists lease (id integer primary key check (id = 1), owner text, host text, pid integer, expires real);
"""


def _row(asset: Asset) -> tuple[str, str, str, str]:
    return asset.id, asset.name, json.dumps(list(asset.tags)), json.dumps(dict(asset.parameters), allow_nan=False)


def make_asset_file(path: Path, asset: Asset) -> None:
    """Make the file of a new asset: whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.unlink(missing_ok=True)
    database = sqlite3.connect(scratch, isolation_level=None)
    try:
        database.executescript(_SCHEMA)
        database.execute("insert into asset values (?, ?, ?, ?)", _row(asset))
    finally:
        database.close()
    os.replace(scratch, path)


class AssetFile:
    """The SQLite file of one asset, for one thread. The connection is kept: opening and closing cost more than asking.

    Parameters
    ----------
    path : Path
        The file, made by `make_asset_file`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database: sqlite3.Connection | None = None
        self._inode = 0

    def close(self) -> None:
        """Let go of the file."""
        if self._database is not None:
            self._database.close()
            self._database = None

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Give the connection; a new one when the asset was forgotten and made again."""
        try:
            inode = self.path.stat().st_ino
            if self._database is None or inode != self._inode:
                self.close()
                self._database = sqlite3.connect(self.path, timeout=30, isolation_level=None)
                self._database.execute("pragma journal_mode=wal")
                self._database.execute("pragma synchronous=full")
                self._inode = inode
            yield self._database
        except OSError as error:
            raise PlatformError(f"{self.path} is gone: {error.strerror}") from None
        except sqlite3.OperationalError as error:
            raise PlatformError(f"{self.path}: {error}. Is the disk full, or the folder read-only?") from None
        except sqlite3.Error as error:
            raise DamagedError(f"{self.path}: {error}. Restore it from a back-up, or forget the asset.") from None

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._open() as database:
            database.execute("begin immediate")
            try:
                yield database
            except BaseException:
                database.execute("rollback")
                raise
            database.execute("commit")

    def asset(self) -> Asset:
        """Return the asset with its parameters."""
        with self._open() as database:
            row = database.execute("select id, name, tags, parameters from asset").fetchone()
        if row is None:
            raise PlatformError(f"{self.path} holds no asset; `ingest` makes one")
        return Asset(row[0], row[1], tuple(json.loads(row[2])), json.loads(row[3]))

    def save_asset(self, asset: Asset) -> None:
        """Change the asset."""
        with self._transaction() as database:
            database.execute("insert or replace into asset values (?, ?, ?, ?)", _row(asset))

    def sensors(self) -> dict[str, tuple[str, Sensor]]:
        """Return time base and sensor, by sensor name."""
        with self._open() as database:
            rows = database.execute("select name, base, unit, output from sensor order by rowid").fetchall()
        return {name: (base, Sensor(name, unit, bool(output))) for name, base, unit, output in rows}

    def save_sensors(self, base: str, units: Mapping[str, str], output: bool) -> None:
        """Enter series under their time base.

        Raises
        ------
        PlatformError
            A sensor is there with another unit or on another time base, or as an output: old samples would change their
            meaning, or be lost.
        """
        known = self.sensors()
        for name, unit in units.items():
            fault = _contradiction(name, known.get(name), base, unit, output)
            if fault:
                raise PlatformError(fault)
        rows = [(n, base, u, int(output)) for n, u in units.items() if known.get(n) != (base, Sensor(n, u, output))]
        if rows:
            with self._transaction() as database:
                database.executemany("insert or replace into sensor values (?, ?, ?, ?)", rows)

    def load_state(self, prefix: str) -> dict[str, str]:
        """Return saved texts by key."""
        with self._open() as database:
            rows = database.execute(
                "select key, value from state where key >= ? and key < ? order by key", (prefix, prefix + "\U0010ffff")
            ).fetchall()
        return dict(rows)

    def save_state(self, changes: Mapping[str, str | None], owner: str) -> None:
        """Save and delete texts in one transaction, if `owner` still holds the lease."""
        with self._transaction() as database:
            holder = database.execute("select owner from lease").fetchone()
            if holder is None or holder[0] != owner:
                raise LeaseError("another run took this asset over; this one stops, nothing of it is lost or mixed")
            database.executemany("delete from state where key = ?", [(k,) for k, v in changes.items() if v is None])
            database.executemany(
                "insert or replace into state values (?, ?)", [(k, v) for k, v in changes.items() if v is not None]
            )

    def take_lease(self, owner: str, seconds: float) -> str | None:
        """Take or renew the lease; return a description of the holder when it is another, alive."""
        with self._transaction() as database:
            row = database.execute("select owner, host, pid, expires from lease").fetchone()
            if row is not None and row[0] != owner and row[3] > time.time() and _alive(row[1], row[2]):
                return f"process {row[2]} on {row[1]}, until {time.strftime('%H:%M:%S', time.gmtime(row[3]))} UTC"
            mine = (1, owner, socket.gethostname(), os.getpid(), time.time() + seconds)
            database.execute("insert or replace into lease values (?, ?, ?, ?, ?)", mine)
        return None

    def drop_lease(self, owner: str) -> None:
        """Give the lease back, if `owner` has it."""
        with self._transaction() as database:
            database.execute("delete from lease where owner = ?", (owner,))

    def alarms(self) -> list[dict[str, Any]]:
        """Return every alarm, oldest first."""
        with self._open() as database:
            rows = database.execute("select body from alarm order by position").fetchall()
        return [json.loads(row[0]) for row in rows]

    def save_alarms(self, alarms: Sequence[Mapping[str, Any]]) -> None:
        """Add alarms, or change those with the same key."""
        with self._transaction() as database:
            next_position = database.execute("select coalesce(max(position), 0) + 1 from alarm").fetchone()[0]
            for offset, alarm in enumerate(alarms):
                body = json.dumps(dict(alarm), allow_nan=False)
                database.execute(
                    "insert into alarm values (?, ?, ?) on conflict(key) do update set body = excluded.body",
                    (alarm["key"], next_position + offset, body),
                )


def _contradiction(name: str, known: tuple[str, Sensor] | None, base: str, unit: str, output: bool) -> str | None:
    if known is None:
        return None
    held, sensor = known
    if sensor.output != output:
        return f"'{name}' is {'an output of a model' if sensor.output else 'a sensor'} already; give the other one another name"
    if held != base:
        return f"'{name}' is on the time base '{held}' already, not '{base}'; give it another name, or forget the asset first"
    if not output and sensor.unit != unit:
        return f"'{name}' is in {sensor.unit}, and this is in {unit}; give it another name, or state one unit for both"
    return None


def _alive(host: str, pid: int) -> bool:
    """Whether the holder may still run; on another host or on Windows only time tells."""
    if host != socket.gethostname() or os.name != "posix":
        return True
    if pid == os.getpid():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
