"""A SensorThings server that nobody here wrote: `django-ogc-sensorthings` over SQLite, one process, a free port.

Run as a program it serves until it is ended; `started` does that for a test and ends it afterwards.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WAIT = 60.0
USER, PASSWORD, KEY = "operator", "a-password-of-tests", "a-key-of-tests"


@contextmanager
def started(folder: Path, auth: str = "") -> Iterator[str]:
    """Give the address of a fresh server with an empty database in `folder`.

    Parameters
    ----------
    auth : str
        ``""``, ``"basic"`` or ``"bearer"``: what every request must be signed with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, __file__, str(folder), auth], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder
        )
        try:
            yield _address(folder, process)
        finally:
            process.kill()
            process.wait()


def _address(folder: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if (folder / "port").exists():
            address = f"http://127.0.0.1:{(folder / 'port').read_text()}/sensorthings/v1.1"
            try:
                urllib.request.urlopen(f"{address}/", timeout=WAIT).close()
            except urllib.error.HTTPError as error:
                error.close()
            return address
        time.sleep(0.05)
    raise RuntimeError(f"the foreign server did not start:\n{(folder / 'server.log').read_text()[-3000:]}")


def _configure(folder: Path, port: int, auth: str) -> None:
    from uuid import UUID

    import django
    from django.conf import settings
    from django.core.management import call_command

    handlers = {"DEFAULT_AUTH_HANDLER": [f"foreign_server.{auth}"]} if auth else {}
    settings.configure(
        SECRET_KEY="of tests",
        ALLOWED_HOSTS=["*"],
        USE_TZ=True,
        ROOT_URLCONF="foreign_server",
        LOGGING_CONFIG=None,
        DATABASES={"default": {
            "ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "db.sqlite3"),
            "OPTIONS": {"timeout": 60, "transaction_mode": "IMMEDIATE",
                        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"},
        }},
        INSTALLED_APPS=[
            "sensorthings.versions.v1_1", "sensorthings.versions.v1_1.backends.django",
            "sensorthings.versions.v1_1.extensions.dataarray",
        ],
        SENSORTHINGS_V1_1_SERVICE_URL=f"http://127.0.0.1:{port}/sensorthings",
        SENSORTHINGS_V1_1_BACKEND_ADAPTER="sensorthings.versions.v1_1.backends.django.adapter.DjangoBackendAdapter",
        SENSORTHINGS_V1_1_ID_TYPE=UUID,
        SENSORTHINGS_V1_1_ID_DELIMITER="'",
        SENSORTHINGS_V1_1_DOCS_ENABLED=False,
        **{f"SENSORTHINGS_V1_1_{key}": value for key, value in handlers.items()},
    )  # fmt: skip
    django.setup()
    call_command("migrate", verbosity=0)


def basic(request: object) -> object:
    """Let in who sends the user and the password."""
    import base64

    sent = request.headers.get("Authorization", "")  # type: ignore[attr-defined]
    return sent == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode() or None


def bearer(request: object) -> object:
    """Let in who sends the key."""
    return request.headers.get("Authorization", "") == f"Bearer {KEY}" or None  # type: ignore[attr-defined]


def __getattr__(name: str) -> object:
    if name != "urlpatterns":
        raise AttributeError(name)
    from django.urls import include, path

    return [path("sensorthings/", include("sensorthings.versions.v1_1.urls"))]


def _serve(folder: Path, auth: str) -> None:
    import uvicorn

    # asyncio sends small packets at once only on sockets that say TCP: without it every answer takes 40 ms
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        _configure(folder, port, auth)
        from django.core.asgi import get_asgi_application

        server = uvicorn.Server(uvicorn.Config(get_asgi_application(), log_level="warning", access_log=False, lifespan="off"))
        listening.listen(128)
        scratch = folder / "port.new"
        scratch.write_text(str(port))
        os.replace(scratch, folder / "port")
        server.run(sockets=[listening])


if __name__ == "__main__":
    sys.modules["foreign_server"] = sys.modules["__main__"]
    _serve(Path(sys.argv[1]), sys.argv[2])
