"""Arguments + `settings.json` -> frozen `Settings`.

Weakest first: manifest defaults < settings.json (`valueDev` beats `default` only in a local run)
< values sent by the platform < `configurationValues` of the dev-parameters file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from platform_interface.checked import Checked, Range
from platform_interface.errors import UsageError
from platform_interface.launch import Launch, program_folder
from platform_interface.manifest import Unit
from platform_interface.spelling import did_you_mean, faults_of
from platform_interface.strict_json import parse
from platform_interface.vendor import settings_file
from platform_interface.when import Seconds, instant

TOP_LEVEL = ("name", "version", "main", "type", "category", "description", "parameters", "$schema")


def _names(value: Any) -> Any:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _date(value: Any) -> Any:
    if value in ("", None):
        return None
    return instant(value) if isinstance(value, str) else value


def _zone(value: Any) -> Any:
    from zoneinfo import ZoneInfo, available_timezones

    if isinstance(value, str):
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            hint = did_you_mean(value, available_timezones())
            raise ValueError(f"'{value}' is not an IANA time zone{hint}") from None
    return value


class Execution(Checked):
    """What is computed, and over which time."""

    enabled_models: Annotated[list[str], BeforeValidator(_names)] = Field(
        default_factory=list, description="Models to run: a list, or words with commas. Empty: every plugin there is."
    )
    compute_type: Literal["incremental", "full", "manual"] = Field(
        "incremental", description="incremental: what is new; full: all there is, again; manual: the dates below."
    )
    max_days_period_compute: float = Field(
        0, ge=0, le=36500, description="Most days that one incremental run computes; 0: no limit. [d]"
    )
    manual_start_date: Annotated[int | None, BeforeValidator(_date)] = Field(
        None, description="Start of a manual run, ISO 8601 with offset."
    )
    manual_end_date: Annotated[int | None, BeforeValidator(_date)] = Field(
        None, description="End of a manual run, ISO 8601 with offset."
    )
    debug_mode: bool = Field(False, description="Log more, with tracebacks.")
    upload_output: bool = Field(True, description="Write outputs and checkpoints to the platform.")
    settle_time: Seconds = Field(0.0, description="Leave the newest samples for the next run, so that slow sensors arrive. [s]")
    lookback: Seconds = Field(
        7 * 86400.0, description="Samples that arrive late by up to this are computed; older ones are reported. [s]"
    )
    max_values: int = Field(2_097_152, ge=1, description="Most sensor values that are held at once.")
    write_pages: bool = Field(False, description="Write the HTML pages of the computed assets, and the index, after the run.")
    workers: int = Field(
        1, ge=1, le=1024, description="Processes that compute assets; 1: in this process, one after the other."
    )
    scheduler: str = Field(
        "", description="Address of a Dask scheduler, tls://host:port (tcp:// on this machine only). Empty: own processes here."
    )
    scheduler_ca: str = Field("", description="PEM file of the authority that signed the scheduler's certificate.")
    scheduler_certificate: str = Field("", description="PEM file of this client's certificate for the scheduler.")
    scheduler_key: str = Field("", description="PEM file of that certificate's key.")
    batch_assets: int = Field(20, ge=1, le=1000, description="Assets that a worker is handed at a time.")
    asset_timeout: Seconds = Field(
        3600.0, description="A worker that computes one asset for longer than this is ended. Needs workers or a scheduler. [s]"
    )
    lease_wait: Seconds = Field(0.0, description="How long to wait for an asset that another run is computing. [s]")
    plugin_folders: list[str] = Field(default_factory=list, description="Folders with more plugins, beside models/.")


class PlatformSettings(Checked):
    """Which platform, and where."""

    connector: str = Field(
        "local", description="local, thingsboard or sensorthings; or module:Class of a connector of your own."
    )
    address: str = Field("", description="Base address of a remote platform, https://...; the launch's iotApi where empty.")
    store: str = Field("twin-store", description="Folder of the embedded platform, relative to the program.")
    reports: str = Field("twin-reports", description="Folder of the run reports, relative to the program.")
    pages: str = Field("twin-pages", description="Folder of the HTML pages, relative to the program.")
    pages_address: str = Field("", description="Address under which that folder is published, for links on the platform.")
    metrics: str = Field("", description="Prometheus textfile that each run writes, relative to the program. Empty: none.")
    private_ca: str = Field("", description="PEM file of a private authority that signed the platform's certificate.")
    insecure_http: bool = Field(False, description="Allow http:// to another machine: the key travels readable.")
    concurrency: int = Field(8, ge=1, le=64, description="Requests to a remote platform at one time.")
    request_values: int = Field(
        10_000, ge=1, le=50_000, description="Most values of one series in one answer; as Arrow five times that."
    )
    request_timeout: Seconds = Field(60.0, description="How long one answer of a remote platform may take. [s]")
    retry_budget: Seconds = Field(300.0, description="How long a run may spend on repeating failed requests, in all. [s]")
    options: dict[str, Any] = Field(default_factory=dict, description="For a connector of your own; ours take none.")


class SensorFacts(Checked):
    """What a site knows of one of its sensors."""

    unit: Unit | None = Field(None, description="Unit of the raw values, where the platform does not say it or is wrong.")
    offset: float | None = Field(
        None, allow_inf_nan=False, description="Added to every raw value: -40 for a sensor of °C + 40. [unit of the sensor]"
    )
    max_gap: Seconds | None = Field(None, description="Longest interval that counts as operation. [s]")
    valid_range: Range | None = Field(None, description="Raw values outside never reach a model. [unit of the sensor]")
    sentinels: list[float] | None = Field(None, description="Raw values that mean 'no value'; replaces the usual ones.")
    conflicts: Literal["drop", "mean", "least", "greatest"] = Field(
        "drop", description="What becomes of samples with one time and unequal values: none used, or the mean, least, greatest."
    )


class AssetFacts(Checked):
    """What a site knows of one asset; `"*"` stands for all of them."""

    positive_current: Literal["discharge", "charge"] | None = Field(
        None, description="What a positive current means on this asset's sensors. There is no default."
    )
    time_zone: Annotated[str | None, BeforeValidator(_zone)] = Field(None, description="IANA zone of the site, for pages.")
    sensors: dict[str, SensorFacts] = Field(default_factory=dict, description="By sensor name.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="Parameters that the platform lacks, by name.")


class ModelSettings(Checked):
    """What one model reads and writes, under the names of the site."""

    inputs: dict[str, Any] = Field(
        default_factory=dict, description="Logical name -> sensor or parameter name (`Name|*` for an array), or a value."
    )
    outputs: dict[str, str] = Field(default_factory=dict, description="Logical name -> name of the series on the platform.")
    configuration: dict[str, Any] = Field(default_factory=dict, description="Overrides of the manifest's defaults.")


class Settings(Checked):
    """Everything a run is told, checked."""

    execution: Execution = Field(default_factory=lambda: Execution(), description="What is computed, and when.")
    platform: PlatformSettings = Field(default_factory=lambda: PlatformSettings(), description="Which platform, and where.")
    sensors: dict[str, SensorFacts] = Field(default_factory=dict, description="Facts of sensors on every asset, by name.")
    assets: dict[str, AssetFacts] = Field(default_factory=dict, description="Facts of assets, by id.")
    models: dict[str, ModelSettings] = Field(default_factory=dict, description="Mapping and configuration, by model.")

    def facts_of(self, asset: str) -> AssetFacts:
        """Return the facts of one asset: its own, else those of ``"*"``, field by field."""
        general, own = self.assets.get("*", AssetFacts()), self.assets.get(asset, AssetFacts())
        return AssetFacts(
            positive_current=own.positive_current or general.positive_current,
            time_zone=own.time_zone or general.time_zone,
            sensors=_overlaid(self.sensors, general.sensors, own.sensors),
            parameters={**general.parameters, **own.parameters},
        )

    def folder(self, name: str) -> Path:
        """Resolve a folder of the settings against the program's own."""
        try:
            path = Path(name).expanduser()
        except RuntimeError:
            raise UsageError(f"settings.json: the folder '{name}' names a user that this machine does not have") from None
        return path if path.is_absolute() else program_folder() / path


