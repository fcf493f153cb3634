"""What the filter needs besides the samples, from the configuration and the asset's parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.soc_ocv_estimation.anchors import VoltageSensor
from models.soc_ocv_estimation.belief import Belief, Walks, first_belief


@dataclass(frozen=True)
class Settings:
    """All that `advance` needs to know besides the samples; see `model.json` for the meaning."""

    capacity: float
    max_gap: float
    rest_c_rate: float
    minimum_rest: float
    gap_c_rate: float
    zero_limit: float
    wake_gap: float
    wake_sigma: float
    sensor: VoltageSensor
    walks: Walks
    start: Belief


def settings_of(config: dict[str, Any], nominal: float, max_gap: float, initial: float | None) -> Settings:
    """Turn the configuration, relative to the capacity, into what the filter needs.

    Parameters
    ----------
    config : dict
        Of the manifest.
    nominal : float
        [Ah]
    max_gap : float
        [s]
    initial : float or None
        SOC at the first sample, if it is known. [1]
    """
    scale = float(np.hypot(config["current_gain_sigma"], config["capacity_sigma"]))
    offset, standby = config["current_offset_sigma"] * nominal, config["standby_c_rate"] * nominal
    return Settings(
        capacity=nominal,
        max_gap=max_gap,
        rest_c_rate=config["rest_c_rate"],
        minimum_rest=config["minimum_rest"],
        gap_c_rate=config["gap_c_rate"],
        zero_limit=config["zero_limit"],
        wake_gap=config["wake_gap"],
        wake_sigma=config["wake_sigma"],
        sensor=VoltageSensor(config["voltage_resolution"], config["voltage_accuracy"]),
        walks=Walks(config["soc_walk"], config["offset_walk"] * nominal, config["scale_walk"]),
        start=first_belief(initial, config["initial_soc_sigma"], offset, scale, standby),
    )
