"""A state that changed its form."""

import numpy as np
import pandas as pd

from platform_interface import Model, register_model


@register_model("migrating")
class Migrating(Model):
    def migrate(self, state, version):
        return {"count": state["old_count"]} if version == 1 else None

    def process(self, data):
        current = data["current"]
        count = self.state.get("count", 0) + np.arange(1, len(current) + 1)
        self.state["count"] = self.state.get("count", 0) + len(current)
        return {"count": pd.Series(count, current.index)}
