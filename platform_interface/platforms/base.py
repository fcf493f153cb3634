"""The one door to a platform.

A connector is a class with the methods of `Platform` and a class method ``open(launch, settings)`` that returns one, ready
for use. Settings name it by its word, or by ``module:Class`` for one of your own. It is used by several threads at once.

A connector gives assets, parameters and sensor series, and takes outputs, alarms and state. It
knows nothing of models, of logical names or of the sign of a current.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from platform_interface.strict_json import usable
from platform_interface.table import Table


@dataclass(frozen=True)
class Asset:
    """One battery on the platform."""

    id: str
    name: str = ""
    tags: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Hold nothing that cannot be written, compared or counted with, whatever the platform sent."""
        for name in ("name", "tags", "parameters"):
            given = getattr(self, name)
            kept = usable(dict(given) if name == "parameters" else given)
            object.__setattr__(self, name, tuple(map(str, kept)) if name == "tags" else kept)


@dataclass(frozen=True)
class Sensor:
    """One series on the platform; `unit` is empty where the platform does not say it."""

    name: str
    unit: str = ""
    output: bool = False


@dataclass(frozen=True)
class Bucket:
    """What a platform says, at little cost, of the samples in one stretch of time.

    Attributes
    ----------
    start, end : int
        ``start <= t < end``. [ms UTC]
    values : int
        Number of values.
    first, last : int
        Earliest and latest sample. [ms UTC]
    token : str
        Changes when the samples do; empty where the platform cannot tell.
    """

    start: int
    end: int
    values: int
    first: int
    last: int
    token: str = ""


class Platform(Protocol):
    """What a connector offers. Every method names one asset by its id."""

    def describe(self) -> str:
        """Say what and where this platform is, without secrets."""

    def assets(self, ids: Sequence[str], tag: str) -> list[Asset]:
        """Return the named assets, or those with the tag, or all of them.

        Raises
        ------
        PlatformError
            An id is not there; the message has the nearest one.
        """

    def sensors(self, asset: str) -> dict[str, Sensor]:
        """Return the series of an asset by name."""

    def buckets(self, asset: str, names: Sequence[str], known: Mapping[int, str]) -> list[Bucket]:
        """Return where samples of these series lie, oldest first, in stretches of at most a UTC day.

        A stretch whose token `known` already has, by its start, is left out: it has not changed.
        """

    def read(self, asset: str, names: Sequence[str], start: int, end: int) -> list[Table]:
        """Return raw samples with ``start <= t < end``, one table a time base, in no stated order."""

    def last_value(self, asset: str, name: str, before: int) -> float | None:
        """Return the latest value of a series before an instant. [ms UTC]"""

    def append(self, asset: str, base: str, table: Table, units: Mapping[str, str]) -> None:
        """Add raw samples as they came: nothing is sorted, merged or dropped."""

    def replace(self, asset: str, base: str, start: int, end: int | None, table: Table, units: Mapping[str, str]) -> list[str]:
        """Put the rows of a model's outputs in place of all it had in ``start <= t < end``; no end: for ever.

        Returns
        -------
        list of str
            What the platform refused for good, one sentence each; the rest is written.
        """

    def save_asset(self, asset: Asset) -> None:
        """Create an asset or change its name, tags and parameters."""

    def alarms(self, asset: str) -> list[dict[str, Any]]:
        """Return every alarm ever raised, oldest first."""

    def save_alarms(self, asset: str, alarms: Sequence[Mapping[str, Any]]) -> None:
        """Add alarms or change the status of those with the same `key`; none is ever removed."""

    def load_state(self, asset: str, prefix: str) -> dict[str, str]:
        """Return the saved texts whose key begins with `prefix`."""

    def save_state(self, asset: str, changes: Mapping[str, str | None], owner: str) -> None:
        """Save texts, delete those that are `None`, all or nothing, if `owner` still holds the lease.

        Raises
        ------
        LeaseError
            Another run took the asset over.
        """

    def take_lease(self, asset: str, owner: str, seconds: float) -> str | None:
        """Take or renew the asset for `owner`; return who holds it when that is another, alive."""

    def drop_lease(self, asset: str, owner: str) -> None:
        """Give the asset back."""

    def put_page(self, asset: str, name: str, page: Path) -> str:
        """Give a finished page to people who use the platform; return where it is, empty where only the folder has it."""

    def forget(self, asset: str) -> None:
        """Delete an asset with all its series, state and alarms."""
