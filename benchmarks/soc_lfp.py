"""SOC from OCV inside the plateau of an LFP cell: ``python -m benchmarks.soc_lfp [--quick]``.

Prints the tables of documentation/explanation/soc-measured.md. Reads ../shared/data, or the folder in TWIN_SHARED_DATA
(terencetaothucb/LFP-SOC-Estimation-Fisher-Information-Fusion, MIT). The longest rest in it lasts 338 s.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measured_data import shared_data
from benchmarks.soc_panasonic import Test, configuration, instants_of, root_mean_square
from models.chemistry import Chemistry, chemistry, from_table
from models.soc_ocv_estimation import anchors, counting
from models.soc_ocv_estimation.anchors import RestVoltage, VoltageSensor
from models.soc_ocv_estimation.belief import SOC, first_belief, held_within
from models.soc_ocv_estimation.model import Z90
from models.soc_ocv_estimation.settings import settings_of

CAPACITY = 1.2  # Ah
GAIN, OFFSET, START_ERROR = 0.01, 0.008, 0.20
SENSOR = VoltageSensor(resolution=0.001, accuracy=0.003)
#: One sigma of SOC above which a rest is called weak, and beyond which it tells nothing.
WEAK, NOTHING = 0.05, 0.15
START = np.datetime64("2026-01-01T00:00:00", "ms").astype(np.int64)


def own_curve(folder: Path) -> Chemistry:
    """Return the measured branches of this very cell: their mean, and half their distance as hysteresis."""
    table = pd.read_csv(folder / "ocv_tables" / "full_cell_ocv.csv")
    table = table[table["cell"] == "LFP-1.2Ah-TBSI"]
    knots = chemistry("LFP").knots
    branches = {}
    for branch in ("charge", "discharge"):
        rows = table[table["branch"] == branch].sort_values("soc_frac")
        branches[branch] = np.interp(knots, rows["soc_frac"], rows["ocv_v"])
    mean = np.maximum.accumulate((branches["charge"] + branches["discharge"]) / 2.0 + 1e-6 * np.arange(len(knots)))
    half = np.maximum((branches["charge"] - branches["discharge"]) / 2.0, 0.0)
    return from_table({"soc": knots.tolist(), "ocv": mean.tolist(), "hysteresis": half.tolist()}, chemistry("LFP"))


def identifiability(curve: Chemistry) -> list[str]:
    """Return the table of slope against hysteresis: what one perfect, endless rest could tell at each SOC."""
    lines = ["| SOC | slope [mV/%] | half gap of the branches [mV] | sigma of the curve [mV] | sigma of SOC | a rest tells |"]
    lines.append("|---|---|---|---|---|---|")
    for soc in (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9, 0.95, 0.98):
        around = np.clip(np.linspace(soc - 0.02, soc + 0.02, 9), 0.0, 1.0)
        slope, half, own = (float(np.mean(f(around))) for f in (curve.slope, curve.hysteresis, curve.uncertainty))
        sigma = np.hypot(own, anchors.BRANCH_DOUBT * half) / slope
        verdict = "the SOC" if sigma < WEAK else "a little" if sigma < NOTHING else "nothing"
        lines.append(f"| {soc:.0%} | {10 * slope:.2f} | {1000 * half:.0f} | {1000 * own:.0f} | {sigma:.1%} | {verdict} |")
    return lines


def tests(folder: Path) -> list[Test]:
    frame = pd.read_parquet(folder / "lfp_soc_dynamic" / "tbsi_lfp_1p2ah_1hz.parquet")
    found = []
    for name, part in frame.groupby("test"):
        clock = START + np.rint(part["t_s"].to_numpy(np.float64) * 1000.0).astype(np.int64)
        columns = [part[column].to_numpy(np.float64) for column in ("current_a", "voltage_v", "soc_ref_frac")]
        warm = np.full(len(clock), 25.0 if "25" in str(name) else 10.0)
        found.append(
            Test(
                str(name), "dynamic", "25 °C" if "25" in str(name) else "10 °C", clock, columns[0], columns[1], warm, columns[2]
            )
        )
    return found


def row(test: Test, curve: Chemistry, label: str, gain: float, offset: float, start: float | None) -> str:
    """Run the filter on one test and compare it with the counted SOC at each minute."""
    noisy = replace(test, current=test.current * (1.0 + gain) + offset)
    config = configuration(voltage_resolution=SENSOR.resolution, current_offset_sigma=OFFSET / CAPACITY)
    initial = None if start is None else min(max(float(test.truth[0]) + start, 0.0), 1.0)
    settings = settings_of(config, CAPACITY, 300.0, initial)
    state = counting.first_state(settings.start)
    samples = counting.count(noisy.time, noisy.current, noisy.voltage, noisy.temperature, state, 300.0)
    window, _ = counting.advance(samples, curve, settings, state)
    instants = instants_of(test)
    soc, sigma = held_within(*counting.soc_at(window, instants, settings))
    truth = test.truth[instants]
    lower, upper = np.clip(soc - Z90 * sigma, 0.0, 1.0), np.clip(soc + Z90 * sigma, 0.0, 1.0)
    plain = (0.5 if initial is None else initial) - samples.charge[instants] / CAPACITY
    told = np.mean((lower <= truth) & (truth <= upper))
    telling = [anchor.index for anchor in window.anchors if anchor.tells]
    after = instants >= (telling[0] if telling else len(test.time))
    errors = [root_mean_square(np.clip(value, 0.0, 1.0) - truth) for value in (soc, plain)]
    late = root_mean_square(soc[after] - truth[after]) if after.any() else float("nan")
    ways = f"{gain:+.0%}, {1000 * offset:+.0f} mA"
    begin = "unknown" if start is None else f"{start:+.0%}"
    numbers = f"{errors[0]:.1%} | {errors[1]:.1%} | {late:.1%} | {told:.0%} | {np.mean(upper - lower):.2f}"
    numbers += f" | {np.mean((upper - lower)[after]):.2f} | {len(telling)} of {len(window.anchors)}"
    return f"| {test.group} | {label} | {begin} | {ways} | {numbers} |"


def pull(curve: Chemistry) -> list[str]:
    """Return what one rest of 5 min at SOC 0.5 does to a belief that is wrong, beside one at SOC 0.1."""
    lines = ["| true SOC | believed before | after | sigma before | sigma after |", "|---|---|---|---|---|"]
    for truth, error in product((0.5, 0.1), (-0.1, 0.0, 0.1)):
        volts = float(curve.ocv(truth) - curve.hysteresis(truth))
        rest = RestVoltage(volts, 0.0005, 300.0, 25.0, 0.0, -1.0, 0.1)
        before = first_belief(truth + error, 0.05, 0.008, 0.05, 0.006)
        after, _ = anchors.anchored(before, rest, curve, SENSOR)
        sigma = [float(b.covariance[SOC, SOC] ** 0.5) for b in (before, after)]
        lines.append(f"| {truth:.2f} | {truth + error:.2f} | {after.mean[SOC]:.3f} | {sigma[0]:.3f} | {sigma[1]:.3f} |")
    return lines


def accuracy(all_tests: list[Test], curves: dict[str, Chemistry], ways: list[tuple[float, float, float | None]]) -> list[str]:
    head = "| test | curve | start | sensor | RMSE | counting from there | after a rest told | 90 % interval holds | its mean width "
    lines = [head + "| after a rest told | rests that told |", "|---|---|---|---|---|---|---|---|---|---|---|"]
    return lines + [row(t, c, label, *way) for t, (label, c), way in product(all_tests, curves.items(), ways)]


def combinations(*, quick: bool) -> list[tuple[float, float, float | None]]:
    clean: list[tuple[float, float, float | None]] = [(0.0, 0.0, None)]
    errors: list[tuple[float, float, float | None]] = [
        (g, o, s) for g, o in product((-GAIN, GAIN), (-OFFSET, OFFSET)) for s in (None, -START_ERROR, START_ERROR)
    ]
    return clean if quick else clean + errors


def main(arguments: list[str]) -> int:
    folder = shared_data()
    if folder is None:
        print("the measured data (../shared/data or TWIN_SHARED_DATA) are not here: nothing is shown")
        return 0
    curves = {"own": own_curve(folder), "LFP": chemistry("LFP")}
    for label, curve in curves.items():
        print(f"\n### What one endless rest tells, curve: {label}\n")
        print("\n".join(identifiability(curve)))
    print("\n### One rest of 5 min after discharging, own curve\n")
    print("\n".join(pull(curves["own"])))
    print("\n### Dynamic tests\n")
    print("\n".join(accuracy(tests(folder), curves, combinations(quick="--quick" in arguments))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
