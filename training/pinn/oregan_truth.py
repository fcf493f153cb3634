"""Simulate what `tests/test_pinn_oregan.py` compares with: one dynamic hour of ORegan2022, thinned.

python -m training.pinn.oregan_truth          # writes tests/pinn_truth_oregan.npz
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.pinn.kept_truth import THIN
from training.pinn.oregan_cell import NAME
from training.pinn.profiles import draw
from training.pinn.truth import simulate
from training.pinn.windows import bin_mean, bin_spread

TARGET = Path(__file__).parents[2] / "tests" / "pinn_truth_oregan.npz"
#: Of the profile; far from those of the evaluation.
SEED = 3002


def main() -> None:
    """Simulate and keep."""
    found = simulate(draw(SEED, kind="dynamic"), NAME)
    series = {name: bin_mean(found[name]).astype(np.float32) for name in ("current", "temperature", "voltage", "anode")}
    fields = {name: found[name].transpose(2, 0, 1)[1:][THIN - 1 :: THIN] for name in ("negative", "positive")}
    start = {f"{name}0": float(found[name][:, :, 0].mean(dtype=float)) for name in ("negative", "positive")}
    np.savez_compressed(TARGET, spread=bin_spread(found["current"]).astype(np.float32), **start, **series, **fields)
    print(f"{TARGET}: {TARGET.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
