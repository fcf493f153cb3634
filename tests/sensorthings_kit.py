"""For tests of the SensorThings connector: the foreign server, a way to it that fails on demand, and a demo asset on both sides."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from platform_interface.fleet import run_fleet
from platform_interface.launch import Launch
from platform_interface.platforms.base import Asset, Platform
from platform_interface.platforms.local import LocalPlatform
from platform_interface.platforms.sensorthings import SensorThings
from platform_interface.report import RunReport
from platform_interface.settings import load_settings
from platform_interface.table import Table

ROOT = Path(__file__).resolve().parent.parent
LAUNCH = Launch(userApiKey="")
#: A fault of the way: "lost" and "failed" carry the request out and then lose the answer, or say 500.
FAULTS = ("lost", "failed", "refused", "busy", "cut")


def opened(address: str, launch: Launch = LAUNCH, **platform: Any) -> SensorThings:
    """Open the connector as a run would."""
    return SensorThings.open(launch, load_settings(ROOT / "settings.json", _launch(address, platform, launch, {})))


def _launch(address: str, platform: Mapping[str, Any], launch: Launch, values: Mapping[str, Any]) -> Launch:
    settings = {**values, "platform": {"connector": "sensorthings", "address": address, "retry_budget": "20s", **platform}}
    return launch.model_copy(update={"configurationValues": settings})


def run_remote(address: str, folder: Path, asset: str, models: Sequence[str], **execution: Any) -> RunReport:
    """Run once through the connector."""
    values = {"execution": {"enabled_models": list(models), **execution}}
    launch = _launch(address, {"reports": str(folder)}, Launch(assetIds=[asset]), values)
    return run_fleet(launch, load_settings(ROOT / "settings.json", launch))


def run_local(folder: Path, asset: str, models: Sequence[str], **execution: Any) -> RunReport:
    """Run once on an embedded platform."""
    values = {
        "execution": {"enabled_models": list(models), **execution},
        "platform": {"store": str(folder), "reports": str(folder)},
    }
    launch = Launch(assetIds=[asset], configurationValues=values)
    return run_fleet(launch, load_settings(ROOT / "settings.json", launch))


def copied(
    source: Platform, goal: Platform, asset: str, names: Sequence[str], start: int, end: int, as_asset: str = ""
) -> None:
    """Bring raw samples of an asset from one platform to another, as they are."""
    (known,) = source.assets([asset], "")
    goal.save_asset(Asset(as_asset or asset, known.name, known.tags, known.parameters))
    units = source.sensors(asset)
    for table in source.read(asset, names, start, end):
        goal.append(as_asset or asset, "pack", table, {name: units[name].unit for name in table.names})


def contents(platform: Platform, asset: str) -> dict[str, Any]:
    """Return what an asset holds, each pair of time and value once, for comparison bit by bit."""
    found: dict[str, Any] = {}
    for name, sensor in platform.sensors(asset).items():
        pairs: set[tuple[int, float]] = set()
        for table in platform.read(asset, [name], -(2**62), 2**62):
            present = np.isfinite(table.values[0])
            pairs |= set(zip(table.time[present].tolist(), table.values[0][present].tolist(), strict=True))
        if pairs:
            found[name] = (sensor.unit, sensor.output, sorted(pairs))
    last: dict[str, str] = {}
    for key, saved in platform.load_state(asset, "checkpoint/").items():
        last[key.split("/")[1]] = saved
    for model, saved in last.items():
        content = json.loads(saved)
        found[f"checkpoint of {model}"] = {key: content[key] for key in ("end", "state", "carry", "origin")}
    alarms = [{**alarm, "seen": None} for alarm in platform.alarms(asset) if alarm["status"] != "withdrawn"]
    found["alarms"] = sorted(alarms, key=lambda alarm: alarm["key"])
    return found


def demo_hours(folder: Path, asset: str) -> LocalPlatform:
    """Return an embedded platform with the demo asset, whole."""
    from platform_interface.demo import FOLDER
    from platform_interface.ingest import ingest

    platform = LocalPlatform(folder)
    ingest(platform, FOLDER / f"{asset}.parquet", asset, FOLDER / f"{asset}.mapping.json")
    return platform


class Way:
    """A proxy before a server; `plan` says which fault befalls a request, by its number, method and path."""

    def __init__(self, address: str) -> None:
        self.goal = urlsplit(address)
        self.plan: Callable[[int, str, str], str] = lambda _number, _method, _path: ""
        self.seen: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # a client that was killed, or the server ended first
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{self.goal.path}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _fault(self, method: str, path: str) -> str:
        with self._lock:
            self.seen.append((method, path))
            return self.plan(len(self.seen), method, path)

    def forward(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes, str]:
        connection = http.client.HTTPConnection(str(self.goal.hostname), self.goal.port, timeout=60)
        try:
            connection.request(method, path, body, {key: value for key, value in headers.items() if key.lower() != "host"})
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.getheader("Content-Type", "application/json")
        finally:
            connection.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        way = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = way._fault(self.command, self.path)
                if fault in ("refused", "busy"):
                    self._say(500 if fault == "refused" else 503, b'{"message": "not now"}')
                    return
                status, content, kind = way.forward(self.command, self.path, body, dict(self.headers))
                if fault == "lost":
                    self.close_connection = True
                elif fault == "failed":
                    self._say(500, b'{"message": "done, but I stumbled afterwards"}')
                elif fault == "cut" and len(content) > 2:
                    self._say(status, content, kind, keep=len(content) // 2)
                else:
                    self._say(status, content, kind)

            do_GET = do_POST = do_PATCH = do_DELETE = do_any

            def _say(self, status: int, content: bytes, kind: str = "application/json", keep: int | None = None) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[:keep])
                self.wfile.flush()
                self.close_connection = keep is not None

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler


def table(time: Any, **columns: Any) -> Table:
    """Return a table; underscores in names stand for blanks."""
    names = tuple(name.replace("_", " ") for name in columns)
    return Table(np.asarray(time, np.int64), names, np.asarray(list(columns.values()), float).reshape(len(names), len(time)))
