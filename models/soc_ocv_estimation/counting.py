"""From samples to beliefs: counting, gaps, rests and the branch of the hysteresis, window after window.

`advance` is pure: state in, state out. The plugin's class and the benchmarks both run on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.chemistry import Chemistry
from models.soc_ocv_estimation import anchors
from models.soc_ocv_estimation import belief as beliefs
from models.soc_ocv_estimation.anchors import Reading, RestVoltage
from models.soc_ocv_estimation.belief import OFFSET, SCALE, SOC, Belief, FloatArray
from models.soc_ocv_estimation.rests import Rung, Samples, TimeArray, rungs
from models.soc_ocv_estimation.settings import Settings

#: Blocks in which the net charge moves the branch of the hysteresis; aligned to UTC. [ms]
BRANCH_BLOCK = 300_000
#: Net charge after which a cell has gone 63 % of the way to the other branch (our choice; minor loops close in 5-10 %). [1]
BRANCH_LENGTH = 0.05
#: A rest tells the SOC when its own sigma is below this; a weaker one is used but does not renew the age of the anchor. [1]
TELLING = 0.15


@dataclass(frozen=True)
class Anchor:
    """One use of a rest.

    Attributes
    ----------
    index : int
        Of the sample.
    age : float
        Of the rest. [s]
    start : int
        First sample of the rest. [ms UTC]
    gaps : int
        Gaps before it: charge between two rests is known only if the number is the same.
    reading : Reading or None
        None when the voltage told nothing.
    expected : float
        SOC counted up to here. [1]
    before, after : Belief
    surprise, told : float
        How far the voltage lies from what was counted, in sigmas, and the SOC at that voltage on the mean curve. [1]
    """

    index: int
    age: float
    start: int
    gaps: int
    reading: Reading | None
    expected: float
    before: Belief
    after: Belief
    surprise: float
    told: float

    @property
    def tells(self) -> bool:
        """Whether the rest alone says where the SOC is."""
        return self.reading is not None and self.reading.sigma <= TELLING


@dataclass
class Window:
    """What `advance` found.

    Attributes
    ----------
    samples : Samples
    at : list of int
        Sample from which the belief of the same place in `beliefs` holds; the first is -1.
    beliefs : list of Belief
    anchors : list of Anchor
    outside : int
        Rests whose voltage no cell of this chemistry has.
    woken : int
        Long gaps whose first voltage was used as that of a rest.
    """

    samples: Samples
    at: list[int] = field(default_factory=list)
    beliefs: list[Belief] = field(default_factory=list)
    anchors: list[Anchor] = field(default_factory=list)
    outside: int = 0
    woken: int = 0


def first_state(start: Belief) -> dict[str, Any]:
    """Return the state before the first sample; strict JSON."""
    nothing = dict.fromkeys(("time", "current", "rest", "prior", "prior_start", "block", "used", "anchored"))
    reach = [0.0, 0.0] if start.covariance[SOC, SOC] >= beliefs.UNKNOWN else None
    known = {"charge": 0.0, "hours": 0.0, "gaps": 0, "branch": [0.0, 1.0, 0.0], "reach": reach}
    return nothing | known | {"belief": beliefs.packed(start)}


def count(
    time: TimeArray, current: FloatArray, voltage: FloatArray, temperature: FloatArray, state: dict[str, Any], max_gap: float
) -> Samples:
    """Count charge and time of operation on from the state: trapezoids, none over a gap."""
    first = state["time"] is None
    times = np.concatenate([time[:1] if first else np.array([state["time"]], np.int64), time])
    currents = np.concatenate([current[:1] if first else np.array([state["current"]]), current])
    seconds = np.diff(times) / 1000.0
    gap = seconds > max_gap
    hours = np.where(gap, 0.0, seconds / 3600.0)
    charge = np.cumsum(np.concatenate([[state["charge"]], 0.5 * (currents[1:] + currents[:-1]) * hours]))
    total = np.cumsum(np.concatenate([[state["hours"]], hours]))
    return Samples(time, current, voltage, temperature, charge[1:], total[1:], gap)


def advance(samples: Samples, chemistry: Chemistry, settings: Settings, state: dict[str, Any]) -> tuple[Window, dict[str, Any]]:
    """Carry the belief over one window.

    Parameters
    ----------
    samples : Samples
        Of the window, from `count`.
    chemistry : Chemistry
    settings : Settings
    state : dict
        From `first_state`, or from the window before; it is not changed.

    Returns
    -------
    Window
    dict
        State after the last sample.
    """
    state = dict(state)
    window = Window(samples, [-1], [beliefs.unpacked(state["belief"])])
    if not len(samples.time):
        return window, state
    limit = settings.rest_c_rate * settings.capacity
    climbed, rest = rungs(samples, limit, settings.minimum_rest, state["rest"])
    ends_gap = np.concatenate([[state["time"]] if state["time"] is not None else samples.time[:1], samples.time[:-1]])
    for index, order, event in _in_order(samples, state["block"], climbed):
        if order == 0:
            seconds = float(samples.time[index] - ends_gap[index]) / 1000.0
            _cross_gap(window, state, index, seconds, settings)
            if seconds >= settings.wake_gap and abs(float(samples.current[index])) <= limit:
                _wake(window, state, index, chemistry, settings)
        elif order == 1:
            state["branch"] = _branch(state["branch"], float(samples.charge[index]), settings.capacity)
            _bound_start(window, state, index, settings)
        elif event is not None:
            _use_rest(window, state, event, chemistry, settings)
    state |= {"time": int(samples.time[-1]), "current": float(samples.current[-1]), "rest": rest}
    state |= {
        "charge": float(samples.charge[-1]),
        "hours": float(samples.hours[-1]),
        "belief": beliefs.packed(window.beliefs[-1]),
    }
    state["block"] = int(samples.time[-1]) // BRANCH_BLOCK
    if rest is None or rest["start"] != state["prior_start"]:
        state["prior"], state["prior_start"] = None, None
    return window, state


def _in_order(samples: Samples, block: int | None, climbed: list[Rung]) -> list[tuple[int, int, Rung | None]]:
    """List gaps (0), block changes (1) and rungs (2) by sample."""
    blocks = samples.time // BRANCH_BLOCK
    changes = np.flatnonzero(np.diff(np.concatenate([[blocks[0] if block is None else block], blocks])))
    events: list[tuple[int, int, Rung | None]] = [(int(i), 0, None) for i in np.flatnonzero(samples.gap)]
    events += [(int(i), 1, None) for i in changes]
    events += [(rung.index, 2, rung) for rung in climbed]
    return sorted(events, key=lambda event: event[:2])


def _at(samples: Samples, belief: Belief, index: int, settings: Settings) -> Belief:
    charge, hours = float(samples.charge[index]), float(samples.hours[index])
    return beliefs.counted(belief, charge, hours, settings.capacity, settings.walks)


def _cross_gap(window: Window, state: dict[str, Any], index: int, seconds: float, settings: Settings) -> None:
    """Nothing is integrated; the SOC may be anywhere that the longest current could have brought it."""
    state["reach"] = None
    now = _at(window.samples, window.beliefs[-1], index, settings)
    window.at.append(index)
    window.beliefs.append(beliefs.after_gap(now, seconds, settings.gap_c_rate))
    branch, sigma, charge = state["branch"]
    kept = math.exp(-settings.gap_c_rate * seconds / 3600.0 / BRANCH_LENGTH)
    state["gaps"] += 1
    state["branch"] = [branch * kept, math.sqrt((sigma * kept) ** 2 + 1.0 - kept * kept), charge]


def _bound_start(window: Window, state: dict[str, Any], index: int, settings: Settings) -> None:
    """While nothing but counting is known: a new extreme of the charge narrows the start."""
    if state["reach"] is None:
        return
    least, most = state["reach"]
    charge = float(window.samples.charge[index])
    if least <= charge <= most:
        return
    state["reach"] = [min(least, charge), max(most, charge)]
    start = beliefs.bounded_start(settings.start, min(least, charge), max(most, charge), settings.capacity)
    window.at.append(index)
    window.beliefs.append(_at(window.samples, start, index, settings))


def _branch(branch: list[float], charge: float, capacity: float) -> list[float]:
    r"""Move between the branches by the net charge since the last block.

    .. math:: M' = M e^{-x} \mp (1 - e^{-x}),\quad x = |\Delta Q| / (0.05\,C)

    References
    ----------
    G. L. Plett, Extended Kalman filtering for battery management systems of LiPB-based HEV battery packs, part 2,
    J. Power Sources 134 (2004) 262-276. doi:10.1016/j.jpowsour.2004.02.032
    """
    place, sigma, before = branch
    passed = charge - before
    kept = math.exp(-abs(passed) / (BRANCH_LENGTH * capacity))
    toward = -1.0 if passed > 0.0 else 1.0
    return [place * kept + toward * (1.0 - kept), sigma * kept, charge]


def _wake(window: Window, state: dict[str, Any], index: int, chemistry: Chemistry, settings: Settings) -> None:
    """Use the first voltage after a long gap: what was not logged has most probably rested, but how long is not known."""
    samples = window.samples
    if math.isnan(float(samples.voltage[index])):
        return
    current = float(samples.current[index])
    window.woken += 1
    rung = Rung(index, 0.0, 0.0, current, 0.0, int(samples.time[index]))
    _use_rest(window, state, rung, chemistry, settings, unseen=settings.wake_sigma)


def _use_rest(
    window: Window, state: dict[str, Any], rung: Rung, chemistry: Chemistry, settings: Settings, unseen: float = 0.0
) -> None:
    """Correct the belief from before the rest with the newest voltage: a longer rest replaces the shorter one."""
    samples, index = window.samples, rung.index
    if state["prior"] is None or state["prior_start"] != rung.start:
        state["prior"], state["prior_start"] = beliefs.packed(window.beliefs[-1]), rung.start
    state["reach"] = None
    volts, temperature = float(samples.voltage[index]), float(samples.temperature[index])
    low, high = chemistry.limits
    if not low - 0.3 <= volts <= high + 0.3:
        window.outside += 1
        return
    before = _at(samples, beliefs.unpacked(state["prior"]), index, settings)
    before = anchors.zeroed(before, rung.current, rung.length, settings.zero_limit * settings.capacity)
    expected = float(before.mean[SOC])
    earlier = _used_before(state["used"], rung.start)
    if earlier is not None:
        before = beliefs.curve_aged(before, abs(expected - earlier))
    place, sigma, _ = _branch(state["branch"], float(samples.charge[index]), settings.capacity)
    warm = 25.0 if math.isnan(temperature) else temperature
    rest = RestVoltage(volts, rung.change, rung.age, warm, rung.current / settings.capacity, place, sigma, unseen)
    after, reading = anchors.anchored(before, rest, chemistry, settings.sensor)
    window.at.append(index)
    window.beliefs.append(after)
    told, width = anchors.first_look(before, rest, chemistry, settings.sensor)
    surprise = abs(told - expected) / width
    window.anchors.append(Anchor(index, rung.age, rung.start, state["gaps"], reading, expected, before, after, surprise, told))
    if reading is not None:
        state["used"] = [float(after.mean[SOC]), rung.start, earlier]
        if window.anchors[-1].tells:
            state["anchored"] = int(samples.time[index])


def _used_before(used: list[Any] | None, start: int) -> float | None:
    """Return the SOC at which the curve was last used in another rest; None for never."""
    if used is None:
        return None
    soc, last, earlier = used
    found: float | None = earlier if last == start else soc
    return found


def soc_at(window: Window, index: TimeArray, settings: Settings) -> tuple[FloatArray, FloatArray]:
    """Return mean and sigma of the SOC at samples of a window.

    Parameters
    ----------
    index : array of int
        Samples, ascending.

    Returns
    -------
    soc, sigma : array
        [1]; the mean is not held within 0 to 1.
    """
    which = np.searchsorted(np.array(window.at), index, side="right") - 1
    mean = np.array([b.mean for b in window.beliefs]).T[:, which]
    covariance = np.zeros((5, 5, len(index)))
    for row, column in ((SOC, SOC), (SOC, OFFSET), (SOC, SCALE), (OFFSET, OFFSET), (OFFSET, SCALE), (SCALE, SCALE)):
        covariance[row, column] = np.array([b.covariance[row, column] for b in window.beliefs])[which]
    charge = np.array([b.charge for b in window.beliefs])[which]
    hours = np.array([b.hours for b in window.beliefs])[which]
    belief = Belief(mean, covariance, charge, hours)  # type: ignore[arg-type]
    counters = window.samples.charge[index], window.samples.hours[index]
    return beliefs.counted_soc(belief, *counters, settings.capacity, settings.walks)
