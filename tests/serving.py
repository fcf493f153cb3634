"""The real `serve` command in a process of its own, on a port that is free."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.command import PROGRAM, launch_file

READY = "serving "


@dataclass
class Server:
    """A running server.

    Attributes
    ----------
    address : str
        ``http://127.0.0.1:port``, without a slash at the end.
    store : Path
        The folder that it serves.
    key : str
        Its key; `key_file` is the file that holds it.
    """

    process: subprocess.Popen[str]
    address: str
    store: Path
    key_file: Path

    @property
    def key(self) -> str:
        return self.key_file.read_text(encoding="utf-8").strip()

    @property
    def headers(self) -> dict[str, str]:
        """Header that lets a request in."""
        return {"X-Authorization": f"ApiKey {self.key}"}

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(timeout=30)

    def stop(self) -> int:
        """End it as a service manager would, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def start(folder: Path, *arguments: Any, port: int = 0, store: Path | None = None, **environment: str) -> Server:
    """Start a server over ``folder/store`` (or another store) and wait until it listens."""
    folder.mkdir(parents=True, exist_ok=True)
    store = store or folder / "store"
    platform = {"store": str(store), "reports": str(folder / "reports"), "pages": str(folder / "pages")}
    launch = launch_file(folder, {"platform": platform}, name="serve.json")
    log = (folder / "serve.log").open("a", encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM / "entrypoint.py"), "serve", str(launch), "--port", str(port), *map(str, arguments)],
        cwd=folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
    )  # fmt: skip
    log.close()
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith(READY):
        process.kill()
        process.wait(timeout=30)
        raise AssertionError(f"serve did not start: {line!r}\n{(folder / 'serve.log').read_text(encoding='utf-8')}")
    return Server(process, line.strip().rpartition(" at ")[2], store, store / "serve.key")


@contextmanager
def serving(folder: Path, *arguments: Any, **options: Any) -> Iterator[Server]:
    """Serve while the block runs; killed after it, whatever happened."""
    server = start(folder, *arguments, **options)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait(timeout=30)
        if server.process.stdout is not None:
            server.process.stdout.close()
