"""What the way over HTTP costs: reading, writing, latency, and the number of requests a run needs.

``python -m benchmarks.remote``; `make bench` takes `lines` too. The server is a process of its own on this machine, so both share
its cores. Times are taken inside this process, without start-up and sign-in. Reading and writing are pairs in turn (A, B, A, B, ...).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.pages import Line
from benchmarks.processes import ROOT
from platform_interface.launch import Launch
from platform_interface.platforms.base import Asset, Platform
from platform_interface.platforms.local import LocalPlatform
from platform_interface.settings import Settings
from platform_interface.table import Table
from tests import faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platform_interface.platforms.thingsboard import ThingsBoard
    from tests.serving import Server

BEGIN = 1_767_225_600_000  # 2026-01-01T00:00:00Z
POINTS = 1_000_000
CELLS = 96
ROUNDS = 3
#: Time that a request takes on its way in the benchmark of latency. [s]
DELAY = 0.05
#: Points that are read over that network.
DELAYED_POINTS = 200_000
YEAR, STEP = 365, 60_000
_UNITS = {"Current": "ampere", "Voltage": "volt"}


def one_sensor() -> Table:
    """Return a million samples of one sensor at 1 Hz, 11.6 days, with the noise and resolution of a real one."""
    random = np.random.default_rng(1)
    time_of = BEGIN + 1000 * np.arange(POINTS, dtype=np.int64)
    values = np.round(60 * np.sin(np.arange(POINTS) / 900) + random.normal(0, 0.5, POINTS), 2)
    return Table(time_of, ("Current",), values[None, :])


def many_cells() -> Table:
    """Return a million samples of 96 cells at 1 Hz, 2.9 hours, resolution 1 mV."""
    rows = POINTS // CELLS
    random = np.random.default_rng(2)
    mean = 3.7 + 0.2 * np.sin(np.arange(rows) / 1500)
    values = np.round(mean + random.normal(0, 0.004, (CELLS, 1)) + random.normal(0, 0.0015, (CELLS, rows)), 3)
    names = tuple(f"Cell Voltage|{number}" for number in range(1, CELLS + 1))
    return Table(BEGIN + 1000 * np.arange(rows, dtype=np.int64), names, values)


SHAPES: dict[str, tuple[str, Callable[[], Table]]] = {
    "sensor": ("one sensor at 1 Hz", one_sensor),
    "cells": ("96 cells at 1 Hz", many_cells),
}

_FORMS = {
    "Arrow": "as the connector asks and the embedded platform gives it",
    "JSON": "all that a real ThingsBoard gives",
}


@contextmanager
def served(folder: Path, delay: float = 0.0, json_only: bool = False) -> Iterator[Server]:
    """Serve ``folder/store``, with a network in between that takes its time; the requests are counted.

    With `json_only` samples come as ThingsBoard gives them; else as Arrow, which the connector asks for.
    """
    server = faults.start(folder, delay=delay, json_only=json_only)
    try:
        yield server
    finally:
        server.kill()


def door(server: Server, **platform: Any) -> ThingsBoard:
    """Sign in to a server."""
    from platform_interface.platforms.thingsboard import ThingsBoard

    given = {"connector": "thingsboard", "address": server.address, **platform}
    settings = Settings.model_validate({"platform": given})
    return ThingsBoard.open(Launch(userApiKey=server.key), settings)


def spent(work: Callable[[], Any]) -> float:
    """Return how long it takes. [s]"""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def say(sentence: str) -> None:
    """Tell the person who waits."""
    print(sentence, file=sys.stderr, flush=True)


def _paired(what: str, over: Callable[[int], float], beside: Callable[[int], float]) -> tuple[float, float, float]:
    """Return the median ratio and the median seconds of both; a first pair does not count."""
    pairs = [(over(number), beside(number)) for number in range(ROUNDS + 1)][1:]
    ratio = median(a / b for a, b in pairs)
    say(f"  {what}: " + ", ".join(f"{a:.2f} / {b:.3f} s" for a, b in pairs))
    return ratio, median(a for a, _ in pairs), median(b for _, b in pairs)


def reading(local: Platform, remote: Platform, asset: str, form: str = "Arrow") -> Line:
    """Read a million points over HTTP and from the store."""
    shape, _ = SHAPES[asset]
    [wanted] = _all(local, asset)
    got = _all(remote, asset)
    assert len(got) == 1 and np.array_equal(got[0].select(wanted.names).values, wanted.values), "not the same samples"
    ratio, slow, fast = _paired(
        f"reading {shape} as {form}",
        lambda _n: spent(lambda: _all(remote, asset)),
        lambda _n: spent(lambda: _all(local, asset)),
    )
    how = (
        f"`ThingsBoard.read` through `serve` {slow:.3f} s ({POINTS / slow / 1e3:.0f} k points/s), `LocalPlatform.read` "
        f"{fast:.3f} s; median of {ROUNDS} pairs; {_FORMS[form]}"
    )
    return f"Reading 1 M points over HTTP as {form} ÷ from the store, {shape}", f"{ratio:.1f}", "≤ 5", ratio <= 5, how


def _all(platform: Platform, asset: str) -> list[Table]:
    names = [name for name, sensor in platform.sensors(asset).items() if not sensor.output]
    end = BEGIN + 1000 * (POINTS if asset == "sensor" else POINTS // CELLS)
    return platform.read(asset, names, BEGIN, end)


def writing(local: Platform, remote: Platform, asset: str) -> Line:
    """Write a million points of outputs over HTTP and into a store; in each round another series, so that none is there."""
    shape, table_of = SHAPES[asset]
    table = table_of()

    def write(platform: Platform, word: str) -> float:
        names = tuple(f"{name.partition('|')[0]} {word}{''.join(name.partition('|')[1:])}" for name in table.names)
        renamed, units = Table(table.time, names, table.values), dict.fromkeys(names, "dimensionless")
        return spent(lambda: platform.replace(asset, f"model.{word}", BEGIN, None, renamed, units))

    ratio, slow, fast = _paired(
        f"writing {shape}", lambda n: write(remote, f"remote_{n}"), lambda n: write(local, f"local_{n}")
    )
    how = (
        f"`ThingsBoard.replace` through `serve` {slow:.2f} s, {ratio:.1f} times `LocalPlatform.replace` ({fast:.2f} s); "
        f"median of {ROUNDS} pairs"
    )
    return f"Writing 1 M points over HTTP, {shape}", f"{POINTS / slow / 1e3:.0f} k points/s", "", None, how


def whole_run(folder: Path, server: Server) -> Line:
    """Compute a million points anew over HTTP and beside the store."""
    ratio, slow, fast = _paired(
        "a whole run", lambda _n: _run(folder, server, "sensor", "full"), lambda _n: _run(folder, None, "sensor", "full")
    )
    how = (
        f"`eq_cycles`, full, on one sensor at 1 Hz: fetch, checks, model, outputs, checkpoint; {slow:.2f} s and {fast:.2f} s for the "
        f"asset in the run report; median of {ROUNDS} pairs"
    )
    return "A whole run over 1 M points, over HTTP ÷ local", f"{ratio:.1f}", "", None, how


def latency(folder: Path) -> list[Line]:
    """Read over a network of 50 ms a request, one request at a time and eight; as JSON, which takes more requests."""
    with served(folder, DELAY, json_only=True) as server:
        end = BEGIN + 1000 * DELAYED_POINTS

        def read(concurrency: int) -> float:
            platform = door(server, concurrency=concurrency)
            return spent(lambda: platform.read("sensor", ["Current"], BEGIN, end))

        ratio, slow, fast = _paired("50 ms a request, 1 / 8 at a time", lambda _n: read(1), lambda _n: read(8))
    return [(
        "50 ms a request: one at a time ÷ eight at a time", f"{ratio:.1f}", "", None,
        f"{DELAYED_POINTS / 1e3:.0f} k points of one sensor as JSON, 10,000 an answer: {slow:.2f} s, {fast:.2f} s; {ROUNDS} pairs",
    )]  # fmt: skip


def requests(folder: Path) -> list[Line]:
    """Count the requests of incremental runs: an hour that is new after a year of history, and after a day of it."""
    counted: dict[str, list[int]] = {"year": [], "day": []}
    seconds: dict[str, list[float]] = {"year": [], "day": []}
    store = LocalPlatform(folder / "store")
    end = BEGIN  # a sample from the future would be kept apart
    for asset, days in (("year", YEAR), ("day", 1)):
        store.save_asset(Asset(asset, parameters={"Capacity": 50.0, "positive_current": "discharge"}))
        store.append(asset, "pack", _pack(end - days * 86_400_000, end), _UNITS)
    with served(folder) as server:
        for number in range(4):
            for asset in counted:
                if number:
                    begin = end + (number - 1) * 3_600_000
                    store.append(asset, "pack", _pack(begin, begin + 3_600_000), _UNITS)
                faults.set_rates(server, {})
                seconds[asset].append(_run(folder, server, asset))
                counted[asset].append(faults.counts(server)["requests"])
        say(f"  requests: {counted}, seconds of the asset: {seconds}")
    year, day = (median(counted[asset][1:]) for asset in ("year", "day"))
    return [(
        "Requests of a run, new hour on a year ÷ on a day of history", f"{year / day:.2f}", "≤ 1.5", year / day <= 1.5,
        (f"`eq_cycles`, two sensors at {STEP // 1000} s, look-back 7 days: {year:.0f} and {day:.0f} requests, "
        f"{median(seconds['year'][1:]):.2f} s and {median(seconds['day'][1:]):.2f} s for the asset; the first run, over all of the year: "
        f"{counted['year'][0]} requests, {seconds['year'][0]:.1f} s"),
    )]  # fmt: skip


def _pack(start: int, end: int) -> Table:
    moments = np.arange(start, end, STEP, dtype=np.int64)
    phase = 2 * np.pi * (moments % 28_800_000) / 28_800_000
    return Table(moments, ("Current", "Voltage"), np.round(np.stack([40 * np.sin(phase), 50 + 2 * np.cos(phase)]), 2))


def _run(folder: Path, server: Server | None, asset: str, compute_type: str = "incremental") -> float:
    """Run the real command on one asset, over HTTP or local; return the seconds of the asset in its report."""
    where = {"store": str(folder / "store")} if server is None else {"connector": "thingsboard", "address": server.address}
    values = {
        "platform": {**where, "reports": str(folder / "reports")},
        "execution": {"enabled_models": "eq_cycles", "compute_type": compute_type},
    }
    key = "" if server is None else f"file:{server.key_file}"
    content = {"assetId": asset, "userApiKey": key, "configurationValues": values}
    path = folder / "dev-parameters.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    subprocess.run([sys.executable, "entrypoint.py", "--quiet", str(path)], cwd=ROOT, check=True)
    [report] = json.loads((folder / "reports" / "latest.json").read_text(encoding="utf-8"))["assets"]
    if any(model["status"] != "done" for model in report["models"]):
        raise RuntimeError(f"{asset}: {report['models']}")
    return float(report["seconds"])


def make_store(folder: Path) -> None:
    """Write the two shapes."""
    store = LocalPlatform(folder / "store")
    for asset, (_, table_of) in SHAPES.items():
        table = table_of()
        store.save_asset(Asset(asset, parameters={"Capacity": 50.0, "positive_current": "discharge"}))
        store.append(
            asset,
            "pack" if asset == "sensor" else "cell_voltage",
            table,
            dict.fromkeys(table.names, "ampere" if asset == "sensor" else "volt"),
        )


def lines(folder: Path) -> list[Line]:
    """Return the lines of the table of `make bench`.

    Parameters
    ----------
    folder : Path
        An empty folder to work in.
    """
    make_store(folder)
    with served(folder) as server:
        local, remote = LocalPlatform(folder / "store"), door(server)
        found = [work(local, remote, asset) for work in (reading, writing) for asset in SHAPES]
        found.append(whole_run(folder, server))
    with served(folder, json_only=True) as server:
        found[2:2] = [reading(local, door(server), asset, "JSON") for asset in SHAPES]
    return found + latency(folder) + requests(folder)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="What the way over HTTP costs.")
    parser.add_argument("--json", action="store_true", help="for `make bench`, whose own process stays small")
    as_json = parser.parse_args().json
    with tempfile.TemporaryDirectory(prefix="twin-remote-") as name:
        if as_json:
            print(json.dumps(lines(Path(name))))
            return
        print("| what | median | goal | met | how measured |\n|---|---|---|---|---|")
        for what, value, goal, met, how in lines(Path(name)):
            print(f"| {what} | {value} | {goal} | {'' if met is None else 'yes' if met else '**no**'} | {how} |")


if __name__ == "__main__":
    main()
