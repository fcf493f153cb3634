"""The forecaster that the plugin ships, piece by piece: honest estimates, networks, what is left out of each, intervals.

Fitted to the training cells of the literature's split only: test cells are not in the weights, so their figures are those of what ships.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from training.soh.cells import Cell, FloatArray
from training.soh.forecast_estimates import estimator, out_of_fold
from training.soh.forecast_general import General, Layers, fit_network, fit_spread, row_weights, scaling
from training.soh.forecast_intervals import LEVEL
from training.soh.forecast_rows import GROUPS
from training.soh.forecast_tasks import cells_of, code_hash, keep, stride_of
from training.soh.forecast_told import Told, joined, training_rows
from training.soh.literature import split

SEED, MEMBERS = 0, 3
#: Sets that are left out together: XJTU's batches are one product.
FAMILIES = {group: "XJTU" if group.startswith("XJTU") else group for group in GROUPS}
CODE = (
    "training/soh/forecast_shipped.py", "training/soh/forecast_told.py", "training/soh/forecast_general.py",
    "training/soh/forecast_estimates.py", "training/soh/forecast_histories.py", "training/soh/literature.py",
    "models/neural_soh/forecast_history.py",
)  # fmt: skip
Arrays = dict[str, FloatArray]


def piece(path: Path, compute: Callable[[], Arrays]) -> Arrays:
    """Return what is kept in a file, computed first where it is not there."""
    if not path.is_file():
        started = time.process_time()
        keep(path, compute())
        print(f"{path.stem}: {time.process_time() - started:.0f} CPU s", flush=True)
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def as_layers(arrays: Mapping[str, FloatArray]) -> Layers:
    """Return a network's layers from a kept piece."""
    return [arrays[f"layer{place}"] for place in range(len(arrays))]


def as_arrays(layers: Layers) -> Arrays:
    """Return what is kept of a network."""
    return {f"layer{place}": values for place, values in enumerate(layers)}


