"""From the last charges to one answer: the weighted median of what each says, in torch, to go into the graph.

A charge weighs by how sure the networks are of it and by its age. A median, because charges break off and are logged twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training.soh.ship.network import CHARGE, ChargeNetwork

#: Charges that the estimator sees; the state of health may have moved by this much a charge. [1]
LENGTH, DRIFT = 8, 0.0015
#: The state of health is held within. [1]
LEAST, MOST = 0.05, 1.3


class Estimator(nn.Module):
    """Features of the last charges to the state of health after the last one and its 90 % interval.

    Parameters
    ----------
    networks : sequence of ChargeNetwork
    factor : float
        Half the width of the interval by the difficulty. [1]
    """

    def __init__(self, networks: Sequence[ChargeNetwork], factor: float = 1.0) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.factor = factor

    def each(self, charges: Tensor, chemistry: Tensor) -> tuple[Tensor, Tensor]:
        """Return what each charge says alone and how far off it may be, shape (N,) each. [1]"""
        told = [network(charges, chemistry) for network in self.networks]
        answers = torch.stack([one[0] for one in told])
        scales = torch.stack([one[1] for one in told]).exp().mean(dim=0)
        mean = answers.mean(dim=0)
        apart = ((answers - mean) ** 2).mean(dim=0).sqrt()
        answer = mean.exp().clamp(LEAST, MOST)
        return answer, answer * (scales + apart)

    def combined(self, answer: Tensor, scale: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted median of charges of shape (B, LENGTH), and the difficulty; NaN where no charge is there."""
        age = torch.arange(LENGTH - 1, -1, -1, dtype=answer.dtype)
        weight = there / (scale**2 + (DRIFT * age) ** 2)
        total = weight.sum(dim=1, keepdim=True)
        share = weight / torch.where(total > 0, total, torch.ones_like(total))
        far = torch.where(there > 0, answer, torch.full_like(answer, 9.0))
        ordered, places = torch.sort(far, dim=1)
        sorted_share = torch.gather(share, 1, places)
        middle = torch.cumsum(sorted_share, dim=1) - 0.5 * sorted_share
        count = there.sum(dim=1, keepdim=True)
        below = torch.where((middle < 0.5) & (sorted_share > 0), torch.ones_like(middle), torch.zeros_like(middle))
        after = below.sum(dim=1, keepdim=True)
        low = (after - 1.0).clamp(min=0.0).to(torch.int64)
        high = torch.minimum(after, (count - 1.0).clamp(min=0.0)).to(torch.int64)
        first, second = torch.gather(ordered, 1, low), torch.gather(ordered, 1, high)
        begin, end = torch.gather(middle, 1, low), torch.gather(middle, 1, high)
        part = ((0.5 - begin) / torch.where(end > begin, end - begin, torch.ones_like(end))).clamp(0.0, 1.0)
        median = first + part * (second - first)
        apart = (share * (answer - median).abs()).sum(dim=1, keepdim=True)
        difficulty = (share * scale).sum(dim=1, keepdim=True) + apart
        nothing = torch.full_like(median, float("nan"))
        return torch.where(count > 0, median, nothing)[:, 0], torch.where(count > 0, difficulty, nothing)[:, 0]

    def forward(self, charges: Tensor, chemistry: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return state of health, lower and upper bound, shape (B,), of charges (B, LENGTH, F) and chemistries (B, 4)."""
        flat = charges.flatten(0, 1)
        kinds = chemistry[:, None, :].expand(-1, LENGTH, -1).flatten(0, 1)
        answer, scale = self.each(flat, kinds)
        there = torch.where(torch.isnan(charges[:, :, CHARGE]), 0.0, 1.0)
        median, difficulty = self.combined(answer.unflatten(0, (-1, LENGTH)), scale.unflatten(0, (-1, LENGTH)), there)
        half = self.factor * difficulty
        return median, (median - half).clamp(min=0.0), median + half
