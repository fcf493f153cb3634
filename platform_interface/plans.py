"""The enabled plugins, and what each does on one asset; in the order in which they depend on one another."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from platform_interface import units
from platform_interface.errors import TwinError, UsageError
from platform_interface.launch import program_folder
from platform_interface.log import LOGGER
from platform_interface.manifest import Manifest, discover, read_manifest
from platform_interface.mapping import Mapper, Plan, output_names, wanted_by
from platform_interface.model import Model, registered
from platform_interface.platforms.base import Asset, Sensor
from platform_interface.settings import ModelSettings, Settings
from platform_interface.spelling import did_you_mean
from platform_interface.weights import read_weights

if TYPE_CHECKING:
    from platform_interface.run import Job


@dataclass(frozen=True)
class Prepared:
    """Enabled plugins whose manifest and code could be read, in dependency order; and those that could not."""

    manifests: Mapping[str, Manifest] = field(default_factory=dict)
    classes: Mapping[str, type[Model]] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)


def plugin_folders(settings: Settings) -> list[Path]:
    """Return the folders that are looked in for plugins, `models/` first."""
    return [program_folder() / "models", *(settings.folder(name) for name in settings.execution.plugin_folders)]


def prepare_models(settings: Settings, code: bool = True) -> Prepared:
    """Read the manifests of the enabled plugins, check every name in the settings, import their code.

    Parameters
    ----------
    code : bool
        Whether the code is imported; a page needs the manifests only.

    Raises
    ------
    UsageError
        Names in the settings that no plugin has, two writers of one series, or a circle of dependencies.
    """
    folders = discover(plugin_folders(settings))
    wanted = settings.execution.enabled_models or sorted(folders)
    faults = [
        f"parameters.execution.enabled_models: '{name}' is not a plugin{did_you_mean(name, folders)}"
        for name in wanted
        if name not in folders
    ]
    faults += [
        f"parameters.models.{name}: is not a plugin{did_you_mean(name, folders)}"
        for name in settings.models
        if name not in folders
    ]
    manifests, broken = _read([name for name in dict.fromkeys(wanted) if name in folders], folders)
    for name, manifest in manifests.items():
        faults += _settings_faults(manifest, settings.models.get(name, ModelSettings()))
    faults += _writer_faults(manifests, settings)
    if faults:
        raise UsageError("settings.json", faults)
    ordered = _in_order(manifests, settings)
    classes: dict[str, type[Model]] = {}
    for name in ordered if code else ():
        try:
            for file in manifests[name].weights:
                read_weights(folders[name], file, manifests[name].weights)
            classes[name] = import_plugin(name, folders[name])
        except TwinError as error:
            broken[name] = str(error)
    good = {name: manifests[name] for name in ordered if not code or name in classes}
    return Prepared(good, classes, broken)


def readable_manifests(settings: Settings) -> list[Manifest]:
    """Return the manifests of all plugins; one that cannot be read is named and left out."""
    folders = discover(plugin_folders(settings))
    manifests, broken = _read(folders, folders)
    for reason in broken.values():
        LOGGER.warning("%s", reason)
    return list(manifests.values())


def _read(names: Iterable[str], folders: Mapping[str, Path]) -> tuple[dict[str, Manifest], dict[str, str]]:
    manifests, broken = {}, {}
    for name in names:
        try:
            manifests[name] = read_manifest(folders[name])
        except UsageError as error:
            broken[name] = str(error)
    return manifests, broken


def import_plugin(name: str, folder: Path) -> type[Model]:
    """Import a plugin as ``models.<name>`` and return the class that it registers.

    Raises
    ------
    UsageError
        The code cannot be imported, or registers nothing under the folder's name.
    """
    if str(program_folder()) not in sys.path:
        sys.path.insert(0, str(program_folder()))
    try:
        package = plugin_package(name, folder)
        for module in ("model", f"{name}_model"):
            if (folder / f"{module}.py").exists():
                importlib.import_module(f"{package.__name__}.{module}")
    except (Exception, SystemExit) as error:  # a plugin that cannot be imported must not stop the others
        raise UsageError(f"models/{name} cannot be imported: {type(error).__name__}: {error}") from None
    return registered(name)


def plugin_package(name: str, folder: Path) -> ModuleType:
    """Import the very folder whose manifest was read, whatever else is called so."""
    full = f"models.{name}"
    if folder.parent == program_folder() / "models":
        return importlib.import_module(full)
    known = sys.modules.get(full)
    if known is not None and list(known.__path__) == [str(folder)]:
        return known
    start = folder / "__init__.py"
    spec = importlib.util.spec_from_file_location(
        full, start if start.exists() else None, submodule_search_locations=[str(folder)]
    )
    if spec is None:
        spec = importlib.machinery.ModuleSpec(full, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
    module = importlib.util.module_from_spec(spec)
    for stale in [each for each in sys.modules if each == full or each.startswith(f"{full}.")]:
        del sys.modules[stale]
    sys.modules[full] = module
    if spec.loader is not None:
        spec.loader.exec_module(module)
    return module


def _settings_faults(manifest: Manifest, settings: ModelSettings) -> list[str]:
    where = f"parameters.models.{manifest.name}"
    faults = []
    for block, given, known in (
        ("inputs", settings.inputs, manifest.inputs),
        ("outputs", settings.outputs, manifest.outputs),
        ("configuration", settings.configuration, manifest.configuration),
    ):
        faults += [
            f"{where}.{block}.{name}: models/{manifest.name}/model.json has no such name{did_you_mean(name, known)}"
            for name in given
            if name not in known
        ]
    for name, value in settings.configuration.items():
        fault = manifest.configuration[name].fault_of(value) if name in manifest.configuration else None
        if fault:
            faults.append(f"{where}.configuration.{name}: {fault}")
    return faults


def _writer_faults(manifests: Mapping[str, Manifest], settings: Settings) -> list[str]:
    writers: dict[str, str] = {}
    faults = []
    for name, manifest in manifests.items():
        for output, series in output_names(manifest, settings.models.get(name, ModelSettings())).items():
            if series in writers:
                faults.append(
                    f"parameters.models.{name}.outputs.{output}: '{series}' is written by {writers[series]} too; give one another name"
                )
            writers[series] = f"{name}.{output}"
    return faults


def _producers(manifests: Mapping[str, Manifest], settings: Settings) -> dict[str, tuple[str, str]]:
    """Return model and output, by the name of the series that they write."""
    return {
        series: (name, output)
        for name, manifest in manifests.items()
        for output, series in output_names(manifest, settings.models.get(name, ModelSettings())).items()
    }


def _in_order(manifests: Mapping[str, Manifest], settings: Settings) -> list[str]:
    """Order models so that each comes after those whose outputs it reads."""
    from graphlib import CycleError, TopologicalSorter

    producers = _producers(manifests, settings)
    graph: dict[str, set[str]] = {}
    for name, manifest in manifests.items():
        given = settings.models.get(name, ModelSettings())
        read = [wanted_by(i, field, given) for i, field in manifest.inputs.items() if field.is_sensor]
        sources = {producers[str(r).removesuffix("|*")][0] for r in read if str(r).removesuffix("|*") in producers}
        graph[name] = sources - {name}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise UsageError(f"models depend on one another in a circle: {' -> '.join(error.args[1])}") from None


def plans_of(job: Job, asset: Asset) -> list[Plan]:
    """Resolve every model's inputs on one asset; a model whose producer refuses is refused with it."""
    settings, prepared = job.settings, job.models
    facts = settings.facts_of(asset.id)
    sensors = job.platform.sensors(asset.id)
    producers = _producers(prepared.manifests, settings)
    plans: dict[str, Plan] = {}
    for name, manifest in prepared.manifests.items():
        plan = Mapper(asset, sensors, facts, producers).plan(manifest, settings.models.get(name, ModelSettings()))
        faults = [*_series_faults(plan, asset, sensors), *_unit_faults(plan, prepared.manifests)]
        lost = {producer for producer, _ in plan.computed.values() if plans[producer].refusals}
        if lost:
            faults.append(f"it reads from {', '.join(sorted(lost))}, which refused")
        plans[name] = replace(plan, refusals=(*plan.refusals, *faults), unserved=plan.unserved and not faults)
    return list(plans.values())


def _series_faults(plan: Plan, asset: Asset, sensors: Mapping[str, Sensor]) -> list[str]:
    """Refuse to write where the site has a sensor: its samples could no longer be told from the model's."""
    measured = {name.rsplit("|", 1)[0] for name, sensor in sensors.items() if not sensor.output}
    return [
        f"output '{output}' is named '{series}', as a sensor of {asset.id} is; "
        f"set models.{plan.name}.outputs.{output} to another name."
        for output, series in plan.outputs.items()
        if series in measured
    ]


def _unit_faults(plan: Plan, manifests: Mapping[str, Manifest]) -> list[str]:
    """Refuse an input that reads another model's output of another quantity."""
    faults = []
    for name, (producer, output) in plan.computed.items():
        try:
            units.conversion(manifests[producer].outputs[output].unit, plan.manifest.inputs[name].unit)
        except ValueError as error:
            faults.append(f"input '{name}' reads output '{output}' of {producer}: {error}.")
    return faults
