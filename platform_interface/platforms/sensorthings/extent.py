"""Where samples lie, asked at little cost: the first, the last, and how many a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from platform_interface.errors import PlatformError
from platform_interface.platforms.base import Bucket
from platform_interface.platforms.sensorthings.paging import Page
from platform_interface.platforms.sensorthings.samples import FIRST, LAST, between, instant_of, read_samples, rows_of
from platform_interface.platforms.sensorthings.service import Id, Service
from platform_interface.when import DAY, day_of, text

#: Stretches of a group that are counted, at most; a longer past is counted several days at a time.
MOST_COUNTS = 400
#: Observations further apart than this have a wrong time. [d]
MOST_DAYS = 73_050
#: So few observations are read rather than counted again.
FEW = 100
_HOUR = 3_600_000
#: A time without observations: a server that counts some there does not heed the limits of a question. [ms UTC]
_NEVER = (FIRST + 1000, FIRST + 2000)


@dataclass(frozen=True)
class Group:
    """Series that are sampled together: one of them is counted for all.

    Attributes
    ----------
    streams : tuple
        Datastreams in which first and last are looked for.
    counted : tuple
        Datastreams of the one that is counted.
    members : int
        How many series it stands for.
    margin : int
        See `read_samples`. [ms]
    """

    streams: tuple[Id, ...]
    counted: tuple[Id, ...]
    members: int
    margin: int = 0


class Extents:
    """Questions about the times of observations.

    Parameters
    ----------
    service : Service
        Where to ask.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self._sorts = False
        self._filters = False

    def count(self, stream: Id, start: int, end: int) -> int:
        """Return how many observations a Datastream has in ``start <= t < end``.

        Raises
        ------
        PlatformError
            The server does not heed the limits: whole days would seem empty.
        """
        if not self._filters and (start, end) != _NEVER:
            if self.count(stream, *_NEVER):
                raise PlatformError(
                    f"{self.service.http.address} does not heed $filter: it counts observations in the year 1000. Without it nothing "
                    "tells where samples lie; nothing was used"
                )
            self._filters = True
        path = self.service.path("Datastreams", stream, "Observations")
        limits = between(start, end)
        query = {"$count": "true", "$top": "1", **({"$filter": limits} if limits else {})}
        answer = self.service.optional(path, {**query, "$top": "0"}, "ask for none") or self.service.get(path, query)
        page = self.service.read_page(answer)
        if page.count is not None:
            return page.count
        return len(read_samples(self.service, [stream], start, end).ids)  # a server that does not count

    def edge(self, stream: Id, newest: bool, start: int = FIRST, end: int = LAST + 1) -> int | None:
        """Return the time of the first or of the newest observation in a range; ``None`` where there is none."""
        path = self.service.path("Datastreams", stream, "Observations")
        limits = between(start, end)
        query = {"$orderby": f"phenomenonTime {'desc' if newest else 'asc'}", "$top": "1"}
        query.update({"$filter": limits} if limits else {})
        query.update({"$resultFormat": "dataArray"} if self.service.has_data_arrays else {})
        answer = self.service.optional(path, query, "order by time")
        if answer is None:
            return self._searched(stream, newest, start, end)
        page = self.service.read_page(answer)
        times = [time for time, _, _ in rows_of(self.service, page).values()]
        if not times:
            return None
        found = max(times) if newest else min(times)
        if not self._sorts:  # a server may take the option and not heed it: believed once counting agrees
            beyond = self.count(stream, found + 1, end) if newest else self.count(stream, start, found)
            if beyond:
                self.service.can["order by time"] = False
                return self._searched(stream, newest, start, end)
            self._sorts = newest
        return found

    def _searched(self, stream: Id, newest: bool, start: int, end: int) -> int | None:
        """Find the edge by counting, where the server cannot sort by time: wider and wider steps, then halves."""
        number = self.count(stream, start, end)
        if number <= FEW:
            return self._within(stream, start, end, newest) if number else None
        seed = self._any(stream, start, end)
        if newest:
            low, high, step = seed, seed + _HOUR, _HOUR
            while high < end and self.count(stream, high, end):
                low, step = high, 4 * step
                high = low + step
            high = min(high, end)
            while high - low > 1 and self.count(stream, low, high) > FEW:
                middle = (low + high) // 2
                low, high = (middle, high) if self.count(stream, middle, high) else (low, middle)
            return self._within(stream, low, high, newest)
        low, high, step = seed - _HOUR, seed + 1, _HOUR
        while low > start and self.count(stream, start, low):
            high, step = low, 4 * step
            low = high - step
        low = max(low, start)
        while high - low > 1 and self.count(stream, low, high) > FEW:
            middle = (low + high) // 2
            low, high = (low, middle) if self.count(stream, low, middle) else (middle, high)
        return self._within(stream, low, high, newest)

    def _within(self, stream: Id, low: int, high: int, newest: bool) -> int:
        """Return the edge of a stretch that holds few observations."""
        found = read_samples(self.service, [stream], low, high).time
        if not found.size:
            path = self.service.path("Datastreams", stream, "Observations")
            raise PlatformError(
                f"{self.service.http.address}{path}: observations are counted from {text(low)} to {text(high)}, but none is there; "
                "nothing was used"
            )
        return int(found[-1] if newest else found[0])

    def _any(self, stream: Id, start: int, end: int) -> int:
        """Return the time of whichever observation the server names first."""
        path = self.service.path("Datastreams", stream, "Observations")
        limits = between(start, end)
        query = {"$top": "1", **({"$filter": limits} if limits else {})}
        query.update({"$resultFormat": "dataArray"} if self.service.has_data_arrays else {})
        page = self.service.read_page(self.service.get(path, query))
        for time, _, _ in rows_of(self.service, page).values():
            return min(max(time, start), end - 1)
        raise PlatformError(f"{page.where} counts observations, but answers with none; nothing was used")

    def span(self, streams: Sequence[Id], start: int) -> tuple[int, int] | None:
        """Return first and newest time of several Datastreams from `start` on; ``None`` where there is nothing."""
        first: int | None = None
        last = start
        for stream in streams:
            if self.service.can.get("order by time") is False and first is not None:
                # sampled like the one before, most likely: two counts say so
                earlier = self.edge(stream, newest=False, start=start, end=first)
                later = self.edge(stream, newest=True, start=last + 1)
            else:
                earlier, later = self.edge(stream, False, start), self.edge(stream, True, start)
            first = earlier if first is None else min(first, first if earlier is None else earlier)
            last = max(last, last if later is None else later)
        return None if first is None else (first, last)


