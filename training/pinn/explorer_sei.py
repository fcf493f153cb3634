"""SEI curves that the network predicts, for the explorer: `python -m training.pinn.explorer_sei` after each change of the weights.

Same protocol as the kept truth (:mod:`training.pinn.ageing_protocol`), full window, at the explorer's temperatures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from models.pinn_internal_state import sei
from models.pinn_internal_state.explorer import SEI
from training.pinn.ageing_forward import WEIGHTS, Cycler, Forward
from training.pinn.ageing_predict import FILM, Ageing, at_cycles
from training.pinn.ageing_protocol import Condition

TEMPERATURES = (-10.0, 0.0, 10.0, 25.0, 35.0, 45.0, 60.0)
#: Cycles that are kept, and every how many of them one is simulated anew.
CYCLES = [0, 10, 20, *range(50, 1201, 50)]
EVERY = 50
#: How well the hold is held; a tenth of a millivolt is 0.2 % of the growth. Far outside the training range it is not held better. [V]
TOLERANCES = (1e-3, 3e-3)


def curve(forward: Forward, celsius: float, tolerance: float) -> dict[str, Any]:
    """Predict thickness [nm] and lithium lost [Ah] over cycles at one temperature."""
    ageing = Ageing(Cycler(forward, Condition(celsius, cycles=CYCLES[-1]), tolerance=tolerance), EVERY)
    local = at_cycles(ageing.run(), CYCLES)
    if not np.isfinite(local).all():
        raise RuntimeError("the network gives no number there")
    lost = sei.lithium_lost(FILM, ageing.electrode, local)
    thickness = local @ ageing.electrode.weights * 1e9
    return {
        "temperature": celsius,
        "held": tolerance,
        "cycle": CYCLES,
        "thickness": thickness.round(3).tolist(),
        "lost": lost.round(6).tolist(),
    }


def attempted(forward: Forward, celsius: float) -> dict[str, Any] | None:
    """Predict one temperature and say how it went; ``None`` where the protocol does not close."""
    for tolerance in TOLERANCES:
        try:
            found = curve(forward, celsius, tolerance)
        except (RuntimeError, IndexError, ValueError) as error:
            print(f"{celsius} °C, hold to {tolerance * 1e3} mV: {error}", flush=True)
            continue
        print(
            f"{celsius} °C: {found['thickness'][-1]:.1f} nm, {found['lost'][-1]:.3f} Ah after {CYCLES[-1]} cycles", flush=True
        )
        return found
    print(f"{celsius} °C: left out")
    return None


def main() -> None:
    """Predict every temperature and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--physics", action="store_true", help="No weights: twelve plain sweeps of the physics.")
    chosen = parser.parse_args()
    digest = "" if chosen.physics else hashlib.sha256(chosen.weights.read_bytes()).hexdigest()
    forward = Forward(None if chosen.physics else chosen.weights)
    curves = [found for celsius in TEMPERATURES if (found := attempted(forward, celsius))]
    SEI.write_text(json.dumps({"by": forward.name, "weights": digest, "curves": curves}) + "\n", "utf-8")


if __name__ == "__main__":
    main()
