"""Where a remote platform is, and who vouches for it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from platform_interface.errors import UsageError
from platform_interface.hosts import is_loopback
from platform_interface.settings import Settings


def checked_address(address: str, insecure: bool) -> str:
    """Return the base address without a trailing slash.

    Raises
    ------
    UsageError
        There is none, it is no http address, it holds a password, or it is unprotected and leads to another machine.
    """
    parts = urlsplit(address.strip())
    if not address.strip():
        raise UsageError("no address of the platform: set parameters.platform.address, or iotApi of the launch")
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise UsageError("parameters.platform.address: is not of the form https://host[:port][/path]")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            "parameters.platform.address: holds a user, a query or a fragment; give the bare address, and the key by userApiKey"
        )
    if parts.scheme == "http" and not insecure and not is_loopback(parts.hostname):
        raise UsageError(
            f"parameters.platform.address: http://{parts.hostname} would send the key readable. Use https://, or set "
            "platform.insecure_http when the network itself is trusted."
        )
    return address.strip().rstrip("/")


def authority_of(settings: Settings) -> Path | None:
    """Return the file of the private authority.

    Raises
    ------
    UsageError
        It is named, but not there.
    """
    if not settings.platform.private_ca:
        return None
    path = settings.folder(settings.platform.private_ca)
    if not path.is_file():
        raise UsageError("settings.json", [f"parameters.platform.private_ca: {path} is not there"])
    return path
