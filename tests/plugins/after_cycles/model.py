"""A dependent model: as many samples as the current has, whatever eq_cycles keeps on the platform."""

import numpy as np
import pandas as pd

from platform_interface import Model, register_model


@register_model("after_cycles")
class AfterCycles(Model):
    def process(self, data):
        passed = data["throughput"]
        if passed.empty:
            return {}
        warm = np.nan_to_num(data["cell_temperature"].to_numpy(), nan=0.0)
        steps = np.diff(passed.to_numpy(), prepend=self.state.get("passed", 0.0)) * warm
        heat = np.cumsum(np.concatenate([[self.state.get("heat", 0.0)], steps]))[1:]
        count = self.state.get("count", 0) + np.arange(1, len(passed) + 1)
        self.state.update(passed=float(passed.iloc[-1]), heat=float(heat[-1]), count=int(count[-1]))
        return {"heat": pd.Series(heat, passed.index), "samples": pd.Series(count, passed.index)}
