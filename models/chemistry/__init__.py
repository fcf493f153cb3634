"""Open-circuit voltage by chemistry: pure functions of SOC and temperature, with hysteresis and uncertainty.

Not a plugin (no `model.json`): a library that plugins import. What each curve was fitted to stands in `curves.json`,
written by `training/ocv_tables.py`.
"""

from __future__ import annotations

from models.chemistry.curve import Chemistry
from models.chemistry.tables import CHEMISTRIES, chemistry, from_table

__all__ = ["CHEMISTRIES", "Chemistry", "chemistry", "from_table"]
