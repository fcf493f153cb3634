"""Broken: integrates the current over gaps."""

import numpy as np
import pandas as pd

from platform_interface import Model, register_model


@register_model("broken_gaps")
class BrokenGaps(Model):
    def process(self, data):
        current = data["current"]
        if current.empty:
            return {}
        time = current.index.as_unit("ms").asi8
        before = self.state.get("time", int(time[0]))
        hours = np.diff(time, prepend=before) / 3_600_000
        total = np.cumsum(np.concatenate([[self.state.get("total", 0.0)], np.abs(current.to_numpy()) * hours]))[1:]
        self.state.update(time=int(time[-1]), total=float(total[-1]))
        return {"result": pd.Series(total, current.index)}
