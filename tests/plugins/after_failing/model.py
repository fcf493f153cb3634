"""Would pass its input on."""

from platform_interface import Model, register_model


@register_model("after_failing")
class AfterFailing(Model):
    def process(self, data):
        return {"after": data["never"]}
