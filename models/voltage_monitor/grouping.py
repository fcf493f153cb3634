"""When a whole pack crosses a limit, that is one alarm and not one a cell.

The first cells have alarms of their own, for they are the ones to look at; from a number on, one
alarm of the pack stands for all further ones, until no cell stands any more. Loops run over events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from models.voltage_monitor.events import NO_CELL, Event


@dataclass
class Group:
    """What stands of one kind; carried between windows.

    Attributes
    ----------
    own, joined : list of int
        Cells with an alarm of their own, and cells that the pack's alarm stands for.
    since : int or None
        When the pack's alarm began. [ms UTC]
    most : int
        Most cells that stood at once since then.
    """

    own: list[int] = field(default_factory=list)
    joined: list[int] = field(default_factory=list)
    since: int | None = None
    most: int = 0

    def as_state(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def alarms(self) -> int:
        """How many alarms stand."""
        return len(self.own) + (self.since is not None)


def grouped(events: Sequence[Event], group: Group, most: int, cells: int) -> list[Event]:
    """Return the alarms that the events of one kind come to; `group` is changed.

    Parameters
    ----------
    events : sequence of Event
        Of one kind, sorted.
    most : int
        Most cells with alarms of their own.
    cells : int
        Number of cells, for the text.
    """
    found = []
    for event in events:
        if event.began:
            found += _begun(event, group, most, cells)
        else:
            found += _ended(event, group, cells)
    return found


def _begun(event: Event, group: Group, most: int, cells: int) -> list[Event]:
    found = []
    if len(group.own) < most and group.since is None:
        group.own.append(event.cell)
        found.append(event)
    else:
        group.joined.append(event.cell)
    standing = len(group.own) + len(group.joined)
    if group.joined and group.since is None:
        group.since, group.most = event.since, standing
        text = (
            f"{standing} of {cells} cells at once, so this is the pack's, and further cells raise no alarms of their own. "
            f"The last of them: {event.text}"
        )
        found.append(Event(event.index, event.kind, True, NO_CELL, event.since, event.peak, event.excess, text))
    group.most = max(group.most, standing)
    return found


def _ended(event: Event, group: Group, cells: int) -> list[Event]:
    found = []
    if event.cell in group.own:
        group.own.remove(event.cell)
        found.append(event)
    else:
        group.joined.remove(event.cell)
    if group.since is not None and not group.own and not group.joined:
        text = f"No cell any more; at most {group.most} of {cells} at once."
        found.append(Event(event.index, event.kind, False, NO_CELL, group.since, event.peak, event.excess, text))
        group.since, group.most = None, 0
    return found
