"""Speed of the network of `pinn_internal_state`, and its ratio to PyBaMM's DFN in one process: ``python -m benchmarks.pinn``.

`make bench` takes `lines` too. The measuring is `training.pinn.speed`, in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks.processes import ROOT

WEIGHTS = ROOT / "models" / "pinn_internal_state" / "weights.onnx"
REPEATS = 200
Line = tuple[str, str, str, bool | None, str]


def measured(repeats: int = REPEATS) -> dict[str, Any]:
    """Return what `training.pinn.speed` prints."""
    call = [sys.executable, "-m", "training.pinn.speed", "--weights", str(WEIGHTS), "--repeats", str(repeats)]
    output = subprocess.run(call, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout
    found: dict[str, Any] = json.loads(output)
    return found


def lines(found: dict[str, Any] | None = None) -> list[Line]:
    """Return the lines of the table of `make bench`.

    Parameters
    ----------
    found : dict, optional
        What was measured; measured anew when not given.
    """
    found = found or measured()
    network = found["network"]
    median, least, cpu = (float(network["fields"][name]) for name in ("median", "least", "cpu"))
    load = f"load {found['load_before']} to {found['load_after']} on {found['cores']} cores"
    how = f"onnxruntime, 1 thread, {network['bins']} bins; median of {network['repeats']}, least {least:.1f} ms, CPU {cpu:.1f} ms; {load}"
    taken: list[Line] = [
        ("PINN: 1 h at 5 s, fields of both electrodes", f"{median:.1f} ms", "≤ 15 ms, aim 8", median <= 15, how)
    ]
    if "solver" not in found:
        left_out = (
            "left out: PyBaMM is not installed (requirements-train.txt), and a ratio of two machines or two runs says nothing"
        )
        return [*taken, ("PINN: IDAKLU DFN ÷ network, 1 Hz hour", "-", "≥ 500, aim 1000", None, left_out)]
    solver, ratio = found["solver"], float(found["ratio"])
    how = (
        f"CPU seconds, same process, same dynamic hour: DFN {solver['cpu']:.1f} s of solving (building the model left out; with it "
        f"{solver['first_call_cpu']:.1f} s) ÷ binning and network; the network takes 5 s bins, the DFN 1 Hz"
    )
    return [*taken, ("PINN: IDAKLU DFN ÷ network, 1 Hz hour", f"{ratio:.0f}", "≥ 500, aim 1000", ratio >= 500, how)]


if __name__ == "__main__":
    for line in lines():
        print(" | ".join(str(cell) for cell in line))
