"""The cheapest model that reads every cell: what it costs is what the integration layer costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from platform_interface import Model, ModelInput, register_model


@register_model("cell_extremes")
class CellExtremes(Model):
    """Lowest and highest cell voltage at each sample, and their spread. No state."""

    def process(self, data: ModelInput) -> dict[str, Any]:
        """Compare the cells at each sample; a cell without a sample does not count."""
        cells: pd.DataFrame = data["cell_voltage"]
        block = cells.to_numpy().T
        lowest, highest = np.fmin.reduce(block, axis=0), np.fmax.reduce(block, axis=0)
        found = {"minimum": lowest, "maximum": highest, "spread": highest - lowest}
        return {f"{name}_cell_voltage": pd.Series(values, index=cells.index) for name, values in found.items()}
