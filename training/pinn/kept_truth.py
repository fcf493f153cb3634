"""Simulate what `tests/test_pinn_network.py` compares with: one dynamic hour, thinned.

python -m training.pinn.kept_truth          # writes tests/pinn_truth.npz
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.pinn.profiles import draw
from training.pinn.truth import simulate
from training.pinn.windows import bin_mean, bin_spread

TARGET = Path(__file__).parents[2] / "tests" / "pinn_truth.npz"
#: Every so many bins a field is kept. [1]
THIN = 60


def main() -> None:
    """Simulate and keep."""
    profile = draw(1, kind="dynamic")
    found = simulate(profile)
    series = {name: bin_mean(found[name]).astype(np.float32) for name in ("current", "temperature", "voltage", "anode")}
    fields = {name: found[name].transpose(2, 0, 1)[1:][THIN - 1 :: THIN] for name in ("negative", "positive")}
    np.savez_compressed(TARGET, soc=profile.soc, spread=bin_spread(found["current"]).astype(np.float32), **series, **fields)
    print(f"{TARGET}: {TARGET.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
