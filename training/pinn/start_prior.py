"""What cells in mid-operation look like inside: the belief about a start of which nothing is known, from the training set.

    python -m training.pinn.start_prior FOLDER      # writes models/pinn_internal_state/start.json anew

The directions are those of the uncentred covariance of what departs from a cell at rest with the same lithium, over instants of
training runs after ten minutes. No validation or evaluation run is read.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from training.pinn.dataset import load
from training.pinn.evaluate_metrics import shell_volumes
from training.pinn.mesh import quadrature

PATH = Path(__file__).parents[2] / "models" / "pinn_internal_state" / "start.json"
NODES, KEPT = 8, 10
#: First bin that counts, and distance of those that do. [bins of 5 s]
FIRST, EVERY = 120, 24


def departures(folder: Path) -> list[np.ndarray]:
    """Return what departs from rest: negative and positive (n, 20, NODES), electrolyte (n, 60). [mol/m3]"""
    from_cells = quadrature(NODES).from_cells.T
    volume = shell_volumes(20)[None, :, None]
    parts: list[list[np.ndarray]] = [[], [], []]
    for path in sorted(folder.glob("OKane2022-10??-drawn.npz")):
        truth = load(path)
        if truth is None:
            continue
        for part, side in zip(parts, ("negative", "positive"), strict=False):
            field = np.moveaxis(truth[side].astype(float), 2, 0)[FIRST::EVERY]
            mean = (field * volume).sum(1).mean(1)[:, None, None]
            part.append((field - mean) @ from_cells)
        parts[2].append(truth["electrolyte"].astype(float).T[FIRST::EVERY] - 1000.0)
    return [np.concatenate(part) for part in parts]


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    found = departures(parser.parse_args().folder)
    flat = [part.reshape(len(part), -1) for part in found]
    scale = [float(np.sqrt(np.mean(part**2))) for part in flat]
    # particles decide what is estimated; the electrolyte forgets within minutes
    joint = np.concatenate(
        [part / size * weight for part, size, weight in zip(flat, scale, (1.0, 1.0, 0.3), strict=True)], axis=1
    )
    value, vector = np.linalg.eigh(joint.T @ joint / len(joint))
    print(
        "share:", np.round(np.cumsum(value[::-1])[: KEPT + 2] / value.sum(), 4).tolist(), "scale:", np.round(scale, 1).tolist()
    )
    physical = np.repeat(np.array(scale) / (1.0, 1.0, 0.3), [part.shape[1] for part in flat])
    directions = (vector[:, ::-1][:, :KEPT] * np.sqrt(value[::-1][:KEPT])).T * physical
    edge = np.cumsum([part.shape[1] for part in flat])[:-1]
    kept = {
        name: [[float(f"{number:.4g}") for number in row] for row in part]
        for name, part in zip(("negative", "positive", "electrolyte"), np.split(directions, edge, axis=1), strict=True)
    }
    PATH.write_text(json.dumps({"nodes": NODES, "instants": len(joint), **kept}) + "\n", "utf-8")
    print(f"{PATH}: {PATH.stat().st_size / 1e3:.0f} kB from {len(joint)} instants")


if __name__ == "__main__":
    main()
