"""The network for one charge: statistics and curve to the logarithm of the state of health, and how far off that may be.

What a charge put in is a lower bound of the capacity, and is the capacity where the charge ran from empty to full. The network is
built around that: it answers the charge put in times a factor of at least about one, and tells by a gate whether the charge was
whole. A charge that began where a cell of its chemistry is empty and ended where it is full is known to be whole: overpotential only
raises the voltage, and by about as much as the current, so one that is still low says that the cell was empty.

Rates, times and temperatures tell which of the training's cells this one is like. Where no training cell of the chemistry was charged at
such a rate or temperature they would mislead, and are hidden; so is what no training cell of the chemistry had, as a gauge of strain.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.neural_soh.features import FEATURES
from training.soh.cells import FloatArray

#: Order of the chemistries. Of the graph's inputs; never to be changed.
CHEMISTRIES = ("LFP", "LCO", "NCA", "NMC")
CHARGE, FIRST, LAST, TAIL, RATE, WARM = (
    FEATURES.index(name) for name in ("charge", "voltage_first", "voltage_last", "cv_last_rate", "cc_rate", "temperature_mean")
)
#: Features that name the test bench rather than the cell.
BENCH = (
    "cc_time", "cc_rate", "cc_levels", "cv_time", "cv_rate", "cv_last_rate", "cv_decay", "duration",
    "temperature_first", "temperature_mean", "temperature_rise",
)  # fmt: skip
#: Features that are never used: only a charge whose beginning was seen has a first resistance, and of the measured charges those, and no
#: cut ones, are whole; it would tell one from the other by the way they were made.
UNUSED = ("resistance_first", "resistance_last")
#: Voltage by the window up to which a cell is empty, at rest (3.15, 3.45, 3.25, 3.25 V), and what a current of 1C adds (0.09 V).
EMPTY, ADDED = (0.25, 0.25, 0.05, 0.05), (0.15, 0.09, 0.09, 0.09)
#: Voltage by the window above which a cell is full (of LFP, which holds next to nothing at constant voltage) once the current has fallen
#: to the other. [1], [1/h]
FULL, FALLEN = 0.96, 0.07
#: Logit of the gate for a charge that is known to be whole.
SURE = 8.0
#: Width; inputs are held within so many spreads; the factor of a whole charge is one within about this. [1]
WIDTH, HELD, WHOLE = 96, 4.0, 0.015
#: Least and greatest logarithm of the scale of an error.
SCALE = (-5.5, -1.2)
INPUTS, OUTPUTS = 2 * len(FEATURES) + len(CHEMISTRIES) + 1, 4


BENCHED = torch.tensor([name in BENCH for name in FEATURES])


def inputs(charges: Tensor, chemistry: Tensor, median: Tensor, spread: Tensor, edges: Tensor, had: Tensor) -> Tensor:
    """Return what the first layer gets, shape (..., INPUTS), of features (..., F) and chemistries (..., 4).

    Parameters
    ----------
    edges : Tensor, shape (..., 4, 4)
        By chemistry: least and greatest rate, least and greatest temperature of training cells.
    had : Tensor, shape (..., 4, F)
        By chemistry: 1 for what training cells had.
    """
    put = torch.log(torch.where(torch.isnan(charges), 0.5, charges)[..., CHARGE].clamp(0.03, 2.0))
    low_rate, high_rate, low_warm, high_warm = torch.matmul(chemistry, edges).unbind(dim=-1)
    rate, warm = charges[..., RATE], charges[..., WARM]
    strange = (rate < low_rate) | (rate > high_rate) | (warm < low_warm) | (warm > high_warm)
    lacked = torch.matmul(chemistry, had) < 0.5
    unseen = torch.isnan(charges) | (strange[..., None] & BENCHED) | lacked
    scaled = torch.where(unseen, 0.0, (charges - median) / spread).clamp(-HELD, HELD)
    mask = torch.where(unseen, 0.0, 1.0)
    return torch.cat([scaled, mask, chemistry, put[..., None]], dim=-1)


def outputs(told: Tensor, charges: Tensor, chemistry: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return logarithms of state of health and scale, and the gate's logit, shape (...), of the last layer's (..., 4)."""
    empty = (chemistry * torch.tensor(EMPTY)).sum(dim=-1) + (chemistry * torch.tensor(ADDED)).sum(dim=-1) * charges[..., RATE]
    fallen = (charges[..., TAIL] < FALLEN) | (chemistry[..., CHEMISTRIES.index("LFP")] > 0.5)
    sure = (charges[..., FIRST] < empty) & (charges[..., LAST] > FULL) & fallen  # a comparison with NaN is false
    gate = torch.where(sure, SURE, told[..., 0])
    whole = torch.sigmoid(gate)
    factor = whole * WHOLE * torch.tanh(told[..., 1]) + (1.0 - whole) * nn.functional.softplus(told[..., 2])
    put = torch.log(torch.where(torch.isnan(charges), 0.5, charges)[..., CHARGE].clamp(0.03, 2.0))
    return put + factor, (told[..., 3] - 3.0).clamp(SCALE[0], SCALE[1]), gate


class ChargeNetwork(nn.Module):
    """One charge to the logarithm of the state of health, and that of the scale of its error.

    Parameters
    ----------
    median, spread : ndarray, shape (F,)
        Of training cells.
    edges, had : ndarray, shape (4, 4) and (4, F)
        See :func:`inputs`.
    """

    def __init__(self, median: FloatArray, spread: FloatArray, edges: FloatArray, had: FloatArray) -> None:
        super().__init__()
        for name, values in (("median", median), ("spread", spread), ("edges", edges), ("had", had)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32))
        self.layers = nn.ModuleList([nn.Linear(INPUTS, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, OUTPUTS)])

    def forward(self, charges: Tensor, chemistry: Tensor) -> tuple[Tensor, Tensor]:
        """Return logarithms of state of health and scale, shape (N,) each, of features (N, F) and chemistries (N, 4)."""
        found = inputs(charges, chemistry, self.median, self.spread, self.edges, self.had)
        for number, layer in enumerate(self.layers):
            found = layer(found if number == 0 else nn.functional.silu(found))
        answer, scale, _ = outputs(found, charges, chemistry)
        return answer, scale
