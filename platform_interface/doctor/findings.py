"""`Finding` and `Proposal`: what the data say against the mapping, and what a person may paste to correct it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

#: A settings.json that a person may paste a proposal into has this key above it.
SETTINGS, MAPPING = "settings.json", "mapping file"


@dataclass(frozen=True)
class Proposal:
    """How to correct the mapping, if a person agrees.

    Attributes
    ----------
    file : str
        ``settings.json`` (the change stands under `parameters`) or ``mapping file`` (of `ingest`; the file is ingested again).
    change : dict
        To be merged into that file.
    condition : str
        What a person should make sure of first.
    """

    file: Literal["settings.json", "mapping file"]
    change: dict[str, Any]
    condition: str = ""


@dataclass(frozen=True)
class Finding:
    """One contradiction between the data and what the site states.

    Attributes
    ----------
    check : str
        Word of the check, as in documentation/explanation/data-checks.md.
    sensor : str
        Sensor, element or array that is meant.
    text : str
        A sentence with value, unit and place.
    value : float or None
        The figure that the check compares. [unit]
    count, of : int
        Samples, steps, instants or blocks of time that speak for it, out of those looked at.
    start, end : str
        From when to when, where that is known. [ISO 8601, UTC]
    proposal : Proposal or None
        None where no setting repairs it, or where the data leave open what is wrong.
    """

    check: str
    sensor: str
    text: str
    value: float | None
    unit: str
    count: int
    of: int
    start: str = ""
    end: str = ""
    proposal: Proposal | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def sensor_fact(asset: str, sensor: str, condition: str = "", **facts: Any) -> Proposal:
    """Propose a fact of one sensor of one asset."""
    return Proposal("settings.json", {"assets": {asset: {"sensors": {sensor: facts}}}}, condition)


def asset_fact(asset: str, condition: str = "", **facts: Any) -> Proposal:
    """Propose a fact of one asset."""
    return Proposal("settings.json", {"assets": {asset: facts}}, condition)
