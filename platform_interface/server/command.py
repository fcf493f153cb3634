"""`serve`: listen, say where, and go on until told to stop."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_interface.errors import UsageError
from platform_interface.hosts import is_loopback
from platform_interface.launch import Launch, secret_of
from platform_interface.log import LOGGER, add_secret
from platform_interface.settings import Settings


@dataclass(frozen=True)
class Listening:
    """Where to listen, and what proves who we are.

    Attributes
    ----------
    host : str
        Address or name; another than loopback needs a certificate.
    port : int
        Port; 0: any that is free.
    key : str
        ``env:NAME`` or ``file:PATH``; empty: a key file in the store.
    certificate, private_key : Path, optional
        PEM files for TLS.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    key: str = ""
    certificate: Path | None = None
    private_key: Path | None = None


def serve_forever(launch: Launch, settings: Settings, listening: Listening) -> int:
    """Serve the store until a signal ends it; requests in flight are finished.

    Returns
    -------
    int
        Exit code: 0.
    """
    del launch
    if settings.platform.connector != "local":
        raise UsageError(
            f"serve: the platform of the settings is '{settings.platform.connector}'; only a local store is served"
        )
    _check(listening)
    store = settings.folder(settings.platform.store)
    key = _key(listening, store)
    from platform_interface.platforms.local_served import ServedStore
    from platform_interface.server.keys import Doorkeeper
    from platform_interface.server.loop import server_of
    from platform_interface.server.web import Served

    served = Served(ServedStore(store), Doorkeeper(key), settings.folder(settings.platform.pages))
    server = server_of(served, listening)

    def end(number: int, frame: Any) -> None:
        """End a server that does not listen to signals yet, or has ended and raises the signal again."""
        server.should_exit = True

    with _bound(listening) as bound:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        scheme = "https" if listening.certificate else "http"
        host = f"[{listening.host}]" if ":" in listening.host else listening.host
        print(f"serving {store} at {scheme}://{host}:{bound.getsockname()[1]}", flush=True)
        server.run(sockets=[bound])
    LOGGER.info("the server has ended")
    return 0


def _check(listening: Listening) -> None:
    if bool(listening.certificate) != bool(listening.private_key):
        raise UsageError("serve: --certificate and --private-key belong together; give both, or none")
    for path in (listening.certificate, listening.private_key):
        if path is not None and not path.is_file():
            raise UsageError(f"serve: {path} is not a file; TLS needs the certificate and its key as PEM files")
    if not is_loopback(listening.host) and listening.certificate is None:
        raise UsageError(
            f"serve: {listening.host} can be reached from other machines, and the key would travel readable. "
            "Give --certificate and --private-key, or listen on 127.0.0.1"
        )


def _key(listening: Listening, store: Path) -> str:
    from platform_interface.server.keys import check_length, key_of_store

    if listening.key:
        if not listening.key.startswith(("env:", "file:")):
            add_secret(listening.key)
            raise UsageError('serve: --key takes "env:NAME" or "file:PATH"; a key on a command line is seen by everybody')
        key = secret_of(listening.key)
        check_length(key, "serve: --key")
    else:
        key, path = key_of_store(store)
        LOGGER.info('the key is in %s: "userApiKey": "file:%s"', path, path)
    add_secret(key)
    return key


def _bound(listening: Listening) -> socket.socket:
    family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
    bound = socket.socket(
        family, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # named, else asyncio leaves TCP_NODELAY off: 40 ms a request
    try:
        if os.name == "posix":  # elsewhere the option lets two programs have one port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((listening.host, listening.port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise UsageError(
            f"serve: cannot listen on {listening.host} port {listening.port}: {error.strerror}. Is another server there? "
            "Choose another --port, or 0 for any that is free"
        ) from None
    return bound
