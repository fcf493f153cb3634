"""A folder as it is written for the vendor's boilerplate: own words, the published behaviour."""

from typing import Any

import numpy as np
import pandas as pd
from altergo_sdk.boiler_plate import Model, register_model


@register_model("vendor_cycles", metadata={"category": "Performance", "complexity": "Simple", "computational_cost": "Low"})
class VendorCycles(Model):
    def process(self, data: dict[str, Any]) -> dict[str, pd.Series]:
        current, capacity = data["current"], data["capacity"]
        hours = current.index.to_series().diff().dt.total_seconds().fillna(0.0) / 3600.0
        weight = 1.0
        if self.config["enable_efficiency_correction"]:
            weight = np.where(current >= 0, self.config["discharge_efficiency"], self.config["charge_efficiency"])
        soh = data.get("soh")
        health = 100.0
        if soh is not None and not soh.empty:
            health = soh.reindex(current.index, method="ffill").fillna(100.0)
        step = current.abs() * hours * weight / (2.0 * capacity * health / 100.0)
        return {"equivalent_cycles": data.get("initial_equivalent_cycles", 0.0) + step.cumsum()}
