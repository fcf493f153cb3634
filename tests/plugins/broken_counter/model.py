"""Broken: counts in a global variable, so a second run goes on where the first ended."""

import numpy as np
import pandas as pd

from platform_interface import Model, register_model

COUNT = 0


@register_model("broken_counter")
class BrokenCounter(Model):
    def process(self, data):
        global COUNT
        current = data["current"]
        result = pd.Series(COUNT + np.arange(len(current)), current.index)
        COUNT += len(current)
        return {"result": result}
