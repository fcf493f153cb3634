"""What the explorer page of this plugin shows: sliders, truth, SEI curves, notes; the page's own script is `explorer.js`."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.pinn_internal_state.explorer_store import FIELDS, SIDES, steps, unpack

FOLDER = Path(__file__).parent
TRUTH, SEI, SEI_TRUTH = FOLDER / "explorer_truth.xz", FOLDER / "explorer_sei.json", FOLDER / "sei_truth.json"
WEIGHTS = FOLDER / "weights.onnx"
#: The data-only network; without it the page offers no such choice.
BASELINE = FOLDER / "data_only.onnx"
OUTPUTS = {"physics": ("voltage", "margin", "negative", "positive", "electrolyte"), "data": ("negative", "positive")}
#: Where the electrolyte laws of the parameter set end. [mol/m3]
LEAST_ELECTROLYTE = 50.0
LOWEST, HIGHEST = 2.5, 4.2
#: Trained range: ambient temperature [degC] and C-rate [1/h].
TRAINED = ((15.0, 35.0), (0.5, 3.0))
MOST_CYCLES = 1200
#: Capacity of 1C. [Ah]
NOMINAL = 5.0
_FARADAY = 96485.33212
FloatArray = npt.NDArray[np.float64]


@lru_cache(maxsize=1)
def cell() -> dict[str, Any]:
    """Return the cell's numbers."""
    found: dict[str, Any] = json.loads((FOLDER / "cell.json").read_text("utf-8"))
    return found


def lithium_lost(cycle: float, celsius: float) -> float:
    """Lithium in the SEI after full cycles at one temperature, as the network predicts it: linear between its curves. [Ah]"""
    curves = json.loads(SEI.read_text("utf-8"))["curves"]
    losses = [np.interp(cycle, each["cycle"], each["lost"]) for each in curves]
    return float(np.interp(celsius, [each["temperature"] for each in curves], losses))


def capacity_of(side: str) -> float:
    """Charge that an electrode holds between stoichiometry 0 and 1. [Ah]"""
    part = cell()[side]
    return float(part["largest"] * part["active"] * part["thickness"] * cell()["area"] * _FARADAY / 3600)


def _potential(side: str, stoichiometry: FloatArray) -> FloatArray:
    table = cell()[side]["potential"]
    return np.asarray(np.interp(stoichiometry, np.linspace(0.0005, 0.9995, len(table)), table), dtype=np.float64)


def start_of(lost: FloatArray | float, full: bool) -> tuple[FloatArray, FloatArray]:
    """Uniform concentrations of a rested cell that is full, or empty, after losing lithium.

    Parameters
    ----------
    lost : float or ndarray
        Lithium in the SEI. [Ah]
    full : bool
        At the upper voltage limit, else at the lower.

    Returns
    -------
    tuple of ndarray
        Negative and positive. [mol/m3]

    Notes
    -----
    Lost lithium shifts the two stoichiometries against each other; the open-circuit voltage at the limits stays. Bisection.
    """
    window, lost = cell()["window"], np.asarray(lost, dtype=np.float64)
    negative, positive = capacity_of("negative"), capacity_of("positive")
    first, other = (np.asarray(window[side][int(full)], dtype=np.float64) for side in SIDES)
    limit = _potential("positive", other) - _potential("negative", first)
    total = negative * first + positive * other - lost
    low, high = np.full(lost.shape, 0.0005), np.full(lost.shape, 0.9995)
    for _ in range(60):
        x = (low + high) / 2
        below = _potential("positive", (total - negative * x) / positive) - _potential("negative", x) < limit
        low, high = np.where(below, x, low), np.where(below, high, x)
    return low * cell()["negative"]["largest"], (total - negative * low) / positive * cell()["positive"]["largest"]


