"""Array input, array output, an aligned optional input and a state."""

import numpy as np
import pandas as pd

from platform_interface import Model, register_model


@register_model("cell_spread")
class CellSpread(Model):
    def process(self, data):
        cells = data["cell_voltage"]
        if cells.empty:
            return {}
        values = cells.to_numpy()
        spread = (np.nanmax(values, axis=1) - np.nanmin(values, axis=1)) * 1000.0
        rose = np.diff(spread, prepend=self.state.get("spread", spread[0])) > 0
        current = data.get("current")
        if current is not None:
            rose &= ~(current.to_numpy() > 50.0)
        rises = self.state.get("rises", 0) + np.cumsum(rose)
        self.state.update(spread=float(spread[-1]), rises=int(rises[-1]))
        return {"spread": pd.Series(spread, cells.index), "rises": pd.Series(rises, cells.index), "each_cell": cells.dropna()}