def buckets_of(extents: Extents, groups: Sequence[Group], start: int) -> list[Bucket]:
    """Return where the samples of groups of series lie from `start` on, a bucket a UTC day.

    First and last of all are exact; within, a group's observations are counted by one of its series, and a long past several
    days at a time.

    Raises
    ------
    PlatformError
        They lie centuries apart.
    """
    http = extents.service.http
    streams = [stream for group in groups for stream in group.streams]
    spans = [span for span in http.map(lambda part: extents.span(part, start), _parts(streams, http.concurrency)) if span]
    if not spans:
        return []
    first, last = min(span[0] for span in spans), max(span[1] for span in spans)
    if last - first > MOST_DAYS * DAY:
        raise PlatformError(
            f"{http.address}: the observations of one asset reach from {text(first)} to {text(last)}. The clock of a logger was "
            "wrong; correct those times, or delete the observations."
        )
    values: dict[int, int] = {}
    for group in groups:
        for day, count in _counted(extents, group, day_of(first), day_of(last) + DAY).items():
            values[day] = values.get(day, 0) + count * group.members
    for edge in (first, last):
        values.setdefault(day_of(edge), 1)
    return [Bucket(d, d + DAY, values[d], max(d, first), min(d + DAY - 1, last)) for d in sorted(values)]


def _counted(extents: Extents, group: Group, start: int, end: int) -> dict[int, int]:
    """Return how many observations a group has by day: stretches are halved while they hold any, within a number of requests."""

    def count(stretch: tuple[int, int]) -> int:
        return sum(extents.count(s, stretch[0] - group.margin, stretch[1] + group.margin) for s in group.counted)

    whole = (start, end)
    held = {whole: count(whole)}
    asked = 1
    while True:
        long = [stretch for stretch, number in held.items() if number and stretch[1] - stretch[0] > DAY]
        long = sorted(long, key=lambda stretch: stretch[0] - stretch[1])[: max(0, MOST_COUNTS - asked)]
        if not long:
            break
        halves = [(low, day_of((low + high) // 2)) for low, high in long]
        asked += len(halves)
        for stretch, half, number in zip(long, halves, extents.service.http.map(count, halves), strict=True):
            rest = held.pop(stretch) - number
            held[half], held[(half[1], stretch[1])] = number, max(rest, 0)
    found = {}
    for (low, high), number in held.items():
        for day in range(low, high, DAY) if number else ():
            found[day] = max(1, number * DAY // (high - low))
    return found


def _parts(streams: Sequence[Id], concurrency: int) -> list[Sequence[Id]]:
    """Split Datastreams into as many parts as are asked for at one time."""
    size = max(1, -(-len(streams) // concurrency))
    return [streams[i : i + size] for i in range(0, len(streams), size)]


def interval_of(service: Service, stream: Id) -> int:
    """Return the greatest length of some of a Datastream's observations: 0 for instants. [ms]"""
    query = {"$top": str(FEW), **({"$resultFormat": "dataArray"} if service.has_data_arrays else {})}
    page = service.read_page(service.get(service.path("Datastreams", stream, "Observations"), query))
    return max((_length(time, page) for time in _times(page)), default=0)


def _times(page: Page) -> list[str]:
    found = []
    for item in page.value:
        names, block = item.get("components"), item.get("dataArray")
        if isinstance(names, list) and isinstance(block, list) and "phenomenonTime" in names:
            at = names.index("phenomenonTime")
            found += [row[at] for row in block if isinstance(row, list) and len(row) > at]
        else:
            found.append(item.get("phenomenonTime"))
    return [time for time in found if isinstance(time, str)]


def _length(time: str, page: Page) -> int:
    start, _, end = time.partition("/")
    return max(0, instant_of(end, "", page.where) - instant_of(start, "", page.where)) if end else 0
