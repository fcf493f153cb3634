"""SOC from OCV on a Panasonic NCR18650PF with a bad current sensor: ``python -m benchmarks.soc_panasonic [--quick]``.

Prints the tables of documentation/explanation/soc-measured.md. Reads ../shared/data, or the folder in TWIN_SHARED_DATA
(Kollmeyer, Mendeley data wykht8y7tg). The drive and HPPC files are test data: curve and thresholds come from elsewhere.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.measured_data import shared_data
from models.chemistry import Chemistry, chemistry, from_table
from models.soc_ocv_estimation import counting
from models.soc_ocv_estimation.belief import held_within
from models.soc_ocv_estimation.model import Z90
from models.soc_ocv_estimation.rests import runs_of_rest
from models.soc_ocv_estimation.settings import settings_of
from platform_interface.manifest import read_manifest

Floats = npt.NDArray[np.float64]

CAPACITY = 2.995  # Ah at every temperature
GAIN, OFFSET, RESOLUTION, START_ERROR = 0.01, 0.020, 0.005, 0.20
GROUPS = ("25degC", "10degC", "0degC", "-10degC")
EXTRA = ("0degC, no rest", "10degC Trise", "-20degC Trise", "-20degC")
MISLABELLED = "0degC_LA92_NN"
#: A Pause file belongs to the test that starts within this time of its end. [s]
BESIDE = 900.0
INSTANT = 60.0  # s, distance of the instants that are compared
DRAWS, QUICK_DRAWS = 200, 4
#: Instants of a file at which the interval is held against the truth: every file weighs the same.
COMPARED = 20
POOLS = {"drive, 25 to -10 °C": (GROUPS, "drive"), "HPPC, 25 to -10 °C": (GROUPS, "hppc")}


@dataclass(frozen=True)
class Test:
    """One drive or HPPC file with its Pause file before it; current positive on discharge."""

    name: str
    kind: str
    group: str
    time: npt.NDArray[np.int64]
    current: Floats
    voltage: Floats
    temperature: Floats
    truth: Floats


@dataclass(frozen=True)
class Estimate:
    """At the compared instants."""

    soc: Floats
    lower: Floats
    upper: Floats
    counted: Floats
    truth: Floats


def charge_conserving_capacity(folder: Path) -> float:
    """Return the capacity at which the C/20 sweep takes in what it gave. [Ah]

    The cycler counts 2.995 Ah out and only 2.614 Ah in again: at 0.145 A an offset of a few mA of a 25 A cycler does that.
    The offset that makes both equal, but for the part of the charge that the rest voltage after it says is missing, is
    taken off. Uses the C/20 file alone.
    """
    frame = pd.read_parquet(folder / "panasonic_18650pf" / "all_tests_1hz.parquet", filters=[("kind", "==", "c20_ocv")])
    time, current, volts = (frame[name].to_numpy(np.float64) for name in ("t_s", "current_a", "voltage_v"))
    hours = np.concatenate([[0.0], np.diff(time)]) / 3600.0
    out, back = hours[current < -0.1], hours[current > 0.1]
    full_before, full_after = float(volts[0]), float(volts[-1])
    nca = chemistry("NCA")
    missing = float(nca.soc(min(full_before, nca.voltage[-1])) - nca.soc(full_after))
    level = float(np.median(np.abs(current[np.abs(current) > 0.1])))
    share = 1.0 - missing
    offset = level * (share * out.sum() - back.sum()) / (share * out.sum() + back.sum())
    return float((level - offset) * out.sum())


def own_curve(folder: Path) -> Chemistry:
    """Return the curve of this cell type over charge / 2.995 Ah, from its C/20 sweep alone.

    Full is SOC 1; empty is where the charge-conserving capacity ends, and below it the curve falls steeply. One sigma is
    half of half the distance of the sweep's branches: where between them equilibrium lies, the sweep does not tell.
    """
    nca, ratio = chemistry("NCA"), charge_conserving_capacity(folder) / CAPACITY
    soc = 1.0 - (1.0 - nca.knots) * ratio
    polarisation = 0.015  # half the distance of the branches at SOC 1, where they are one state [V]
    table = {"soc": [0.0, *soc.tolist()], "ocv": [float(nca.voltage[0]) - 0.2, *nca.voltage.tolist()]}
    table["hysteresis"] = [float(nca.half_gap[0]), *nca.half_gap.tolist()]
    table["uncertainty"] = [0.5 * (gap + polarisation) for gap in table["hysteresis"]]
    return from_table(table, nca)


def tests(folder: Path, *, fill: bool) -> list[Test]:
    """Read all drive and HPPC files; `fill` puts the charge that passed in the HPPC files' gaps into the current."""
    frame = pd.read_parquet(folder / "panasonic_18650pf" / "all_tests_1hz.parquet")
    frame = frame[frame["kind"].isin(["drive", "hppc", "pause"])]
    frame = frame.assign(file=frame["file"].astype(str), kind=frame["kind"].astype(str), group=frame["group"].astype(str))
    files = {str(name): part for name, part in frame.groupby("file") if len(part)}
    pauses = [part for part in files.values() if part["kind"].iloc[0] == "pause"]
    chosen = [part for name, part in files.items() if part["kind"].iloc[0] != "pause" and MISLABELLED not in name]
    return [_test(part, _pause_before(part, pauses), fill=fill) for part in chosen]


