"""Everything from nothing to the shipped weights: truth, training, export, checksum in the manifest, evaluation, results page.

    python -m training.pinn.make [--work training-work/pinn] [--seconds 1800] [--no-evaluation]

Each step is a command of its own and keeps what it made, so a stopped run goes on where it was. On two cores it takes about an hour.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

PLUGIN = Path(__file__).parents[2] / "models" / "pinn_internal_state"
#: CPU seconds of training of the shipped seed. [s]
SECONDS = 1800.0


def step(title: str, *words: str) -> None:
    """Run ``python -m words`` and say how long it took; its own progress goes through."""
    print(f"== {title}: python -m {' '.join(words)}", flush=True)
    begun = time.monotonic()
    subprocess.run([sys.executable, "-m", *words], check=True)
    print(f"== {title}: {time.monotonic() - begun:.0f} s", flush=True)


def state_checksum(manifest: Path, name: str, digest: str) -> None:
    """Write the SHA-256 of a weights file into the plugin's manifest."""
    if not manifest.exists():
        print(f"{manifest} is not there, so the checksum {digest} was not written down")
        return
    content = json.loads(manifest.read_text("utf-8"))
    content.setdefault("weights", {})[name] = digest
    manifest.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def ship(work: Path) -> None:
    """Export the trained network into the plugin's folder."""
    import torch

    from training.pinn.export import export
    from training.pinn.network import Config, Network

    record = json.loads((work / "shipped" / "record.json").read_text("utf-8"))
    network = Network(Config(sweeps=record["sweeps"]))
    network.load_state_dict(torch.load(work / "shipped" / "checkpoint.pt", weights_only=True)["network"])
    made = work / "weights.onnx"
    digest = export(network, made)
    shutil.copyfile(made, PLUGIN / "weights.onnx")
    state_checksum(PLUGIN / "model.json", "weights.onnx", digest)
    print(f"weights.onnx: {made.stat().st_size / 1e6:.1f} MB, SHA-256 {digest}")


def main() -> None:
    """Make the shipped weights from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("training-work/pinn"))
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--no-evaluation", action="store_true")
    chosen = parser.parse_args()
    data = str(chosen.work / "data")
    step("cell", "training.pinn.cell")
    step("truth for training", "training.pinn.dataset", data, "--set", "train")
    step("truth for validation", "training.pinn.dataset", data, "--set", "validation")
    step("training", "training.pinn.train", data, str(chosen.work / "shipped"), "--seconds", str(chosen.seconds))
    ship(chosen.work)
    if not chosen.no_evaluation:
        for row in ("known-start", "hot", "cold", "anode"):
            step(row, "training.pinn.evaluate", row)
        step("results page", "training.pinn.report")


if __name__ == "__main__":
    main()
