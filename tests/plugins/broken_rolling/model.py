"""Broken: a rolling mean that begins anew in every window."""

from platform_interface import Model, register_model


@register_model("broken_rolling")
class BrokenRolling(Model):
    def process(self, data):
        return {"result": data["current"].rolling(5, min_periods=1).mean()}
