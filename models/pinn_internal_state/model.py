"""The plugin's one class: takes a window, carries the state, names what it could not compute.

Equations, ranges of validity and references are in this folder's README.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from models.pinn_internal_state import figures, sei
from models.pinn_internal_state.belief import Kind, Uncertainty, aged
from models.pinn_internal_state.bins import WIDTHS, Samples, TimeArray, binned, stretches, width_for
from models.pinn_internal_state.estimate import started
from models.pinn_internal_state.figures import Figure
from models.pinn_internal_state.filter import PASSES, Step, advance
from models.pinn_internal_state.forward import DivergedError, open_network
from models.pinn_internal_state.memory import Memory, carried, recall
from models.pinn_internal_state.states import KELVIN, Block, FloatArray, read_cell
from platform_interface import Model, ModelError, ModelInput, register_model

#: Range that the network was made for: temperature [°C], current over the capacity [1/h].
COLDEST, WARMEST, LARGEST = -20.0, 65.0, 3.5
#: Codes of `status`.
ESTIMATED, STARTING, BLIND, OUTSIDE, TOO_LARGE, STRANGE, LOST = range(7)
#: Share of a block's bins that it must have.
LEAST = 1.0 / 3.0
#: After so many blocks in a row that did not fit, what was learned of the parameters is forgotten.
PATIENCE = 3
#: Constant error of the anode's potential that the SEI's interval reckons with. [V]
POTENTIAL_BIAS = 0.003
ALARM = "lithium plating"

Row = tuple[int, Any]


@register_model("pinn_internal_state")
class InternalState(Model):
    """Lithium profiles, plating margin and SEI, by the network and an ensemble filter."""

    def process(self, data: ModelInput) -> dict[str, Any]:
        """Close the blocks that are over, and keep the samples of the open one.

        Raises
        ------
        ModelError
            Chemistry, capacity or number of cells are not what the network can be used for.
        """
        kind, series = self._kind(data), _cells(data["cells_in_series"])
        memory = recall(kind.network, self.state)
        new: pd.Series[float] = data["current"]
        voltage = _values(data["voltage"]) / series
        fresh = Samples(_milliseconds(new), _values(new), voltage, _values(data["temperature"]))
        self._rows: dict[str, list[Row]] = {}
        self._refused: dict[int, int] = {}
        limit = round(1000 * data.max_gap["current"])
        samples = fresh.after(memory.samples)
        if self.config["bin"]:
            memory.width = float(self.config["bin"])
        elif memory.width is None:
            chosen = width_for(samples, limit)
            if chosen is not None:  # what came before is given up, so that no block is closed in a window that is over
                memory.width, samples = chosen[0], samples.part(chosen[1], len(samples))
        if memory.width is None:
            memory.samples = samples
        else:
            _check_width(memory.width)
            self._blocks(kind, memory, samples, limit)
        self._say(memory)
        self.state = memory.to_state()
        return self._outputs()

    def _kind(self, data: ModelInput) -> Kind:
        if data["chemistry"] not in ("NMC", "NMC811"):
            raise ModelError(
                f"chemistry is {data['chemistry']}; the network knows NMC811 with graphite and SiOx (LG M50), and nothing else. "
                "Train it for this cell: documentation/how-to/train-pinn.md."
            )
        get = self.config.__getitem__
        solid, exchange, liquid = get("diffusivity_sigma"), get("exchange_sigma"), get("electrolyte_sigma")
        doubt = Uncertainty(
            parameters={
                "area": get("capacity_sigma"),
                "negative_diffusivity": solid,
                "positive_diffusivity": solid,
                "negative_exchange": exchange,
                "positive_exchange": exchange,
                "electrolyte_diffusivity": liquid,
                "electrolyte_conductivity": liquid,
                "negative_loading": get("loading_sigma"),
                "positive_loading": get("loading_sigma"),
                "series_resistance": get("resistance_sigma"),
            },
            balance=get("balance_sigma"),
            current_offset=get("current_offset_sigma"),
            voltage_offset=get("voltage_offset_sigma"),
            voltage_noise=get("voltage_noise"),
            voltage_error=get("voltage_error"),
            voltage_error_per_rate=get("voltage_error_per_rate"),
            walk=get("parameter_walk"),
            surest=get("parameter_floor"),
        )
        network = open_network(self.weights("weights.onnx"), self.weights("thorough.onnx"))
        return Kind(network, float(data["capacity"]), doubt, float(data.get("lithium_shift") or 0.0))

    def _blocks(self, kind: Kind, memory: Memory, samples: Samples, limit: int) -> None:
        """Go through the blocks that a later sample has closed."""
        assert memory.width is not None
        count = WIDTHS[memory.width]
        length = round(memory.width * 1000) * count
        opened = 0
        for low, high, closed, joined in stretches(samples.time, length, min(limit, length // 2), memory.joined):
            opened = low
            if not closed:
                break
            if not joined:
                memory.before, memory.belief = memory.belief or memory.before, None
                memory.joined = False
                continue
            memory.joined = True
            first = int(samples.time[high - 1]) // length * length
            block = binned(
                samples.part(low, high + 1), first, memory.width, count, kind.capacity, kind.uncertainty.voltage_noise
            )
            stamp = int(samples.time[high])
            status = _status(kind, block, samples.part(low, high))
            if status == ESTIMATED:
                status = self._estimate(kind, memory, block, stamp)
            else:
                memory.before, memory.belief = memory.belief or memory.before, None
            self._refused[status] = self._refused.get(status, 0) + 1
            self._row("status", stamp, float(status))
        memory.samples = samples.part(opened, len(samples))

    def _estimate(self, kind: Kind, memory: Memory, block: Block, stamp: int) -> int:
        """Take a block in, and give its figures at the first sample after it."""
        step = _advanced(kind, memory, block)
        if step is None or step.misfit > self.config["misfit_limit"]:
            memory.misfits += 1
            memory.before = (memory.belief or memory.before) if memory.misfits < PATIENCE else None
            memory.belief = None
            return LOST if step is None else STRANGE
        memory.misfits = 0
        memory.belief = carried(kind.network, step.end)
        for name, figure in figures.profiles(kind, memory.belief).items():
            renamed = name.replace("stoichiometry", "surface_stoichiometry")
            self._give(renamed, stamp, figure)
        self._give("soc", stamp, figures.charge(kind, memory.belief))
        margin, place = figures.plating(kind, step, block)
        self._give("plating_margin", stamp, Figure(margin.value * 1e3, margin.half * 1e3))
        self._row("plating_margin_position", stamp, place)
        self._warn(memory, margin, stamp)
        self._film(kind, memory, step, block, stamp)
        seen = figures.voltages(step, block)
        if seen is not None:
            self._row("voltage_measured", stamp, seen[0])
            self._give("voltage_reconstructed", stamp, seen[1])
            self._give("voltage_residual", stamp, Figure(seen[2].value * 1e3, seen[2].half * 1e3))
        return ESTIMATED

    def _film(self, kind: Kind, memory: Memory, step: Step, block: Block, stamp: int) -> None:
        """Grow the SEI on the anode's potential."""
        film = sei.with_factor(sei.Film(), self.config["sei_rate_factor"], self.config["sei_rate_sigma"])
        side = read_cell()["negative"]
        area = read_cell()["area"] * float(np.exp(step.end.centre[kind.network.layout.parameters][0]))
        nodes = kind.network.layout.nodes
        electrode = sei.Electrode.of(side["thickness"], side["active"], side["radius"], area, nodes)
        _, memory.thickness = sei.grow(film, memory.thickness, step.anode, block.temperature, block.seconds)
        first = np.full(nodes, film.first_thickness)
        kelvin = float(block.temperature[block.filled].mean())
        bounds = sei.interval(film, memory.thickness, first, kelvin, POTENTIAL_BIAS)
        for part, thickness in zip(("", "_lower", "_upper"), (memory.thickness, *bounds), strict=True):
            self._row(f"sei_thickness{part}", stamp, float(thickness @ electrode.weights) * 1e9)
            self._row(f"lithium_lost{part}", stamp, float(sei.lithium_lost(film, electrode, thickness)))

    def _warn(self, memory: Memory, margin: Figure, stamp: int) -> None:
        """Raise an alarm while the whole interval is below 0, and clear it when the estimate is above."""
        value, high = 1e3 * float(margin.value), 1e3 * float(margin.upper)
        at = pd.Timestamp(stamp, unit="ms", tz="UTC")
        if memory.alarm is None and high < 0:
            memory.alarm = stamp
        elif memory.alarm is None or value < 0:
            return
        start = pd.Timestamp(memory.alarm, unit="ms", tz="UTC")
        if high < 0:
            text = (
                f"Lithium may plate: the negative electrode went to {value:.0f} mV against lithium (90 % interval up to {high:.0f} mV). "
                "Charge more slowly, or warmer."
            )
            self.alarm(ALARM, start, text, "warning")
        else:
            text = f"Lithium may have plated; the margin is {value:.0f} mV again. Charge more slowly, or warmer."
            self.alarm(ALARM, start, text, "warning", at)
            memory.alarm = None

    def _give(self, name: str, stamp: int, figure: Figure) -> None:
        self._row(name, stamp, figure.value)
        if np.ndim(figure.value):
            self._row(f"{name}_interval", stamp, figure.half)
        else:
            self._row(f"{name}_lower", stamp, figure.lower)
            self._row(f"{name}_upper", stamp, figure.upper)

    def _row(self, name: str, stamp: int, value: Any) -> None:
        self._rows.setdefault(name, []).append((stamp, value))

    def _say(self, memory: Memory) -> None:
        """Say what was not estimated, and what would help."""
        if memory.width is None:
            self.refuse("soc", "fewer than eleven intervals of samples so far; wait, or set models.pinn_internal_state bin.")
        if not set(self._refused) <= {ESTIMATED}:
            for code, count in sorted(self._refused.items()):
                if code != ESTIMATED:
                    self.note(f"{count} of {sum(self._refused.values())} blocks not estimated: {REMEDIES[code]}")

    def _outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, rows in self._rows.items():
            index = pd.DatetimeIndex(np.array([time for time, _ in rows], dtype="M8[ms]")).tz_localize("UTC")
            values = np.array([value for _, value in rows], dtype=np.float64)
            found[name] = pd.Series(values, index) if values.ndim == 1 else pd.DataFrame(values, index)
        return found


