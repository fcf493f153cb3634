"""Time zone slips: two time bases of one asset that agree when one is moved, clock changes in UTC stamps, stamps ahead of the clock.

One time base alone tells nothing of its zone, but for the nights on which clocks change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from platform_interface.doctor.channels import Channel, View, of_quantity
from platform_interface.doctor.findings import Finding, Proposal
from platform_interface.table import Times, Values
from platform_interface.when import DAY, text

#: Bins in which two bases are compared; how many are one where a sensor is slower than that. [ms]
BIN, COARSE = 60_000, 5
#: Bins with a value that make one comparison: 4 h of data by the minute. Half of them must be shared at a lag.
KNOWN = 240
#: Zones differ by quarters of an hour [ms]; -12 h to +14 h are in use, and two sensors are looked for up to 14 h apart.
LAG, FARTHEST = 900_000, 56
#: Correlation at a lag, and how much worse every other lag must be (of 1 - r).
ALIKE, WORSE = 0.9, 4.0
#: 1 - r at no lag with which two bases are held to agree, so that no lag is looked for.
SAME = 0.005
#: Comparisons that must name one lag, and their share of those that name any.
BLOCKS, AGREE = 3, 0.8
#: How far the compared values must move in a comparison: as a share of a voltage, and of a temperature. [1], [°C]
MOVED = {"voltage": 0.005, "temperature": 3.0}
#: Nights before and after a clock change that are compared with it; how much fuller a repeated hour is.
NIGHTS, FULLER = 7, 1.8
HOUR = 3_600_000
_MOST_BINS = 400_000


@dataclass
class _Bins:
    """Mean of one quantity on one time base, in bins."""

    pattern: str
    place: list[Times] = field(default_factory=list)
    mean: list[Values] = field(default_factory=list)
    count: int = 0

    def add(self, channel: Channel, share: float) -> None:
        """Add the samples of a window."""
        if self.count > _MOST_BINS:
            return
        values = channel.values[0] if channel.values.shape[0] == 1 else channel.level
        known = np.isfinite(values)
        place, first = np.unique(channel.time[known] // BIN, return_index=True)
        if place.size:
            size = np.diff(np.append(first, np.count_nonzero(known)))
            self.place.append(place)
            self.mean.append(np.add.reduceat(values[known], first) / size / share)
            self.count += place.size


@dataclass
class ClockEvidence:
    """What the stamps of one asset say of their zone, over the windows of a run."""

    pairs: dict[tuple[str, str, str], tuple[_Bins, _Bins]] = field(default_factory=dict)
    hours: dict[int, Values] = field(default_factory=dict)

    def add(self, view: View) -> None:
        """Look at one window."""
        voltages = of_quantity(view, "voltage") + of_quantity(view, "cell_voltage")
        for quantity, channels in (("voltage", voltages), ("temperature", of_quantity(view, "temperature"))):
            for number, one in enumerate(channels):
                for other in channels[number + 1 :]:
                    self._pair(quantity, one.thinned(5_000), other.thinned(5_000))

    def add_stamps(self, time: Times) -> None:
        """Count raw stamps by the hour of their UTC day, repeats included."""
        hours, count = np.unique(time // HOUR, return_counts=True)
        for hour, number in zip(hours.tolist(), count.tolist(), strict=True):
            day = hour // 24
            self.hours.setdefault(day, np.zeros(24))[hour % 24] += number

    def _pair(self, quantity: str, one: Channel, other: Channel) -> None:
        """Compare two sensors, on whatever time base: a sensor of one that is hours off may well share its times."""
        key = (quantity, one.pattern, other.pattern)
        if key not in self.pairs:
            self.pairs[key] = (_Bins(one.pattern), _Bins(other.pattern))
        for bins, channel in zip(self.pairs[key], (one, other), strict=True):
            bins.add(channel, 1.0)

    def findings(self, asset: str, zone: str | None = None) -> list[Finding]:
        """Say which stamps are hours off."""
        found = []
        for (quantity, one, other), (first, second) in self.pairs.items():
            votes = lags(first, second, quantity)
            finding = _slip(one, other, votes, zone)
            found += [finding] if finding else []
        return found + (_clock_changes(self.hours, zone) if zone else [])


def lags(first: _Bins, second: _Bins, quantity: str) -> list[tuple[int, int]]:
    """Return, stretch by stretch, by how much the second is later than the first where that is clear.

    Returns
    -------
    list of (int, int)
        Start of the stretch [ms] and lag [ms].
    """
    if not first.place or not second.place:
        return []
    sides = [(np.concatenate(bins.place), np.concatenate(bins.mean)) for bins in (first, second)]
    slow = any(np.median(np.diff(place)) > 1 for place, _ in sides if place.size > 1)
    width = BIN * COARSE if slow else BIN
    low = min(int(place[0]) for place, _ in sides) * BIN // width
    one, other = (_dense(place * BIN // width - low, mean) for place, mean in sides)
    known = np.flatnonzero(np.isfinite(one))
    found = []
    for part in range(0, known.size - KNOWN // 2, KNOWN):
        start, stop = int(known[part]), int(known[min(part + KNOWN, known.size) - 1]) + 1
        lag = _lag(one, other, (start, stop), LAG // width, quantity)
        if lag is not None:
            found.append(((low + start) * width, lag * width))
    return found


def _dense(place: Times, mean: Values) -> Values:
    """Lay bins side by side, NaN where there is none; those that fall together are averaged."""
    total, count = np.zeros(int(place.max()) + 1), np.zeros(int(place.max()) + 1)
    np.add.at(total, place, mean)
    np.add.at(count, place, 1.0)
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def _lag(one: Values, other: Values, stretch: tuple[int, int], step: int, quantity: str) -> int | None:
    """Return the one lag, in bins, at which a stretch of one base agrees with the other base; None where none stands out."""
    start, stop = stretch
    part = one[start:stop]
    known = part[np.isfinite(part)]
    least = MOVED[quantity] * (abs(float(np.median(known))) if quantity == "voltage" else 1.0)
    if float(np.ptp(np.percentile(known, [2, 98]))) < least:
        return None
    reach = FARTHEST * step
    padded = np.full(part.size + 2 * reach, np.nan)
    low, high = start - reach, min(stop + reach, other.size)
    if high > max(low, 0):
        padded[max(0, -low) : high - low] = other[max(low, 0) : high]
    if _unlike(part, padded[reach : reach + part.size], known.size // 2) <= SAME:
        return 0
    places = [each * step for each in range(-FARTHEST, FARTHEST + 1)]
    distance = np.array([_unlike(part, padded[reach + lag : reach + lag + part.size], known.size // 2) for lag in places])
    best = int(distance.argmin())
    rest = np.delete(distance, slice(max(0, best - 1), best + 2))
    if not distance[best] <= 1 - ALIKE or not np.isfinite(rest).any() or rest.min() < WORSE * max(distance[best], 1e-4):
        return None
    return places[best]


def _unlike(one: Values, other: Values, least: int) -> float:
    """Return 1 - correlation over the shared bins; infinite where those are few or one side stands still."""
    both = np.isfinite(one) & np.isfinite(other)
    if np.count_nonzero(both) < max(2, least):
        return float("inf")
    a, b = one[both] - one[both].mean(), other[both] - other[both].mean()
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float("inf") if size == 0 else 1.0 - float((a * b).sum()) / size


def _slip(one: str, other: str, votes: Sequence[tuple[int, int]], zone: str | None) -> Finding | None:
    """Say by how much two bases are apart, when stretch after stretch agrees; from a certain one on, if that is it."""
    for place, (start, lag) in enumerate(votes):
        later = [each for _, each in votes[place:]]
        if lag and later.count(lag) >= BLOCKS and later.count(lag) >= AGREE * len(later):
            ahead, behind = (other, one) if lag > 0 else (one, other)
            hours = f"{abs(lag) / HOUR:g} h"
            since = "" if place == 0 else f" since {text(start)}"
            sentence = (
                f"'{ahead}' comes {hours} after '{behind}'{since}: moved by that they agree, in {later.count(lag)} of {len(later)} "
                "stretches, and at no other lag. The times of one of the two are mapped with a wrong zone."
            )
            proposal = None
            if zone and _offset(zone, start) == abs(lag):
                sentence += f" {hours} is the offset of {zone}, so '{ahead}' is probably in local time."
                proposal = _zoned(zone)
            return Finding(
                "clock", ahead, sentence, abs(lag) / HOUR, "h", later.count(lag), len(later), text(start), proposal=proposal
            )
    return None


def _zoned(zone: str) -> Proposal:
    condition = "forget the asset and ingest its files again: stored times are not changed."
    return Proposal("mapping file", {"time": {"time_zone": zone}}, f"If the column of times holds local time; {condition}")


def _offset(zone: str, instant: int) -> int:
    """Return how far a zone's clock is ahead of UTC. [ms]"""
    offset = datetime.fromtimestamp(instant / 1000, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    return round((offset or timedelta()).total_seconds() * 1000)


def clock_changes(zone: str, first_day: int, last_day: int) -> list[tuple[int, int]]:
    """Return the clock changes of a zone: the UTC instant, and by how much the clock was set forward. [ms]"""
    found = []
    for day in range(first_day, last_day + 1):
        before, after = _offset(zone, day * DAY), _offset(zone, (day + 1) * DAY)
        if before != after:
            hours = [day * DAY + h * HOUR for h in range(25)]
            instant = next(high for high in hours[1:] if _offset(zone, high) == after)
            found.append((instant, after - before))
    return found


def _clock_changes(hours: dict[int, Values], zone: str) -> list[Finding]:
    """Look for the hour that a local clock skips or shows twice, in stamps that are said to be UTC."""
    found = []
    for instant, forward in clock_changes(zone, min(hours), max(hours)) if hours else []:
        shown = instant + _offset(zone, instant - 1)  # what the local clock shows when it is changed
        hour = shown // HOUR if forward > 0 else shown // HOUR - 1
        share = _share(hours, hour)
        others = [each for night in range(1, NIGHTS + 1) for sign in (-1, 1)
                  if (each := _share(hours, hour + 24 * sign * night)) is not None]  # fmt: skip
        if abs(forward) != HOUR or share is None or len(others) < 3:
            continue
        skipped = forward > 0 and share == 0 and min(others) > 0.5
        twice = forward < 0 and share >= FULLER and max(others) < 1.4
        if skipped or twice:
            what = (
                "has no sample, as on a clock that skips it"
                if skipped
                else f"has {share:.2g} times the samples of its neighbours"
            )
            begin = int(hour * HOUR)
            found.append(Finding(
                "clock", "time",
                f"The hour from {text(begin)} {what}; on {len(others)} nights around it is as full as any. That is where {zone} changes "
                "its clocks: the stamps are local times that are taken for UTC.",
                round(share, 3), "", 1, 1 + len(others), text(begin), text(begin + HOUR), proposal=_zoned(zone),
            ))  # fmt: skip
    return found


def _share(hours: dict[int, Values], hour: int) -> float | None:
    """Return how full an hour is, measured by the hours beside it; None where those have too few samples."""

    def count(each: int) -> float:
        return float(hours[each // 24][each % 24]) if each // 24 in hours else 0.0

    before, after = count(hour - 1), count(hour + 1)
    if min(before, after) < 4 or max(before, after) > 1.5 * min(before, after):
        return None
    return count(hour) / ((before + after) / 2)


def ahead(newest: int, count: int, present: int, zone: str | None) -> list[Finding]:
    """Say that stamps lie ahead of the present, and whether the site's zone explains it.

    Parameters
    ----------
    newest : int
        Latest stamp. [ms UTC]
    count : int
        Stamps more than 5 minutes ahead.
    present : int
        [ms UTC]
    """
    if not count:
        return []
    hours = (newest - present) / HOUR
    sentence = f"{count:,} samples lie in the future, the latest by {hours:.3g} h, at {text(newest)}"
    proposal = None
    if zone and 0 < newest - present <= _offset(zone, present) + 300_000 and count >= 30:
        sentence += (
            f"; {zone} is {_offset(zone, present) / HOUR:g} h ahead of UTC, so the stamps may be local times taken for UTC"
        )
        proposal = _zoned(zone)
    elif hours > 14.1:
        sentence += ": farther than any zone; the clock of the logger is wrong"
    else:
        sentence += ": a clock that is wrong, or local times taken for UTC; state the site's time_zone to compare with it"
    return [Finding("clock", "time", f"{sentence}.", round(hours, 4), "h", count, count, end=text(newest), proposal=proposal)]
