"""The one way to a remote platform over HTTP: verified, bounded, repeated where that is safe, and never for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson
import requests
from requests.adapters import HTTPAdapter
from tenacity import RetryCallState, Retrying, retry_if_exception_type
from tenacity.wait import wait_random_exponential

from platform_interface.errors import PlatformError
from platform_interface.platforms.address import authority_of, checked_address
from platform_interface.settings import PlatformSettings

__all__ = ["Answer", "Budget", "Http", "RefusedError", "authority_of", "checked_address"]

#: Answers after which the same request may succeed a little later.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
#: Answers to a request that was surely not carried out.
NOT_DONE = frozenset({425, 429, 503})
#: Largest answer that is taken in. [byte]
MOST_BYTES = 256 * 2**20
#: One request is repeated at most this often, whatever is left of the budget.
MOST_ATTEMPTS = 24
_WAIT = wait_random_exponential(multiplier=0.2, max=20)

Item = TypeVar("Item")
Result = TypeVar("Result")


class RefusedError(PlatformError):
    """The platform said no, for good.

    Parameters
    ----------
    message : str
        For a person.
    status : int
        HTTP status.
    text : str
        What the platform said.
    """

    def __init__(self, message: str, status: int, text: str) -> None:
        super().__init__(message)
        self.status = status
        self.text = text


class _AgainError(PlatformError):
    """A fault that may pass; `after` is what the platform asked to wait. [s]"""

    def __init__(self, message: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    content: bytes
    where: str
    headers: Mapping[str, str]

    def json(self) -> Any:
        """Return the body as JSON; ``None`` for an empty one.

        Raises
        ------
        PlatformError
            It is something else: a login page of a proxy, for example.
        """
        if not self.content.strip():
            return None
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError:
            start = self.content[:80].decode("utf-8", "replace")
            raise PlatformError(
                f"{self.where} did not answer with JSON but with {start!r}. Is this the platform's own address?"
            ) from None


class Budget:
    """How long a run may wait for repeated requests, in all; waiting at one time counts once.

    Parameters
    ----------
    seconds : float
        [s]
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._spent = 0.0
        self._waiting = 0
        self._since = 0.0
        self._lock = threading.Lock()

    def left(self) -> float:
        """Return what is left. [s]"""
        with self._lock:
            running = time.monotonic() - self._since if self._waiting else 0.0
            return self.seconds - self._spent - running

    def sleep(self, seconds: float) -> None:
        """Wait on the budget's account."""
        with self._lock:
            if not self._waiting:
                self._since = time.monotonic()
            self._waiting += 1
        try:
            time.sleep(seconds)
        finally:
            with self._lock:
                self._waiting -= 1
                if not self._waiting:
                    self._spent += time.monotonic() - self._since


