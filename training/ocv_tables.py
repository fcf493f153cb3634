"""Regenerate `models/chemistry/curves.json`: a few knots a chemistry, from measured tables and PyBaMM parameter sets.

    python training/ocv_tables.py [SHARED_DATA]

Offline only (PyBaMM, pandas). Deterministic: the same inputs give the same bytes. What is measured stays where it is; only
averages at 48 knots, their spread from cell to cell and their sources enter the repository.

References
----------
Sulzer et al., Python Battery Mathematical Modelling (PyBaMM), 2021, doi:10.5334/jors.309
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pybamm

FloatArray = npt.NDArray[np.float64]

TARGET = Path(__file__).parents[1] / "models" / "chemistry" / "curves.json"
SHARED = Path(__file__).parents[2] / "shared" / "data"
ENDS = [0.0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08]
KNOTS = np.array([*ENDS, *np.round(np.arange(0.1, 0.951, 0.025), 3), 0.965, 0.98, 0.99, 1.0])
#: A curve is known no better than this: temperature, rate and definition of 0 and 100 % differ between sources. [V]
FLOOR = 0.005
#: Width over which the spread is smoothed, because two curves that cross are not known better there. [1]
SMOOTH = 0.05


def measured(shared: Path) -> dict[tuple[str, str, float], FloatArray]:
    """Return the measured full-cell curves at the knots, by cell, branch and temperature."""
    table = pd.read_csv(shared / "ocv_tables" / "full_cell_ocv.csv")
    found = {}
    table["temp_c"] = table["temp_c"].fillna(25.0)  # not stated: taken as room temperature
    for (cell, branch, temperature), rows in table.groupby(["cell", "branch", "temp_c"]):
        rows = rows.sort_values("soc_frac")
        found[cell, branch, temperature] = np.interp(KNOTS, rows["soc_frac"], rows["ocv_v"])
    return found


def simulated(name: str, limits: tuple[float, float] | None = None) -> tuple[FloatArray, FloatArray]:
    """Return the equilibrium voltage [V] and the entropic coefficient [V/K] of a PyBaMM set at the knots, 25 °C."""
    values = pybamm.ParameterValues(name)
    if limits:
        low, high = limits
        values.update({"Open-circuit voltage at 0% SOC [V]": low, "Open-circuit voltage at 100% SOC [V]": high})
        values.update({"Lower voltage cut-off [V]": low, "Upper voltage cut-off [V]": high})
    symbols = pybamm.LithiumIonParameters()
    lithium = {"Q_n": symbols.n.Q_init, "Q_p": symbols.p.Q_init, "Q_Li": symbols.Q_Li_particles_init}
    known = {key: values.evaluate(symbol) for key, symbol in lithium.items()}
    balance = pybamm.lithium_ion.ElectrodeSOHSolver(values).solve(known)
    x = balance["x_0"] + KNOTS * (balance["x_100"] - balance["x_0"])
    y = balance["y_0"] - KNOTS * (balance["y_0"] - balance["y_100"])

    def of(symbol: Any) -> float:
        return float(np.ravel(values.evaluate(symbol))[0])

    room = pybamm.Scalar(298.15)
    positive, negative = symbols.p.prim, symbols.n.prim
    pairs = [(pybamm.Scalar(float(a)), pybamm.Scalar(float(b))) for a, b in zip(x, y, strict=True)]
    voltage = [of(positive.U(b, room)) - of(negative.U(a, room)) for a, b in pairs]
    entropy = [of(positive.dUdT(b)) - of(negative.dUdT(a)) for a, b in pairs]
    return np.array(voltage), np.array(entropy)


def spread_of(centre: FloatArray, others: list[FloatArray]) -> FloatArray:
    """Root of the mean squared deviation of other cells from the centre, smoothed over SOC, never below FLOOR. [V]"""
    square = np.mean([(other - centre) ** 2 for other in others], axis=0)
    weight = np.exp(-0.5 * ((KNOTS[:, None] - KNOTS[None, :]) / SMOOTH) ** 2) * np.gradient(KNOTS)
    smooth = (weight @ square) / weight.sum(axis=1)
    return np.asarray(np.sqrt(smooth + FLOOR**2))


def hysteresis_of(charge: FloatArray, discharge: FloatArray, *, relaxed: bool) -> FloatArray:
    """Half the distance of the branches. [V]

    A slow sweep (C/20) also shows polarisation. At SOC 1 both branches are in one state, so what is left of the distance
    there is polarisation alone; unless the branches were `relaxed`, it is taken off everywhere.
    """
    half = np.maximum((charge - discharge) / 2.0, 0.0)
    return half if relaxed else np.maximum(half - half[-1], 0.0)


def entry(
    centre: FloatArray, others: list[FloatArray], limits: tuple[float, float], source: str, **more: Any
) -> dict[str, Any]:
    zero = np.zeros_like(KNOTS)
    if not (np.diff(np.round(centre, 5)) > 0.0).all():
        raise ValueError(f"a centre does not rise everywhere, so it has no inverse: {source}")
    listed = {"ocv": (centre, 5), "hysteresis": (more.get("hysteresis", zero), 4)}
    listed |= {"spread": (spread_of(centre, others), 4), "entropy": (more.get("entropy", zero), 6)}
    values = {key: [round(float(v), digits) for v in array] for key, (array, digits) in listed.items()}
    return {"source": source, "limits": list(limits), **values}


def nmc(cells: dict[tuple[str, str, float], FloatArray]) -> dict[str, Any]:
    centre, _ = simulated("Chen2020")
    regan, entropy = simulated("ORegan2022", (2.5, 4.2))
    charge, discharge = (cells["LG-18650HG2-3Ah", branch, 25.0] for branch in ("charge", "discharge"))
    names = ("LG-INR21700M50T", "Molicel-INR18650P28A", "Molicel-INR21700P42A", "Samsung-INR2170040T")
    others = [cells[name, "average", 25.0] for name in names]
    repeats = [cells[f"DMEGC-INR18650-2.6Ah-R{i}", "discharge", 25.0] for i in range(1, 5)]
    lifted = np.mean(repeats, axis=0) + (charge - discharge) / 2.0  # only discharged: half the distance of the HG2
    others += [regan, (charge + discharge) / 2.0, lifted]
    source = (
        "Centre: PyBaMM set Chen2020 (LG M50, NMC811/graphite-SiOx, doi:10.1149/1945-7111/ab9050), the set the demo's "
        "vehicle pack was simulated with (the ageing cell: OKane2022, same electrodes). Spread: six measured cells (LG M50T, "
        "Molicel P28A and P42A, Samsung 40T at C/32; LG HG2 and DMEGC 2.6 Ah at C/20) and PyBaMM ORegan2022. Hysteresis: LG "
        "HG2 at 25 C. Entropy: PyBaMM ORegan2022 (LG M50, doi:10.1016/j.electacta.2022.140700)."
    )
    hysteresis = hysteresis_of(charge, discharge, relaxed=False)
    return entry(centre, others, (2.5, 4.2), source, hysteresis=hysteresis, entropy=entropy)


def nca(cells: dict[tuple[str, str, float], FloatArray]) -> dict[str, Any]:
    charge, discharge = (cells["Panasonic-NCR18650PF-2.9Ah", branch, 25.0] for branch in ("charge", "discharge"))
    source = (
        "Centre: mean of charge and discharge of a Panasonic NCR18650PF at C/20 and 25 C (Kollmeyer, Mendeley data "
        "wykht8y7tg). Spread: PyBaMM set NCA_Kim2011 (doi:10.1149/1.3597614) and LG HG2. Hysteresis: the same sweep. "
        "Entropy: 0, because C/20 sweeps at other temperatures do not separate it from polarisation."
    )
    hg2 = (cells["LG-18650HG2-3Ah", "charge", 25.0] + cells["LG-18650HG2-3Ah", "discharge", 25.0]) / 2.0
    centre, others = (charge + discharge) / 2.0, [simulated("NCA_Kim2011")[0], hg2]
    return entry(centre, others, (2.5, 4.2), source, hysteresis=hysteresis_of(charge, discharge, relaxed=False))


def lfp(cells: dict[tuple[str, str, float], FloatArray]) -> tuple[dict[str, Any], dict[str, Any]]:
    charge, discharge = (cells["LFP-1.2Ah-TBSI", branch, 25.0] for branch in ("charge", "discharge"))
    works = cells["LithiumWerks-APR18650M1B", "average", 25.0]
    prada, _ = simulated("Prada2013")
    mean, hysteresis = (charge + discharge) / 2.0, hysteresis_of(charge, discharge, relaxed=True)
    hysteresis[0] = hysteresis[1]  # both branches end at their own cut-off
    source = (
        "Centre: mean of two measured cells, TBSI 1.2 Ah (both branches; terencetaothucb/"
        "LFP-SOC-Estimation-Fisher-Information-Fusion) and LithiumWerks APR18650M1B (C/32; soorajsunil/Piecewise-Battery-OCV). "
        "Hysteresis: TBSI. Spread: these two and PyBaMM set Prada2013 (doi:10.1149/2.053304jes). "
        "Entropy: 0, no measurement at hand."
    )
    centre = (mean + works) / 2.0
    typical = entry(centre, [mean, works, prada], (2.0, 3.6), source, hysteresis=hysteresis)
    source = (
        "PyBaMM set Prada2013 (A123 2.3 Ah, doi:10.1149/2.053304jes) alone, without hysteresis: for cells simulated with it, "
        "such as the demo's storage module. Real cells: LFP."
    )
    return typical, entry(prada, [prada], (2.0, 3.6), source)


def lco(_: dict[tuple[str, str, float], FloatArray]) -> dict[str, Any]:
    centre, entropy = simulated("Ai2020")
    source = (
        "Centre and entropy: PyBaMM set Ai2020 (Enertech pouch, LCO/graphite, doi:10.1149/2.0122001JES). Spread: PyBaMM set "
        "Ramadass2004. Hysteresis: 0, no measurement at hand."
    )
    return entry(centre, [simulated("Ramadass2004")[0]], (3.0, 4.2), source, entropy=entropy)


def main(shared: Path) -> None:
    cells = measured(shared)
    typical, prada = lfp(cells)
    curves = {"NMC": nmc(cells), "NCA": nca(cells), "LFP": typical, "LCO": lco(cells), "LFP-Prada2013": prada}
    lines = [f'  "soc": {json.dumps([float(k) for k in KNOTS])}']
    for name, curve in curves.items():
        fields = ",\n".join(f'    "{key}": {json.dumps(value)}' for key, value in curve.items())
        lines.append(f'  "{name}": {{\n{fields}\n  }}')
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{TARGET}: {len(curves)} chemistries at {len(KNOTS)} knots")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED)
