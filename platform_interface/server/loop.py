"""The HTTP server itself: uvicorn with our limits."""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING

import uvicorn

from platform_interface.errors import UsageError
from platform_interface.hosts import is_loopback
from platform_interface.server.application import application
from platform_interface.server.guards import LOOPBACK, Guards
from platform_interface.server.slow import Patient
from platform_interface.server.web import Served

if TYPE_CHECKING:
    from platform_interface.server.command import Listening

#: Requests in flight are given this time when the server is told to stop. [s]
GRACE = 30


def server_of(served: Served, listening: Listening) -> uvicorn.Server:
    """Return the server, ready to run.

    Raises
    ------
    UsageError
        The certificate and its key cannot be used.
    """
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # what went wrong is logged by the application, once
    gc.set_threshold(200_000, 20, 50)  # a body of 100,000 rows is no reason to look for garbage a hundred times
    hosts = (*LOOPBACK, listening.host) if is_loopback(listening.host) else ()
    config = uvicorn.Config(
        Guards(application(served), hosts),
        http=Patient,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE,
        ssl_certfile=listening.certificate,
        ssl_keyfile=listening.private_key,
    )
    try:
        config.load()
    except OSError as error:  # those of TLS are of this kind
        reason = getattr(error, "reason", None) or error.strerror
        raise UsageError(
            f"serve: {listening.certificate} and {listening.private_key} cannot be used: {reason}. They are a certificate and "
            "the key that belongs to it, as PEM files; a key under a password cannot be read"
        ) from None
    return uvicorn.Server(config)
