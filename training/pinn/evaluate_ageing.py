"""Row `sei` of the results: SEI over many cycles by the network, against the Doyle-Fuller-Newman truth.

    python -m training.pinn.evaluate sei                                               # all kept conditions, 1,000 cycles
    python -m training.pinn.evaluate sei --ambient 30 --window 0.1 0.9 --cycles 300    # one fresh condition, needs PyBaMM
    python -m training.pinn.evaluate_ageing --every 12 --longest 15 --physics 24       # what cycles, bins and sweeps cost

The last one, with a few sweeps or many and nothing learned, needs torch.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from models.pinn_internal_state import sei
from training.pinn import ageing_protocol as protocol
from training.pinn.ageing_forward import WEIGHTS, Cycler, Forward
from training.pinn.ageing_predict import FILM, Ageing, at_cycles
from training.pinn.ageing_protocol import Condition

#: Goals of issue 5. [%]
REQUIRED, AIM = 0.5, 0.1
#: Cycles that are printed, and the first that counts for the worst error.
SHOWN, COUNTED = (1, 10, 50, 100, 200, 500, 1000), 100
#: Points of the truth: thickness [nm] and lithium lost [Ah] by cycle.
Curve = tuple[np.ndarray, np.ndarray]


def baselines(truth: dict[str, Any], spme: dict[str, Any] | None) -> dict[str, Curve]:
    """Thickness [nm] and lithium lost [Ah] of simpler methods at the truth's cycles.

    The clocks are given the truth of its first 100 cycles (half of all, where there are fewer than 200), which the network is not.
    """
    cycles = np.array(truth["cycle"], dtype=float)
    thickness, first = np.array(truth["thickness"]), FILM.first_thickness * 1e9
    known = int(np.searchsorted(cycles, min(100, cycles[-1] / 2), "right")) - 1
    share = cycles / cycles[known]
    clocks = {
        "sqrt(t) clock": np.sqrt(first**2 + (thickness[known] ** 2 - first**2) * share),
        "constant rate": first + (thickness[known] - first) * share,
    }
    an_hour = np.array(truth["lost"])[-1] / (thickness[-1] - first)
    found = {name: (values, (values - first) * an_hour) for name, values in clocks.items()}
    if spme is not None:
        found["SPMe (PyBaMM)"] = (np.array(spme["thickness"]), np.array(spme["lost"]))
    return found


def errors(truth: dict[str, Any], curve: Curve) -> dict[str, Any]:
    """Errors relative to the truth [%]: at some cycles, the worst from cycle :data:`COUNTED` on and the worst of all; nm at the end."""
    late = np.array(truth["cycle"]) >= min(COUNTED, truth["cycle"][-1])
    found: dict[str, Any] = {"nanometres": round(float(curve[0][-1] - truth["thickness"][-1]), 3)}
    for name, values in zip(("thickness", "lost"), curve, strict=True):
        percent = 100 * (values / np.array(truth[name]) - 1)
        found[name] = {
            str(cycle): round(float(value), 4) for cycle, value in zip(truth["cycle"], percent, strict=True) if cycle in SHOWN
        }
        found[f"{name}_worst"] = round(float(np.abs(percent[late]).max()), 4)
        found[f"{name}_worst_ever"] = round(float(np.abs(percent).max()), 4)
    return found


def verdict(percent: float) -> str:
    """Say which goal is met."""
    return "aim met" if percent <= AIM else "required met, aim missed" if percent <= REQUIRED else "required missed"


def predicted(forward: Forward, condition: Condition, cycles: list[int], every: int, longest: float) -> Curve:
    """Thickness [nm] and lithium lost [Ah] by the network, mean over the electrode, at cycle numbers."""
    ageing = Ageing(Cycler(forward, condition, longest), every)
    local = at_cycles(ageing.run(), cycles)
    return local @ ageing.electrode.weights * 1e9, sei.lithium_lost(FILM, ageing.electrode, local)


def compare(
    truth: dict[str, Any], spme: dict[str, Any] | None, forward: Forward, every: int = 25, longest: float = 30.0
) -> dict[str, Any]:
    """Print one condition and return its figures; errors of every method are in %."""
    condition = Condition(truth["temperature"], *truth["window"], truth["cycles"])
    started = time.process_time()
    curves = {"network": predicted(forward, condition, truth["cycle"], every, longest)}
    seconds = time.process_time() - started
    run = {
        "condition": condition.name,
        "cycles": truth["cycles"],
        "thickness_nanometre": truth["thickness"][-1],
        "lost_ampere_hour": truth["lost"][-1],
        "lost_percent_of_capacity": round(100 * truth["lost"][-1] / protocol.cell()["capacity"], 2),
        "capacity_ampere_hour": [truth["capacity"][0], truth["capacity"][-1]],
        "cpu_seconds": {"truth": truth["cpu_seconds"], "network": round(seconds, 1)},
        "errors": {name: errors(truth, curve) for name, curve in (curves | baselines(truth, spme)).items()},
    }
    _print(run, forward.name)
    return run


def _print(run: dict[str, Any], weights: str) -> None:
    first, last = run["capacity_ampere_hour"]
    print(f"\n{run['condition']}, {run['cycles']} cycles: truth {run['thickness_nanometre']:.1f} nm, {run['lost_ampere_hour']:.4f} Ah lost "
          f"({run['lost_percent_of_capacity']:.1f} % of the capacity), discharge {first:.3f} -> {last:.3f} Ah; CPU s: "
          f"DFN {run['cpu_seconds']['truth']:.0f}, network {run['cpu_seconds']['network']:.0f}")  # fmt: skip
    for method, found in run["errors"].items():
        for name in ("lost", "thickness"):
            at = " ".join(f"{cycle}: {value:+.3f}" for cycle, value in found[name].items())
            title = f"{weights if method == 'network' else method}, {name}"
            print(f"  {title:<28} worst {found[f'{name}_worst']:7.3f} %   at cycle {at}", flush=True)


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Worst errors over the conditions [%], of each method, from cycle 100 on."""
    found: dict[str, Any] = {}
    for name in runs[0]["errors"]:
        of = [run["errors"][name] for run in runs if name in run["errors"]]
        found[name] = {key: max(one[key] for one in of) for key in of[0] if "worst" in key}
    worst = max(found["network"]["lost_worst"], found["network"]["thickness_worst"])
    return found | {"conditions": len(runs), "verdict": verdict(worst)}