REMEDIES = {
    STARTING: "too little of them was logged. Log without gaps, or raise max_gap of 'current' where a silent logger means no change.",
    BLIND: "no voltage or no temperature. Map sensors that report at least every minute (voltage) and every ten (temperature).",
    OUTSIDE: f"temperature outside {COLDEST:g} to {WARMEST:g} °C, for which the network was not made. Check the sensor's unit.",
    TOO_LARGE: f"current above {LARGEST:g} times the capacity per hour. Check 'Capacity' and the current's unit.",
    STRANGE: (
        "the voltage is not that of the cell the network knows (LG M50, NMC811 with graphite and SiOx). Check 'Capacity', "
        "'Cells in series', the sign of the current and 'Lithium Shift'; for another cell train the network (how-to/train-pinn.md)."
    ),
    LOST: (
        "the network could not follow them; near an empty or an overfull electrode it does not always. The next block starts anew. "
        "If it is many, check as for a voltage that does not fit: 'Capacity', 'Cells in series', the sign of the current."
    ),
}


def _advanced(kind: Kind, memory: Memory, block: Block) -> Step | None:
    """Take a block's voltage in; ``None`` where the network cannot follow."""
    try:
        again = memory.belief is None
        belief = started(kind, block, "unknown", memory.before) if memory.belief is None else memory.belief
        belief = aged(kind, belief, float(block.seconds.sum()), block.doubt)
        return advance(kind, belief, block, PASSES if again else 1)
    except DivergedError:
        return None


