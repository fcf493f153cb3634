"""The demo fleet: three simulated batteries with real-life dirt, brought in once."""

from __future__ import annotations

from pathlib import Path

from platform_interface.ingest import ingest
from platform_interface.log import LOGGER
from platform_interface.platforms.base import Platform

FOLDER = Path(__file__).parent / "demo_fleet"


def bring_in(platform: Platform) -> None:
    """Ingest those demo assets that the platform lacks."""
    present = {asset.id for asset in platform.assets([], "")}
    for data in sorted(FOLDER.glob("*.parquet")):
        if data.stem not in present:
            result = ingest(platform, data, data.stem, data.with_name(f"{data.stem}.mapping.json"))
            LOGGER.info("demo fleet: %s, %d rows", data.stem, result.rows)
