"""Who is trained on and who is tested, for each row of the results: always whole cells, always all charges of a test cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.soh import literature
from training.soh.cells import Cell
from training.soh.leakage import check_split
from training.soh.published import leaky

XJTU = tuple(group for group in literature.GROUPS if group.startswith("XJTU"))


@dataclass(frozen=True)
class Task:
    """A row of the results.

    Attributes
    ----------
    name, title : str
    leave_one_out : tuple of str
        Groups in which each cell is tested by the others.
    by_split : tuple of str
        Groups that are split as the literature does.
    leaky : bool
        Whether cells are seen as the published protocol sees them: for comparison with papers alone.
    """

    name: str
    title: str
    leave_one_out: tuple[str, ...] = ()
    by_split: tuple[str, ...] = ()
    leaky: bool = False


TASKS = (
    Task("xjtu-loo", "XJTU without R3, leave one cell out", leave_one_out=tuple(group for group in XJTU if group != "XJTU-R3")),
    Task("xjtu-split", "XJTU, split of the literature, mean of 6", by_split=XJTU),
    Task("tju", "TJU, sets 1 and 2 by split, set 3 leave one out", ("TJU-3",), ("TJU-1", "TJU-2")),
    Task("mit", "MIT", by_split=("MIT",)),
    Task("hust", "HUST", by_split=("HUST",)),
    Task("xjtu-leaky", "Published protocol, which leaks: XJTU, for comparison with papers only", by_split=XJTU, leaky=True),
)


@dataclass(frozen=True)
class Fold:
    """Cells to train on, and cells to test.

    Attributes
    ----------
    group : str
    name : str
        The tested cell, or "split".
    """

    group: str
    name: str
    train: tuple[Cell, ...]
    test: tuple[Cell, ...]


def folds(task: Task, shared: Path) -> Iterator[Fold]:
    """Give the folds of a task; a cell on both sides is an error, under whatever name."""
    for group in task.leave_one_out:
        cells = literature.read(shared, group)
        for tested in cells:
            yield _checked(group, tested.name, [cell for cell in cells if cell is not tested], [tested])
    for group in task.by_split:
        train, test = literature.split(literature.read(shared, group))
        if task.leaky:
            train, test = [leaky(cell) for cell in train], [leaky(cell) for cell in test]
        yield _checked(group, "split", train, test)


def _checked(group: str, name: str, train: Sequence[Cell], test: Sequence[Cell]) -> Fold:
    check_split(train, test)
    return Fold(group, name, tuple(train), tuple(test))