def truths(condition: Condition | None, cache: Path | None = None) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Truth and SPMe beside it: of a condition that is simulated now (its state in `cache`), or of all that are kept."""
    if condition is not None:
        from training.pinn.ageing import age

        folder = None if cache is None else cache / f"ageing-{condition.cycles}"
        return [(age(condition, "DFN", folder), age(condition, "SPMe", folder))]
    known = protocol.kept()["conditions"]
    spme = {(one["temperature"], *one["window"]): one for one in known if one["model"] == "SPMe"}
    return [(one, spme.get((one["temperature"], *one["window"]))) for one in known if one["model"] == "DFN"]


def sei_row(
    weights: Path,
    cache: Path | None = None,
    ambient: float | None = None,
    window: tuple[float, float] = (0.0, 1.0),
    cycles: int = 300,
    **unused: Any,
) -> dict[str, Any]:
    """Row `sei`: the kept conditions, or with a temperature one fresh condition; seeds mean nothing here."""
    condition = None if ambient is None else Condition(ambient, *window, cycles)
    forward = Forward(weights)
    print("Simulated cell, known parameters. Errors are relative to the DFN [%], the worst from cycle 100 on.")
    runs = [compare(truth, spme, forward) for truth, spme in truths(condition, cache)]
    return {"summary": summary(runs), "truth": "kept" if condition is None else "fresh", "runs": runs}


def main() -> None:
    """Compare with other steps and sweeps than the row's, from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=25, help="cycles between simulated ones")
    parser.add_argument("--longest", type=float, default=30.0, help="longest bin [s]")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--physics", type=int, metavar="SWEEPS", help="untrained corrector sweeps instead of the weights")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="kept conditions, such as 25C-0-100")
    chosen = parser.parse_args()
    forward = Forward(None, chosen.physics) if chosen.physics else Forward(chosen.weights)
    runs = [
        compare(truth, spme, forward, chosen.every, chosen.longest)
        for truth, spme in truths(None)
        if chosen.only is None or Condition(truth["temperature"], *truth["window"]).name in chosen.only
    ]
    print(summary(runs))


if __name__ == "__main__":
    main()
