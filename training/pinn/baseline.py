"""Train the data-only baseline on the same profiles as the network, for the same CPU seconds.

    python -m training.pinn.baseline DATA OUTPUT.onnx --seconds 600 --seed 0 [--noisy] [--width 64] [--layers 2] [--rate 4e-3]

Progress is kept in ``OUTPUT.pt`` once a minute: stop it at any time, and the same command goes on. The spent CPU seconds of this
process are what `--seconds` counts, whatever else the machine does.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.pinn import cell as cell_file
from training.pinn.baseline_network import Baseline, Config, Exported
from training.pinn.dataset import SETS, load, path_of
from training.pinn.evaluate_metrics import bin_mean, bin_spread

BINS = 720
#: Noise that the noisy variant is trained with: volt, ampere, kelvin at 1 Hz; five samples make a bin.
NOISE = {"voltage": 1e-3, "current": 10e-3, "temperature": 0.1}
SIDES = ("negative", "positive")
#: Size of an error that counts as much in the positive electrode as in the negative one. [mol/m3]
WEIGHT = {"negative": 100.0, "positive": 60.0}


def read(folder: Path, which: str, parameters: str = "OKane2022") -> list[dict[str, Any]]:
    """Return the runs of a set, binned; runs that ended early are left out."""
    first, count = SETS[which]
    runs = []
    for seed in range(first, first + count):
        kept = load(path_of(folder, seed, None, parameters))
        if kept is None:
            continue
        run = {name: bin_mean(kept[name]) for name in ("current", "temperature", "voltage")}
        run |= {
            "spread": bin_spread(kept["current"]),
            "soc": float(kept["soc"]),
            "first": kept["voltage"][::5],
            "kind": str(kept["kind"]),
        }
        run |= {side: np.moveaxis(kept[side], 2, 0)[1:].reshape(-1, 400) for side in SIDES}
        runs.append(run)
    return runs


def principal(runs: list[dict[str, Any]], side: str, count: int) -> dict[str, Tensor]:
    """Return mean, principal modes and their scale of an electrode's fields. [mol/m3]"""
    fields = np.concatenate([run[side] for run in runs]).astype(np.float64)
    mean = fields.mean(0)
    values, vectors = np.linalg.eigh((fields - mean).T @ (fields - mean) / len(fields))
    order = np.argsort(-values)[:count]
    found = {"mean": mean, "modes": vectors[:, order].T, "scale": np.sqrt(values[order])}
    return {name: torch.tensor(value, dtype=torch.float32) for name, value in found.items()}


class Batches:
    """Runs as tensors: inputs padded to `BINS`, targets as amplitudes of the principal modes.

    Parameters
    ----------
    runs : list of dict
        From :func:`read`.
    network : Baseline
        Whose modes the targets are for.
    """

    def __init__(self, runs: list[dict[str, Any]], network: Baseline) -> None:
        self.count, self.noisy = len(runs), network.config.noisy
        self.mask = torch.zeros(self.count, BINS)
        names = ("current", "spread", "temperature", "voltage", "first")
        self.series = {name: torch.zeros(self.count, BINS) for name in names}
        self.soc = torch.tensor([[run["soc"]] for run in runs], dtype=torch.float32)
        self.target = {side: torch.zeros(self.count, BINS, network.outputs[side]) for side in SIDES}
        for number, run in enumerate(runs):
            bins = len(run["current"])
            self.mask[number, :bins] = 1
            for name in names:
                values = torch.tensor(run[name][:bins], dtype=torch.float32)
                self.series[name][number] = values[-1]
                self.series[name][number, :bins] = values
            for side in SIDES:
                mean, modes, scale = (getattr(network, f"{side}_{name}") for name in ("mean", "modes", "scale"))
                self.target[side][number, :bins] = (torch.tensor(run[side]) - mean) @ modes.T / scale

    def take(
        self, which: Tensor, begin: int = 0, random: torch.Generator | None = None
    ) -> tuple[list[Tensor | None], dict[str, Tensor], Tensor]:
        """Return inputs, targets and mask of some runs from a bin on; noise is added for the noisy variant."""
        series = {name: values[which, begin:].clone() for name, values in self.series.items()}
        mask, start = self.mask[which, begin:], self.soc[which]
        if self.noisy:
            for name, size in NOISE.items():
                series[name] += size / math.sqrt(5) * torch.randn(series[name].shape, generator=random)
            start = series["first"][:, :1] + NOISE["voltage"] * torch.randn(len(which), 1, generator=random)
        seconds = 5.0 * mask
        inputs = [series["current"] * mask, series["spread"] * mask, series["temperature"], start, seconds]
        return [*inputs, series["voltage"] if self.noisy else None], {s: v[which, begin:] for s, v in self.target.items()}, mask


def squares(network: Baseline, inputs: list[Any], target: dict[str, Tensor], mask: Tensor) -> dict[str, Tensor]:
    """Return the mean square error of each electrode's fields within the principal modes. [(mol/m3)^2]"""
    found = {}
    for side, predicted in zip(SIDES, network.coefficients(*inputs), strict=True):
        error = ((predicted - target[side]) * getattr(network, f"{side}_scale")).square().sum(-1) / 400
        found[side] = (error * mask).sum() / mask.sum()
    return found


def objective(found: dict[str, Tensor]) -> Tensor:
    """Return the loss: both electrodes, each by its size; the root keeps good runs from being drowned by bad ones."""
    return sum(torch.sqrt(found[side] / WEIGHT[side] ** 2 + 1e-4) for side in SIDES)  # type: ignore[return-value]


