"""Raises an alarm above 40 A and clears it below; the open one is carried."""

import pandas as pd

from platform_interface import Model, register_model


@register_model("alarming")
class Alarming(Model):
    def process(self, data):
        current = data["current"]
        for time, value in current.items():
            since = self.state.get("since")
            if value > 40.0 and since is None:
                self.state["since"] = int(time.timestamp() * 1000)
                self.alarm("high current", time, f"{value:.4g} A")
                self.state["text"] = f"{value:.4g} A"
            elif value <= 40.0 and since is not None:
                self.alarm("high current", pd.Timestamp(since, unit="ms", tz="UTC"), self.state["text"], end=time)
                self.state["since"] = None
        return {"high": (current > 40.0).astype(float)}
