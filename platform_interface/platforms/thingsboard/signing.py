"""Signing of requests: an API key, or a login whose token is renewed before it expires."""

from __future__ import annotations

import base64
import binascii
import threading
import time
from collections.abc import Mapping
from typing import Any

import orjson

from platform_interface.errors import PlatformError, UsageError
from platform_interface.log import add_secret
from platform_interface.platforms.http import Http, RefusedError

HEADER = "X-Authorization"
#: A token is renewed this long before it expires. [s]
MARGIN = 30.0


class Signing:
    """Gives the headers that sign a request; used by several threads.

    Parameters
    ----------
    key : str
        API key (ThingsBoard 4.3 and newer); empty: user and password.
    """

    def __init__(self, key: str, user: str, password: str) -> None:
        if not key and not (user and password):
            raise UsageError(
                "the platform wants a key: give userApiKey in the launch (ThingsBoard 4.3 or newer), or userName and userPassword"
            )
        self._key, self._user, self._password = key, user, password
        self._token = self._refresh = ""
        self._renew_at = 0.0
        self._lock = threading.Lock()
        self._given = threading.local()
        self.http: Http | None = None

    def headers(self, rejected: bool) -> Mapping[str, str]:
        """Return the headers; `rejected` when the platform did not take those that this thread got last."""
        if self._key:
            return {HEADER: f"ApiKey {self._key}"}
        with self._lock:
            mine = getattr(self._given, "token", "")
            stale = rejected and mine == self._token  # else another thread has renewed it already
            if not self._token or stale or time.monotonic() >= self._renew_at:
                self._renew()
            self._given.token = self._token
            return {HEADER: f"Bearer {self._token}"}

    def _renew(self) -> None:
        if self._refresh:
            try:
                self._take(self._ask("/api/auth/token", {"refreshToken": self._refresh}))
            except RefusedError:
                self._refresh = ""  # it has expired too, or was revoked
            else:
                return
        try:
            self._take(self._ask("/api/auth/login", {"username": self._user, "password": self._password}))
        except RefusedError as error:
            if error.status not in (400, 401):
                raise
            raise PlatformError(
                f"the platform does not let us in: {error.text}. Are userName and userPassword right?"
            ) from None

    def _ask(self, path: str, content: Mapping[str, str]) -> Any:
        assert self.http is not None
        return self.http.request("POST", path, content=content, signed=False).json()

    def _take(self, content: Any) -> None:
        token = content.get("token") if isinstance(content, dict) else None
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise PlatformError("the platform answered a login without a token. Is its address that of ThingsBoard?")
        refresh = content.get("refreshToken")
        self._token, self._refresh = token, refresh if isinstance(refresh, str) else ""
        add_secret(self._token)
        add_secret(self._refresh)
        self._renew_at = time.monotonic() + _life(token)


def _life(token: str) -> float:
    """Return for how long a token may be used. [s] Its own clock counts, not ours: both its times are the platform's."""
    try:
        part = token.split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        life = float(claims["exp"]) - float(claims["iat"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return 600.0  # not for us to read; one that expired earlier is renewed when it is rejected
    return min(max(0.0, life - min(MARGIN, life / 4)), 1e7) if life == life else 600.0
