"""Raises an alarm that began two hours before it is known."""

import pandas as pd

from platform_interface import Model, register_model


@register_model("slow_alarm")
class SlowAlarm(Model):
    def process(self, data):
        current = data["current"]
        for time, value in current.items():
            since, now = self.state.get("since"), int(time.timestamp() * 1000)
            if value > 40.0 and since is None:
                self.state["since"] = now
            elif value > 40.0 and now - since >= 7_200_000 and not self.state.get("raised"):
                self.state["raised"] = True
                self.alarm("high for long", pd.Timestamp(since, unit="ms", tz="UTC"), "two hours above 40 A")
            elif value <= 40.0 and since is not None:
                if self.state.get("raised"):
                    self.alarm("high for long", pd.Timestamp(since, unit="ms", tz="UTC"), "two hours above 40 A", end=time)
                self.state.update(since=None, raised=False)
        return {"long_high": (current > 40.0).astype(float)}
