"""Fault soak: real runs against a real server through a bad network, killed at random, on data that arrive in any order.

    python -m benchmarks.fault_soak --runs 300 --seed 1

Devices deliver samples to `serve` in pieces: late, twice, out of order. Between deliveries `python entrypoint.py` computes what
is new by the ThingsBoard connector, with random windows. Requests of both meet random faults (`tests/faults.py`); runs and the
server are killed at random moments. At the end one run without faults; then every output, every alarm that stands or was
cleared, and the last checkpoint of every model are compared bit by bit with those of a store that nobody disturbed, computed
from the same samples by the local connector. Exit code 1 where they differ. Two processes beside this one, which waits.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.fault_soak_site import ASSETS, MODELS, Samples, contents, differences, make_store, piece_of, summary
from platform_interface.launch import Launch
from platform_interface.platforms.local import LocalPlatform
from platform_interface.settings import Settings
from tests import faults
from tests.serving import Server

ROOT = Path(__file__).resolve().parent.parent
#: Minutes of data that a run adds on average.
MINUTES_A_RUN = 60
#: Shares of requests that meet a fault, of which each run takes one.
RATES = (0.0, 0.02, 0.06, 0.15, 0.3)
KILLED_RUNS, KILLED_SERVERS, FULL_RUNS = 0.25, 0.06, 0.04
#: Late data are looked for over the whole past: what the look-back leaves out is not lost by a fault. [s]
LOOKBACK = 400 * 86_400


@dataclass
class Tally:
    """What happened in a soak."""

    faults: Counter[str] = field(default_factory=Counter)
    exits: Counter[str] = field(default_factory=Counter)
    killed_servers: int = 0
    pieces: Counter[str] = field(default_factory=Counter)
    forms: Counter[str] = field(default_factory=Counter)
    late_samples: int = 0
    full_runs: int = 0
    seconds: float = 0.0


class Soak:
    """One soak in one folder.

    Parameters
    ----------
    folder : Path
        Empty; gets the store, the reports and a log.
    runs : int
        Runs before the last one.
    seed : int
        Of everything that is random here; the machine's own timing is not.
    """

    def __init__(self, folder: Path, runs: int, seed: int) -> None:
        self.folder = folder
        self.runs = runs
        self.seed = seed
        self.chance = random.Random(seed)
        self.samples = Samples(runs * MINUTES_A_RUN, seed)
        self.tally = Tally()
        self.typical = 3.0
        self.log = (folder / "soak.log").open("a", encoding="utf-8")
        self.current: subprocess.Popen[bytes] | None = None
        make_store(folder / "store")
        self.server: Server = faults.start(folder, seed=seed)

    def close(self) -> None:
        """End the server, and a run that still goes on."""
        for process in (self.server.process, self.current):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait(timeout=30)
        self.log.close()

    def say(self, sentence: str) -> None:
        """Note it."""
        print(f"{time.strftime('%H:%M:%S')} {sentence}", file=self.log, flush=True)

    def run(self) -> list[str]:
        """Run the soak; return what differs in the end, a sentence each."""
        began = time.monotonic()
        pieces = self.samples.pieces(self.chance)
        for number in range(self.runs):
            self._rates(self.chance.choice(RATES))
            due = [piece for piece in pieces if piece.due <= number]
            pieces = [piece for piece in pieces if piece.due > number]
            self.chance.shuffle(due)
            for piece in due:
                self._deliver(piece)
            self._one_run(number)
            if number % 25 == 24:
                print(f"  {number + 1} of {self.runs} runs, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        self._rates(0.0)
        for piece in pieces:
            self._deliver(piece)
        code = self._finish(self._start(self._launch(1 << 20, "incremental", 0)), 600)
        self._count()
        self.tally.seconds = time.monotonic() - began
        found = [] if code == 0 else [f"the last run, without faults, ended with exit code {code}; see {self.folder}"]
        return found + self.compare()

    def _rates(self, total: float) -> None:
        self._count()
        json_only = self.chance.random() < 0.5  # samples as ThingsBoard gives them, or as Arrow
        self.tally.forms["JSON" if json_only else "Arrow"] += 1
        faults.set_rates(self.server, rates_of(total), json_only)

    def _count(self) -> None:
        self.tally.faults += faults.counts(self.server)

    def _deliver(self, piece: Any) -> None:
        """Send a piece as a device does: again and again until it is acknowledged; now and then once more."""
        for _ in range(2 if self.chance.random() < 0.1 else 1):
            self.tally.pieces["delivered"] += 1
            while not piece_of(self.server, piece):
                self.tally.pieces["repeated"] += 1
                if self.server.process.poll() is not None:
                    raise RuntimeError(f"the server ended by itself; see {self.folder / 'serve.log'}")
                time.sleep(0.01)

    def _launch(self, max_values: int, compute_type: str, most_days: float) -> Path:
        values = {
            "platform": {"connector": "thingsboard", "address": self.server.address, "reports": str(self.folder / "reports"),
                         "retry_budget": "40s", "request_values": self.chance.choice([100, 1000, 10_000]),
                         "concurrency": self.chance.choice([1, 4, 8]), "request_timeout": "20s"},
            **execution(max_values=max_values, compute_type=compute_type, max_days_period_compute=most_days),
        }  # fmt: skip
        secret = f"file:{self.server.key_file}"
        login = {"userName": "soak@example.com", "userPassword": secret}
        who = login if self.chance.random() < 0.7 else {"userApiKey": secret}
        path = self.folder / "launch.json"
        path.write_text(json.dumps({**who, "assetIds": list(ASSETS), "configurationValues": values}), encoding="utf-8")
        return path

    def _start(self, launch: Path) -> subprocess.Popen[bytes]:
        self.current = subprocess.Popen(
            [sys.executable, "entrypoint.py", "--quiet", str(launch)], cwd=ROOT, stdout=self.log, stderr=self.log,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return self.current

    def _one_run(self, number: int) -> None:
        full = self.chance.random() < FULL_RUNS
        most_days = self.chance.choice([0, 0, 0.05, 0.5])
        launch = self._launch(self.chance.choice([200, 1000, 5000, 1 << 20]), "full" if full else "incremental", most_days)
        self.tally.full_runs += full
        began = time.monotonic()
        process = self._start(launch)
        if self.chance.random() < KILLED_SERVERS:
            self._kill_server(process)
        if self.chance.random() < KILLED_RUNS:
            time.sleep(self.chance.uniform(0.3, 1.1) * self.typical)
            process.kill()
        code = self._finish(process, 300)
        if code == 0:
            self.typical = 0.8 * self.typical + 0.2 * (time.monotonic() - began)
        self.say(f"run {number}: exit code {code}")
        self.tally.exits["killed" if code < 0 else str(code)] += 1

    def _finish(self, process: subprocess.Popen[bytes], seconds: float) -> int:
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=30)
            raise RuntimeError(f"a run hung for {seconds:.0f} s; see {self.folder / 'soak.log'}") from None
        latest = self.folder / "reports" / "latest.json"
        if code in (0, 1) and latest.exists():
            report = json.loads(latest.read_text(encoding="utf-8"))
            self.tally.late_samples += sum(model["late_samples"] for asset in report["assets"] for model in asset["models"])
        return code

    def _kill_server(self, process: subprocess.Popen[bytes]) -> None:
        """Cut the server's power while a run works, and start it again on its port."""
        time.sleep(self.chance.uniform(0.3, 0.9) * self.typical)
        self._count()
        self.server.kill()
        self.tally.killed_servers += 1
        time.sleep(self.chance.uniform(0.0, 1.0))
        rates = rates_of(self.chance.choice(RATES))
        self.server = faults.start(self.folder, rates, seed=self.chance.randrange(1 << 30), port=self.server.port)
        self.say(f"server killed and started again beside process {process.pid}")

    def compare(self) -> list[str]:
        """Compare with an undisturbed store, through the connector of each."""
        from platform_interface.fleet import run_fleet
        from platform_interface.platforms.thingsboard import ThingsBoard

        calm = self.folder / "calm"
        make_store(calm)
        local = LocalPlatform(calm)
        self.samples.bring_in(local)
        settings = {"platform": {"store": str(calm), "reports": str(self.folder / "calm-reports")}, **execution()}
        report = run_fleet(Launch(assetIds=list(ASSETS)), Settings.model_validate(settings))
        wrong = [m for a in report.assets for m in a.models if m.model in MODELS[a.asset] and m.status != "done"]
        if report.failed or wrong:
            raise RuntimeError(f"the undisturbed run did not succeed: {wrong or report}")
        key = self.server.key
        remote = {"platform": {"connector": "thingsboard", "address": self.server.address}, **execution()}
        through = ThingsBoard.open(Launch(userApiKey=key), Settings.model_validate(remote))
        found = self.samples.missing(LocalPlatform(self.folder / "store"))
        for asset in ASSETS:
            wanted = contents(local, asset)
            self.samples.summary += summary(asset, wanted)
            found += differences(asset, contents(through, asset), wanted, self.folder / "store")
        return found


