"""The leakage guard: features that know the future, columns that are the label in disguise, cells on both sides of a split.

It runs on every feature in the tests, and in every training before the first fit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from training.soh.cells import Cell

FloatArray = npt.NDArray[np.float64]
#: A column that follows a function of the label this closely, by its range, is one. [1]
EXACT = 1e-3
#: Share of the rows that must follow for that, and fewest rows to judge by.
ALMOST_ALL, FEWEST = 0.95, 20
#: Rows that follow a line to float precision are no accident where there are so many of them. [1], [1]
PRECISE, SPIKE = 2e-6, 0.15
#: Pairs of rows that a line is drawn through.
TRIALS = 400
#: Rows of a cell, and of all cells, and cells that are judged on their own.
MOST_ROWS, MOST_POOLED, MOST_CELLS = 500, 3000, 16
#: Share of a cell's rows that another may have too. [1]
SHARED = 0.05


class LeakageError(ValueError):
    """What is trained or tested would know what it is asked."""


class History(Protocol):
    """What can be cut at a moment: a :class:`RawCell` at a time, a :class:`Cell` at a count."""

    def until(self, moment: float, /) -> Self: ...


H = TypeVar("H", bound=History)


def check_causal(features_of: Callable[[H], FloatArray], history: H, moments: Iterable[float]) -> int:
    """Recompute features on truncated histories and demand the same bits.

    Parameters
    ----------
    features_of : callable
        History -> array of shape (charges, features).
    history : object with ``until``
    moments : iterable of float
        Where to cut, in what `until` takes.

    Returns
    -------
    int
        How many charges were compared.

    Raises
    ------
    LeakageError
        A feature of a charge changes with what comes after it.
    """
    whole = np.ascontiguousarray(features_of(history), dtype=np.float64)
    compared = 0
    for moment in moments:
        part = np.ascontiguousarray(features_of(history.until(moment)), dtype=np.float64)
        if len(part) > len(whole):
            raise LeakageError(
                f"the history up to {moment:g} has {len(part)} charges, the whole one {len(whole)}: charges vanish later"
            )
        same = (part == whole[: len(part)]) | (np.isnan(part) & np.isnan(whole[: len(part)]))
        if not same.all():
            row, column = (int(place) for place in np.argwhere(~same)[0])
            raise LeakageError(
                f"feature {column} of charge {row} is {part[row, column]!r} when only what happened up to {moment:g} is known, and "
                f"{whole[row, column]!r} later: it knows the future. Compute it from its own charge and those before it."
            )
        compared += len(part)
    return compared


def check_labels(names: Sequence[str], cells: Sequence[Cell]) -> None:
    """Refuse columns that are a function of the label.

    Parameters
    ----------
    names : sequence of str
        Of the columns of `features`.
    cells : sequence of Cell

    Raises
    ------
    LeakageError
        With all such columns at once, and what they are.

    Notes
    -----
    Correlation is no sign: an honest feature of a smooth life has more than 0.99. A function of the label is *exact*: it carries the
    label's own noise, from one row to the next. So, in each cell and over all cells, a column is refused that follows (a) a
    straight line of the label, its inverse or their logarithms, or (b) any monotone function of it, within 1e-3 of its range
    in 95 % of the rows; and (c) a line within 2e-6 in 15 % of the rows, as where a label was made from the column for a part of them.
    Where the label is smooth in time, everything smooth is a function of it, in one cell; (b) is therefore judged by the label's noise:
    the column must tell rows apart that follow one another out of order.
    """
    refused = {}
    some = [cells[number] for number in np.unique(np.linspace(0, len(cells) - 1, MOST_CELLS).astype(int))]
    rows, labels = np.concatenate([cell.features for cell in cells]), np.concatenate([cell.soh for cell in cells])
    for column, name in enumerate(names):
        found = [reason for cell in some if (reason := _of_label(cell.features[:, column], cell.soh))]
        if len(found) > len(some) / 2:
            refused[name] = found[0]
            continue
        pooled = _of_label(rows[:, column], labels, MOST_POOLED)
        if pooled:
            refused[name] = f"{pooled} over all cells"
    if refused:
        listed = "\n".join(f"  {name}: {reason}" for name, reason in refused.items())
        raise LeakageError(f"{len(refused)} columns are functions of the label; leave them out:\n{listed}")


def _of_label(column: FloatArray, label: FloatArray, most: int = MOST_ROWS) -> str | None:
    """Return what function of the label a column is, or None."""
    rows = _told(column, label, most)
    if len(rows) < FEWEST:
        return None
    x, y = label[rows], column[rows]
    if np.ptp(x) == 0 or len(np.unique(y)) < FEWEST:
        return None
    forms = {"a line of it": (x, y)}
    if (x > 0).all() and (y > 0).all():
        forms |= {
            "a line of its inverse": (1.0 / x, y),
            "the inverse of a line of it": (x, 1.0 / y),
            "a power of it": (np.log(x), np.log(y)),
        }
    for word, (given, made) in forms.items():
        close, precise = _on_a_line(given, made)
        if close >= ALMOST_ALL:
            return f"{word}, within {EXACT:g} of the range in {close:.0%} of {len(x)} rows"
        if precise >= SPIKE:
            return f"{word}, to the last digit in {precise:.0%} of {len(x)} rows"
    if _is_monotone(x, y, rows):
        return f"a monotone function of it, within {EXACT:g} of the range, over {len(x)} rows"
    return None


def _told(column: FloatArray, label: FloatArray, most: int) -> npt.NDArray[np.int64]:
    """Return the rows to judge by: without those of the one value that stands for 'none', and no more than needed."""
    rows = np.flatnonzero(np.isfinite(column) & np.isfinite(label))
    values, counts = np.unique(column[rows], return_counts=True)
    if len(values) and counts.max() > 0.1 * len(rows):
        rows = rows[column[rows] != values[int(counts.argmax())]]
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
    return rows


def _on_a_line(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Return the largest share of rows on one line, within EXACT and within PRECISE of the range."""
    extent = float(np.ptp(y))
    if extent == 0:
        return 0.0, 0.0
    random = np.random.default_rng(0)
    first, second = random.integers(0, len(x), (2, TRIALS))
    apart = np.abs(x[first] - x[second]) > 0.1 * np.ptp(x)
    first, second = first[apart], second[apart]
    if not len(first):
        return 0.0, 0.0
    slope = (y[second] - y[first]) / (x[second] - x[first])
    away = np.abs(y[None, :] - (y[first] - slope * x[first])[:, None] - slope[:, None] * x[None, :]) / extent
    steep = np.abs(slope) * np.ptp(x) > 0.1 * extent
    if not steep.any():
        return 0.0, 0.0
    least = 2.0 / len(x)
    close, precise = (float(np.max(np.mean(away[steep] <= limit, axis=1))) for limit in (EXACT, PRECISE))
    return close, precise - least


