"""Freshly simulated profiles for the evaluation, kept in a folder so that a second row does not simulate them again."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.pinn.dataset import load, make, path_of

#: Seeds of the evaluation begin here; training and validation never see them.
FIRST_SEED = 100_000

#: PyBaMM's name of each physical factor that the network takes; the last input, the series resistance, is not a factor.
FACTORS = {
    "negative_diffusivity": "Negative particle diffusivity [m2.s-1]",
    "positive_diffusivity": "Positive particle diffusivity [m2.s-1]",
    "negative_exchange": "Negative electrode exchange-current density [A.m-2]",
    "positive_exchange": "Positive electrode exchange-current density [A.m-2]",
    "electrolyte_diffusivity": "Electrolyte diffusivity [m2.s-1]",
    "electrolyte_conductivity": "Electrolyte conductivity [S.m-1]",
}


@dataclass(frozen=True)
class Specimen:
    """One simulated profile.

    Attributes
    ----------
    seed : int
        Of the profile.
    truth : dict
        As from `dataset.load`.
    factors : dict
        By which the truth's parameters differ from nominal, by the names of :data:`FACTORS`.
    """

    seed: int
    truth: dict[str, Any]
    factors: dict[str, float]


def drawn_factors(seed: int, least: float = 0.1, most: float = 0.2) -> dict[str, float]:
    """Draw how far each parameter is off: 10 to 20 %, up or down, each for itself.

    Electrode loadings are not among them: they change the cell's balance, which the rows take as known.
    """
    random = np.random.default_rng([20261122, seed])
    size = random.uniform(least, most, len(FACTORS))
    sign = random.choice((-1.0, 1.0), len(FACTORS))
    return {name: float(1 + s * v) for name, s, v in zip(FACTORS, sign, size, strict=True)}


def _make(folder: Path, seed: int, ambient: float | None, parameters: str, factors: dict[str, float]) -> str:
    scales = {FACTORS[name]: factor for name, factor in factors.items()}
    return make(folder, seed, ambient, parameters, **({"scales": scales} if scales else {}))


def collect(
    cache: Path,
    count: int,
    first: int = FIRST_SEED,
    ambient: float | None = None,
    parameters: str = "OKane2022",
    perturbed: bool = False,
    processes: int = 1,
    accept: Any = None,
) -> tuple[list[Specimen], list[int]]:
    """Return `count` simulated profiles, and the seeds that gave none.

    Parameters
    ----------
    cache : Path
        Folder in which each profile is kept.
    count, first : int
        How many, and the first seed.
    ambient : float, optional
        Temperature around the cell; drawn between 15 and 35 °C when not given. [°C]
    parameters : str
        Parameter set of the truth.
    perturbed : bool
        Give each profile's cell parameters of its own, see :func:`drawn_factors`.
    processes : int
        Simulations at a time.
    accept : callable, optional
        Of the seed; a profile it refuses is not simulated and is not counted as replaced.

    Notes
    -----
    A profile whose voltage leaves 2.0 to 4.5 V within ten minutes does not fit the cell; the next seed takes its place.
    """
    folder = cache / "perturbed" if perturbed else cache
    folder.mkdir(parents=True, exist_ok=True)
    specimens: list[Specimen] = []
    replaced: list[int] = []
    seed = first
    with ProcessPoolExecutor(processes) as pool:
        while len(specimens) < count:
            batch: list[int] = []
            while len(batch) < count - len(specimens):
                if accept is None or accept(seed):
                    batch.append(seed)
                seed += 1
            factors = [drawn_factors(one) if perturbed else {} for one in batch]
            work = [pool.submit(_make, folder, one, ambient, parameters, own) for one, own in zip(batch, factors, strict=True)]
            for one, own, line in zip(batch, factors, work, strict=True):
                print(f"  {line.result()}", flush=True)
                truth = load(path_of(folder, one, ambient, parameters))
                if truth is None:
                    replaced.append(one)
                else:
                    specimens.append(Specimen(one, truth, own))
    return specimens, replaced
