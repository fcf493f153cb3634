"""What the report says about the SOC: why it is not known, and what was taken for what."""

from __future__ import annotations

import numpy as np

from models.chemistry import Chemistry
from models.soc_ocv_estimation.rests import Samples, runs_of_rest
from models.soc_ocv_estimation.settings import Settings

#: Fewer samples than this in a window say nothing of how the sensor logs.
FEWEST = 4


def without_rest(samples: Samples, settings: Settings) -> str:
    """Return what would tell the SOC, or what keeps these samples from having a rest; no full stop."""
    if len(samples.gap) >= FEWEST and 4 * int(samples.gap.sum()) >= 3 * len(samples.gap):
        return (
            f"Most samples of the current lie more than {settings.max_gap:g} s apart, so nothing is counted between them and no rest is "
            "seen. Log faster, or set the sensor's max_gap to how it logs"
        )
    limit, lowest = settings.rest_c_rate * settings.capacity, float(np.abs(samples.current).min())
    if lowest > limit:
        return (
            f"The current never was below {limit:.3g} A, the limit of a rest; its lowest was {lowest:.3g} A. "
            "If the battery did rest, correct the sensor's offset or unit, or the asset's capacity"
        )
    quiet = np.abs(samples.current) <= limit
    first, last = runs_of_rest(quiet, samples.gap)
    longest = float((samples.time[last] - samples.time[first]).max()) / 1000.0
    lasting = float(samples.time[-1] - samples.time[0]) / 1000.0
    if longest < settings.minimum_rest < 0.1 * lasting and 10 * int(quiet.sum()) > len(quiet):
        return (
            f"{float(quiet.mean()):.0%} of the samples of the current are below {limit:.3g} A, the limit of a rest, but at most for "
            f"{longest:.3g} s without interruption. If the battery did rest, noise or short loads end each rest: raise rest_c_rate, "
            "or filter the current before it is logged"
        )
    if np.isnan(samples.voltage).all():
        return "There is no voltage with the current. Map it, or log it within a minute of the current"
    return f"A rest of {settings.minimum_rest / 60.0:.3g} min or longer, best near empty or full, tells it"


def woken(count: int, gap: float, sigma: float) -> str:
    """Return what was made of the first voltage after long gaps [s], doubted by sigma [V]."""
    return (
        f"after {count} gaps of {gap / 3600.0:g} h or longer the first voltage was taken as that of a rest, with "
        f"{1000.0 * sigma:g} mV of doubt: whether the battery rested in the gap is not known."
    )


def outside(count: int, curve: Chemistry) -> str:
    """Return that rests have a voltage that no cell of this chemistry has."""
    low, high = curve.limits
    return (
        f"{count} rests have a voltage per cell outside {low:g} to {high:g} V ({curve.name}) and are not used. "
        "'Cells in series' or 'Chemistry' is probably wrong; correct it on the platform."
    )