@dataclass(frozen=True)
class Make:
    """The making of the forecaster, piece by piece.

    Attributes
    ----------
    shared : Path
        The folder of measured data.
    cache : Path
    """

    shared: Path
    cache: Path

    @cached_property
    def train(self) -> list[Cell]:
        """Training cells of all sets."""
        return [cell for group in GROUPS for cell in split(cells_of(self.shared, group))[0]]

    @cached_property
    def test(self) -> list[Cell]:
        """Test cells of all sets."""
        return [cell for group in GROUPS for cell in split(cells_of(self.shared, group))[1]]

    @cached_property
    def groups(self) -> list[str]:
        """Set of each training cell."""
        return [cell.group for cell in self.train]

    @cached_property
    def estimates(self) -> dict[tuple[str, str], FloatArray]:
        """Own estimates of every cell: of training cells by models that had not seen them, of test cells by one of all training cells."""
        found = piece(self.cache / "estimates.npz", self._estimates)
        return {(name.split("/", 1)[0], name.split("/", 1)[1]): values for name, values in found.items()}

    def _estimates(self) -> Arrays:
        pool = {group: [cell for cell in self.train if cell.group == group] for group in GROUPS}
        strides = {group: 2 * stride_of(group) for group in GROUPS}
        honest, estimate = out_of_fold(pool, strides, SEED), estimator(pool, strides, SEED)
        found = {f"{cell.group}/{cell.name}": estimate(cell) for cell in self.test}
        for group, cells in pool.items():
            found |= {f"{group}/{cell.name}": values for cell, values in zip(cells, honest[group], strict=True)}
        return found

    @cached_property
    def rows(self) -> dict[str, Told]:
        """Rows of the training cells by the way they are told."""
        return training_rows(self.train, self.estimates, SEED)

    def member(self, family: str | None, seed: int) -> General:
        """Return one network fitted to all training cells, or to those of the other sets; without intervals."""
        every = joined(self.rows.values())
        if family is not None:
            every = every.take(~self.of_family(family, every))
        low, high, mean, deviation = scaling(every.inputs)
        bare = General(low, high, mean, deviation, ())
        weights = row_weights(every.cell, self.groups)
        found = piece(
            self.cache / f"member_{family or 'all'}_{seed}.npz",
            lambda: as_arrays(fit_network(bare.scaled(every.inputs), every.inputs, every.change, weights, seed)),
        )
        return General(low, high, mean, deviation, (as_layers(found),))

    def of_family(self, family: str, rows: Told) -> np.ndarray:
        """Return which rows are of the sets that are left out together."""
        return np.array([FAMILIES[group] == family for group in self.groups])[rows.cell]

    @cached_property
    def left_out(self) -> dict[str, General]:
        """The network that never saw a family, by its name."""
        return {family: self.member(family, SEED) for family in dict.fromkeys(FAMILIES.values())}

    @cached_property
    def errors(self) -> dict[str, FloatArray]:
        """Errors at the training rows, forecast by the network that never saw their set, by the way they are told."""
        found = {way: np.empty_like(rows.change) for way, rows in self.rows.items()}
        for family, model in self.left_out.items():
            for way, rows in self.rows.items():
                chosen = self.of_family(family, rows)
                found[way][chosen] = model.change(rows.inputs[chosen]) - rows.change[chosen]
        return found

    def with_spread(self, model: General, family: str | None) -> General:
        """Return a forecaster with the typical size of errors on sets that it had not seen, fitted to all rows or those of the other sets."""
        every, error = joined(self.rows.values()), np.concatenate(list(self.errors.values()))
        kept = np.ones(len(every), bool) if family is None else ~self.of_family(family, every)
        rows = every.take(kept)
        weights = row_weights(rows.cell, self.groups)
        found = piece(
            self.cache / f"spread_{family or 'all'}.npz",
            lambda: as_arrays(fit_spread(model.scaled(rows.inputs), rows.inputs, error[kept], weights, SEED)),
        )
        return General(model.low, model.high, model.mean, model.deviation, model.members, as_layers(found))

    @cached_property
    def unseen(self) -> dict[str, General]:
        """What forecasts a family that it never saw, with the interval's factor from the other families, by its name."""
        bare = {family: self.with_spread(model, family) for family, model in self.left_out.items()}
        scores = self._scores(bare)
        return {
            family: with_factor(model, [each for other, each in scores.items() if other != family])
            for family, model in bare.items()
        }

    def _scores(self, models: Mapping[str, General]) -> dict[str, list[FloatArray]]:
        """Return errors over their typical size, of each family and of each of its cells; told as the plugin is."""
        rows, error = self.rows["estimated"], np.abs(self.errors["estimated"])
        found: dict[str, list[FloatArray]] = {}
        for family, model in models.items():
            inside = self.of_family(family, rows)
            score = error[inside] / model.typical(rows.inputs[inside])
            found[family] = [score[rows.cell[inside] == place] for place in np.unique(rows.cell[inside])]
        return found

    @cached_property
    def shipped(self) -> General:
        """What ships."""
        members = [self.member(None, seed) for seed in range(MEMBERS)]
        first = members[0]
        model = General(first.low, first.high, first.mean, first.deviation, tuple(each.members[0] for each in members))
        return with_factor(self.with_spread(model, None), list(self._scores(self.unseen).values()))


def with_factor(model: General, scores: Sequence[Sequence[FloatArray]]) -> General:
    """Return a forecaster whose intervals hold nine charges in ten: families weigh the same, and each family's cells.

    Parameters
    ----------
    scores : of each family, of each cell, ndarray of shape (charges, 4)
        Errors over their typical size; NaN where the cell had ended.
    """
    factor = np.empty(scores[0][0].shape[1])
    for column in range(len(factor)):
        values, weights = [], []
        for cells in scores:
            known = [cell[np.isfinite(cell[:, column]), column] for cell in cells]
            known = [cell for cell in known if len(cell)]
            values += known
            weights += [np.full(len(cell), 1 / (len(cell) * len(known))) for cell in known]
        every, weight = np.concatenate(values), np.concatenate(weights)
        order = np.argsort(every, kind="stable")
        share = np.cumsum(weight[order]) / weight.sum()
        factor[column] = every[order][np.searchsorted(share, LEVEL)]
    return General(model.low, model.high, model.mean, model.deviation, model.members, model.spread, factor)


def fingerprint() -> str:
    """Return a hash of the code that pieces are computed with."""
    return code_hash(CODE)
