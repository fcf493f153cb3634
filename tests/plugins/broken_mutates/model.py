"""Broken: changes its input in place."""

from platform_interface import Model, register_model


@register_model("broken_mutates")
class BrokenMutates(Model):
    def process(self, data):
        values = data["current"].array._ndarray if hasattr(data["current"].array, "_ndarray") else data["current"].values
        values *= -1.0
        return {"result": data["current"]}
