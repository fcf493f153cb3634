"""The study behind the results page: seeds, baseline and ablations, each trained for the same CPU seconds and then evaluated.

    python -m training.pinn.study DATA WORK [--seconds 600] [--seeds 0 1 2] [--only data-only shipped] [--plan]

One step after another, each a command of its own whose output goes to a file in WORK. A step that has its file is not done again, and
training steps go on from their own checkpoints, so this can be stopped at any time (Ctrl-C, or a power cut) and started again.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.pinn.evaluate import CACHE, RESULTS
from training.pinn.evaluate_network import sha256

#: Words that `training.pinn.train` takes for each variant of the network.
ABLATIONS: dict[str, tuple[str, ...]] = {
    "network": (),
    "no-physics-loss": ("--ablation", "no-physics-loss"),
    "predictor-only": ("--ablation", "predictor-only"),
    "plain-sweeps": (),
}
BASELINES: dict[str, tuple[str, ...]] = {"data-only": (), "data-only-noisy": ("--noisy",)}
#: Nothing learned: exported as it is, and the same for every seed.
UNTRAINED = ("plain-sweeps",)
KNOWN, NOISY = ("known-start", "hot", "cold"), ("noisy-rest", "noisy-rest-bias", "noisy-middle")
#: Rows of a variant, where they are not those of a known start.
ROWS = {"network": (*KNOWN, *NOISY), "data-only-noisy": NOISY}


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes
    ----------
    name : str
    words : tuple of str
        After ``python -m``.
    makes : Path
        The file that says it is done.
    """

    name: str
    words: tuple[str, ...]
    makes: Path


def steps(
    data: Path,
    work: Path,
    seconds: float,
    seeds: Sequence[int],
    variants: Iterable[str],
    results: Path = RESULTS,
    cache: Path = CACHE,
) -> list[Step]:
    """Return all commands in order: the first seed of every variant before the second of any, so that a stopped study is of use."""
    found: list[Step] = []
    for seed in seeds:
        for variant in variants:
            if variant in UNTRAINED and seed != seeds[0]:
                continue
            weights = work / f"{variant}-{seed}.onnx"
            found += training_steps(data, work, seconds, seed, variant, weights)
            for row in ROWS.get(variant, KNOWN):
                words = (
                    "training.pinn.evaluate",
                    row,
                    "--weights",
                    str(weights),
                    "--variant",
                    variant,
                    "--training-seed",
                    str(seed),
                )
                place = ("--results", str(results), "--cache", str(cache))
                found.append(
                    Step(f"evaluate {row}: {variant}, seed {seed}", (*words, *place), results / f"{row}-{variant}-{seed}.json")
                )
    return found


def training_steps(data: Path, work: Path, seconds: float, seed: int, variant: str, weights: Path) -> list[Step]:
    """Return the commands that end in the weights of a variant."""
    equal = ("--seconds", f"{seconds:g}", "--seed", str(seed))
    if variant in BASELINES:
        words = ("training.pinn.baseline", str(data), str(weights), *equal, *BASELINES[variant])
        return [Step(f"train {variant}, seed {seed}", words, weights)]
    export = "training.pinn.study_export"
    if variant in UNTRAINED:
        return [Step(f"export {variant}, seed {seed}", (export, "none", str(weights)), weights)]
    folder = work / f"{variant}-{seed}"
    words = ("training.pinn.train", str(data), str(folder), *equal, *ABLATIONS[variant])
    return [
        Step(f"train {variant}, seed {seed}", words, folder / "record.json"),
        Step(f"export {variant}, seed {seed}", (export, str(folder), str(weights)), weights),
    ]


def done(step: Step) -> bool:
    """Tell whether a step's file is there; a record must be about the very weights that are there now."""
    if not step.makes.is_file():
        return False
    if "--weights" not in step.words:
        return True
    weights = Path(step.words[step.words.index("--weights") + 1])
    return weights.is_file() and json.loads(step.makes.read_text("utf-8")).get("sha256") == sha256(weights)


def run(step: Step, work: Path) -> float:
    """Run a step, its output to a file; return its wall seconds.

    Raises
    ------
    SystemExit
        The command failed; its last lines and the file that holds the rest are named.
    """
    log = work / f"{step.name.replace(' ', '-').replace(',', '').replace(':', '')}.log"
    started = time.monotonic()
    with log.open("a", encoding="utf-8") as file:
        code = subprocess.run(
            [sys.executable, "-m", *step.words], stdout=file, stderr=subprocess.STDOUT, check=False
        ).returncode
    if code:
        tail = "\n".join(log.read_text("utf-8").splitlines()[-8:])
        hint = "Mend it and start the study again: what is done stays."
        raise SystemExit(f"{step.name} ended with exit code {code}; {log} says:\n{tail}\n{hint}")
    return time.monotonic() - started


def carry_out(plan: Sequence[Step], work: Path) -> int:
    """Run what is not done yet; return how many steps ran."""
    work.mkdir(parents=True, exist_ok=True)
    ran = 0
    for number, step in enumerate(plan, 1):
        head = f"{number} of {len(plan)}: {step.name}"
        if done(step):
            print(f"{head}: done before", flush=True)
            continue
        print(f"{head} ...", flush=True)
        spent = run(step, work)
        ran += 1
        print(f"{head}: {spent:.0f} s", flush=True)
    return ran


def main() -> None:
    """Carry the study out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with the train and validation sets (training.pinn.dataset)")
    parser.add_argument("work", type=Path, help="folder for weights, checkpoints and logs")
    parser.add_argument("--seconds", type=float, default=600, help="CPU seconds of training, of every variant alike")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    everything = [*ABLATIONS, *BASELINES]
    parser.add_argument("--only", nargs="+", choices=everything, default=everything)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--plan", action="store_true", help="print what is left to do, and stop")
    chosen = parser.parse_args()
    plan = steps(chosen.data, chosen.work, chosen.seconds, chosen.seeds, chosen.only, chosen.results, chosen.cache)
    if chosen.plan:
        for step in plan:
            print(f"{'done' if done(step) else 'to do'}: {step.name}")
        return
    # without this the command that runs would outlive a study that was told to end
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped; the same command goes on"))
    carry_out(plan, chosen.work)


if __name__ == "__main__":
    main()
