"""The data-only baseline: a gated linear recurrence that knows no physics, from the same bins to the same fields.

It is given what a good engineer would give it: charge counted from the start, the concentrations that this charge means on average,
memories over seconds to hours whose rates depend on temperature and load, outputs on the fields' own principal modes. It is not
given: conservation, diffusion, kinetics.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Doublings of the scan: enough for 4,096 bins.
DOUBLINGS = 12


@dataclass(frozen=True)
class Config:
    """Size of a baseline.

    Attributes
    ----------
    width : int
        Channels of each recurrence.
    layers : int
    negative_modes, positive_modes : int
        Principal modes of c(r, x) that are predicted.
    noisy : bool
        From V, I, T and the first voltage; otherwise from I, T and the state of charge at the start.
    """

    width: int = 48
    layers: int = 3
    negative_modes: int = 40
    positive_modes: int = 32
    noisy: bool = False


def scan(decay: Tensor, added: Tensor) -> Tensor:
    """Run ``h[t] = decay[t] h[t-1] + added[t]`` from h = 0, (batch, N, width), in twelve doublings instead of N steps."""
    for number in range(DOUBLINGS):
        added = added + decay * _later(added, 2**number, 0.0)
        decay = decay * _later(decay, 2**number, 1.0)
    return added


def _later(values: Tensor, steps: int, before: float) -> Tensor:
    """Move a series `steps` later, with the value `before` ahead of it."""
    return functional.pad(values, (0, 0, steps, 0), value=before)[:, :-steps]


class Gated(nn.Module):
    """A recurrence with rates of its own choice, and a hidden layer after it."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.rate, self.value = nn.Linear(inputs, width), nn.Linear(inputs, width)
        self.hidden, self.leave = nn.Linear(inputs + width, 2 * width), nn.Linear(2 * width, width)
        # time constants from 5 s to 3 h at the start of training
        self.base = nn.Parameter(torch.linspace(-9.3, -1.6, width))
        with torch.no_grad():
            self.rate.weight *= 0.2

    def forward(self, feature: Tensor, seconds: Tensor) -> Tensor:
        """(batch, N, inputs), (batch, N, 1) [s] -> (batch, N, width)."""
        decay = torch.exp(-torch.exp(self.base + self.rate(feature)).clamp(max=4.0) * seconds)
        memory = scan(decay, (1 - decay) * self.value(feature))
        return self.leave(torch.tanh(self.hidden(torch.cat([feature, memory], -1)))) + memory


class Baseline(nn.Module):
    """Bins to fields; scalers and principal modes are inside.

    Parameters
    ----------
    config : Config
    bases : dict
        For each electrode ``mean`` (400,), ``modes`` (modes, 400) and ``scale`` (modes,) of its fields. [mol/m3]
    capacity : float
        Charge between them. [Ah]
    """

    def __init__(self, config: Config, bases: dict[str, dict[str, Tensor]], capacity: float) -> None:
        super().__init__()
        self.config, self.capacity = config, capacity
        for side, basis in bases.items():
            for name, values in basis.items():
                self.register_buffer(f"{side}_{name}", values)
        inputs = 14 if config.noisy else 12
        layers = [Gated(inputs, config.width)]
        layers += [Gated(inputs + config.width, config.width) for _ in range(config.layers - 1)]
        self.layers = nn.ModuleList(layers)
        self.outputs = {"negative": config.negative_modes, "positive": config.positive_modes}
        self.leave = nn.Linear(config.width + inputs, sum(self.outputs.values()))

    def features(self, current: Tensor, spread: Tensor, temperature: Tensor, start: Tensor, seconds: Tensor,
                 voltage: Tensor | None) -> Tensor:  # fmt: skip
        """Return (batch, N, inputs): load, temperature, counted charge and the mean concentrations it stands for."""
        rate = current / 5
        passed = torch.cumsum(current * seconds, 1) / 3600 / self.capacity
        begun = start if voltage is None else (start - 3.7) * 1.2
        soc = begun - passed
        warm = (temperature - 298.15) / 15
        slowed = torch.exp(3500 * (1 / temperature - 1 / 298.15))
        own = [
            rate,
            torch.tanh(rate),
            spread / 5,
            warm,
            slowed,
            rate * slowed,
            0 * rate + begun,
            passed,
            soc,
            soc * soc,
            soc**3,
        ]
        own.append(torch.log(seconds + 1e-3) / 3)
        if voltage is not None:
            own += [(voltage - 3.7) * 2, (voltage - start) * 3]
        return torch.stack(own, -1)

    def coefficients(self, current: Tensor, spread: Tensor, temperature: Tensor, start: Tensor, seconds: Tensor,
                     voltage: Tensor | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Return amplitudes of the principal modes, (batch, N, modes) each, in units of their own scale."""
        feature = self.features(current, spread, temperature, start, seconds, voltage)
        state, length = feature, seconds.unsqueeze(-1)
        last = torch.zeros_like(feature[..., :1])
        for number, layer in enumerate(self.layers):
            found = layer(state, length)
            last = found if number == 0 else last + found
            state = torch.cat([feature, last], -1)
        negative, positive = torch.split(self.leave(state[..., : self.leave.in_features]), list(self.outputs.values()), -1)
        return negative, positive

    def fields(self, coefficients: Tensor, side: str) -> Tensor:
        """Return c(r, x) of an electrode, (batch, N, 20, 20). [mol/m3]"""
        modes, mean, scale = (getattr(self, f"{side}_{name}") for name in ("modes", "mean", "scale"))
        return (coefficients * scale @ modes + mean).reshape(len(coefficients), -1, 20, 20)


class Exported(nn.Module):
    """The baseline as its ONNX file has it."""

    def __init__(self, network: Baseline) -> None:
        super().__init__()
        self.network = network

    def forward(self, current: Tensor, temperature: Tensor, start: Tensor, seconds: Tensor, spread: Tensor,
                voltage: Tensor | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Return ``negative`` and ``positive``; `spread` may be one zero that stands for all bins."""
        found = self.network.coefficients(current, spread + 0 * current, temperature, start, seconds, voltage)
        negative, positive = (self.network.fields(one, side) for one, side in zip(found, ("negative", "positive"), strict=True))
        return negative, positive