def _status(kind: Kind, block: Block, samples: Samples) -> int:
    """Return whether a block can be estimated, or why not."""
    filled = block.filled
    if filled.sum() < LEAST * len(filled):
        return STARTING
    if not np.isfinite(samples.temperature).any() or not (block.noise[filled] < 1.0).any():
        return BLIND
    celsius = block.temperature[filled] - KELVIN
    if celsius.min() < COLDEST or celsius.max() > WARMEST:
        return OUTSIDE
    rate = np.abs(samples.current).max() / kind.capacity
    return TOO_LARGE if rate > LARGEST else ESTIMATED


def _check_width(width: float) -> None:
    if width not in WIDTHS:
        known = ", ".join(f"{one:g}" for one in WIDTHS)
        raise ModelError(f"bin is {width:g} s; it must be one of {known} s, or 0 for one by the first samples.")


def _cells(value: float) -> int:
    if value < 1.0 or abs(value - round(value)) > 1e-9:
        raise ModelError(f"cells_in_series is {value}, not a whole number. Set the asset's 'Cells in series' on the platform.")
    return round(value)


def _milliseconds(series: pd.Series[float]) -> TimeArray:
    return np.asarray(pd.DatetimeIndex(series.index).as_unit("ms").asi8, dtype=np.int64)


def _values(series: pd.Series[float]) -> FloatArray:
    return np.ascontiguousarray(series.to_numpy(dtype=np.float64))
