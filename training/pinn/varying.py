"""Particles whose diffusivity depends on concentration: one step of time as a matrix, for all steps at once.

The diffusivity is that of the sweep before, so a step is linear: :math:`c_1 = P c_0 + g j`. P is rational,
:math:`(1 + (1 - 2 \\gamma) X) / (1 - \\gamma X)^2` with :math:`\\gamma = 1 - 1/\\sqrt 2`: second order, and what is stiff dies out at once
(L-stable). :math:`1 - \\gamma X` is tridiagonal with a positive inverse, whose elements are products of ratios of the elimination.

The mesh, and the harmonic mean of the diffusivity at its faces, are those of the truth.

References
----------
Alexander, SIAM J. Numer. Anal. 14 (1977) 1006, doi:10.1137/0714068 (the rational step)
Meurant, SIAM J. Matrix Anal. Appl. 13 (1992) 707, doi:10.1137/0613045 (inverse of a tridiagonal matrix)
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from training.pinn.mesh import RADII

GAMMA = 1 - 1 / math.sqrt(2)
EDGES = np.linspace(0, 1, RADII + 1)
#: Of a particle of radius 1 whose volume counts as 1.
VOLUMES = EDGES[1:] ** 3 - EDGES[:-1] ** 3
#: Of a face between shells, with unit diffusivity.
FACES = 3 * EDGES[1:-1] ** 2 * RADII
#: Keeps the logarithm of nothing out where a bin is padding.
LEAST = 1e-30


def _single(values: np.ndarray) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def inverse(down: Tensor, up: Tensor) -> Tensor:
    """Invert tridiagonal matrices ``1 + diag(sums) - up - down`` whose rows sum to 1.

    Parameters
    ----------
    down, up : Tensor, shape (..., R - 1)
        What a shell takes from the one inside (row i + 1, column i) and from the one outside (row i, column i + 1), 0 or more.

    Returns
    -------
    Tensor, shape (..., R, R)
    """
    none = torch.zeros_like(down[..., :1])
    diagonal = 1 + torch.cat([up, none], -1) + torch.cat([none, down], -1)
    product = up * down
    count = diagonal.shape[-1]
    inner, outer = [diagonal[..., 0]], [diagonal[..., -1]]
    for i in range(1, count):
        inner.append(diagonal[..., i] - product[..., i - 1] / inner[-1])
        outer.append(diagonal[..., -1 - i] - product[..., -i] / outer[-1])
    inside, outside = torch.stack(inner, -1), torch.stack(outer[::-1], -1)
    centre = 1 / (inside + outside - diagonal)
    # column j: from its centre inwards by up / inside, outwards by down / outside
    inwards = torch.cat([none, torch.cumsum(torch.log((up / inside[..., :-1]).clamp(min=LEAST)), -1)], -1)
    outwards = torch.cat([none, torch.cumsum(torch.log((down / outside[..., 1:]).clamp(min=LEAST)), -1)], -1)
    above = torch.triu(torch.ones(count, count))
    lift = torch.exp((inwards.unsqueeze(-2) - inwards.unsqueeze(-1)).clamp(max=0)) * above
    sink = torch.exp((outwards.unsqueeze(-1) - outwards.unsqueeze(-2)).clamp(max=0)) * (1 - above)
    return (lift + sink) * centre.unsqueeze(-2)


def steps(diffusivity: Tensor, seconds: Tensor) -> tuple[Tensor, Tensor]:
    """Return the matrix of a step and its answer to an inflow.

    Parameters
    ----------
    diffusivity : Tensor, shape (..., R)
        In each shell, over the square of the radius. [1/s]
    seconds : Tensor, shape (...)
        Length of the step.

    Returns
    -------
    matrix : Tensor, shape (..., R, R)
    gain : Tensor, shape (..., R)
        Of an inflow through the surface that raises the particle's mean by 1 in the step.
    """
    faces = 2 * _single(FACES) / (1 / diffusivity[..., 1:] + 1 / diffusivity[..., :-1]) * seconds.unsqueeze(-1)
    volumes = _single(VOLUMES)
    up, down = faces / volumes[:-1], faces / volumes[1:]
    once = inverse(GAMMA * down, GAMMA * up)
    twice = once @ once
    rest = (1 - 2 * GAMMA) / GAMMA
    matrix = (1 + rest) * twice - rest * once
    # (P - 1) / X = (1 - gamma^2 X) / (1 - gamma X)^2, and X = (1 - 1 / once) / gamma
    into = (1 - GAMMA) * twice[..., -1] + GAMMA * once[..., -1]
    return matrix, into / volumes[-1]


def answers(matrix: Tensor, gain: Tensor, start: Tensor) -> Tensor:
    """Run all steps of a window.

    Parameters
    ----------
    matrix : Tensor, shape (..., W, R, R)
    gain : Tensor, shape (..., W, R)
    start : Tensor, shape (..., R)
        Before the first step.

    Returns
    -------
    Tensor, shape (..., W, R, 1 + W)
        After each step: what is there without any inflow, and what each step's inflow adds.
    """
    count = gain.shape[-2]
    places = torch.cat([torch.zeros(count, 1), torch.eye(count)], 1)
    none = torch.zeros_like(start).unsqueeze(-1)
    answer = torch.cat([start.unsqueeze(-1), *[none] * count], -1)
    found = []
    for step in range(count):
        answer = matrix[..., step, :, :] @ answer + gain[..., step, :].unsqueeze(-1) * places[step]
        found.append(answer)
    return torch.stack(found, -3)


def lower_inverse(matrix: Tensor) -> Tensor:
    """Invert lower triangular matrices (..., W, W) row by row."""
    count = matrix.shape[-1]
    one = torch.eye(count)
    rows: list[Tensor] = []
    for i in range(count):
        row = one[i].expand_as(matrix[..., i, :])
        if rows:
            row = row - (matrix[..., i : i + 1, :i] @ torch.stack(rows, -2)).squeeze(-2)
        rows.append(row / matrix[..., i, i].unsqueeze(-1))
    return torch.stack(rows, -2)
