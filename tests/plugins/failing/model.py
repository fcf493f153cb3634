"""Divides by zero."""

from platform_interface import Model, register_model


@register_model("failing")
class Failing(Model):
    def process(self, data):
        return {"never": data["current"] * (1 // (len(data["current"]) * 0))}
