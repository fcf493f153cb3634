"""What signs a request to a SensorThings server."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from platform_interface.errors import UsageError
from platform_interface.log import add_secret

if TYPE_CHECKING:
    from platform_interface.launch import Launch


def signature_of(launch: Launch) -> dict[str, str]:
    """Return what signs a request: a key as bearer token, or user and password.

    Raises
    ------
    UsageError
        Both are given, or only half of one.
    """
    if launch.userApiKey and (launch.userName or launch.userPassword):
        raise UsageError("give userApiKey, or userName with userPassword, not both")
    if bool(launch.userName) != bool(launch.userPassword):
        raise UsageError("userName and userPassword belong together; one of them is missing")
    given = launch.userApiKey or f"{launch.userName}:{launch.userPassword}"
    if any(not sign.isprintable() for sign in given):
        raise UsageError("the key, the user or the password holds a sign that cannot be sent; was it copied with a line break?")
    if launch.userApiKey:
        if not launch.userApiKey.isascii():
            raise UsageError("userApiKey holds a letter that a key cannot have; was it copied right?")
        return {"Authorization": f"Bearer {launch.userApiKey}"}
    if launch.userName:
        token = base64.b64encode(given.encode()).decode()
        add_secret(token)
        return {"Authorization": f"Basic {token}"}
    return {}
