"""What a page is about: one model on one asset, and all that is known of it without its samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from platform_interface.checkpoint import History, load_history
from platform_interface.dashboard.state import LastWords, State, state_of
from platform_interface.dashboard.zone import zone_of
from platform_interface.mapping import Plan
from platform_interface.platforms.base import Asset, Platform
from platform_interface.settings import Settings


@dataclass(frozen=True)
class Wanted:
    """What the person asked for: a stretch of time, open where `None`. [ms UTC]"""

    start: int | None = None
    end: int | None = None


@dataclass(frozen=True)
class Subject:
    """One model on one asset, and all that is known of it without its samples."""

    platform: Platform
    settings: Settings
    asset: Asset
    plan: Plan
    history: History
    words: LastWords
    alarms: Sequence[Mapping[str, Any]]
    state: State

    @property
    def zone(self) -> tuple[ZoneInfo, str]:
        """The site's zone, and what to say when it states none or a wrong one."""
        name = self.settings.facts_of(self.asset.id).time_zone or self.asset.parameters.get("time_zone")
        zone = zone_of(str(name) if name else None)
        if zone is not None:
            return zone, ""
        wrong = f"'{name}' is not an IANA time zone" if name else "the site's time zone is not stated"
        return ZoneInfo("UTC"), f"Times are UTC: {wrong}. Set assets.{self.asset.id}.time_zone in settings.json."


def subject(platform: Platform, settings: Settings, asset: Asset, plan: Plan, words: LastWords) -> Subject:
    """Gather what is known of a model on an asset."""
    history = load_history(platform, asset.id, plan.name)
    alarms = [alarm for alarm in platform.alarms(asset.id) if alarm["model"] == plan.name]
    return Subject(platform, settings, asset, plan, history, words, alarms, state_of(plan, history, words, alarms))
