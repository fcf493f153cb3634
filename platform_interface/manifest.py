"""`model.json` -> frozen `Manifest`. Discovery reads manifests and imports nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from platform_interface import units
from platform_interface.checked import Checked, Range
from platform_interface.errors import UsageError
from platform_interface.spelling import did_you_mean, faults_of
from platform_interface.strict_json import parse
from platform_interface.weights import fault_of_digest, fault_of_name
from platform_interface.when import Seconds

Quantity = Literal["current", "voltage", "cell_voltage", "temperature", "soc", "soh", "power", "other"]
_VERSION = re.compile(r"^\d+\.\d+\.\d+$")


def _unit(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a unit; write its pint name, such as 'ampere'")
    fault = units.fault_of(value)
    if fault:
        raise ValueError(fault)
    return units.canonical(value)


def _version(value: Any) -> str:
    if not isinstance(value, str) or not _VERSION.match(value):
        raise ValueError(f"{value!r} is not MAJOR.MINOR.PATCH")
    return value


def _weights(value: dict[str, str]) -> dict[str, str]:
    faults = [fault for name, digest in value.items() for fault in (fault_of_name(name), fault_of_digest(digest)) if fault]
    if faults:
        raise ValueError("; ".join(faults))
    return value


Unit = Annotated[str, BeforeValidator(_unit)]


class Input(Checked):
    """One thing a model reads: a sensor (series), an array sensor (frame), or a parameter."""

    type: Literal["pd.Series", "pd.DataFrame", "float", "str", "dict"] = Field(description="What the model is given.")
    unit: Unit = Field("dimensionless", description="Unit the model is given, a pint name.")
    description: str = Field("", description="What it is, for people.")
    required: bool = Field(True, description="Without it the model refuses.")
    quantity: Quantity = Field("other", description="What is measured; decides which physical checks apply.")
    valid_range: Range | None = Field(None, description="Values outside never reach the model. [unit]")
    choices: list[str] | None = Field(None, description="Words allowed for a parameter of type 'str'; case does not count.")
    align_to: str | None = Field(None, description="Input whose times this one is given at, as-of and causal.")
    tolerance: Seconds = Field(0.0, description="Oldest sample that `align_to` may use. [s]")
    max_gap: Seconds = Field(
        300.0, description="Longest interval that counts as operation, unless the site says otherwise. [s]"
    )
    lookback: Seconds = Field(0.0, description="Samples from before the window that are given too. [s]")
    sensor: str | None = Field(None, description="Sensor or parameter read where the settings say nothing.")
    initialisation_value: str | None = Field(None, description="Output whose last value seeds the first window.")

    @property
    def is_sensor(self) -> bool:
        return self.type in ("pd.Series", "pd.DataFrame")

    @property
    def signed(self) -> bool:
        """Whether the site's sign of current applies."""
        return self.quantity in ("current", "power")


class Output(Checked):
    """One series a model gives."""

    type: Literal["pd.Series", "pd.DataFrame"] = Field("pd.Series", description="A series, or an array of `columns`.")
    unit: Unit = Field("dimensionless", description="Unit of the values, a pint name.")
    description: str = Field("", description="What it is, for people.")
    decimation_threshold: float | None = Field(
        None, ge=0, description="A point nearer than this to the last kept one is left out; absent: all are kept. [unit]"
    )
    valid_range: Range | None = Field(None, description="A value outside is a fault of the model. [unit]")
    codes: dict[str, str] | None = Field(
        None, description="Meaning of each code; 'up to this sample' at its end: drawn over the gap before."
    )
    series: str | None = Field(None, description="Name of the series on the platform where the settings say nothing.")
    columns: int = Field(0, ge=0, description="Length of an array output.")
    profile: str = Field("", description="What the columns run along, such as 'surface to bottom': the page draws a heatmap.")
    partial: bool = Field(False, description="Elements of an array that are NaN are absent; else such a row is left out.")
    of: str = Field("", description="Output that this one says the future of: the page draws all of them as a fan beside it.")
    ahead: int = Field(0, ge=0, description="How far ahead, in uses such as charges; with `of`.")
    calendar: bool = Field(False, description="The value may grow with time alone, so a longer gap may change it.")


class Option(Checked):
    """One configuration value of a model."""

    type: Literal["number", "integer", "string", "boolean"] = Field(description="Type of the value.")
    default: float | int | bool | str = Field(description="Value where the settings say nothing.")
    description: str = Field("", description="What it does, with its unit.")
    minimum: float | None = Field(None, description="Smallest value allowed.")
    maximum: float | None = Field(None, description="Largest value allowed.")
    choices: list[str] | None = Field(None, description="Words allowed.")

    def fault_of(self, value: Any) -> str | None:
        """Say what is wrong with a configured value; ``None`` when it fits."""
        wanted = {"number": (int, float), "integer": (int,), "string": (str,), "boolean": (bool,)}[self.type]
        if not isinstance(value, wanted) or (isinstance(value, bool) and self.type != "boolean"):
            return f"{value!r} is not a {self.type}"
        if self.choices is not None and value not in self.choices:
            return f"'{value}' is not a choice{did_you_mean(str(value), self.choices)}"
        low, high = self.minimum, self.maximum
        if isinstance(value, (int, float)) and low is not None and value < low:
            return f"{value} is below the minimum {low:g}"
        if isinstance(value, (int, float)) and high is not None and value > high:
            return f"{value} is above the maximum {high:g}"
        if value != value or value in (float("inf"), float("-inf")):
            return f"{value} is not finite"
        return None


