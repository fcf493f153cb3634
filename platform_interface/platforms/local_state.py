"""What is not a series, of one asset: one SQLite file (WAL), so that readers are never blocked."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from platform_interface.errors import DamagedError, LeaseError, PlatformError
from platform_interface.platforms.alarm_record import is_alarm
from platform_interface.platforms.base import Asset, Sensor
from platform_interface.platforms.holder import alive, this_host

_SCHEMA = """
create table if not exists asset (id text primary key, name text, tags text, parameters text);
create table if not exists sensor (name text primary key, base text not null, unit text not null, output integer not null);
create table if not exists state (key text primary key, value text not null);
create table if not exists alarm (key text primary key, position integer not null, body text not null);
create table if not exists lease (id integer primary key check (id = 1), owner text, host text, pid integer, expires real);
"""
#: What clients of the served platform keep with an asset, and nobody else reads; stores made before have no such table.
_SERVED = "create table if not exists served (key text primary key, value text not null, changed integer not null)"


def _row(asset: Asset) -> tuple[str, str, str, str]:
    return asset.id, asset.name, json.dumps(list(asset.tags)), json.dumps(dict(asset.parameters), allow_nan=False)


def make_asset_file(path: Path, asset: Asset) -> bool:
    """Make the file of a new asset: whole, or not at all; return whether nobody else was faster."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    scratch.unlink(missing_ok=True)
    database = sqlite3.connect(scratch, isolation_level=None)
    try:
        database.executescript(_SCHEMA)
        database.execute(_SERVED)
        database.execute("insert into served values ('created', '', ?)", (time.time_ns() // 1_000_000,))
        database.execute("insert into asset values (?, ?, ?, ?)", _row(asset))
    finally:
        database.close()
    try:
        os.link(scratch, path)  # a rename would put an empty asset in place of one that another process has just made
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    return True


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
        try:
            tags, parameters = json.loads(row[2]), json.loads(row[3])
            if isinstance(tags, list) and isinstance(parameters, dict):
                return Asset(row[0], row[1], tuple(tags), parameters)
        except (ValueError, TypeError, RecursionError):
            pass
        raise DamagedError(
            f"{self.path}: the asset's parameters are no JSON object. Restore it from a back-up, or forget the asset."
        )

    def save_asset(self, asset: Asset) -> None:
        """Change the asset."""
        with self._transaction() as database:
            database.execute("insert or replace into asset values (?, ?, ?, ?)", _row(asset))

    def change_asset(self, change: Callable[[Asset], Asset]) -> None:
        """Change the asset from what it is at this moment, whoever else changes it."""
        with self._transaction() as database:
            row = database.execute("select id, name, tags, parameters from asset").fetchone()
            held = Asset(row[0], row[1], tuple(json.loads(row[2])), json.loads(row[3]))
            database.execute("insert or replace into asset values (?, ?, ?, ?)", _row(change(held)))

    def state_unit(self, name: str, unit: str) -> None:
        """Say the unit of a series that came without one."""
        with self._transaction() as database:
            database.execute("update sensor set unit = ? where name = ? and unit = ''", (unit, name))

    def sensors(self) -> dict[str, tuple[str, Sensor]]:
        """Return time base and sensor, by sensor name."""
        with self._open() as database:
            return _sensors(database)

    def save_sensors(self, base: str, units: Mapping[str, str], output: bool) -> None:
        """Enter series under their time base.

        Raises
        ------
        PlatformError
            A sensor is there with another unit or on another time base, or as an output: old samples would change their
            meaning, or be lost.
        """
        if _new_sensors(self.sensors(), base, units, output):
            with self._transaction() as database:  # what another process entered meanwhile counts too
                rows = _new_sensors(_sensors(database), base, units, output)
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

    def load_served(self, prefix: str) -> dict[str, tuple[str, int]]:
        """Return texts that clients of the served platform keep here, each with when it changed. [ms UTC]"""
        with self._open() as database:
            if not database.execute("select 1 from sqlite_master where name = 'served'").fetchone():
                return {}
            rows = database.execute(
                "select key, value, changed from served where key >= ? and key < ? order by key",
                (prefix, prefix + "\U0010ffff"),
            ).fetchall()
        return {key: (value, changed) for key, value, changed in rows}

    def save_served(self, changes: Mapping[str, str | None], now: int) -> None:
        """Save texts of clients, delete those that are `None`, all or nothing; `now` is when. [ms UTC]"""
        with self._transaction() as database:
            database.execute(_SERVED)
            database.executemany("delete from served where key = ?", [(k,) for k, v in changes.items() if v is None])
            rows = [(key, value, now) for key, value in changes.items() if value is not None]
            database.executemany("insert or replace into served values (?, ?, ?)", rows)

    def take_lease(self, owner: str, seconds: float) -> str | None:
        """Take or renew the lease; return a description of the holder when it is another, alive."""
        with self._transaction() as database:
            row = database.execute("select owner, host, pid, expires from lease").fetchone()
            if row is not None and row[0] != owner and row[3] > time.time() and alive(row[1], row[2]):
                return f"process {row[2]} on {row[1]}, until {time.strftime('%H:%M:%S', time.gmtime(row[3]))} UTC"
            mine = (1, owner, this_host(), os.getpid(), time.time() + seconds)
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
        return [self._alarm(row[0]) for row in rows]

    def _alarm(self, body: str) -> dict[str, Any]:
        try:
            record: dict[str, Any] = json.loads(body)
        except (ValueError, TypeError, RecursionError):
            record = {}
        if not is_alarm(record):
            raise DamagedError(f"{self.path}: an alarm cannot be read. Restore it from a back-up, or forget the asset.")
        return record

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


def _sensors(database: sqlite3.Connection) -> dict[str, tuple[str, Sensor]]:
    rows = database.execute("select name, base, unit, output from sensor order by rowid").fetchall()
    return {name: (base, Sensor(name, unit, bool(output))) for name, base, unit, output in rows}


def _new_sensors(
    known: Mapping[str, tuple[str, Sensor]], base: str, units: Mapping[str, str], output: bool
) -> list[tuple[str, str, str, int]]:
    """Return the rows to enter; a sensor that contradicts what is known is refused."""
    for name, unit in units.items():
        fault = _contradiction(name, known.get(name), base, unit, output)
        if fault:
            raise PlatformError(fault)
    return [(n, base, u, int(output)) for n, u in units.items() if known.get(n) != (base, Sensor(n, u, output))]


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
