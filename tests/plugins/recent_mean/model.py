"""Look-back instead of a state: the framework gives the hour before the window too."""

import pandas as pd

from platform_interface import Model, register_model


@register_model("recent_mean")
class RecentMean(Model):
    def process(self, data):
        series = data["cell_temperature"]
        highest = pd.Series(
            [series[(series.index > t - pd.Timedelta("1h")) & (series.index <= t)].max() for t in series.index],
            series.index,
            dtype=float,
        )
        return {"highest": highest[highest.index >= data.start]}
