"""Who computes an asset, as an attribute: ThingsBoard has no compare-and-set, so a moment is waited and read back."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from platform_interface.platforms.holder import alive, this_host
from platform_interface.platforms.thingsboard.attributes import OURS, Attributes
from platform_interface.platforms.thingsboard.entities import Entity

LEASE = f"{OURS}lease"
#: Shortest and longest wait before the lease is read back. [s]
SHORTEST, LONGEST = 0.03, 1.0


@dataclass
class Leases:
    """Takes and gives back the lease of things."""

    attributes: Attributes

    def take(self, entity: Entity, owner: str, seconds: float) -> str | None:
        """Take or renew; return who holds it when that is another, alive."""
        began = time.monotonic()
        held = self.holder(entity)
        asked = time.monotonic() - began
        if held and held["owner"] != owner and held["expires"] > time.time() and alive(held["host"], held["pid"]):
            return _described(held)
        mine = {"owner": owner, "host": this_host(), "pid": os.getpid(), "expires": round(time.time() + seconds, 3)}
        self.attributes.write(entity, {LEASE: mine})
        if held and held["owner"] == owner:
            return None
        time.sleep(min(LONGEST, max(SHORTEST, 3 * asked)))  # one that read before we wrote has written by then
        held = self.holder(entity)
        return None if held and held["owner"] == owner else _described(held)

    def drop(self, entity: Entity, owner: str) -> None:
        """Give it back, if `owner` has it."""
        held = self.holder(entity)
        if held and held["owner"] == owner:
            self.attributes.delete(entity, [LEASE])

    def holder(self, entity: Entity) -> dict[str, Any]:
        """Return the lease; empty when there is none, or what is there is none."""
        return lease_of(self.attributes.read(entity, [LEASE]).get(LEASE))


def lease_of(content: Any) -> dict[str, Any]:
    """Return a lease out of its attribute; empty when it is none."""
    kinds = {"owner": str, "host": str, "pid": int, "expires": (int, float)}
    if isinstance(content, dict) and all(isinstance(content.get(key), kind) for key, kind in kinds.items()):  # type: ignore[arg-type]
        return content
    return {}


def _described(held: dict[str, Any]) -> str:
    if not held:
        return "another run, that gave it back this moment"
    try:
        until = time.strftime("%H:%M:%S", time.gmtime(held["expires"]))
    except (OverflowError, ValueError, OSError):
        until = "an impossible time"
    return f"process {held['pid']} on {held['host'][:80]!r}, until {until} UTC"