class Http:
    """Requests to one platform.

    Parameters
    ----------
    address : str
        ``https://host[:port][/path]``; ``http://`` to this machine, or where the settings allow it.
    settings : PlatformSettings
        Concurrency, limits of time, private authority.
    sign : callable
        Given whether the last sign-in was rejected, returns the headers that sign a request.
    private_ca : Path or None
        PEM file of the authority that signed the platform's certificate.
    """

    def __init__(
        self,
        address: str,
        settings: PlatformSettings,
        sign: Callable[[bool], Mapping[str, str]],
        private_ca: Path | None = None,
    ) -> None:
        self.address = checked_address(address, settings.insecure_http)
        self.timeout = settings.request_timeout
        self.budget = Budget(settings.retry_budget)
        self.concurrency = settings.concurrency
        self.repeated = 0
        self._sign = sign
        self._session = requests.Session()
        self._session.verify = True if private_ca is None else str(private_ca)
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=self.concurrency + 1)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def request(
        self, method: str, path: str, *, params: Any = None, content: Any = None, data: bytes | None = None,
        headers: Mapping[str, str] | None = None, files: Any = None, again: bool = True, signed: bool = True,
    ) -> Answer:  # fmt: skip
        """Ask, and repeat what may pass with growing, random pauses.

        Parameters
        ----------
        path : str
            Behind the address; names in it are quoted already.
        content : object
            Body, sent as JSON without NaN.
        again : bool
            Whether asking twice does no harm; if not, it is repeated only when it was surely not carried out.
        signed : bool
            Whether the request is signed; the sign-in itself is not.

        Raises
        ------
        RefusedError
            An answer of 3xx or 4xx that will not change.
        PlatformError
            The platform could not be reached within the budget, or answered nonsense.
        """
        where = f"{method} {self.address}{path}"
        body = data if content is None else orjson.dumps(content)
        sent = {**({"Content-Type": "application/json"} if content is not None else {}), **(headers or {})}
        renewed = False

        def once() -> Answer:
            nonlocal renewed
            signature = dict(self._sign(False)) if signed else {}
            answer = self._send(method, path, params, body, {**sent, **signature}, files, where, again)
            if answer.status == 401 and signed and not renewed:
                renewed = True
                answer = self._send(method, path, params, body, {**sent, **self._sign(True)}, files, where, again)
            if answer.status in PASSING and (again or answer.status in NOT_DONE):
                raise _AgainError(f"{where}: {answer.status} {_said(answer)}", _asked_to_wait(answer.headers))
            if answer.status >= 300:
                raise RefusedError(
                    f"{where}: {answer.status} {_said(answer)}{_remedy(answer.status)}", answer.status, _said(answer)
                )
            return answer

        repeat = Retrying(
            retry=retry_if_exception_type(_AgainError), stop=self._given_up, wait=_pause, sleep=self.budget.sleep,
            before_sleep=self._count, reraise=True,
        )  # fmt: skip
        try:
            return repeat(once)
        except _AgainError as error:
            raise PlatformError(
                f"{error}. It was repeated until platform.retry_budget ({self.budget.seconds:g} s a run) or the number of "
                f"attempts ({MOST_ATTEMPTS}) was used up. Is the platform up, and its rate limit high enough?"
            ) from None

    def _send(
        self, method: str, path: str, params: Any, body: bytes | None, headers: Mapping[str, str], files: Any, where: str,
        again: bool,
    ) -> Answer:  # fmt: skip
        try:
            with self._session.request(
                method, self.address + path, params=params, data=body, headers=dict(headers), files=files, stream=True,
                timeout=(min(10.0, self.timeout), self.timeout), allow_redirects=False,
                verify=self._session.verify,  # named here, for else REQUESTS_CA_BUNDLE of the environment would win over the settings
            ) as response:  # fmt: skip
                return Answer(response.status_code, self._body(response, where), where, response.headers)
        except requests.exceptions.SSLError as error:
            raise PlatformError(
                f"{where}: the certificate cannot be trusted ({_reason(error)}). For a private authority set platform.private_ca."
            ) from None
        except requests.exceptions.RequestException as error:
            fault = f"{where}: {_reason(error)}"
            if again or isinstance(error, requests.exceptions.ConnectTimeout) or "refused" in fault:
                raise _AgainError(fault) from None
            raise PlatformError(f"{fault}. It is not known whether this was carried out.") from None

    def _body(self, response: requests.Response, where: str) -> bytes:
        """Take the body in, within the limits of size and time."""
        parts, size, deadline = [], 0, time.monotonic() + 2 * self.timeout
        for part in response.iter_content(1 << 20):
            parts.append(part)
            size += len(part)
            if size > MOST_BYTES:
                raise PlatformError(f"{where} answered with more than {MOST_BYTES >> 20} MiB; nothing of it was used")
            if time.monotonic() > deadline:
                raise requests.exceptions.ReadTimeout(f"the answer took longer than {2 * self.timeout:g} s")
        return b"".join(parts)

    def _given_up(self, state: RetryCallState) -> bool:
        return state.attempt_number >= MOST_ATTEMPTS or self.budget.left() <= 0

    def _count(self, _state: RetryCallState) -> None:
        with self._lock:
            self.repeated += 1

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Do several things at one time, within the allowed concurrency; the results come in order. Not to be nested."""
        listed = list(items)
        if len(listed) <= 1 or self.concurrency == 1:
            return [function(item) for item in listed]
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="request")
        return list(self._pool.map(function, listed))


def _pause(state: RetryCallState) -> float:
    outcome = state.outcome
    error = None if outcome is None else outcome.exception()
    return max(_WAIT(state), error.after if isinstance(error, _AgainError) else 0.0)


def _asked_to_wait(headers: Mapping[str, str]) -> float:
    try:
        return min(120.0, max(0.0, float(headers.get("Retry-After", 0))))
    except ValueError:
        return 0.0


def _said(answer: Answer) -> str:
    """Return what the platform said, short; it is data, not markup."""
    text = answer.content[:2000].decode("utf-8", "replace")
    try:
        content = orjson.loads(answer.content)
        text = str(content.get("message", text)) if isinstance(content, dict) else text
    except orjson.JSONDecodeError:
        pass
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line[:200]


def _reason(error: BaseException) -> str:
    """Return why a request failed, without the address's query."""
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    text = f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
    return text[:200]


def _remedy(status: int) -> str:
    words = {
        401: ". Is userApiKey right, and not expired?", 403: ". The user lacks the right to do this.",
        404: "", 413: ". The platform takes less at a time.",
    }  # fmt: skip
    if 300 <= status < 400:
        return ". The address redirects; give the final one: the key is not sent elsewhere."
    return words.get(status, "")