def explorer() -> dict[str, Any]:
    """Return what the page is made of; see `documentation/how-to/explore-a-cell.md`."""
    baseline = BASELINE.exists()
    networks = {"physics": (WEIGHTS, OUTPUTS["physics"])}
    if baseline:
        networks["data"] = (BASELINE, OUTPUTS["data"])
    return {
        "title": "Inside an LG M50: lithium, plating margin, SEI",
        "description": (
            "A simulated 21700 cell, NMC811 with graphite and silicon (OKane2022), known parameters, uniform start, constant current. "
            "The networks are evaluated in this page as you move the sliders."
        ),
        "networks": networks,
        "script": FOLDER / "explorer.js",
        "sliders": _sliders(),
        "choices": _choices(baseline),
        "status": ["status-end", "status-range", "status-truth"],
        "panels": _panels(),
        "notes": _notes(baseline),
        "data": _data(),
    }


def _sliders() -> list[dict[str, Any]]:
    temperatures, rates = TRAINED
    return [
        {"name": "temperature", "label": "Cell temperature", "unit": "°C", "minimum": -10, "maximum": 60, "step": 1,
         "value": 25, "trained": temperatures, "trained_name": "trained at 15 to 35 °C"},
        {"name": "rate", "label": "C-rate (1C: 5 A)", "unit": "C", "minimum": 0.5, "maximum": 5, "step": 0.1, "value": 1,
         "trained": rates, "trained_name": "trained up to 3C"},
        {"name": "cycle", "label": "Full cycles so far", "unit": "", "minimum": 0, "maximum": MOST_CYCLES,
         "step": 20, "value": 0, "trained": None, "trained_name": ""},
    ]  # fmt: skip


def _choices(baseline: bool) -> list[dict[str, Any]]:
    def choice(name: str, label: str, options: dict[str, str]) -> dict[str, Any]:
        return {"name": name, "label": label, "options": [{"value": key, "label": text} for key, text in options.items()]}

    networks = {"physics": "Physics", "data": "Data only"} if baseline else {"physics": "Physics"}
    return [
        choice("network", "Network", networks),
        choice("direction", "Load", {"discharge": "Discharge", "charge": "Charge"}),
        choice("place", "Where along x, for c(r, t)", {"separator": "Separator", "collector": "Collector", "mean": "Mean"}),
    ]


def _panels() -> list[dict[str, Any]]:
    radial = "Rows: centre (0) to surface (1) of a particle."
    along = "Surface of the particles; rows: collector (0) to separator (1)."
    return [
        {"id": "negative", "kind": "heat", "title": "Negative electrode: lithium c(r, t)", "note": radial, "errors": True},
        {"id": "positive", "kind": "heat", "title": "Positive electrode: lithium c(r, t)", "note": radial, "errors": True},
        {"id": "negative_surface", "kind": "heat", "title": "Negative electrode: surface c(x, t)", "note": along, "errors": True},
        {"id": "positive_surface", "kind": "heat", "title": "Positive electrode: surface c(x, t)", "note": along, "errors": True},
        {"id": "voltage", "kind": "line", "title": "Cell voltage", "note": "Mean of each bin.", "errors": True},
        {"id": "margin", "kind": "line", "title": "Margin to lithium plating", "errors": True,
         "note": "Graphite against the electrolyte beside it, at the separator; below 0 lithium may plate."},
        {"id": "sei", "kind": "line full", "title": "SEI thickness by full cycles at this temperature", "errors": True,
         "note": "1C discharge, 0.7C charge, hold at 4.2 V to C/20. Truth: PyBaMM, kept for a few temperatures."},
    ]  # fmt: skip


