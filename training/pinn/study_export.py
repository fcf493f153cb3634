"""Export a network of the study: from the folder that `training.pinn.train` left, or untrained.

python -m training.pinn.study_export FOLDER OUTPUT.onnx
python -m training.pinn.study_export none OUTPUT.onnx --sweeps 5      # nothing learned: plain sweeps of physics
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from training.pinn.export import export
from training.pinn.network import Config, Network


def trained(folder: Path) -> Network:
    """Return the network that a training left in a folder, with further sweeps after the trained ones unless it has none at all."""
    told = json.loads((folder / "record.json").read_text("utf-8"))
    network = Network(Config(sweeps=told["sweeps"], further=Config.further if told["sweeps"] else 0))
    network.load_state_dict(torch.load(folder / "checkpoint.pt", weights_only=True)["network"])
    return network


def main() -> None:
    """Export from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="or: none")
    parser.add_argument("output", type=Path)
    parser.add_argument("--sweeps", type=int, default=Config.sweeps + Config.further, help="of an untrained network")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    plain = chosen.folder == "none"
    network = Network(Config(sweeps=chosen.sweeps, further=0, learned=False)) if plain else trained(Path(chosen.folder))
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    partial = chosen.output.with_suffix(".part")
    checksum = export(network.eval(), partial)
    partial.replace(chosen.output)
    print(f"{chosen.output}: {chosen.output.stat().st_size / 1e3:.0f} kB, {checksum}")


if __name__ == "__main__":
    main()