def _pause_before(part: pd.DataFrame, pauses: list[pd.DataFrame]) -> pd.DataFrame | None:
    start = part["start_time"].iloc[0]
    for pause in pauses:
        wait = (start - pause["start_time"].iloc[0]).total_seconds() - float(pause["t_s"].iloc[-1])
        if -5.0 <= wait <= BESIDE and pause["group"].iloc[0] == part["group"].iloc[0]:
            return pause
    return None


def _test(part: pd.DataFrame, pause: pd.DataFrame | None, *, fill: bool) -> Test:
    kind = part["kind"].iloc[0]
    if kind == "drive":
        part = part.iloc[: int(np.argmin(part["ah"].to_numpy())) + 1]
    table = part if pause is None else pd.concat([pause, part])
    clock = table["start_time"].astype("datetime64[ms]").astype(np.int64).to_numpy()
    clock = clock + np.rint(table["t_s"].to_numpy(np.float64) * 1000.0).astype(np.int64)
    keep = np.concatenate([[True], np.diff(np.maximum.accumulate(clock)) > 0])
    keep &= (table["voltage_v"] > 2.0).to_numpy()
    table, clock = table[keep], clock[keep]
    columns = [table[name].to_numpy(np.float64) for name in ("current_a", "voltage_v", "temp_c", "ah")]
    rows = np.array([-columns[0], columns[1], columns[2], 1.0 + columns[3] / CAPACITY])
    if fill:
        clock, rows = _filled(clock, rows)
    return Test(part["file"].iloc[0], kind, part["group"].iloc[0], clock, *rows)


