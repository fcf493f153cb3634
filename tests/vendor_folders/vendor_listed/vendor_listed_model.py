"""A folder in the vendor's older form, with lists."""

import pandas as pd
from altergo_sdk.boiler_plate import Model, register_model


@register_model("vendor_listed")
class VendorListed(Model):
    def process(self, data):
        current, temperature = data["current"], data["temperature"]
        assert isinstance(temperature, pd.Series)
        flag = pd.Series(float(temperature.empty), index=current.index)
        return {"c_rate": current / data["capacity"] * self.config["factor"], "without_temperature": flag}
