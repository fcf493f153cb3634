"""Train what ships: ``python -m training.soh.ship.make [--work training-work/soh/ship] [--seeds 5]``.

Charges as they are seen -> networks with a cell left out, for the interval -> networks of all training cells -> `weights.onnx` and
`range.json` in `models/neural_soh`, a TorchScript file in the work folder, a record in `training/soh/results`. What is done is kept in the
work folder; a run goes on where it stopped. CALCE CS2_35 and NASA B0005 are read for the record alone, after everything is written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from models.neural_soh.estimate import Estimator as Shipped
from models.neural_soh.features import FEATURES
from training.soh.cells import FloatArray
from training.soh.ship import demo, intervals, kinds, simulated
from training.soh.ship.export import from_torchscript, to_onnx, to_torchscript
from training.soh.ship.history import LENGTH, Estimator
from training.soh.ship.kinds import KEPT_OUT, Life
from training.soh.ship.learn import Design, train
from training.soh.ship.leave import histories, leave_one_out

ROOT = Path(__file__).parents[3]
MODEL, RESULTS = ROOT / "models" / "neural_soh", ROOT / "training" / "soh" / "results"
#: Of what ships.
VERSION = "1.0.0"
DESIGN = Design()
#: Largest difference between an exported model and the one in Python. [1]
PARITY = 1e-5
#: Networks that ship together; seeds of those that the interval is told from.
MEMBERS, HELD_OUT_SEEDS = 5, 3


def say(text: str) -> None:
    """Tell the person who waits."""
    print(text, file=sys.stderr, flush=True)


def lives_of(work: Path, shared: Path, modes: Path) -> tuple[list[Life], list[Life]]:
    """Return measured and simulated cells as they are seen, from the work folder where they are kept."""
    found = []
    for name, make in (("measured", lambda: kinds.measured(shared)), ("simulated", lambda: simulated.lives(modes))):
        path = work / f"{name}.npz"
        lives = kinds.load(path)
        if lives is None:
            say(f"reading {name} cells")
            lives = make()
            kinds.save(path, lives)
        found.append(lives)
    found[1] = [life for life in found[1] if life.chemistry == "NMC"]  # simulated LCO was of no help to the measured cells
    return found[0], found[1]


def hash_of(lives: list[Life]) -> str:
    """Return what identifies the data of some cells."""
    digest = hashlib.blake2b(digest_size=16)
    for life in lives:
        digest.update(f"{life.group} {life.name} {life.data_hash}".encode())
        for way in sorted(life.ways):
            digest.update(np.ascontiguousarray(life.ways[way], dtype=np.float32).tobytes())
        digest.update(np.ascontiguousarray(life.soh).tobytes())
    return digest.hexdigest()


def kept(work: Path, name: str, lives: list[Life], design: Design, seeds: int) -> Path:
    """Return where what is said of left-out cells is kept: a file for these cells, this design and this code."""
    code = b"".join((Path(__file__).parent / f"{part}.py").read_bytes() for part in ("network", "learn", "history"))
    word = f"{hash_of(lives)} {design} {seeds} {hashlib.blake2b(code, digest_size=8).hexdigest()}".encode()
    return work / f"{name}-{hashlib.blake2b(word, digest_size=6).hexdigest()}.npz"


def errors(estimator: Shipped, rows: FloatArray, soh: FloatArray, chemistry: str) -> dict[str, float]:
    """Return errors of what ships at each charge of a cell, refused charges left out and counted. [% of SOH]"""
    refused = np.array([estimator.outside(row, chemistry) is not None for row in rows])
    kept = np.flatnonzero(~refused)
    if not len(kept):
        return {"charges": len(rows), "answered": 0}
    estimate, lower, upper = estimator.estimates(histories(rows[kept]), (chemistry,) * len(kept))
    known = np.isfinite(soh[kept])
    away = 100.0 * (estimate - soh[kept])[known]
    inside = ((lower <= soh[kept]) & (soh[kept] <= upper))[known]
    return {
        "charges": len(rows), "answered": len(kept), "mae": float(np.mean(np.abs(away))), "rmse": float(np.sqrt(np.mean(away**2))),
        "bias": float(np.mean(away)), "coverage": float(np.mean(inside)), "width": float(np.mean(100.0 * (upper - lower)[known])),
    }  # fmt: skip


def parity(estimator: Estimator, shipped: Shipped, script: Path, lives: list[Life]) -> dict[str, float]:
    """Return the largest difference of ONNX and of TorchScript to the model in Python, over charges of training cells. [1]

    Raises
    ------
    RuntimeError
        One is larger than 1e-5.
    """
    import torch

    from training.soh.ship.network import CHEMISTRIES

    loaded, most = from_torchscript(script), {"onnx": 0.0, "torchscript": 0.0}
    for life in lives:
        for rows in life.seen.values():
            past = histories(rows)[:: max(1, len(rows) // 40)]
            kinds = torch.eye(len(CHEMISTRIES))[CHEMISTRIES.index(life.chemistry)].expand(len(past), -1)
            with torch.inference_mode():
                given = torch.tensor(past, dtype=torch.float32)
                exact = [part.numpy() for part in estimator(given, kinds)]
                traced = [part.numpy() for part in loaded(given, kinds)]
            graph = shipped.estimates(past, (life.chemistry,) * len(past))
            for name, found in (("onnx", graph), ("torchscript", traced)):
                apart = max(float(np.nanmax(np.abs(one - two), initial=0.0)) for one, two in zip(found, exact, strict=True))
                most[name] = max(most[name], apart)
    if max(most.values()) > PARITY:
        raise RuntimeError(f"an exported model differs from the one in Python by {most}; at most {PARITY:g} is accepted")
    return most


def record(estimator: Shipped, measured: list[Life]) -> dict[str, Any]:
    """Return what ships says of the cells that are kept out, and of the demonstration."""
    found: dict[str, Any] = {}
    for life in measured:
        if (life.group, life.name) in KEPT_OUT:
            found[f"{life.group} {life.name}"] = {
                way: errors(estimator, rows, life.soh, life.chemistry) for way, rows in life.seen.items()
            }
    rows, soh = demo.charges()
    found["demonstration, simulated NMC"] = {"whole": errors(estimator, rows, soh, demo.CHEMISTRY)}
    return found


def main() -> None:
    """Train, export, evaluate."""
    from benchmarks.measured_data import shared_data

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=ROOT / "training-work" / "soh" / "ship")
    parser.add_argument("--modes", type=Path, default=ROOT / "training-work" / "soh" / "modes", help="simulated lives")
    parser.add_argument("--steps", type=int, default=DESIGN.steps)
    chosen = parser.parse_args()
    shared = shared_data()
    if shared is None:
        raise SystemExit("The measured data is not there. Set TWIN_SHARED_DATA to its folder.")
    design = Design(DESIGN.shifted, chosen.steps)
    measured, others = lives_of(chosen.work, shared, chosen.modes)
    cells = [life for life in measured if (life.group, life.name) not in KEPT_OUT]
    say("networks with a cell left out, for the interval")
    found = leave_one_out(
        cells, others, range(HELD_OUT_SEEDS), kept(chosen.work, "ten", [*cells, *others], design, HELD_OUT_SEEDS), design,
        lambda step, loss: say(f"  step {step} of {design.steps}: {loss:.3f}"),
    )  # fmt: skip
    limits = intervals.limits_of(cells, found, range(HELD_OUT_SEEDS))
    factor = intervals.factor(cells, found, range(HELD_OUT_SEEDS), limits)
    say("networks of all training cells")
    every = [*cells, *others]
    networks = train(every, [range(len(every))] * MEMBERS, range(MEMBERS), design)
    where = intervals.range_of(every, limits)
    about = {
        "what": "state of health from charges", "version": VERSION, "seeds": ", ".join(map(str, range(MEMBERS))),
        "data": hash_of(every), "training_cells": ", ".join(f"{life.group} {life.name}" for life in cells)
        + f", {len(others)} simulated", "kept_out": ", ".join(" ".join(pair) for pair in KEPT_OUT), "interval": where["interval"],
        "features": ", ".join(FEATURES), "length": str(LENGTH), "range": json.dumps(where, separators=(",", ":")),
    }  # fmt: skip
    estimator = Estimator(networks, factor)
    digest = to_onnx(estimator, MODEL / "weights.onnx", about)
    to_torchscript(estimator, chosen.work / "estimator.pt")
    (MODEL / "range.json").write_text(written(where), encoding="utf-8")
    shipped = Shipped((MODEL / "weights.onnx").read_bytes())
    told = {
        "sha256": digest, "factor": factor, "design": vars(design), "members": MEMBERS, "length": LENGTH,
        "data": {f"{life.group} {life.name}": life.data_hash for life in cells}, "simulated": len(others),
        "data_hash": about["data"], "python": platform.python_version(),
        "versions": {name: version(name) for name in ("numpy", "torch", "onnx", "onnxruntime")},
        "parity": parity(estimator, shipped, chosen.work / "estimator.pt", cells),
        "never_trained_on": record(shipped, measured),
    }  # fmt: skip
    (RESULTS / "ship.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(told["never_trained_on"], indent=1))
    print(f"weights.onnx {digest}, {(MODEL / 'weights.onnx').stat().st_size / 1e6:.2f} MB, factor {factor:.2f}")


def written(where: dict[str, Any]) -> str:
    """Return the range of use as people read it: the edges of features are in the graph's metadata alone."""
    short = {
        name: {key: value for key, value in one.items() if key != "features"} for name, one in where["chemistries"].items()
    }
    return json.dumps({**where, "chemistries": short}, indent=2) + "\n"


if __name__ == "__main__":
    main()
