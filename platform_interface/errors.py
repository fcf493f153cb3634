"""What can go wrong, as one tree.

::

    TwinError                 a person can act on it; its text says what, where, the value with unit, and what to do
    ├── UsageError            wrong arguments, settings, manifest or mapping           exit code 2
    ├── PlatformError         the platform cannot be reached or refuses                exit code 2
    │   └── DamagedError      what it has saved of an asset cannot be read
    ├── ModelError            a model refuses: not computable from this input          exit code 0, reported
    └── LeaseError            another run is computing the asset, or took it over      reported
"""

from __future__ import annotations

from collections.abc import Iterable


class TwinError(Exception):
    """Base of every error that is meant for a person."""


class UsageError(TwinError):
    """Arguments, settings, a manifest or a mapping are wrong.

    Parameters
    ----------
    where : str
        File or argument at fault.
    faults : iterable of str
        Every fault found, one sentence each.
    """

    def __init__(self, where: str, faults: Iterable[str] = ()) -> None:
        self.where = where
        self.faults = list(faults)
        super().__init__(self._text())

    def _text(self) -> str:
        if not self.faults:
            return self.where
        count = len(self.faults)
        head = f"{self.where} has {count} fault{'s' if count > 1 else ''}:"
        return "\n".join([head, *(f"  {fault}" for fault in self.faults)])


class PlatformError(TwinError):
    """The platform cannot be reached, or refuses what is asked of it."""


class DamagedError(PlatformError):
    """What the platform has saved of an asset cannot be read."""


class ModelError(TwinError):
    """A model refuses to compute: the reason, and the cheapest remedy."""


class LeaseError(TwinError):
    """Another run holds the asset."""