class Manifest(Checked):
    """What a plugin folder says of itself; read before any code of it is imported."""

    manifest_version: Literal[1] = Field(description="Form of this file.")
    name: str = Field(description="The folder's name.", pattern=r"^[a-z][a-z0-9_]*$")
    version: Annotated[str, BeforeValidator(_version)] = Field(description="MAJOR.MINOR.PATCH of the model.")
    state_version: int = Field(1, ge=1, description="Raised when the carried state changes its form.")
    description: str = Field(min_length=1, description="One line for people.")
    category: Literal["Performance", "Safety", "Health", "Efficiency", "Other"] = Field(
        "Other", description="What the model is about, shown by `list`."
    )
    complexity: Literal["Simple", "Medium", "Advanced", "Expert"] = Field(
        "Simple", description="How much a user must know to read it."
    )
    computational_cost: Literal["Low", "Medium", "High"] = Field("Low", description="What a run of it costs.")
    inputs: dict[str, Input] = Field(description="What the model reads, by logical name.", min_length=1)
    outputs: dict[str, Output] = Field(description="What the model gives, by logical name.")
    configuration: dict[str, Option] = Field(default_factory=dict, description="What the settings may change, by name.")
    weights: Annotated[dict[str, str], AfterValidator(_weights)] = Field(
        default_factory=dict, description="SHA-256 of each ONNX file that the model reads, by file name."
    )
    vendor: bool = Field(False, exclude=True, description="Set on reading: a folder of the vendor's boilerplate.")


def _cross_faults(content: dict[str, Any]) -> Iterable[str]:
    """Faults between fields; `content` may still be wrong in any other way."""
    inputs, outputs = content.get("inputs"), content.get("outputs")
    if outputs == {}:
        yield "outputs: at least one output is needed"
    known_in = inputs if isinstance(inputs, dict) else {}
    known_out = outputs if isinstance(outputs, dict) else {}
    fields = {name: field for name, field in known_in.items() if isinstance(field, dict)}
    for name, field in fields.items():
        for key, known, kind in (("align_to", known_in, "input"), ("initialisation_value", known_out, "output")):
            target = field.get(key)
            if isinstance(target, str) and target not in known:
                yield f"inputs.{name}.{key}: '{target}' is not an {kind}{did_you_mean(target, known)}"
    for name, field in known_out.items():
        target = field.get("of") if isinstance(field, dict) else None
        if isinstance(target, str) and target and target not in known_out:
            yield f"outputs.{name}.of: '{target}' is not an output{did_you_mean(target, known_out)}"
    if fields and not any(field.get("type") in ("pd.Series", "pd.DataFrame") for field in fields.values()):
        yield "inputs: at least one sensor (pd.Series or pd.DataFrame) is needed"
    options = content.get("configuration")
    for name, field in (options if isinstance(options, dict) else {}).items():
        try:
            option = Option.model_validate(field)
        except ValidationError:
            continue
        fault = option.fault_of(option.default)
        if fault:
            yield f"configuration.{name}.default: {fault}"


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a plugin folder, in today's form or one of the vendor's two.

    Raises
    ------
    UsageError
        With every fault of the file.
    """
    path = folder / "model.json"
    where = f"models/{folder.name}/model.json"
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{where} is missing; `python entrypoint.py new-model {folder.name}` writes one") from None
    except ValueError as error:
        raise UsageError(where, [f"not JSON: {error}"]) from None
    if not isinstance(content, dict):
        raise UsageError(where, ["a manifest is one JSON object"])
    content.pop("$schema", None)  # names the schema to an editor
    vendor = "manifest_version" not in content and "state_version" not in content
    lost: list[str] = []
    if vendor:
        from platform_interface.vendor import manifest_of_vendor

        content = manifest_of_vendor(content, lost)
    faults: list[str] = []
    manifest = None
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        faults = [fault.replace("not a known field", "not a field of a manifest") for fault in faults_of(error, Manifest)]
    faults += [*lost, *_cross_faults(content)]
    if content.get("name") != folder.name and "name: is missing" not in faults:
        faults.append(f"name: '{content.get('name')}' is not the folder's name '{folder.name}'")
    if faults or manifest is None:
        raise UsageError(where, dict.fromkeys(faults))
    return manifest.model_copy(update={"vendor": vendor})


def discover(folders: Iterable[Path]) -> dict[str, Path]:
    """Return the plugin folders by name; a folder is a plugin when it holds a `model.json`."""
    found: dict[str, Path] = {}
    for root in folders:
        for path in sorted(root.glob("*/model.json")):
            found.setdefault(path.parent.name, path.parent)
    return found
