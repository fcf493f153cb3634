"""A cell's life as charges in order: what was seen of each charge, and the capacity measured after it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cell:
    """One cell.

    Attributes
    ----------
    name : str
        Unique within its group.
    group : str
        Cells that are compared: one product under one family of protocols.
    nominal : float
        Capacity that is an SOH of 1. [Ah]
    names : tuple of str
        Of the features.
    features : ndarray, shape (N, F)
        Of each charge, in order of time; NaN where one could not be told.
    soh : ndarray, shape (N,)
        Capacity after the charge over the nominal one; NaN where none was measured. [1]
    """

    name: str
    group: str
    nominal: float
    names: tuple[str, ...]
    features: FloatArray
    soh: FloatArray

    def __post_init__(self) -> None:
        if self.features.shape != (len(self.soh), len(self.names)):
            raise ValueError(
                f"{self.group} {self.name}: features of shape {self.features.shape} for {len(self.soh)} charges and {len(self.names)} names"
            )

    def __len__(self) -> int:
        return len(self.soh)

    def until(self, count: int) -> Cell:
        """Return the same cell as it was known after its first `count` charges."""
        return replace(self, features=self.features[:count], soh=self.soh[:count])


def natural(name: str) -> list[Any]:
    """Sort names as people do: 'cell-2' before 'cell-10'."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