def _is_monotone(x: FloatArray, y: FloatArray, when: npt.NDArray[np.int64]) -> bool:
    """Return whether a column follows its neighbours in the order of the label although those are not its neighbours in time.

    Each row is told from the rows with the nearest labels on either side, of those more than 5 rows away in time. An exact
    function is told within EXACT of the range; an honest feature is off by its own slope times the label's noise.
    """
    order = np.argsort(x, kind="stable")
    x, y, when = x[order], y[order], when[order]
    below, above = _distant(when), len(when) - 1 - _distant(when[::-1])[::-1]
    told = (below >= 0) & (above < len(when))
    if told.sum() < max(FEWEST, len(x) // 2):
        return False
    below, above = below[told], above[told]
    width = x[above] - x[below]
    share = np.where(width > 0, (x[told] - x[below]) / np.where(width > 0, width, 1.0), 0.5)
    away = np.abs(y[told] - (1 - share) * y[below] - share * y[above]) / np.ptp(y)
    return float(np.quantile(away, ALMOST_ALL)) <= EXACT


def _distant(when: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the nearest place before each that is more than 5 rows away in time, of the last 10; -1 where there is none."""
    found = np.full(len(when), -1)
    for back in range(10, 0, -1):
        far = np.abs(when[back:] - when[:-back]) > 5
        found[back:][far] = np.arange(len(when) - back)[far]
    return found


def row_hashes(cell: Cell) -> set[bytes]:
    """Return what identifies each charge of a cell, whatever the cell is called; charges with little to tell are left out."""
    told = np.isfinite(cell.features).sum(axis=1) >= min(3, cell.features.shape[1])
    return {hashlib.blake2b(row.tobytes(), digest_size=12).digest() for row in np.ascontiguousarray(cell.features[told])}


def check_split(*sides: Sequence[Cell]) -> None:
    """Refuse a split that has a cell on two sides, by its name or by its data.

    Parameters
    ----------
    *sides : sequence of Cell
        Training, test, and any others.

    Raises
    ------
    LeakageError
        A cell, or more than 5 % of a cell's charges, are on two sides.
    """
    seen: list[tuple[int, Cell, set[bytes]]] = []
    for side, cells in enumerate(sides):
        for cell in cells:
            rows = row_hashes(cell)
            for other_side, other, other_rows in seen:
                if other_side == side:
                    continue
                if (cell.group, cell.name) == (other.group, other.name):
                    raise LeakageError(f"{cell.group} {cell.name} is on two sides of the split")
                both = len(rows & other_rows)
                if both > SHARED * max(1, min(len(rows), len(other_rows))):
                    raise LeakageError(
                        f"{cell.group} {cell.name} and {other.group} {other.name} are on two sides of the split and share "
                        f"{both} charges to the last digit: one cell under two names, or a file that was copied"
                    )
            seen.append((side, cell, rows))
