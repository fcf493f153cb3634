"""Who may in: one key, tokens made from it, and a limit on guessing."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import jwt

from platform_interface.errors import UsageError
from platform_interface.server.answers import EXPIRED, RefusalError

#: Lifetimes of tokens, as ThingsBoard has them. [s]
ACCESS, REFRESH = 9_000.0, 604_800.0
#: So many wrong passwords within this time close the login for as long. [s]
GUESSES, GUESS_TIME = 5, 30.0
#: A key shorter than this could be guessed.
SHORTEST = 16
_ALGORITHM = "HS256"


def key_of_store(store: Path) -> tuple[str, Path]:
    """Return the key in the store's key file, and the file; a new one where there is none.

    Raises
    ------
    UsageError
        The file is too short to be a key.
    """
    path = store / "serve.key"
    store.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        scratch = path.with_name(f".serve.key.{os.getpid()}")
        scratch.unlink(missing_ok=True)
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"twin_{secrets.token_urlsafe(32)}\n")
        os.replace(scratch, path)
    try:
        key = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is no text; delete it, and the next start makes a new key") from None
    check_length(key, str(path))
    return key, path


def check_length(key: str, where: str) -> None:
    """Refuse a key that could be guessed."""
    if len(key) < SHORTEST:
        raise UsageError(f"{where}: the key is shorter than {SHORTEST} characters and could be guessed; take a longer one")


class Doorkeeper:
    """Checks keys and tokens. There is one user; its name is free, its password is the key.

    Parameters
    ----------
    key : str
        The key.
    access, refresh : float
        Lifetimes of tokens. [s]
    """

    def __init__(self, key: str, access: float = ACCESS, refresh: float = REFRESH) -> None:
        self.access, self.refresh = access, refresh
        self._digest = hashlib.sha256(key.encode()).digest()
        # tokens outlive a restart of the server, and end with the key
        self._secret = hashlib.blake2b(key.encode(), person=b"twin tokens").digest()
        #: A word for this key that tells nothing of it.
        self.mark = hashlib.blake2b(key.encode(), digest_size=4, person=b"twin mark").hexdigest()
        self._lock = threading.Lock()
        self._failures: list[float] = []
        self._ended: dict[str, float] = {}

    def knows(self, key: str) -> bool:
        """Whether this is the key, in a time that tells nothing of it."""
        return hmac.compare_digest(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest(), self._digest)

    def log_in(self, user: str, password: str) -> dict[str, str]:
        """Return a pair of tokens for the password.

        Raises
        ------
        RefusalError
            401 on a wrong one, 429 after too many.
        """
        self._slow_down()
        if not self.knows(password):
            with self._lock:
                self._failures.append(time.monotonic())
            raise RefusalError(401, "Invalid username or password")
        return self.tokens(user)

    def _slow_down(self) -> None:
        now = time.monotonic()
        with self._lock:
            self._failures = [moment for moment in self._failures if now - moment < GUESS_TIME]
            if len(self._failures) >= GUESSES:
                wait = GUESS_TIME - (now - self._failures[0])
                raise RefusalError(429, f"Too many wrong passwords; the login opens again in {wait:.0f} s")

    def tokens(self, user: str, session: str = "") -> dict[str, str]:
        """Return a new pair of tokens."""
        session = session or str(uuid.uuid4())
        return {
            "token": self.signed(user, "TENANT_ADMIN", self.access, session),
            "refreshToken": self.signed(user, "REFRESH_TOKEN", self.refresh, session),
        }

    def signed(self, user: str, scope: str, lifetime: float, session: str = "") -> str:
        """Return a token for one purpose. [s]"""
        now = time.time()
        claims = {
            "sub": user, "sessionId": session or str(uuid.uuid4()), "iss": "battery-twin", "iat": int(now), "scopes": [scope],
            "exp": int(now + lifetime), "userId": str(user_uuid()), "jti": str(uuid.uuid4()),
        }  # fmt: skip
        return jwt.encode(claims, self._secret, _ALGORITHM)

    def claims(self, token: str, scope: str = "TENANT_ADMIN") -> dict[str, Any]:
        """Return what a token says.

        Raises
        ------
        RefusalError
            401: it is not ours, was ended by a logout, is for another purpose, or has expired (code 11).
        """
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._secret, [_ALGORITHM], options={"require": ["exp", "iat"], "verify_iat": False}
            )
        except jwt.ExpiredSignatureError:
            raise RefusalError(401, "Token has expired", EXPIRED) from None
        except (jwt.InvalidTokenError, ValueError):
            raise RefusalError(401, "Authentication failed") from None
        if claims.get("scopes") != [scope] or claims.get("sessionId") in self._ended:
            raise RefusalError(401, "Authentication failed")
        return claims

    def renew(self, refresh: str) -> dict[str, str]:
        """Return a new pair for a refresh token."""
        claims = self.claims(refresh, "REFRESH_TOKEN")
        return self.tokens(str(claims["sub"]), str(claims["sessionId"]))

    def log_out(self, claims: dict[str, Any]) -> None:
        """End every token of a session."""
        now = time.time()
        with self._lock:
            self._ended = {session: end for session, end in self._ended.items() if end > now}
            self._ended[str(claims["sessionId"])] = now + self.refresh

    def user_of(self, header: str) -> dict[str, Any]:
        """Return the claims behind an authorization header.

        Raises
        ------
        RefusalError
            401: there is none, or it is wrong.
        """
        kind, _, value = header.partition(" ")
        if kind == "Bearer":
            return self.claims(value.strip())
        if kind == "ApiKey" and self.knows(value.strip()):
            return {"sub": "key", "sessionId": ""}
        raise RefusalError(401, "Authentication failed")


def user_uuid() -> uuid.UUID:
    """Return the id of the one user."""
    from platform_interface.server.entities import NAMESPACE

    return uuid.uuid5(NAMESPACE, "user/")