def rates_of(total: float) -> dict[str, float]:
    """Return the rates of a run; the page of a proxy is rarer, for a run does not repeat it: most would end there."""
    return {kind: rate / 10 if kind == "garbage" else rate for kind, rate in faults.evenly(total).items()}


def execution(**more: Any) -> dict[str, Any]:
    """Return the settings of the computation that both have."""
    names = sorted({name for models in MODELS.values() for name in models})
    folders = [str(ROOT / "tests" / "plugins")]
    return {
        "execution": {"enabled_models": names, "plugin_folders": folders, "lookback": LOOKBACK, **more},
        "models": {"eq_cycles": {"inputs": {"soc": "BMS SOC", "temperature": "Cell Temperature"}}},
    }


def table(soak: Soak, found: list[str]) -> str:
    """Return what happened as Markdown."""
    tally = soak.tally
    requests = tally.faults.pop("requests", 0)
    exits = ", ".join(f"{tally.exits[code]} runs ended with exit code {code}" for code in "012")
    pieces = (
        f"Pieces of data delivered: {tally.pieces['delivered']}, with {tally.pieces['repeated']} repetitions; late samples "
        f"computed, again and again where a run failed: {tally.late_samples}"
    )
    lines = [
        f"Soak of {soak.runs} runs, seed {soak.seed}: {tally.seconds:.0f} s.",
        "",
        "| fault | times |",
        "|---|---|",
        *[f"| {kind} | {tally.faults[kind]} |" for kind in faults.KINDS],
        f"| server killed and started again | {tally.killed_servers} |",
        f"| run killed (kill -9) | {tally.exits['killed']} |",
        "",
        f"{requests} requests, {sum(tally.faults.values())} of them with a fault; {exits}; full runs: {tally.full_runs}. {pieces}.",
        "",
        f"Runs whose samples came as JSON, as ThingsBoard gives them: {tally.forms['JSON']}; as Arrow: {tally.forms['Arrow']}.",
        "",
        *([f"**{sentence}**" for sentence in found] or [soak.samples.summary]),
    ]
    return "\n".join(lines)


def main() -> int:
    """Run one soak; keep its folder where something differs."""
    parser = argparse.ArgumentParser(description="Runs through faults and kills; contents compared bit by bit.")
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="twin-soak-"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # or the server would go on alone
    soak = Soak(folder, given.runs, given.seed)
    try:
        found = soak.run()
    finally:
        soak.close()
    print(table(soak, found))
    if found:
        print(f"Everything is in {folder}.")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
