"""Everything from nothing to the shipped weights: truth, training, export, checksum in the manifest, evaluation, results page.

    python -m training.pinn.make [--work training-work/pinn] [--seconds 600] [--no-evaluation]

Each step is a command of its own and keeps what it made, so a stopped run goes on where it was. On two cores it takes about an hour.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

PLUGIN = Path(__file__).parents[2] / "models" / "pinn_internal_state"
#: CPU seconds of training of the shipped seed. [s]
SECONDS = 600.0
#: Sweeps of the graph with nothing learned, which the plugin asks where the trained one does not settle.
THOROUGH = 14
#: Where trainings are kept: the study goes on from there, as its first seed.
SHIPPED, DATA_ONLY = Path("study") / "network-0", Path("study") / "data-only-0.onnx"


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
    """Put into the plugin's folder the trained network, plain sweeps for what it does not settle, and the data-only network.

    The explorer compares with the last.
    """
    exported = {"weights.onnx": str(work / SHIPPED), "thorough.onnx": "none"}
    for name, source in exported.items():
        more = ("--sweeps", str(THOROUGH)) if source == "none" else ()
        step(f"export of {name}", "training.pinn.study_export", source, str(work / name), *more)
    for made in (*(work / name for name in exported), work / DATA_ONLY):
        name = "data_only.onnx" if made.name == DATA_ONLY.name else made.name
        shutil.copyfile(made, PLUGIN / name)
        digest = hashlib.sha256(made.read_bytes()).hexdigest()
        state_checksum(PLUGIN / "model.json", name, digest)
        print(f"{name}: {made.stat().st_size / 1e6:.1f} MB, SHA-256 {digest}")


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
    step("training", "training.pinn.train", data, str(chosen.work / SHIPPED), "--seconds", str(chosen.seconds), "--seed", "0")
    spent = ("--seconds", str(chosen.seconds))
    step("training without physics", "training.pinn.baseline", data, str(chosen.work / DATA_ONLY), *spent, "--seed", "0")
    ship(chosen.work)
    if not chosen.no_evaluation:
        step("SEI of the explorer", "training.pinn.explorer_sei")
        for row in ("known-start", "hot", "cold", "anode", "sei"):
            step(row, "training.pinn.evaluate", row)
        step("results page", "training.pinn.report")


if __name__ == "__main__":
    main()
