"""The pages of a collection: checked one by one, and for pages without an end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from platform_interface.errors import PlatformError


@dataclass
class Page:
    """Some entities, or data arrays, of a collection; `count` is how many there are in all, where the server says it."""

    value: list[dict[str, Any]]
    count: int | None
    where: str


class Progress:
    """Notices pages without an end that bring nothing new."""

    def __init__(self) -> None:
        self._before = -1
        self._idle = 0

    def check(self, known: int, where: str) -> None:
        """Take the number of different entities after one more page.

        Raises
        ------
        PlatformError
            Page after page repeats what came before.
        """
        self._idle = self._idle + 1 if known == self._before else 0
        self._before = known
        if self._idle > 2:
            raise PlatformError(f"{where}: page after page repeats the same entities; nothing was used")


def page_of(content: Any, where: str) -> Page:
    """Return an answer as a page.

    Raises
    ------
    PlatformError
        It is no collection.
    """
    value = content.get("value") if isinstance(content, dict) else None
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise PlatformError(f"{where} answered with something else than a SensorThings collection; nothing was used")
    count = content.get("@iot.count")
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 0):
        raise PlatformError(f"{where} answered with an @iot.count that is no number of entities: {str(count)[:40]!r}")
    return Page(value, count, where)
