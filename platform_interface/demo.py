"""The demo fleet: three simulated batteries with real-life dirt, brought in once."""

from __future__ import annotations

from pathlib import Path

from platform_interface.ingest import ingest
from platform_interface.log import LOGGER
from platform_interface.platforms.base import Platform

FOLDER = Path(__file__).parent / "demo_fleet"


def bring_in(platform: Platform) -> None:
    """Ingest those demo files that the platform lacks; it knows each by its hash."""
    for data in sorted(FOLDER.glob("*.parquet")):
        result = ingest(platform, data, data.stem, data.with_name(f"{data.stem}.mapping.json"))
        if not result.already:
            LOGGER.info("demo fleet: %s, %d rows", data.stem, result.rows)