def _filled(clock: npt.NDArray[np.int64], rows: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Log the mean current of every gap longer than a minute and a half, each 10 s, without a voltage."""
    clocks, parts = [], []
    start = 0
    for last in [*np.flatnonzero(np.diff(clock) > 90_000).tolist(), len(clock) - 1]:
        clocks.append(clock[start : last + 1])
        parts.append(rows[:, start : last + 1])
        start = last + 1
        if start == len(clock):
            break
        inside = np.arange(clock[last] + 1000, clock[start] - 500, 10_000)
        share = (inside - clock[last]) / (clock[start] - clock[last])
        soc = rows[3, last] + share * (rows[3, start] - rows[3, last])
        flow = (rows[3, last] - rows[3, start]) * CAPACITY / ((clock[start] - clock[last]) / 3_600_000.0)
        parts.append(
            np.array([np.full(len(inside), flow), np.full(len(inside), np.nan), np.full(len(inside), rows[2, last]), soc])
        )
        clocks.append(inside)
    return np.concatenate(clocks), np.concatenate(parts, axis=1)


def configuration(**changes: Any) -> dict[str, Any]:
    """Return the plugin's defaults, with what the data sheet of this sensor says."""
    manifest = read_manifest(Path(counting.__file__).parent)
    values = {name: option.default for name, option in manifest.configuration.items()}
    sheet = {
        "voltage_resolution": RESOLUTION,
        "current_gain_sigma": GAIN,
        "capacity_sigma": 0.0,
        "initial_soc_sigma": START_ERROR,
    }
    sheet["current_offset_sigma"] = OFFSET / CAPACITY
    return values | sheet | changes


def instants_of(test: Test) -> npt.NDArray[np.intp]:
    """Return the first sample of every minute."""
    return np.flatnonzero(np.diff(np.concatenate([[-1], test.time // int(INSTANT * 1000)])))


def estimate(test: Test, curve: Chemistry, gain: float, offset: float, start: float, config: dict[str, Any]) -> Estimate:
    """Run the plugin's filter on one test with an erroneous sensor, and count plainly from the same anchor."""
    current = test.current * (1.0 + gain) + offset
    volts = np.round(test.voltage / RESOLUTION) * RESOLUTION
    initial = min(max(float(test.truth[0]) + start, 0.0), 1.0) if abs(start) <= 1 else None
    settings = settings_of(config, CAPACITY, 300.0, initial)
    state = counting.first_state(settings.start)
    samples = counting.count(test.time, current, volts, test.temperature, state, 300.0)
    window, _ = counting.advance(samples, curve, settings, state)
    instants = instants_of(test)
    soc, sigma = held_within(*counting.soc_at(window, instants, settings))
    first = next((a for a in reversed(_first_rest(window)) if a.reading is not None), None)
    begin, anchor = (0, float(settings.start.mean[0])) if first is None else (first.index, float(first.after.mean[0]))
    counted = anchor - (samples.charge - samples.charge[begin]) / CAPACITY
    instants_after = instants >= begin
    keep = instants[instants_after]
    soc, sigma = soc[instants_after], sigma[instants_after]
    lower, upper = np.clip(soc - Z90 * sigma, 0, 1), np.clip(soc + Z90 * sigma, 0, 1)
    return Estimate(np.clip(soc, 0, 1), lower, upper, np.clip(counted[keep], 0, 1), test.truth[keep])


def _first_rest(window: counting.Window) -> list[counting.Anchor]:
    """Return the anchors of the first rest that gave one."""
    found: list[counting.Anchor] = []
    for anchor in window.anchors:
        if found and anchor.start != found[-1].start and any(a.reading is not None for a in found):
            break
        found.append(anchor)
    return found


def look_up(test: Test, curve: Chemistry) -> Floats:
    """Return the errors of the plain look-up: terminal voltage taken for OCV, each minute."""
    instants = instants_of(test)
    instants = instants[~np.isnan(test.voltage[instants])]
    volts = np.clip(test.voltage[instants], curve.voltage[0], curve.voltage[-1])
    return np.asarray(curve.soc(volts, test.temperature[instants]) - test.truth[instants])


def root_mean_square(error: Floats) -> float:
    return float(np.sqrt(np.mean(error**2)))


def group_of(test: Test) -> str:
    """Return the temperature, apart for the files in which nothing rests: there is no anchor to count from."""
    quiet = np.abs(test.current) < 0.03
    first, last = runs_of_rest(quiet, np.diff(test.time, prepend=test.time[0]) > 300_000)
    return test.group if (test.time[last] - test.time[first]).max() > 270_000 else f"{test.group}, no rest"


def accuracy(all_tests: list[Test], curve: Chemistry) -> list[str]:
    """Return the table of RMSE by temperature and kind, over all signs of the errors."""
    head = "fused: worst | mean | counting: worst | mean | look-up: mean | fused worse: files | runs"
    lines = [f"| temperature | kind | files | {head} |"]
    lines.append("|---|---|---|---|---|---|---|---|---|---|")
    config = configuration()
    for group, kind in product([*GROUPS, *EXTRA], ("drive", "hppc")):
        chosen = [test for test in all_tests if (group_of(test), test.kind) == (group, kind)]
        if not chosen:
            continue
        fused, counted, plain, worse, runs = [], [], [], 0, 0
        for test in chosen:
            pairs = []
            for gain, offset, start in product((-GAIN, GAIN), (-OFFSET, OFFSET), (-START_ERROR, START_ERROR)):
                found = estimate(test, curve, gain, offset, start, config)
                pairs.append((root_mean_square(found.soc - found.truth), root_mean_square(found.counted - found.truth)))
            fused += [pair[0] for pair in pairs]
            counted += [pair[1] for pair in pairs]
            worse += max(pair[0] for pair in pairs) > max(pair[1] for pair in pairs)
            runs += sum(pair[0] > pair[1] for pair in pairs)
            plain.append(root_mean_square(look_up(test, curve)))
        numbers = (max(fused), np.mean(fused), max(counted), np.mean(counted), np.mean(plain))
        row = " | ".join(f"{100 * number:.2f} %" for number in numbers)
        lines.append(f"| {group} | {kind} | {len(chosen)} | {row} | {worse} of {len(chosen)} | {runs} of {len(fused)} |")
    return lines


def coverage(all_tests: list[Test], curve: Chemistry, draws: int) -> list[str]:
    """Return the table of how often the 90 % interval holds the truth, over random sensors, at fixed instants."""
    head = "| files | draws a file | instants | share held | binomial 95 % | 95 % by resampling draws | mean width |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    config = configuration()
    held: dict[tuple[str, str], list[Floats]] = {}
    width: dict[tuple[str, str], list[float]] = {}
    for number, test in enumerate(all_tests):
        random = np.random.default_rng([20260, number])
        key = (group_of(test), test.kind)
        for _ in range(draws):
            gain, offset = random.normal(0.0, GAIN), random.normal(0.0, OFFSET)
            found = estimate(test, curve, gain, offset, random.normal(0.0, START_ERROR), config)
            at = np.linspace(0, len(found.truth) - 1, COMPARED).astype(int)
            held.setdefault(key, []).append(((found.lower <= found.truth) & (found.truth <= found.upper))[at])
            width.setdefault(key, []).append(float(np.mean(found.upper[at] - found.lower[at])))
    for name, keys in [*_rows(held), *((name, list(product(*_pool(pool)))) for name, pool in POOLS.items())]:
        chosen = [np.array(held[key]) for key in keys if key in held]
        if chosen:
            wide = np.mean([w for key in keys if key in width for w in width[key]])
            lines.append(f"| {name} | {draws} | {_share(np.concatenate(chosen))} | {100 * wide:.1f} % |")
    return lines


def _rows(held: dict[tuple[str, str], list[Floats]]) -> list[tuple[str, list[tuple[str, str]]]]:
    order = [*product([*GROUPS, *EXTRA], ("drive", "hppc"))]
    return [(f"{key[0]} {key[1]}", [key]) for key in order if key in held]


def _pool(pool: tuple[tuple[str, ...], str]) -> tuple[tuple[str, ...], tuple[str]]:
    return pool[0], (pool[1],)


def _share(held: Floats) -> str:
    """Return the pooled share of instants, its binomial interval (Wilson), and one that resamples whole draws.

    The instants of one draw are not independent, so the first interval is too narrow, and the second is the honest one.
    """
    count, share = held.size, float(held.mean())
    root = 1.96 * np.sqrt(share * (1.0 - share) / count + 1.96**2 / (4.0 * count**2))
    wilson = [(share + 1.96**2 / (2.0 * count) + sign * root) / (1.0 + 1.96**2 / count) for sign in (-1.0, 1.0)]
    random = np.random.default_rng(1)
    means = [held[random.integers(0, len(held), len(held))].mean() for _ in range(1000)]
    low, high = np.quantile(means, [0.025, 0.975])
    intervals = f"{100 * wilson[0]:.1f}-{100 * wilson[1]:.1f} % | {100 * low:.1f}-{100 * high:.1f} %"
    return f"{count:,} | {100 * share:.1f} % | {intervals}"


def main(arguments: list[str]) -> int:
    folder = shared_data()
    if folder is None:
        print("the measured data (../shared/data or TWIN_SHARED_DATA) are not here: nothing is shown")
        return 0
    quick = "--quick" in arguments
    curve = own_curve(folder)
    for fill, title in ((True, "with the charge of the HPPC files' gaps logged"), (False, "HPPC as logged, gaps unknown")):
        chosen = [test for test in tests(folder, fill=fill) if fill or test.kind == "hppc"]
        chosen = [test for test in chosen if not quick or test.group in ("25degC", "-10degC")][:: 4 if quick else 1]
        print(f"\n### RMSE, {title}\n")
        print("\n".join(accuracy(chosen, curve)))
        print(f"\n### Coverage of the 90 % interval, {title}\n")
        print("\n".join(coverage(chosen, curve, QUICK_DRAWS if quick else DRAWS)))
    print("\n### RMSE with the word NCA instead of the cell's own curve\n")
    chosen = [test for test in tests(folder, fill=True) if test.group in GROUPS and not group_of(test).endswith("no rest")]
    print("\n".join(accuracy(chosen[:: 6 if quick else 1], chemistry("NCA"))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