#: What a reader must know; two are about the data-only network, of which one is shown.
_NOTES = f"""
Simulated cell, known parameters: nothing here was measured on a real cell.

Truth: PyBaMM, Doyle-Fuller-Newman model, parameter set OKane2022, 20-point mesh, solved on the nodes marked + above, at 0, 500 and
1,000 cycles; 10 of its 20 rows are kept. Errors are shown on these nodes only; between them there is no truth to compare with.

Truth with electrolyte below {LEAST_ELECTROLYTE:.0f} mol/m³ anywhere is left out: the electrolyte laws of the parameter set end there.

The errors are root mean squares over the rows and instants drawn, in mol/m³; negative and positive apart.

A mean over x follows from counting charge and says little of a network: look at the collector, the separator and the surface.

The parameter set lacks entropic heat (no reversible heat, no change of potential with temperature) and the hysteresis of silicon
(one curve for charge and discharge).

The temperature is the cell's, prescribed and constant: a real cell at 3C warms by many kelvin within minutes.

Cycles behind the cell were full ones at the slider's temperature, and only take lithium: the SEI's loss shifts the window of
stoichiometry. Film resistance, clogged pores, lost active material and plated lithium are not in these pictures.

Nothing is drawn beyond the voltage limit (2.5 V on discharge, 4.2 V on charge), nor beyond the truth's: on a node its own, between
the nodes the charge that the truth gives on those around, at most. Where the network's own electrolyte has fallen below
{LEAST_ELECTROLYTE:.0f} mol/m³ the pictures are hatched: from there on it is not to be believed, and its own cut-off may come
several times too late.
"""
_WITH_DATA_ONLY = """The data-only network was trained on the same data. It gives concentrations only, so voltage, margin and the end of
the run are the physics network's; it was shown no aged cell."""
_WITHOUT = "No data-only network is kept beside these weights, so there is none to compare with."


def _notes(baseline: bool) -> list[str]:
    notes = [*_NOTES.strip().split("\n\n"), _WITH_DATA_ONLY if baseline else _WITHOUT]
    return [" ".join(note.split()) for note in notes]


def _text(values: npt.NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


def _data() -> dict[str, Any]:
    grid = np.linspace(0, 2.5, 126)
    starts = {
        name: [side.round(3).tolist() for side in start_of(grid, name == "discharge")] for name in ("discharge", "charge")
    }
    return {
        "truth": _truth(),
        "sei": _sei(),
        "starts": {"step": float(grid[1]), **starts},
        "largest": {side: cell()[side]["largest"] for side in SIDES},
        "limits": {"discharge": LOWEST, "charge": HIGHEST},
        "nominal": NOMINAL,
        "capacity": cell()["capacity"],
        "trained": TRAINED,
        "electrolyte": LEAST_ELECTROLYTE,
    }


def _truth() -> dict[str, Any]:
    kept, scale = unpack(TRUTH), steps(cell())
    quantities = {
        name: {
            "data": _text(kept[name].astype("<u2")),
            "first": scale[name][0],
            "step": scale[name][1],
            "shape": list(kept[name].shape),
        }
        for name in (*FIELDS, "voltage", "margin")
    }
    nodes = [
        dict(zip(("temperature", "rate", "cycle", "direction", "lost"), row, strict=True)) for row in kept["nodes"].tolist()
    ]
    for node, end, cutoff in zip(nodes, kept["end"].tolist(), kept["cutoff"].tolist(), strict=True):
        node.update(direction="discharge" if node["direction"] > 0 else "charge", end=end, cutoff=cutoff)
    return {"nodes": nodes, "kept": kept["kept"].tolist(), "quantities": quantities}


def _sei() -> dict[str, Any]:
    predicted = json.loads(SEI.read_text("utf-8"))
    conditions = json.loads(SEI_TRUTH.read_text("utf-8"))["conditions"]
    truth = [
        {name: each[name] for name in ("temperature", "cycle", "thickness", "lost")}
        for each in conditions
        if each["model"] == "DFN" and each["window"] == [0.0, 1.0]
    ]
    current = predicted["weights"] == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    truth.sort(key=lambda each: float(each["temperature"]))
    return {"curves": predicted["curves"], "truth": truth, "by": predicted["by"], "current": current}
