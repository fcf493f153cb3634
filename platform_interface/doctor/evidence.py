"""`Evidence`: everything the checks of a mapping have gathered of one asset, in a run or by the doctor.

In a run it sees what models are given, window by window, and each sample once, whichever models read it. Nothing of it reaches
a model, a state or a checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from platform_interface.checks import Clean
from platform_interface.contradictions import SignEvidence
from platform_interface.dashboard.zone import zone_of
from platform_interface.doctor.channels import ROWS_OF_A_RUN, Channel, View, of_model
from platform_interface.doctor.clock import ClockEvidence
from platform_interface.doctor.findings import Finding
from platform_interface.doctor.frozen import FrozenEvidence
from platform_interface.doctor.order import OrderEvidence
from platform_interface.doctor.packsum import CellSumEvidence
from platform_interface.doctor.scales import ScaleEvidence
from platform_interface.doctor.temperature import TemperatureEvidence
from platform_interface.mapping import Plan
from platform_interface.platforms.base import Asset
from platform_interface.settings import AssetFacts

NOTHING_CHANGED = "Nothing was changed."


@dataclass
class Evidence:
    """Evidence of one asset.

    Parameters
    ----------
    parameters : mapping
        Of the asset, such as ``Capacity`` and ``Cells in series``.
    zone, stated : str or None
        IANA zone of the site; what it says of a positive current.
    rows : int or None
        Most samples of a sensor that are looked at one by one in a window; None for all.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    zone: str | None = None
    stated: str | None = None
    rows: int | None = ROWS_OF_A_RUN

    def __post_init__(self) -> None:
        self.sign = SignEvidence()
        self.clock = ClockEvidence()
        self.frozen = FrozenEvidence()
        self.scales = ScaleEvidence(self.parameters)
        self.sums = CellSumEvidence(self.parameters)
        self.order = OrderEvidence()
        self.temperature = TemperatureEvidence()
        self._window: dict[str, Channel] = {}
        self._seen: dict[str, int] = {}

    def of_model(self, plan: Plan, cleaned: Mapping[str, Clean]) -> None:
        """Take what one model was given in the open window."""
        for pattern, channel in of_model(plan, cleaned).items():
            if pattern not in self._window:
                fresh = self._unseen(channel)
                self._window[pattern] = fresh.thinned(self.rows) if fresh.numbers else fresh  # the window's memory is not held

    def window_done(self) -> None:
        """Weigh what the models of a window were given, each sample once."""
        fresh = {name: channel for name, channel in self._window.items() if channel.time.size}
        self._window.clear()
        self.add(fresh)

    def _unseen(self, channel: Channel) -> Channel:
        """Return the samples behind the last one seen: groups of models go over the same stretch one after the other."""
        last = self._seen.get(channel.pattern)
        first = 0 if last is None else int(np.searchsorted(channel.time, last, side="right"))
        if channel.time.size:
            self._seen[channel.pattern] = max(int(channel.time[-1]), last or 0)
        return replace(channel, time=channel.time[first:], values=channel.values[:, first:]) if first else channel

    def add(self, view: View) -> None:
        """Weigh one window."""
        if not view:
            return
        self.sign.weigh(view.values())
        few = {name: channel.thinned(self.rows) for name, channel in view.items()}
        arrays = {name: few[name] if channel.numbers else channel for name, channel in view.items()}
        self.frozen.add(few)
        self.scales.add(arrays)
        self.sums.add(arrays)
        self.order.add(few)
        self.temperature.add(few)
        self.clock.add(few)

    def findings(self, asset: str) -> list[Finding]:
        """Return everything that contradicts the mapping; those of a sensor whose unit is wrong only that."""
        units = self.scales.findings(asset)
        units += [finding for finding in self.sums.findings(asset) if finding not in units]
        strange = {_array(each.sensor) for each in units if each.check == "cell count" and not each.sensor.endswith("|*")}
        units = [each for each in units if each.check != "cell count" or each.sensor not in strange]
        wrong = {finding.sensor for finding in units if finding.check == "unit"}
        others = [
            *self.sign.findings(asset, self.stated), *self.temperature.findings(asset), *self.frozen.findings(asset),
            *self.order.findings(asset), *self.clock.findings(asset, self.zone),
        ]  # fmt: skip
        if any(finding.check == "clock" and finding.sensor != "time" for finding in others):
            units = [
                finding for finding in units if finding.check != "pack voltage"
            ]  # compared at times that do not belong together
        found: dict[tuple[str, str, str], Finding] = {}
        for finding in [*units, *others]:
            if finding.check != "unit" and finding.sensor in wrong and finding.check not in ("sign", "clock"):
                continue
            key = (finding.check, finding.sensor, "" if finding.check == "unit" else finding.text)
            found.setdefault(key, finding)
        return list(found.values())

    def report(self, asset: str) -> tuple[list[str], list[dict[str, Any]]]:
        """Return sentences for the report of a run, and the findings with their proposals."""
        found = self.findings(asset)
        return [f"{finding.text} {NOTHING_CHANGED}" for finding in found], [finding.as_dict() for finding in found]


def evidence_of(asset: Asset, facts: AssetFacts, rows: int | None = ROWS_OF_A_RUN) -> Evidence:
    """Begin the evidence of one asset with what its site states."""
    parameters = {**asset.parameters, **facts.parameters}
    name = facts.time_zone or asset.parameters.get("time_zone")
    zone = str(name) if name and zone_of(str(name)) else None  # a page says that the name is wrong
    return Evidence(parameters, zone, facts.positive_current or asset.parameters.get("positive_current"), rows)


def _array(element: str) -> str:
    """Return the array that an element belongs to."""
    return element.rsplit("|", 1)[0] + "|*"
