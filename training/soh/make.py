"""Everything from the data to the shipped networks of the state of health: ``python -m training.soh.make [--work training-work/soh]``.

Estimate, forecast, failure modes; each writes its ONNX file into the plugin's folder and a record into training/soh/results, and the
checksums go into the manifest. Each step is a command of its own and keeps what it made, so a stopped run goes on where it was. The
measured data (../shared/data or TWIN_SHARED_DATA) are needed.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from benchmarks.measured_data import shared_data
from training.pinn.make import state_checksum, step

PLUGIN = Path(__file__).parents[2] / "models" / "neural_soh"
WEIGHTS = ("weights.onnx", "forecast.onnx", "modes.onnx")
#: Simulated cells that failure modes are learned from, those of them whose films vary, and those that only judge: folder, number, seed.
SIMULATED = (("modes", "700", "0"), ("modes-film", "240", "2", "--films"), ("modes-confirm", "120", "1"))


def state_checksums() -> None:
    """Write the SHA-256 of each file of weights into the manifest."""
    for name in WEIGHTS:
        content = (PLUGIN / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        state_checksum(PLUGIN / "model.json", name, digest)
        print(f"{name}: {len(content) / 1e6:.2f} MB, SHA-256 {digest}")


def main() -> None:
    """Make all three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("training-work") / "soh", help="folder that keeps what was made")
    parser.add_argument("--checksums", action="store_true", help="only write the checksums of what is there into the manifest")
    chosen = parser.parse_args()
    if not chosen.checksums:
        if shared_data() is None:
            raise SystemExit(
                "the measured data (../shared/data or TWIN_SHARED_DATA) are not here; there is nothing to train on"
            )
        work = chosen.work
        for folder, cells, seed, *more in SIMULATED:
            simulate = ("training.soh.modes.simulate", str(work / folder), "--cells", cells, "--seed", seed, *more)
            step(f"simulated ageing, {folder}", *simulate)
        modes, film, confirm = (str(work / folder) for folder, *_ in SIMULATED)
        step("failure modes", "training.soh.modes.make", modes, film, "--confirm", confirm)
        step("estimate", "training.soh.ship.make")
        step("forecast", "training.soh.forecast_make")
    state_checksums()


if __name__ == "__main__":
    main()
