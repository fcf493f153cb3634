"""What the audit of the BMS's SOC comes to: series and alarms."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.chemistry import Chemistry
from models.soc_ocv_estimation.belief import FloatArray
from models.soc_ocv_estimation.bms import Audit, Freeze

#: Points of the table of energy over SOC.
ENERGY_POINTS = 1001

#: Arguments of `Model.alarm`.
Alarm = tuple[str, pd.Timestamp, str, str, pd.Timestamp | None]


def energy_table(curve: Chemistry) -> tuple[FloatArray, FloatArray]:
    """Return SOC and the integral of OCV from 0 to it. [1], [V]"""
    soc = np.linspace(0.0, 1.0, ENERGY_POINTS)
    volts = curve.ocv(soc)
    return soc, np.concatenate([[0.0], np.cumsum(0.5 * (volts[1:] + volts[:-1]) * np.diff(soc))])


def reported(
    found: Audit, series: pd.Series[float], curve: Chemistry, size: tuple[float, int]
) -> tuple[dict[str, pd.Series[float]], list[Alarm]]:
    """Return outputs and alarms of jumps and freezes.

    Parameters
    ----------
    found : Audit
    series : Series
        SOC of the BMS in this window. [1]
    curve : Chemistry
    size : tuple
        Capacity [Ah] and number of cells in series.
    """
    jumps, jump_alarms = _jumps(found, series, curve, size)
    freezes, freeze_alarms = _freezes(found, series, curve, size)
    return jumps | freezes, jump_alarms + freeze_alarms


def _jumps(
    found: Audit, series: pd.Series[float], curve: Chemistry, size: tuple[float, int]
) -> tuple[dict[str, pd.Series[float]], list[Alarm]]:
    if not found.jumps:
        return {}, []
    scale, table = size[0] * size[1] / 1000.0, energy_table(curve)
    at = series.index[[jump.index for jump in found.jumps]]
    worth = [scale * float(np.interp(j.after, *table) - np.interp(j.after - j.size, *table)) for j in found.jumps]
    outputs = {
        "bms_jump": pd.Series([jump.size for jump in found.jumps], index=at),
        "bms_jump_energy": pd.Series(worth, index=at),
    }
    alarms: list[Alarm] = []
    for when, jump, energy in zip(at, found.jumps, worth, strict=True):
        text = (
            f"The BMS's SOC went from {jump.before:.1%} to {jump.after:.1%}; no current explains {jump.size:+.1%}, "
            f"{energy:+.3g} kWh. Energy promised on the SOC before was wrong by that much."
        )
        alarms.append(("BMS SOC jump", when, text, "warning", when))
    return outputs, alarms


def _freezes(
    found: Audit, series: pd.Series[float], curve: Chemistry, size: tuple[float, int]
) -> tuple[dict[str, pd.Series[float]], list[Alarm]]:
    """A freeze is an alarm from when it is noticed to its end; its charge and energy are given at the end."""
    alarms: list[Alarm] = []
    for freeze in found.freezes:
        when = series.index[freeze.index]
        alarms.append(
            ("BMS SOC frozen", _stamp(freeze.start), _frozen_text(freeze, when), "warning", when if freeze.ended else None)
        )
    ended = [freeze for freeze in found.freezes if freeze.ended]
    if not ended:
        return {}, alarms
    at = series.index[[freeze.index for freeze in ended]]
    volts = [size[1] / 1000.0 * float(curve.ocv(freeze.soc)) for freeze in ended]
    energy = [freeze.charge * volt for freeze, volt in zip(ended, volts, strict=True)]
    charge = pd.Series([freeze.charge for freeze in ended], index=at)
    return {"bms_frozen_charge": charge, "bms_frozen_energy": pd.Series(energy, index=at)}, alarms


def _frozen_text(freeze: Freeze, when: pd.Timestamp) -> str:
    verb = "stood" if freeze.ended else "has stood"
    span = f"{_stamp(freeze.start):%Y-%m-%d %H:%M:%S}" + (f" to {when:%Y-%m-%d %H:%M:%S}" if freeze.ended else "")
    way = "discharged" if freeze.charge > 0 else "charged"
    return (
        f"The BMS's SOC {verb} at {freeze.soc:.1%} from {span} UTC while {abs(freeze.charge):.4g} Ah "
        f"{'were' if freeze.ended else 'have been'} {way}. Look at its logging, then at the BMS."
    )


def _stamp(time: int) -> pd.Timestamp:
    return pd.Timestamp(time, unit="ms", tz="UTC")
