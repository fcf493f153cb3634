"""Simulate the profiles of a data set into a folder, one file each; what is there already is kept.

python -m training.pinn.dataset FOLDER --set train [--parameters OKane2022] [--processes 2]
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from training.pinn.profiles import draw

#: First seed and number of profiles of each set. Evaluation draws its own seeds, from 100 000 on.
SETS = {"train": (1000, 72), "validation": (2000, 12)}


def path_of(folder: Path, seed: int, ambient: float | None, parameters: str) -> Path:
    """Return where a profile is kept."""
    place = "drawn" if ambient is None else f"{ambient:g}"
    return folder / f"{parameters}-{seed}-{place}.npz"


def make(folder: Path, seed: int, ambient: float | None = None, parameters: str = "OKane2022", **more: Any) -> str:
    """Simulate one profile and keep it; return a line for the log."""
    from training.pinn.truth import EndedEarlyError, simulate

    path = path_of(folder, seed, ambient, parameters)
    if path.exists():
        return f"{path.name}: kept"
    profile = draw(seed, ambient)
    started = time.process_time()
    try:
        result = simulate(profile, parameters, **more)
    except EndedEarlyError as short:
        np.savez(path.with_suffix(".tmp.npz"), short=str(short))
    else:
        described = {"kind": profile.kind, "seed": seed, "ambient": profile.ambient, "soc": profile.soc}
        np.savez(path.with_suffix(".tmp.npz"), cpu=time.process_time() - started, **described, **result)
    path.with_suffix(".tmp.npz").replace(path)
    return f"{path.name}: {profile.kind} from SOC {profile.soc:.2f} at {profile.ambient:.1f} °C, {time.process_time() - started:.1f} s"


def load(path: Path) -> dict[str, Any] | None:
    """Return what was kept of a profile; ``None`` when its simulation ended early."""
    with np.load(path) as file:
        return None if "short" in file else {name: file[name] for name in file.files}


def build(folder: Path, seeds: list[int], ambient: float | None, parameters: str, processes: int) -> None:
    """Simulate many profiles, with a line of progress for each."""
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with ProcessPoolExecutor(processes) as pool:
        waiting = [pool.submit(make, folder, seed, ambient, parameters) for seed in seeds]
        for number, one in enumerate(as_completed(waiting), 1):
            print(f"{number} of {len(seeds)}, {time.monotonic() - started:.0f} s: {one.result()}", flush=True)


def main() -> None:
    """Build a set from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", choices=SETS, default="train")
    parser.add_argument("--parameters", default="OKane2022")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    first, count = SETS[chosen.set]
    build(chosen.folder, list(range(first, first + count)), None, chosen.parameters, chosen.processes)


if __name__ == "__main__":
    main()
