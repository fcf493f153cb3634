"""One cycle of an ageing test by a network: it finds its own end of discharge, end of charge and current of the hold.

Nothing of the truth enters: the network is given a current and says a voltage, and the protocol is closed around that voltage.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from training.pinn import ageing_protocol as protocol
from training.pinn import mesh
from training.pinn.ageing_protocol import Condition

WEIGHTS = protocol.KEPT.with_name("weights.onnx")
#: The network works on blocks of this many bins.
BLOCK = 24
#: Residual of Butler-Volmer from which a block is taken in halves; 1C is a flux of 1.5. [A/m2]
DOUBT = 0.3
STATES = ("negative0", "positive0", "electrolyte0")
State = dict[str, np.ndarray]


def bins(total: float, longest: float, first: float = 2.0, growth: float = 1.25) -> np.ndarray:
    """Lengths of bins that start short, grow to `longest` and fill `total`. [s]"""
    lengths, passed, length = [], 0.0, first
    while passed < total - 1e-9:
        lengths.append(min(length, total - passed))
        passed, length = passed + lengths[-1], min(length * growth, longest)
    return np.array(lengths)


def crossing(seconds: np.ndarray, values: np.ndarray, level: float) -> float | None:
    """Time at which means of bins pass a level, their straight line through the middles taken; None when they do not. [s]"""
    middle = np.cumsum(seconds) - seconds / 2
    beyond = np.flatnonzero((values[1:] - level) * (values[0] - level) <= 0)
    if not len(beyond):
        return None
    index = int(beyond[0])
    share = (level - values[index]) / (values[index + 1] - values[index])
    return float(middle[index] + share * (middle[index + 1] - middle[index]))


def cut(seconds: np.ndarray, until: float) -> np.ndarray:
    """Bins that end at `until`; what is later has no length."""
    ends = np.cumsum(seconds)
    return np.clip(until - (ends - seconds), 0.0, seconds)


class Forward:
    """A network at one temperature, on ONNX or, without a file, its untrained physics on torch.

    Parameters
    ----------
    path : Path, optional
        An exported network; None runs `sweeps` plain corrector sweeps and nothing learned.

    Attributes
    ----------
    parameters : ndarray, shape (10,)
        As the network takes them (:mod:`training.pinn.export`); zeros are the nominal cell.
    """

    def __init__(self, path: Path | None = WEIGHTS, sweeps: int = 12) -> None:
        self.cell = protocol.cell()
        self.parameters = np.zeros(10)
        self.uniform = mesh.particle_modes().project.sum(1)
        if path is None:
            self._torch(sweeps)
        else:
            self._onnx(path)

    def _torch(self, sweeps: int) -> None:
        import torch

        from training.pinn.network import Config, Network

        torch.set_num_threads(1)
        network = Network(Config(sweeps=sweeps, further=0, learned=False)).eval()
        self.nodes, self.modes, self.name = network.config.nodes, network.config.electrolyte_modes, f"physics, {sweeps} sweeps"
        order = ("current", "spread", "temperature", "seconds", "negative0", "positive0", "electrolyte0", "parameters")

        def call(names: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
            with torch.no_grad():
                found = network(*(torch.from_numpy(feed[name]) for name in order))
            return [found[name].numpy() for name in names]

        self._call, self.inputs = call, set(order)

    def _onnx(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        shapes = {one.name: one.shape for one in session.get_inputs()}
        self.nodes, self.modes, self.name = int(shapes["negative0"][2]), int(shapes["electrolyte0"][1]), path.name
        only = onnxruntime.RunOptions()
        only.add_run_config_entry("disable_synchronize_execution_providers", "1")
        only.only_execute_path_to_fetches = True
        self.inputs = set(shapes)
        self._call = lambda names, feed: session.run(names, feed, only)

    def rested(self, soc: float) -> State:
        """State of the fresh cell at rest."""
        state = {}
        for side, stoichiometry in zip(("negative", "positive"), protocol.stoichiometries(soc), strict=True):
            concentration = stoichiometry * self.cell[side]["largest"]
            state[f"{side}0"] = np.repeat((concentration * self.uniform)[:, None], self.nodes, axis=1)
        state["electrolyte0"] = mesh.electrolyte(self.cell, self.modes).modes.project @ np.full(60, 1000.0)
        return state

    def without(self, state: State, lost: float) -> State:
        """Take lithium out of the negative particles, alike everywhere; `lost` in Ah."""
        side = self.cell["negative"]
        volume = side["active"] * side["thickness"] * self.cell["area"]
        change = lost * 3600 / 96485.33212 / volume
        return {**state, "negative0": state["negative0"] - change * self.uniform[:, None]}

    def run(
        self, state: State, current: np.ndarray, seconds: np.ndarray, kelvin: float, resistance: float, names: list[str]
    ) -> list[Any]:
        """Run; `current` is (N,) or (B, N) [A]. Outputs come in float64, with B in front when it was given.

        A block of bins starts from the state at the end of the one before, as in the plugin: over a whole discharge at once the
        errors of the sweeps build up. Where they still do, at the steep end of a discharge, the network says so itself by the
        residual of its flux, and the block is taken in halves.
        """
        several = np.atleast_2d(current)
        state = {name: np.broadcast_to(value, (len(several), *value.shape)) for name, value in state.items()}
        parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
        ends = [*range(BLOCK, several.shape[1], BLOCK), several.shape[1]][::-1]
        first = 0
        while ends:
            where = slice(first, ends[-1])
            found = self._block(state, several[:, where], seconds[where], kelvin, resistance, names)
            if np.abs(found["residual"]).max() > DOUBT and ends[-1] - first > 1:
                ends.append((first + ends[-1]) // 2)
                continue
            first = ends.pop()
            state = {name: found[name[:-1] + "1"] for name in STATES}
            for name in names:
                parts[name].append(found[name])
        joined = [parts[name][-1] if name.endswith("1") else np.concatenate(parts[name], axis=1) for name in names]
        return joined if np.ndim(current) == 2 else [value[0] for value in joined]

    def _block(
        self, state: State, current: np.ndarray, seconds: np.ndarray, kelvin: float, resistance: float, names: list[str]
    ) -> dict[str, np.ndarray]:
        count = len(seconds)
        current, seconds = np.pad(current, ((0, 0), (0, BLOCK - count))), np.pad(seconds, (0, BLOCK - count))
        parameters = np.tile(self.parameters, (len(current), 1))
        parameters[:, 9] += resistance
        feed = {
            "current": current,
            "spread": np.zeros(current.shape),
            "temperature": np.full(current.shape, kelvin),
            "seconds": np.broadcast_to(seconds, current.shape),
            "parameters": parameters,
        } | state
        wanted = [*dict.fromkeys([*names, "residual", *(name[:-1] + "1" for name in STATES)])]
        found = self._call(wanted, {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in feed.items()})
        return {
            name: np.asarray(value if name.endswith("1") else value[:, :count], dtype=np.float64)
            for name, value in zip(wanted, found, strict=True)
        }


@dataclass
class Trace:
    """One cycle: lengths of bins (N,) [s], current (N,) [A], anode potential (N, X) [V], voltage (N,) [V], the electrolyte in the
    anode (N, X) [mol/m3], the state at its end, and the charge of its discharge [Ah]."""

    seconds: np.ndarray
    current: np.ndarray
    anode: np.ndarray
    voltage: np.ndarray
    electrolyte: np.ndarray
    state: State
    capacity: float


@dataclass
class Cycler:
    """Runs the cycles of a condition.

    Attributes
    ----------
    longest : float
        Longest bin of constant current; the hold's are twice as long. [s]
    """

    forward: Forward
    condition: Condition
    longest: float = 30.0
    tolerance: float = 5e-5
    _response: dict[int, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Prepare the way from the electrolyte's cells to the nodes."""
        self._from_cells = mesh.quadrature(self.forward.nodes).from_cells

    @property
    def kelvin(self) -> float:
        """Temperature of the cell. [K]"""
        return self.condition.temperature + 273.15

    def _phase(self, state: State, current: np.ndarray, seconds: np.ndarray, resistance: float) -> Trace:
        names = ["anode", "voltage", "electrolyte", "negative1", "positive1", "electrolyte1"]
        anode, voltage, liquid, *ends = self.forward.run(state, current, seconds, self.kelvin, resistance, names)
        after = dict(zip(("negative0", "positive0", "electrolyte0"), ends, strict=True))
        some = seconds > 0
        liquid = liquid[:, :20] @ self._from_cells.T
        liquid = (liquid + np.concatenate([liquid[:1], liquid[:-1]])) / 2  # of the bin, from its ends
        return Trace(
            seconds[some],
            current[some],
            anode[some],
            voltage[some],
            liquid[some],
            after,
            float((current * seconds).sum()) / 3600,
        )

    def constant(self, state: State, ampere: float, level: float, most: float, resistance: float) -> Trace:
        """Constant current until a voltage, or for `most` seconds."""
        grid, until = bins(most, self.longest), None
        for around in (4 * self.longest, None):
            (voltage,) = self.forward.run(state, np.full(len(grid), ampere), grid, self.kelvin, resistance, ["voltage"])
            until = crossing(grid, voltage, level)
            if until is None or around is None:
                break
            early = bins(max(until - around, 2.0), self.longest)
            grid = np.concatenate([early, np.full(int(min(2 * around, most - early.sum()) / 5) + 1, 5.0)])
        seconds = cut(grid, most if until is None else min(until, most))
        return self._phase(state, np.full(len(grid), ampere), seconds, resistance)

    def hold(self, state: State, level: float, ampere: float, resistance: float, most: float = 5400.0) -> Trace:
        """Constant voltage until the current has fallen to C/20."""
        while most < 1e5:
            seconds = bins(most, 2 * self.longest, 2.0, 1.12)
            current, until = self._held(state, level, ampere, resistance, seconds)
            if until is not None:
                return self._phase(state, current, cut(seconds, until), resistance)
            most *= 1.6
        raise RuntimeError(f"the hold at {level} V does not fall to C/20 within {most / 3600:.0f} h")

    def _held(
        self, state: State, level: float, ampere: float, resistance: float, seconds: np.ndarray
    ) -> tuple[np.ndarray, float | None]:
        """Current of every bin at a held voltage, and when it has fallen to C/20: Newton steps on all bins at once.

        Later bins are not waited for: once the current is under C/20 they would only overcharge. Neither is a bin that still takes
        the charge's current below the voltage, which happens where the charge ended a fraction of a millivolt early.
        """
        middle, error = np.cumsum(seconds) - seconds / 2, np.inf
        current, until = ampere * np.exp(-middle / 1000.0), None
        for attempt in range(40):
            (voltage,) = self.forward.run(state, current, seconds, self.kelvin, resistance, ["voltage"])
            until = crossing(seconds, current, -protocol.TAPER * protocol.NOMINAL)
            looked_at = middle < (np.inf if until is None else until + 4 * self.longest)
            free = (current > ampere) | (voltage > level)
            error = np.abs(voltage - level)[looked_at & free].max(initial=0.0)
            if error < self.tolerance:
                return current, until
            if attempt % 10 == 9:
                self._response.pop(len(seconds), None)  # of another cycle, and too far from this one
            slope = self._slope(state, current, seconds) - resistance * np.eye(len(seconds))
            # a guess that overcharges is far from linear: small steps, and no current that a hold cannot have
            change = np.linalg.solve(slope[np.ix_(free, free)], np.clip(level - voltage[free], -0.03, 0.03))
            current[free] = np.clip(current[free] + change, ampere, 0.0)
        raise RuntimeError(f"the hold at {level} V did not settle: {error * 1e3:.2f} mV are left")

    def _slope(self, state: State, current: np.ndarray, seconds: np.ndarray) -> np.ndarray:
        """Voltage of every bin by the current of every bin, without the film: by differences, once for a grid. [V/A]"""
        count = len(seconds)
        if count not in self._response:
            step, columns = 0.02, []
            (base,) = self.forward.run(state, current, seconds, self.kelvin, 0.0, ["voltage"])
            for first in range(0, count, 24):
                chosen = np.arange(first, min(first + 24, count))
                changed = np.repeat(current[None], len(chosen), axis=0)
                changed[np.arange(len(chosen)), chosen] += step
                (voltage,) = self.forward.run(state, changed, seconds, self.kelvin, 0.0, ["voltage"])
                columns.append((voltage - base) / step)
            self._response[count] = np.concatenate(columns).T
        return self._response[count]

    def cycle(self, state: State, resistance: float) -> Trace:
        """Discharge, charge, hold; from the window's top to its top."""
        here, rate = self.condition, protocol.NOMINAL / 3600
        down = self.constant(state, protocol.NOMINAL * protocol.DISCHARGE, protocol.LOWEST, here.discharge / rate, resistance)
        most = 1.1 * down.capacity * 3600 / (protocol.NOMINAL * protocol.CHARGE) + 600
        up = self.constant(down.state, -protocol.NOMINAL * protocol.CHARGE, here.charge_voltage, most, resistance)
        rest = self.hold(up.state, here.charge_voltage, -protocol.NOMINAL * protocol.CHARGE, resistance)
        parts = (down, up, rest)
        joined = [
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("seconds", "current", "anode", "voltage", "electrolyte")
        ]
        return Trace(*joined, rest.state, down.capacity)
