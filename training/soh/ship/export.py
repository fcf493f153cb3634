"""Export of the estimator: to ONNX for `models/neural_soh`, to TorchScript for the hardware of a battery management system.

Both hold everything from features on: scaling, masks, networks, the history and the interval. Input ``charges`` (B, 8, 63), float32,
features of the last charges, oldest first, NaN where not seen or before the first charge; ``chemistry`` (B, 4), one-hot in the order
LFP, LCO, NCA, NMC. Outputs ``soh``, ``lower``, ``upper`` (B,), NaN where no charge is there.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch

from models.neural_soh.features import FEATURES
from training.soh.ship.history import LENGTH, Estimator
from training.soh.ship.network import CHEMISTRIES

INPUTS, OUTPUTS = ("charges", "chemistry"), ("soh", "lower", "upper")


def example(count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs of the right shape."""
    chance = torch.Generator().manual_seed(0)
    charges = torch.rand((count, LENGTH, len(FEATURES)), generator=chance)
    return charges, torch.eye(len(CHEMISTRIES))[torch.arange(count) % len(CHEMISTRIES)]


def to_onnx(estimator: Estimator, path: Path, about: Mapping[str, str]) -> str:
    """Write the estimator to one ONNX file, with what it is in its metadata, and return its SHA-256."""
    count = torch.export.Dim("count", min=1, max=65536)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            estimator.eval(),
            example(),
            dynamo=True,
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: count}, {0: count}),
            external_data=False,
            optimize=True,
            verbose=False,
            opset_version=18,
        )
    assert program is not None
    program.save(str(path), external_data=False)
    model = onnx.load(str(path))
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.value_info[:], model.graph.metadata_props[:], model.metadata_props[:]
    model.doc_string = ""
    onnx.helper.set_model_props(model, dict(about))
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def to_torchscript(estimator: Estimator, path: Path) -> None:
    """Write the same to a TorchScript file, which libtorch runs without Python."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have another format, which libtorch on small hardware cannot read
        torch.jit.freeze(torch.jit.trace(estimator.eval(), example(3))).save(str(path))  # type: ignore[no-untyped-call]


def from_torchscript(path: Path) -> torch.jit.ScriptModule:
    """Read such a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.load(str(path))  # type: ignore[no-untyped-call, no-any-return]
