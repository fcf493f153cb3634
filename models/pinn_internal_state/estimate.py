"""The estimator over a stretch of samples in memory: what the evaluation and a notebook use. The plugin takes the same steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.pinn_internal_state.belief import KNOWN, Belief, Kind, Uncertainty, aged, first_belief, members
from models.pinn_internal_state.bins import WIDTHS, Samples, binned
from models.pinn_internal_state.filter import PASSES, Step, advance, locate
from models.pinn_internal_state.forward import Network
from models.pinn_internal_state.memory import carried
from models.pinn_internal_state.states import KELVIN, RATED, Block, FloatArray

#: Half width of a 90 % interval in standard deviations.
Z90 = 1.6448536269514722
#: Error of the network itself, calibrated on the validation seeds 2000 to 2011: fields of the negative and positive electrode
#: [mol/m3], margin [V].
FIELD_ERROR, MARGIN_ERROR = (8.0, 3.0), 0.0002
#: The same of the voltage. [V]
VOLTAGE_ERROR = 0.0003
#: Share of the voltage's misfit that the margin's error may have.
MISFIT_SHARE = 0.3
#: Doubt of the state of charge at the start: at rest, in mid-operation. [1]
SOC_DOUBT = {"rest": 0.03, "unknown": 0.08}
#: How much of the gradients of a cell in mid-operation a start may have.
RELAXED = {"rest": 0.003, "unknown": 1.5}


@dataclass(frozen=True)
class EstimatedHour:
    """What is estimated of B bins; each ``_half`` is half the width of the 90 % interval.

    Attributes
    ----------
    negative, positive : ndarray, shape (B, 20, 20)
        Concentration c(r, x) at the end of each bin, r from the centre, x from the negative collector. [mol/m3]
    negative_half, positive_half : ndarray, shape (B, 20, 20)
        [mol/m3]
    voltage, voltage_half : ndarray, shape (B,)
        Of the cell, what the sensor is off taken out; mean of the bin. [V]
    margin, margin_half : ndarray, shape (B,)
        To plating at the separator, mean of the bin. [V]
    soc, soc_half : ndarray, shape (B,)
        From the lithium in the negative electrode, at the end of the bin. [1]
    misfit : ndarray, shape (B,)
        Of the block: root mean square of measured minus reconstructed voltage. [V]
    """

    negative: FloatArray
    positive: FloatArray
    negative_half: FloatArray
    positive_half: FloatArray
    voltage: FloatArray
    voltage_half: FloatArray
    margin: FloatArray
    margin_half: FloatArray
    soc: FloatArray
    soc_half: FloatArray
    misfit: FloatArray


def estimate(
    current: FloatArray,
    voltage: FloatArray,
    temperature: FloatArray,
    seconds: FloatArray,
    network: Network,
    start: Literal["rest", "unknown"] | float = "unknown",
    uncertainty: Uncertainty = KNOWN,
    capacity: float = RATED,
    width: float = 5.0,
) -> EstimatedHour:
    """Estimate what happened inside a cell.

    Parameters
    ----------
    current, voltage, temperature : ndarray, shape (n,)
        Samples: positive on discharge [A], of one cell [V], [°C].
    seconds : ndarray, shape (n,)
        Times of the samples, the first one 0. [s]
    network : Network
        As `forward.open_network` gives it.
    start : {"rest", "unknown"} or float
        A cell at rest of unknown charge; a cell of which nothing is known; or the state of charge of a cell at rest.
    uncertainty : Uncertainty
        Of parameters and sensors.
    capacity : float
        [Ah]
    width : float
        Of a bin, one of `bins.WIDTHS`. [s]

    Returns
    -------
    EstimatedHour
        Of the whole bins. An estimate knows the voltage up to the end of its block of `bins.WIDTHS` bins, and none after it.
    """
    kind = Kind(network, capacity, uncertainty)
    time = np.rint(np.asarray(seconds) * 1000.0).astype(np.int64)
    samples = Samples(time, *(np.asarray(value, dtype=np.float64) for value in (current, voltage, temperature)))
    parts = [_fields(kind, step, block) for step, block in steps(kind, samples, start, width)]
    return EstimatedHour(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def steps(
    kind: Kind, samples: Samples, start: Literal["rest", "unknown"] | float, width: float
) -> Iterator[tuple[Step, Block]]:
    """Go through samples without a gap block by block."""
    count = WIDTHS[width]
    whole = int((samples.time[-1] - samples.time[0]) / 1000.0 // width)
    belief: Belief | None = None
    for first in range(0, whole, count):
        block = binned(samples, round(first * width * 1000), width, count, kind.capacity, kind.uncertainty.voltage_noise)
        again = belief is None
        if belief is None:
            belief = started(kind, block, start)
        belief = aged(kind, belief, float(block.seconds.sum()), block.doubt)
        step = advance(kind, belief, block, PASSES if again else 1)
        yield step, block
        belief = carried(kind.network, step.end)


def started(kind: Kind, block: Block, start: Literal["rest", "unknown"] | float, before: Belief | None = None) -> Belief:
    """Return what is believed before a first block."""
    celsius = float(block.temperature[block.filled][0]) - KELVIN
    if not isinstance(start, str):
        return first_belief(kind, float(start), 1e-4, RELAXED["rest"], celsius, before)
    return first_belief(kind, locate(kind, block, before), SOC_DOUBT[start], RELAXED[start], celsius, before)


def _fields(kind: Kind, step: Step, block: Block) -> tuple[FloatArray, ...]:
    """Run the corrected start again, for the fields of every bin."""
    filled, count = block.filled, len(block.seconds)
    states = members(step.start.centre, step.start.directions)
    found = kind.network.run(states, block, ("negative", "positive", "margin", "voltage"))
    voltage = (found["voltage"] - states[:, kind.network.layout.offsets][:, 1:])[:, filled]
    fields, halves = [], []
    for name, error in zip(("negative", "positive"), FIELD_ERROR, strict=True):
        values = found[name][:, filled]
        fields.append(values.mean(axis=0))
        halves.append(Z90 * np.hypot(values.std(axis=0), error))
    mean_soc = _soc(kind, found["negative"][:, filled])
    margin = found["margin"][:, filled]
    misfit = np.full(count, step.misfit)[filled]
    return (
        *fields, *halves, voltage.mean(axis=0), Z90 * np.hypot(voltage.std(axis=0), VOLTAGE_ERROR),
        margin.mean(axis=0), Z90 * np.hypot(margin.std(axis=0), margin_error(step)),
        mean_soc.mean(axis=0), Z90 * mean_soc.std(axis=0), misfit,
    )  # fmt: skip


def margin_error(step: Step) -> float:
    """Return the standard deviation of the margin beyond the belief's [V]: what does not fit may be in the negative electrode."""
    return float(np.hypot(MARGIN_ERROR, MISFIT_SHARE * step.misfit))


def _soc(kind: Kind, field: FloatArray) -> FloatArray:
    """State of charge from c(r, x) of the negative electrode, shape (..., 20, 20)."""
    low, high = kind.windows()[0]
    volume = np.diff(np.linspace(0.0, 1.0, field.shape[-2] + 1) ** 3)
    return np.asarray(((field * volume[:, None]).sum(axis=-2).mean(axis=-1) - low) / (high - low))
