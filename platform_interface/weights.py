"""Weights of a plugin: ONNX only, checked against the SHA-256 that its manifest states. Nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from platform_interface.errors import UsageError
from platform_interface.spelling import did_you_mean

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\.onnx")
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: Files that run code when they are read, or that no scheduled run reads.
REFUSED = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".h5", ".keras", ".npy", ".npz", ".bin", ".safetensors", ".pb",
           ".mat")  # fmt: skip


def fault_of_name(name: str) -> str | None:
    """Say why a file may not hold weights; ``None`` when it may."""
    if _NAME.fullmatch(name):
        return None
    if "/" in name or "\\" in name or ".." in name:
        return f"'{name}' is a path; weights lie in the plugin's own folder"
    return f"'{name}' is not an ONNX file; weights are .onnx only, because reading most other forms runs code"


def fault_of_digest(digest: str) -> str | None:
    """Say why a text is not a SHA-256; ``None`` when it is."""
    return None if _SHA256.fullmatch(digest) else f"'{digest}' is not a SHA-256: 64 digits 0-9 a-f"


def read_weights(folder: Path, name: str, stated: Mapping[str, str]) -> bytes:
    """Return the content of a plugin's weights, if it is what the manifest states.

    Parameters
    ----------
    folder : Path
        The plugin's folder.
    name : str
        File name.
    stated : mapping
        SHA-256 by file name, the manifest's `weights`.

    Raises
    ------
    UsageError
        The manifest does not name the file, or it is not there, not in the folder, or not what was stated.
    """
    where = f"models/{folder.name}"
    if name not in stated:
        hint = did_you_mean(name, stated)
        raise UsageError(
            f"{where}: the weights '{name}' are not in model.json{hint} Name the file with its SHA-256 under `weights`."
        )
    fault = fault_of_name(name) or fault_of_digest(stated[name])
    if fault:
        raise UsageError(f"{where}: weights: {fault}")
    path = folder / name
    if path.is_symlink() or path.resolve().parent != folder.resolve():
        raise UsageError(f"{where}: the weights {name} are a link; put the file itself into the folder")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{where}: the weights {name} cannot be read: {error.strerror}. Put the file into the folder."
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != stated[name]:
        raise UsageError(
            f"{where}: the weights {name} have the SHA-256 {found}, and model.json states {stated[name]}. They were changed or "
            "not copied whole: take the file and the manifest from one release."
        )
    return content


def faults_of_folder(folder: Path, stated: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the weights of a folder, those included that nobody stated."""
    faults = []
    for name in stated:
        try:
            read_weights(folder, name, stated)
        except UsageError as error:
            faults.append(str(error))
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        where = f"models/{folder.name}/{path.name}"
        if path.suffix.lower() in REFUSED:
            faults.append(f"{where}: is never read, because reading such a file may run code; export it to ONNX")
        elif path.suffix.lower() == ".onnx" and path.name not in stated:
            faults.append(f'{where}: is not stated in model.json; add "weights": {{"{path.name}": "<its SHA-256>"}}')
    return faults
