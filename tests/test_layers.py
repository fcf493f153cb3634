"""Who may import what, and what a start costs: nothing heavy before a command needs it, nothing of training in a run."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest

from tests.command import PROGRAM, brought_in, launch_file

HEAVY = {"numpy", "pandas", "pyarrow", "pint", "onnxruntime", "plotly", "sqlite3", "rich.progress", "torch", "pybamm", "dask"}
TRAINING = {"torch", "pybamm", "onnx", "altergo_sdk", "sklearn", "tensorflow"}


def loaded(code, cwd=PROGRAM):
    """Return the modules that are loaded after a piece of code ran in a fresh process."""
    code = f"import sys\nsys.path.insert(0, {str(PROGRAM)!r})\n{code}\nimport json\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stderr.splitlines()[-1]))


def run(*arguments):
    return f"from platform_interface.cli import main\nassert main({[str(argument) for argument in arguments]!r}) == 0"


def test_importing_the_public_face_loads_nothing_heavy():
    assert not loaded("import platform_interface") & {*HEAVY, "pydantic", "typer", "rich"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["ingest", "--help"]])
def test_help_and_version_load_nothing_heavy(arguments):
    assert not loaded(run(*arguments)) & HEAVY


def test_a_scheduled_run_loads_nothing_of_training(tmp_path):
    assert brought_in(tmp_path).returncode == 0
    every_plugin = {"store": str(tmp_path / "store"), "reports": str(tmp_path / "reports")}
    modules = loaded(run("run", launch_file(tmp_path, {"platform": every_plugin})), tmp_path)
    assert "models.eq_cycles.model" in modules
    assert "pandas" in modules
    assert not modules & TRAINING


def test_a_run_whose_units_are_of_daily_use_builds_no_unit_registry(tmp_path):
    assert brought_in(tmp_path).returncode == 0
    assert "pint" not in loaded(run("run", launch_file(tmp_path)), tmp_path)


def imports(path):
    """Return the modules that a file imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", sorted((PROGRAM / "models").rglob("*.py")), ids=lambda path: str(path.relative_to(PROGRAM)))
def test_a_model_imports_the_public_contract_only(path):
    ours = {module for module in imports(path) if module.split(".")[0] == "platform_interface"}
    assert ours <= {"platform_interface"}
    if path.name != "train.py":
        assert not {module.split(".")[0] for module in imports(path)} & TRAINING


@pytest.mark.parametrize(
    "path", sorted((PROGRAM / "platform_interface").rglob("*.py")), ids=lambda path: str(path.relative_to(PROGRAM))
)
def test_the_platform_layer_names_no_model(path):
    assert not {module for module in imports(path) if module.startswith("models.")}
    plugins = {folder.parent.name for folder in (PROGRAM / "models").glob("*/model.json")}
    words = {node.value for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Constant)}
    assert not words & plugins
    assert not {module.split(".")[0] for module in imports(path)} & TRAINING