def _overlaid(*layers: dict[str, SensorFacts]) -> dict[str, SensorFacts]:
    """Lay facts of sensors one over another, weakest first: only what is stated counts."""
    found: dict[str, SensorFacts] = {}
    for layer in layers:
        for name, facts in layer.items():
            stated = {key: getattr(facts, key) for key in facts.model_fields_set}
            found[name] = found.get(name, SensorFacts()).model_copy(update=stated)
    return found


def leaves(value: Any, local: bool) -> Any:
    """Resolve `default` and `valueDev`: a dict with either is a leaf; other dicts are walked."""
    if not isinstance(value, dict):
        return value
    if "default" in value or "valueDev" in value:
        if local and "valueDev" in value:
            return value["valueDev"]
        return value.get("default")
    return {key: leaves(item, local) for key, item in value.items()}


def merged(weak: Any, strong: Any) -> Any:
    """Merge two trees: dicts key by key, otherwise the stronger wins."""
    if isinstance(weak, dict) and isinstance(strong, dict):
        return {key: merged(weak.get(key), strong[key]) if key in strong else weak[key] for key in {**weak, **strong}}
    return strong


def _without_empty(value: Any) -> Any:
    """Drop a mapping that a form left empty: an empty name maps nothing."""
    if isinstance(value, dict):
        return {key: _without_empty(item) for key, item in value.items() if item not in ("", None)}
    return value


def load_settings(path: Path, launch: Launch) -> Settings:
    """Read `settings.json` and lay the launch's values over it.

    Raises
    ------
    UsageError
        With every fault, where it stands and the nearest name.
    """
    path = settings_file(path)
    try:
        content = parse(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UsageError(f"{path} is missing; take the one of the repository") from None
    except ValueError as error:
        raise UsageError(path.name, [f"not JSON: {error}"]) from None
    if not isinstance(content, dict) or not isinstance(content.get("parameters"), dict):
        raise UsageError(path.name, ["parameters: is missing; it holds execution, platform and models"])
    faults = [f"{key}: not a known field{did_you_mean(key, TOP_LEVEL)}" for key in content if key not in TOP_LEVEL]
    tree = merged(leaves(content["parameters"], local=not launch.inline), leaves(launch.configurationValues, local=True))
    for model in tree["models"].values() if isinstance(tree.get("models"), dict) else ():
        if isinstance(model, dict):
            model.update({key: _without_empty(model[key]) for key in ("inputs", "outputs") if isinstance(model.get(key), dict)})
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        raise UsageError(path.name, faults + [f"parameters.{fault}" for fault in faults_of(error, Settings)]) from None
    faults += _date_faults(settings.execution)
    if faults:
        raise UsageError(path.name, faults)
    return settings


def _date_faults(execution: Execution) -> list[str]:
    start, end = execution.manual_start_date, execution.manual_end_date
    if execution.compute_type != "manual":
        return []
    if start is None or end is None:
        return ["parameters.execution: compute_type is manual, so manual_start_date and manual_end_date are needed"]
    if start >= end:
        return ["parameters.execution: manual_start_date is not before manual_end_date"]
    return []