def create(config: Config, runs: list[dict[str, Any]]) -> Baseline:
    """Return an untrained baseline whose modes are those of the runs."""
    cell = cell_file.load()
    counts = {"negative": config.negative_modes, "positive": config.positive_modes}
    bases = {side: principal(runs, side, counts[side]) for side in SIDES}
    return Baseline(config, bases, cell["capacity"])


def validate(network: Baseline, batches: Batches, begin: int = 0) -> dict[str, float]:
    """Return the RMSE of each electrode on runs that are not trained on, with a fixed noise. [mol/m3]"""
    with torch.no_grad():
        taken = batches.take(torch.arange(batches.count), begin, torch.Generator().manual_seed(1))
        return {side: round(float(value.sqrt()), 2) for side, value in squares(network, *taken).items()}


def train(
    network: Baseline, batches: Batches, check: Batches, seconds: float, seed: int, rate: float, kept: Path
) -> list[dict[str, Any]]:
    """Train for CPU `seconds`, with one cycle of the learning rate over them; return the log."""
    random = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)
    spent, steps, log = 0.0, 0, []
    if kept.exists():
        state = torch.load(kept, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        random.set_state(state["random"])
        spent, steps, log = state["spent"], state["steps"], json.loads(state["log"])
    begun, saved = time.process_time() - spent, spent
    while (spent := time.process_time() - begun) < seconds:
        share = spent / seconds
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, steps / 50) * 0.5 * (1 + math.cos(math.pi * share))
        begin = int(torch.randint(0, 400, (1,), generator=random)) if network.config.noisy and steps % 2 else 0
        which = torch.randperm(batches.count, generator=random)[:8]
        loss = objective(squares(network, *batches.take(which, begin, random)))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        steps += 1
        if spent - saved > 60:
            saved = spent
            log.append({"cpu": round(spent), "steps": steps, "loss": round(loss.item(), 3), **validate(network, check)})
            print(json.dumps(log[-1]), flush=True)
            save(kept, network, optimiser, random, {"spent": spent, "steps": steps, "log": json.dumps(log)})
    log.append({"cpu": round(spent), "steps": steps, **validate(network, check)})
    save(kept, network, optimiser, random, {"spent": spent, "steps": steps, "log": json.dumps(log)})
    return log


def save(
    kept: Path, network: Baseline, optimiser: torch.optim.Optimizer, random: torch.Generator, progress: dict[str, Any]
) -> None:
    """Keep everything; a kill in between leaves the file before."""
    state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "random": random.get_state()}
    torch.save(state | progress, kept.with_suffix(".part"))
    kept.with_suffix(".part").replace(kept)


def export(network: Baseline, path: Path) -> None:
    """Write the ONNX file; `spread` is an input with a default of 0, which a caller without it leaves out."""
    import onnx
    import onnxruntime

    series = torch.zeros(1, BINS)
    example = [series, series + 298.15, torch.full((1, 1), 0.5), series + 5.0, series]
    names = ["current", "temperature", "voltage0" if network.config.noisy else "soc0", "seconds", "spread"]
    if network.config.noisy:
        example.append(series + 3.7)
        names.append("voltage")
    axes = {name: {1: "N"} for name in (*names, *SIDES) if name not in ("soc0", "voltage0")}
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = path.with_suffix(".raw")
    torch.onnx.export(Exported(network.eval()), tuple(example), str(raw), input_names=names, output_names=list(SIDES),
                      dynamic_axes=axes, dynamo=False, opset_version=17)  # fmt: skip
    # constants are folded, so that a small interpreter can read the graph
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(str(raw), options, disabled_optimizers=["MatMulAddFusion"], providers=["CPUExecutionProvider"])
    raw.unlink()
    model = onnx.load(str(path))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((1, 1), np.float32), "spread"))
    for one in model.graph.input:
        if one.name == "spread":
            one.type.tensor_type.shape.dim[1].dim_param = "M"
    onnx.save(model, str(path))


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seconds", type=float, default=600, help="CPU seconds of training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--noisy", action="store_true", help="from noisy V, I, T with an unknown start")
    parser.add_argument("--width", type=int, default=Config.width)
    parser.add_argument("--layers", type=int, default=Config.layers)
    parser.add_argument("--rate", type=float, default=4e-3, help="largest learning rate")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(chosen.seed)
    runs = read(chosen.data, "train")
    config = Config(width=chosen.width, layers=chosen.layers, noisy=chosen.noisy)
    network = create(config, runs)
    check = Batches(read(chosen.data, "validation"), network)
    parameters = sum(value.numel() for value in network.parameters())
    print(f"{len(runs)} runs to train on, {check.count} to validate on, {parameters} parameters", flush=True)
    kept = chosen.output.with_suffix(".pt")
    log = train(network, Batches(runs, network), check, chosen.seconds, chosen.seed, chosen.rate, kept)
    export(network, chosen.output)
    described = {"config": asdict(config), "parameters": parameters, "rate": chosen.rate, "seed": chosen.seed, "log": log}
    chosen.output.with_suffix(".json").write_text(json.dumps(described, indent=1) + "\n", "utf-8")
    print(f"{chosen.output}: {chosen.output.stat().st_size / 1e3:.0f} kB, {json.dumps(log[-1])}")


if __name__ == "__main__":
    main()
