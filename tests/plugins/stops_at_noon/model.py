"""Refuses every window that begins at or after noon."""

from platform_interface import Model, ModelError, register_model


@register_model("stops_at_noon")
class StopsAtNoon(Model):
    def process(self, data):
        if data.start.hour >= 12:
            raise ModelError("it is past noon. Wait for tomorrow.")
        return {"seen": data["current"] * 0.0 + data["current"].index.hour}
