"""`validate`: manifest and code of plugins, every fault at once. The tests' conformance suite goes further."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

from platform_interface.errors import TwinError, UsageError
from platform_interface.manifest import discover, read_manifest
from platform_interface.plans import import_plugin, plugin_folders
from platform_interface.settings import Settings
from platform_interface.spelling import did_you_mean
from platform_interface.weights import faults_of_folder

_OLD_PANDAS = {
    "fillna(method": "Series.fillna(method=...) is gone from pandas: use .ffill() or .bfill()",
    "freq='S'": "the frequency 'S' is gone from pandas: write 's'",
    'freq="S"': "the frequency 'S' is gone from pandas: write 's'",
    "freq='H'": "the frequency 'H' is gone from pandas: write 'h'",
    'freq="H"': "the frequency 'H' is gone from pandas: write 'h'",
    "freq='T'": "the frequency 'T' is gone from pandas: write 'min'",
    ".append(pd.": "Series.append is gone from pandas: use pd.concat",
    ".iteritems(": "iteritems is gone from pandas: use .items()",
}
_FORBIDDEN = ("torch", "pybamm", "altergo_sdk")


def validate_plugins(settings: Settings, names: Sequence[str]) -> dict[str, list[str]]:
    """Return the faults of each plugin; an empty list for a valid one.

    Raises
    ------
    UsageError
        A name is no plugin.
    """
    folders = discover(plugin_folders(settings))
    unknown = [f"'{name}' is not a plugin{did_you_mean(name, folders)}" for name in names if name not in folders]
    if unknown:
        raise UsageError("validate", unknown)
    return {name: _faults(name, folders[name]) for name in names or folders}


def _faults(name: str, folder: Path) -> list[str]:
    faults = []
    vendor = False
    try:
        manifest = read_manifest(folder)
        vendor = manifest.vendor
        faults += faults_of_folder(folder, manifest.weights)
    except UsageError as error:
        faults.append(str(error))
    needed = () if vendor else ("README.md", "__init__.py")
    faults += [f"models/{name}/{file} is missing" for file in needed if not (folder / file).exists()]
    for path in sorted(folder.glob("*.py")):
        if path.name != "train.py":
            faults += _code_faults(path, f"models/{name}/{path.name}")
    if not faults:
        try:
            import_plugin(name, folder)
        except TwinError as error:
            faults.append(str(error))
    return faults


def _code_faults(path: Path, where: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        return [f"{where}, line {error.lineno}: {error.msg}"]
    faults = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                faults += _import_fault(alias.name, set(), f"{where}, line {node.lineno}")
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = {alias.name for alias in node.names}
            faults += _import_fault(node.module or "", names, f"{where}, line {node.lineno}")
    for number, line in enumerate(text.splitlines(), 1):
        faults += [f"{where}, line {number}: {remedy}" for spelling, remedy in _OLD_PANDAS.items() if spelling in line]
    return faults


def _import_fault(module: str, names: set[str], where: str) -> list[str]:
    root = module.split(".")[0]
    if root == "altergo_sdk" and names and not names <= {"Model", "register_model"}:
        return [
            f"{where}: altergo_sdk is not here; leave this import out: entrypoint.py reads the launch and runs every plugin"
        ]
    if root == "altergo_sdk":
        return [f"{where}: change the import to `from platform_interface import Model, register_model`"]
    if root in _FORBIDDEN:
        return [f"{where}: imports {root}, which is for training only; a scheduled run has onnxruntime"]
    if root == "platform_interface" and module != "platform_interface":
        return [f"{where}: imports {module}; a plugin imports the public contract only: from platform_interface import ..."]
    return []
