"""The network as a function: states and inputs of a block in, voltages and states out.

The meaning of the modes is read off the graph itself, so that no second eigen-decomposition can disagree with it about a sign.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from models.pinn_internal_state.states import SALT, SHELLS, Basis, Block, FloatArray, Layout

#: What a run of the ensemble is asked for.
SCALARS = ("voltage", "margin_least", "residual", "negative1", "positive1", "electrolyte1")
#: Residual of Butler-Volmer above which a run is done again with more sweeps. [A/m2]
DOUBTED = 0.5


class DivergedError(ArithmeticError):
    """A state outside everything the network computes with: no answer, and no fault of the program."""


class Network:
    """An opened network.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        With the interface that this folder's README.md names.
    thorough : callable, optional
        Opens one with more sweeps and the same interface, for what the first does not settle: its first guess is learned, and a block
        that ends near empty may be unlike anything it was trained on. Called when it is needed.
    """

    def __init__(self, session: Any, thorough: Callable[[], Any] | None = None) -> None:
        self._session, self._open, self._thorough = session, thorough, None
        shapes = {given.name: given.shape for given in session.get_inputs()}
        self.layout = Layout(int(shapes["negative0"][2]), int(shapes["electrolyte0"][1]))
        self.basis = self._read_basis()

    def run(self, states: FloatArray, block: Block, names: Sequence[str] = SCALARS) -> dict[str, FloatArray]:
        """Run every state over a block; those that do not settle once more, thoroughly.

        Parameters
        ----------
        states : ndarray, shape (M, layout.size)
        block : Block
            N bins.
        names : sequence of str
            Outputs of the graph that are wanted.

        Returns
        -------
        dict of ndarray
            By name, the first dimension M.

        Raises
        ------
        DivergedError
            A state is outside everything the network computes with.
        """
        wanted = names if "residual" in names else (*names, "residual")
        result = self._run(self._session, states, block, wanted)
        lost = np.ones(len(states), bool) if result is None else _unsettled(result, block)
        if lost.any() and self._open is not None:
            self._thorough = self._thorough or self._open()
            again = self._run(self._thorough, states[lost], block, wanted)
            if again is not None:
                result = result or {name: np.empty((len(states), *value.shape[1:])) for name, value in again.items()}
                for name, value in again.items():
                    result[name][lost] = value
        if result is None or not all(np.isfinite(result[name]).all() for name in names):
            raise DivergedError("a state left the range that the network computes in")
        if "voltage" in result:
            result["voltage"] = result["voltage"] + states[:, self.layout.offsets][:, 1:]
        return {name: result[name] for name in names}

    def _run(self, session: Any, states: FloatArray, block: Block, names: Sequence[str]) -> dict[str, FloatArray] | None:
        """Run a graph; None where a concentration that is not a number has no place in one of its tables."""
        import onnxruntime
        from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

        layout = self.layout
        current = np.where(block.filled, block.current - states[:, layout.offsets][:, :1], 0.0)
        feed = {"current": current, "negative0": layout.electrode(states, 0), "positive0": layout.electrode(states, 1)}
        series = {"spread": block.spread, "temperature": block.temperature, "seconds": block.seconds}
        feed |= {name: np.broadcast_to(value, current.shape) for name, value in series.items()}
        feed |= {"electrolyte0": layout.electrolyte(states), "parameters": states[:, layout.parameters]}
        options = onnxruntime.RunOptions()
        options.only_execute_path_to_fetches = True
        options.log_severity_level = 4  # what goes wrong is raised; a line on stderr would come beside it
        inputs = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in feed.items()}
        try:
            found = session.run(list(names), inputs, options)
        except InvalidArgument:
            return None
        return {name: np.array(value, dtype=np.float64) for name, value in zip(names, found, strict=True)}

    def end(self, states: FloatArray, found: dict[str, FloatArray]) -> FloatArray:
        """Return the states after a block, from those before it and what :meth:`run` gave."""
        rest = states[:, self.layout.parameters.start :]
        return self.layout.join(found["negative1"], found["positive1"], found["electrolyte1"], rest)

    def _read_basis(self) -> Basis:
        layout = self.layout
        point, weight = np.polynomial.legendre.leggauss(layout.nodes)
        none = np.zeros(24)
        nothing = Block(none, none, none + 298.15, none, none, none + 1.0)
        states = np.zeros((1 + SHELLS, layout.size))
        layout.electrode(states, 0)[1:] = np.eye(SHELLS)[:, :, None] * 1000.0
        shells = self.run(states, nothing, ["negative"])["negative"][:, 0, :, 0]
        shells = (shells[1:] - shells[0]).T / 1000.0
        # the slowest mode of the electrolyte is uniform; the network holds every concentration above a floor
        trial = np.zeros((2, layout.size))
        layout.electrolyte(trial)[:, 0] = 10.0, -10.0
        seen = self.run(trial, nothing, ["electrolyte"])["electrolyte"][:, 0, 0]
        rested = np.zeros(layout.liquid)
        rested[0] = SALT / seen.max() * (10.0 if seen[0] > seen[1] else -10.0)
        probe = np.zeros((1 + layout.liquid, layout.size))
        layout.electrolyte(probe)[:] = np.concatenate([np.zeros((1, layout.liquid)), np.eye(layout.liquid)]) * 0.5 + rested
        liquid = self.run(probe, nothing, ["electrolyte"])["electrolyte"][:, 0]
        liquid = (liquid[1:] - liquid[0]).T / 0.5
        return Basis(shells, np.linalg.inv(shells), liquid, rested, (point + 1) / 2, weight / 2)


def _unsettled(result: dict[str, FloatArray], block: Block) -> npt.NDArray[np.bool_]:
    """Return which states have a large residual, or a value that is not a number."""
    settled = result["residual"][:, block.filled].max(axis=1, initial=0.0) < DOUBTED
    for value in result.values():
        settled &= np.isfinite(value.reshape(len(value), -1)).all(axis=1)
    return np.asarray(~settled)


@lru_cache(maxsize=2)
def open_network(content: bytes, thorough: bytes | None = None) -> Network:
    """Open a network on one thread.

    Parameters
    ----------
    content : bytes
        Of the ONNX file.
    thorough : bytes, optional
        Of one with more sweeps.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3

    def opened(file: bytes) -> Any:
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    return Network(opened(content), None if thorough is None else lambda: opened(thorough))
