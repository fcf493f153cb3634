"""A folder in the vendor's form: an array sensor, a group path, an object of the blueprint, words as an output."""

import pandas as pd
from altergo_sdk.boiler_plate import Model, register_model


@register_model("vendor_groups", metadata={"category": "Other", "complexity": "Medium", "computational_cost": "High"})
class VendorGroups(Model):
    def process(self, data):
        assert self.config == {"gain": 3.0, "mode": "mean", "on": True}
        assert data["soc"].empty
        assert "cells" not in data
        lowest = data["cell_voltages"].min(axis=1)
        return {
            "lowest": lowest,
            "above": (lowest > data["limits"]["low"]).astype(float),
            "label": pd.Series("rest", index=lowest.index),
            "scaled": data["rdc"] * self.config["gain"],
        }
