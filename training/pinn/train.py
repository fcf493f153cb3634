"""Train the network; stopped at any time, it goes on from its checkpoint.

    python -m training.pinn.train DATA OUT [--seed 0] [--seconds 600] [--ablation no-physics-loss]

The loss has two parts. On simulated windows at 15 to 35 °C: error of c(r, x) in both electrodes, of the electrolyte, anode potential and
voltage. On windows without any simulation, the same loads at -20 to 65 °C: how far each sweep's flux is from Butler-Volmer, Ohm and
diffusion (the physics-informed part; it needs no truth, so held-out temperatures stay unseen by the labels).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch import Tensor

from training.pinn.export import rested
from training.pinn.network import Config, Network
from training.pinn.windows import Windows, read_run

ABLATIONS = ("none", "no-physics-loss", "predictor-only")
#: What counts as one unit of loss: concentration [mol/m3], potential [V], flux [A/m2].
SCALES = {"negative": 40.0, "positive": 8.0, "electrolyte": 20.0, "margin": 0.003, "voltage": 0.003, "flux": 0.05}
#: Runs and bins of a batch, in turn: many short windows, and whole hours, over which small errors of the slow modes add up.
BATCHES = ((6, 180), (2, 720))
#: Standard deviation of the logarithms of parameters on windows without a simulation. [1]
VARIED = 0.15
EVERY = 50
#: Bins of the shortest run that is trained on.
SHORTEST = 180


def unit_loss(found: Tensor, truth: Tensor, scale: float) -> Tensor:
    """Mean square in units of `scale`, less than proportional beyond one unit so that no run rules the others."""
    return torch.log1p(((found - truth) / scale).square().flatten(1).mean(1)).mean()


def labelled_loss(
    network: Network, inputs: tuple[Tensor, ...], truth: dict[str, Tensor], physics: bool
) -> tuple[Tensor, dict[str, float]]:
    """Loss on simulated windows, and root mean squares for the log; with `physics` the residual of the same windows is in it."""
    trace: list[Any] = []
    found = network(*inputs, trace=trace)
    parts = {name: unit_loss(found[name], truth[name], SCALES[name]) for name in truth}
    figures = {name: float((found[name] - truth[name]).detach().square().mean().sqrt()) for name in truth}
    loss = torch.stack(list(parts.values())).sum()
    return (loss + 0.3 * residual_loss(trace) if physics else loss), figures


def residual_loss(trace: list[Any]) -> Tensor:
    """Mean over sweeps of how far the flux is from the one that physics asks for; later sweeps count more."""
    parts = [
        torch.log1p(((found["flux"] - flux) / SCALES["flux"]).square().flatten(1).mean(1)).mean() * (1 + number)
        for number, (flux, found, _) in enumerate(trace)
    ]
    return torch.stack(parts).sum() / sum(range(1, len(parts) + 1))


def anywhere(inputs: tuple[Tensor, ...], network: Network, random: np.random.Generator) -> tuple[Tensor, ...]:
    """Put the loads of a batch on cells at rest, at any temperature from -20 to 65 °C and any SOC that the load leaves room for.

    The cells' parameters differ from the nominal ones by about `VARIED`: a real cell's are never exactly those of the set.
    """
    current, spread, temperature, seconds = inputs[:4]
    used = torch.cumsum(current * seconds, 1) / 3600 / network.cell["capacity"]
    low, high = used.amin(1).numpy(), used.amax(1).numpy()
    soc = np.clip(random.uniform(0, 1, len(current)), 0.08 + high, np.maximum(0.95 + low, 0.08 + high))
    celsius = torch.tensor(random.uniform(-20, 65, (len(current), 1)), dtype=torch.float32)
    shifted = temperature - temperature[:, :1] + celsius + 273.15
    # a cold cell does not bear the loads of a warm one
    bearable = torch.clamp(0.35 + 0.65 * (celsius + 20) / 35, max=1.0)
    states = rested(network.cell, soc, network.config.nodes, network.config.electrolyte_modes)
    tensors = [torch.tensor(state, dtype=torch.float32) for state in states]
    parameters = torch.tensor(random.normal(0, VARIED, tuple(inputs[7].shape)), dtype=torch.float32)
    parameters[:, -1] = 0.0  # a resistance in series moves the voltage and nothing inside
    return (current * bearable, spread * bearable, shifted, seconds, *tensors, parameters)


class Training:
    """A network in training, with what is needed to go on after a kill."""

    def __init__(self, out: Path, seed: int, ablation: str, sweeps: int) -> None:
        torch.manual_seed(seed)
        self.out, self.ablation = out, ablation
        self.config = Config(sweeps=0 if ablation == "predictor-only" else sweeps, further=0)
        self.network = Network(self.config)
        self.optimiser = torch.optim.Adam(self.network.parameters(), 1.5e-3)
        self.spent, self.step, self.history = 0.0, 0, []  # type: float, int, list[dict[str, float]]
        self.seed = seed
        if (out / "checkpoint.pt").exists():
            kept = torch.load(out / "checkpoint.pt", weights_only=True)
            self.network.load_state_dict(kept["network"])
            self.optimiser.load_state_dict(kept["optimiser"])
            self.spent, self.step, self.history = kept["spent"], kept["step"], kept["history"]

    def save(self) -> None:
        """Keep everything; a kill in between leaves the file before."""
        state = {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict(), "spent": self.spent,
                 "step": self.step, "history": self.history}  # fmt: skip
        torch.save(state, self.out / "checkpoint.tmp")
        (self.out / "checkpoint.tmp").replace(self.out / "checkpoint.pt")

    def run(self, windows: Windows, seconds: float) -> None:
        """Train until `seconds` of processor time were spent, in all starts together."""
        random = np.random.default_rng([self.seed, self.step])
        begun = time.process_time() - self.spent
        while self.spent < seconds:
            part = self.spent / seconds
            for group in self.optimiser.param_groups:
                group["lr"] = 1.5e-3 * 0.03**part * min(1.0, (self.step + 1) / 50)
            inputs, truth = windows.draw(*BATCHES[self.step % len(BATCHES)])
            physics = self.ablation != "no-physics-loss"
            loss, figures = labelled_loss(self.network, inputs, truth, physics)
            if physics:
                trace: list[Any] = []
                self.network(*anywhere(inputs, self.network, random), trace=trace)
                unlabelled = residual_loss(trace)
                figures["physics"] = float(unlabelled.detach())
                loss = loss + unlabelled
            self.optimiser.zero_grad()
            if torch.isfinite(loss):
                loss.backward()
                norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
                if torch.isfinite(norm):
                    self.optimiser.step()
            self.step, self.spent = self.step + 1, time.process_time() - begun
            self._tell(loss, figures, seconds)
        self.save()

    def _tell(self, loss: Tensor, figures: dict[str, float], seconds: float) -> None:
        figures["loss"] = float(loss.detach())
        self.history.append(figures)
        if self.step % EVERY == 0:
            recent = self.history[-EVERY:]
            mean = {name: float(np.mean([one[name] for one in recent if name in one])) for name in recent[-1]}
            print(f"step {self.step}, {self.spent:.0f} of {seconds:.0f} s: "
                  f"{', '.join(f'{name} {value:.3g}' for name, value in mean.items())}", flush=True)  # fmt: skip
            self.history = [*self.history[:-EVERY], mean]
            self.save()


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--sweeps", type=int, default=3)
    parser.add_argument("--ablation", choices=ABLATIONS, default="none")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    chosen.out.mkdir(parents=True, exist_ok=True)
    training = Training(chosen.out, chosen.seed, chosen.ablation, chosen.sweeps)
    paths = [path for path in sorted(chosen.data.glob("OKane2022-1*.npz")) if not path.stem.endswith(".tmp")]
    runs = [run for run in map(read_run, paths) if run is not None and len(run.current) >= SHORTEST]
    print(f"{len(runs)} runs, {sum(value.numel() for value in training.network.parameters())} parameters", flush=True)
    windows = Windows(runs, training.config.nodes, training.config.electrolyte_modes, 1000 * chosen.seed + training.step)
    training.run(windows, chosen.seconds)
    record = {"seed": chosen.seed, "ablation": chosen.ablation, "sweeps": training.config.sweeps, "steps": training.step,
              "cpu_seconds": round(training.spent, 1), "runs": len(runs), "torch": torch.__version__}  # fmt: skip
    (chosen.out / "record.json").write_text(json.dumps(record, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
