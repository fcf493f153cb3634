"""Exact linear pieces of the Doyle-Fuller-Newman model: modes of the particles and of the electrolyte, quadrature along x.

Everything here is NumPy, computed once; the mesh is that of the truth (finite volumes, 20 points), so that no difference of
discretisation stands between network and truth.

References
----------
Doyle, Fuller, Newman, J. Electrochem. Soc. 140 (1993) 1526, doi:10.1149/1.2221597
Smith, Wang, J. Power Sources 160 (2006) 662, doi:10.1016/j.jpowsour.2006.01.038 (modal form of the solid phase)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

RADII = POINTS = 20


@dataclass(frozen=True)
class Modes:
    """A linear diffusion problem ``dq/dt = -D rate q + inflow * flux``, with ``c = vectors @ q`` and ``q = project @ c``."""

    rate: np.ndarray
    vectors: np.ndarray
    project: np.ndarray
    inflow: np.ndarray


def particle_modes() -> Modes:
    """Diagonalise diffusion in a sphere of radius 1 with unit diffusivity: `RADII` shells of equal thickness.

    ``inflow`` is for a flux that leaves through the surface: it is negative of the outermost shell's share.
    """
    edges = np.linspace(0, 1, RADII + 1)
    volume = (edges[1:] ** 3 - edges[:-1] ** 3) / 3
    matrix = np.zeros((RADII, RADII))
    for i in range(1, RADII):
        conductance = edges[i] ** 2 * RADII
        matrix[i, i] -= conductance
        matrix[i, i - 1] += conductance
        matrix[i - 1, i - 1] -= conductance
        matrix[i - 1, i] += conductance
    return _diagonal(matrix, volume, -np.eye(RADII)[-1])


def _diagonal(matrix: np.ndarray, volume: np.ndarray, source: np.ndarray, count: int | None = None) -> Modes:
    root = np.sqrt(volume)
    values, vectors = np.linalg.eigh(matrix / root[:, None] / root[None])
    order = np.argsort(-values)[:count]
    rate = -values[order]
    rate[0] = 0.0  # the mean: lithium is conserved
    project = (vectors * root[:, None])[:, order].T
    lift = (vectors / root[:, None])[:, order]
    return Modes(rate, lift, project, lift.T @ source)


#: Weights of the outermost shells that give the surface value: linear, as the truth extrapolates.
SURFACE = np.zeros(RADII)
SURFACE[-2:] = -0.5, 1.5


@dataclass(frozen=True)
class Electrolyte:
    """Electrolyte across negative electrode, separator and positive electrode, 20 cells each.

    Attributes
    ----------
    modes : Modes
        Slowest modes of diffusion with unit diffusivity; ``inflow`` is unused.
    width : ndarray, shape (60,)
        Cell widths. [m]
    conductance : ndarray, shape (59,)
        Of a face, with unit diffusivity. [1/m]
    face : ndarray, shape (59, 60)
        Values at the faces from values in the cells.
    """

    modes: Modes
    width: np.ndarray
    conductance: np.ndarray
    face: np.ndarray


def electrolyte(cell: dict[str, Any], count: int) -> Electrolyte:
    """Diagonalise diffusion across the cell; `count` modes are kept. Effective transport is porosity to the power 1.5."""
    parts = [cell["negative"], cell["separator"], cell["positive"]]
    width = np.concatenate([np.full(POINTS, part["thickness"] / POINTS) for part in parts])
    porosity = np.concatenate([np.full(POINTS, part["porosity"]) for part in parts])
    through = porosity**1.5
    conductance = 1 / (width[:-1] / 2 / through[:-1] + width[1:] / 2 / through[1:])
    number = len(width)
    matrix = np.zeros((number, number))
    for i, value in enumerate(conductance):
        matrix[i, i] -= value
        matrix[i, i + 1] += value
        matrix[i + 1, i + 1] -= value
        matrix[i + 1, i] += value
    face = np.zeros((number - 1, number))
    rows = np.arange(number - 1)
    face[rows, rows] = width[1:] / (width[:-1] + width[1:])
    face[rows, rows + 1] = width[:-1] / (width[:-1] + width[1:])
    return Electrolyte(_diagonal(matrix, porosity * width, np.zeros(number), count), width, conductance, face)


def lagrange(nodes: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the matrix that takes values at `nodes` to values of their polynomial `at`, shape (len(at), len(nodes))."""
    columns = []
    for j, node in enumerate(nodes):
        others = np.delete(nodes, j)
        columns.append(np.prod((at[:, None] - others) / (node - others), axis=1))
    return np.stack(columns, axis=1)


@dataclass(frozen=True)
class Quadrature:
    """Gauss-Legendre nodes along an electrode, 0 to 1.

    Attributes
    ----------
    nodes, weights : ndarray, shape (X,)
    cumulative : ndarray, shape (X, X)
        ``cumulative @ f`` is the integral of f from 0 to each node.
    to_cells : ndarray, shape (20, X)
        Values in the cells of the truth's mesh.
    from_cells : ndarray, shape (X, 20)
        The nodes' values that fit values in the cells best.
    at_start, at_end : ndarray, shape (X,)
        Values at 0 and 1.
    """

    nodes: np.ndarray
    weights: np.ndarray
    cumulative: np.ndarray
    to_cells: np.ndarray
    from_cells: np.ndarray
    at_start: np.ndarray
    at_end: np.ndarray


def quadrature(count: int) -> Quadrature:
    """Return `count` Gauss-Legendre nodes and what is done with them."""
    point, weight = np.polynomial.legendre.leggauss(count)
    nodes, weights = (point + 1) / 2, weight / 2
    cumulative = np.stack([(weights * end) @ lagrange(nodes, nodes * end) for end in nodes])
    cells = lagrange(nodes, (np.arange(POINTS) + 0.5) / POINTS)
    return Quadrature(
        nodes,
        weights,
        cumulative,
        cells,
        np.linalg.pinv(cells),
        lagrange(nodes, np.zeros(1))[0],
        lagrange(nodes, np.ones(1))[0],
    )
