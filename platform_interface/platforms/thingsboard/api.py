"""ThingsBoard's REST interface: addresses of things, and answers whose shape is checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from platform_interface.errors import PlatformError
from platform_interface.platforms.http import Http, RefusedError

#: Things on one page of a listing.
PAGE = 500
#: Longest list of keys in one address. [characters]
LONGEST_KEYS = 2500
#: Body of one request. [byte] ThingsBoard takes 16 MiB.
LARGEST_BODY = 4 * 2**20
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Api:
    """Requests to one ThingsBoard.

    Parameters
    ----------
    http : Http
        Signed.
    """

    def __init__(self, http: Http) -> None:
        self.http = http

    def get(self, path: str, params: Any = None) -> Any:
        """Return what is there."""
        return self.http.request("GET", path, params=params).json()

    def found(self, path: str, params: Any = None) -> Any:
        """Return what is there, or ``None`` where there is nothing."""
        try:
            return self.get(path, params)
        except RefusedError as error:
            if error.status == 404:
                return None
            raise

    def post(self, path: str, content: Any, again: bool = True) -> Any:
        """Send, and return what came back."""
        return self.http.request("POST", path, content=content, again=again).json()

    def delete(self, path: str, params: Any = None) -> None:
        """Delete; what is not there is deleted."""
        try:
            self.http.request("DELETE", path, params=params).json()  # a page of a proxy is no acknowledgement
        except RefusedError as error:
            if error.status != 404:
                raise

    def pages(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Return everything of a paged listing, oldest first, each once: pages by number shift while others write."""
        seen: set[str] = set()
        number = 0
        while True:
            asked = {"pageSize": PAGE, "page": number, "sortProperty": "createdTime", "sortOrder": "ASC", **(params or {})}
            content = self.get(path, asked)
            listed = content.get("data") if isinstance(content, dict) else None
            if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
                raise misshaped(path, "a page of things", content)
            fresh = {key: each for each in listed if (key := uuid_of(each.get("id"), path)) not in seen}
            seen.update(fresh)
            yield from fresh.values()
            if content.get("hasNext") is not True:
                return
            if not fresh:
                raise PlatformError(f"{path}: page {number} brings nothing new, and yet there is said to be a next one")
            number += 1


def misshaped(path: str, wanted: str, content: Any) -> PlatformError:
    """Return the error of an answer that is not what was asked for."""
    return PlatformError(
        f"{path} answered with {str(content)[:80]!r} in place of {wanted}. Is the address that of ThingsBoard?"
    )


def uuid_of(value: Any, where: str) -> str:
    """Return a UUID out of ``{"id": ..., "entityType": ...}``; it becomes part of an address, so it may be nothing else."""
    text = value.get("id") if isinstance(value, dict) else value
    if not isinstance(text, str) or not _UUID.fullmatch(text):
        raise misshaped(where, "a UUID", text)
    return text.lower()


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID."""
    return _UUID.fullmatch(text) is not None


def key_groups(names: Sequence[str], most: int = 200) -> Iterator[list[str]]:
    """Split keys such that each group fits an address; those with a comma stand apart, see `keys_of`."""
    for chosen in ([n for n in names if "," not in n], [n for n in names if "," in n]):
        group: list[str] = []
        length = 0
        for name in chosen:
            size = 3 * len(name.encode()) + 8  # each sign may be quoted
            if group and (length + size > LONGEST_KEYS or len(group) >= most):
                yield group
                group, length = [], 0
            group.append(name)
            length += size
        if group:
            yield group


def keys_of(names: Sequence[str]) -> list[tuple[str, Any]]:
    """Return the parameters that name keys: old versions know ``keys=a,b`` only, and a comma in a name needs ``key=``."""
    if any("," in name for name in names):
        return [("key", name) for name in names]
    return [("keys", ",".join(names))]
