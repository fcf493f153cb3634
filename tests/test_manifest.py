"""`model.json` is read before any code: every fault at once, in today's form and in the vendor's two."""

from __future__ import annotations

import copy
import json

import pytest
from pydantic import ValidationError

from platform_interface.errors import UsageError
from platform_interface.launch import program_folder
from platform_interface.manifest import Manifest, Option, discover, read_manifest

GOOD = {
    "manifest_version": 1,
    "name": "soc_dwell",
    "version": "1.2.3",
    "state_version": 1,
    "description": "Time at high state of charge.",
    "inputs": {
        "soc": {"type": "pd.Series", "unit": "%", "quantity": "soc", "required": True, "max_gap": "1h"},
        "capacity": {"type": "float", "unit": "Ah"},
    },
    "outputs": {"dwell": {"unit": "hour", "decimation_threshold": 0.01}},
    "configuration": {"limit": {"type": "number", "default": 0.8, "minimum": 0, "maximum": 1}},
}


@pytest.fixture
def folder(tmp_path):
    def write(content, name="soc_dwell"):
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        (path / "model.json").write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write


@pytest.fixture
def faults(folder):
    def read(content, name="soc_dwell"):
        with pytest.raises(UsageError) as caught:
            read_manifest(folder(content, name))
        return caught.value.faults

    return read


def changed(**changes):
    content = copy.deepcopy(GOOD)
    for path, value in changes.items():
        *parents, key = path.split("__")
        block = content
        for parent in parents:
            block = block[parent]
        block[key] = value
    return content


def test_a_manifest_of_todays_form_is_read_with_pint_names_and_seconds(folder):
    manifest = read_manifest(folder(GOOD))
    assert manifest.vendor is False
    assert manifest.inputs["soc"].unit == "percent"
    assert manifest.inputs["soc"].max_gap == 3600.0
    assert manifest.inputs["soc"].is_sensor
    assert not manifest.inputs["soc"].signed
    assert manifest.inputs["capacity"].unit == "ampere_hour"
    assert not manifest.inputs["capacity"].is_sensor
    assert manifest.outputs["dwell"].type == "pd.Series"


def test_every_manifest_of_the_repository_is_valid():
    found = discover([program_folder() / "models"])
    assert found
    for name, path in found.items():
        assert read_manifest(path).name == name


def test_a_bad_file_lists_every_fault_as_the_style_guide_shows(folder):
    content = changed(version="1", inputs={"current": {"type": "pd.Series", "unit": "Amper"}}, outputs={}, inptus={})
    with pytest.raises(UsageError) as caught:
        read_manifest(folder(content))
    head, *lines = str(caught.value).splitlines()
    assert head == "models/soc_dwell/model.json has 4 faults:"
    assert set(lines) == {
        "  version: '1' is not MAJOR.MINOR.PATCH",
        "  inputs.current.unit: 'Amper' is not a unit; did you mean 'ampere'?",
        "  outputs: at least one output is needed",
        "  inptus: not a field of a manifest; did you mean 'inputs'?",
    }


def test_five_faults_list_five(faults):
    found = faults(
        changed(
            version="1.0",
            category="Helth",
            inputs__soc__unit="Prozent-Punkte",
            inputs__capacity__requird=True,
            configuration__limit__default=1.5,
        )
    )
    assert len(found) == 5
    for start in (
        "version: '1.0' is not MAJOR.MINOR.PATCH",
        "category: Input should be 'Performance', 'Safety', 'Health', 'Efficiency' or 'Other' (got 'Helth')",
        "inputs.soc.unit: 'Prozent-Punkte' is not a unit",
        "inputs.capacity.requird: not a field of a manifest; did you mean 'required'?",
        "configuration.limit.default: 1.5 is above the maximum 1",
    ):
        assert any(fault.startswith(start) for fault in found), (start, found)


@pytest.mark.parametrize("field", ["manifest_version", "name", "version", "description", "inputs", "outputs"])
def test_a_missing_field_is_named(faults, field):
    content = copy.deepcopy(GOOD)
    del content[field]
    assert f"{field}: is missing" in faults(content)


def test_a_name_that_is_not_the_folders_is_told(faults):
    assert faults(GOOD, "other") == ["name: 'soc_dwell' is not the folder's name 'other'"]


def test_align_to_and_initialisation_value_name_an_input_and_an_output(faults):
    content = changed(inputs__soc__align_to="capcity", inputs__capacity__initialisation_value="dwel")
    assert faults(content) == [
        "inputs.soc.align_to: 'capcity' is not an input; did you mean 'capacity'?",
        "inputs.capacity.initialisation_value: 'dwel' is not an output; did you mean 'dwell'?",
    ]


def test_a_model_without_a_sensor_is_refused(faults):
    assert faults(changed(inputs={"capacity": {"type": "float", "unit": "Ah"}})) == [
        "inputs: at least one sensor (pd.Series or pd.DataFrame) is needed"
    ]


@pytest.mark.parametrize(
    ("option", "fault"),
    [
        ({"type": "number", "default": "0.8"}, "'0.8' is not a number"),
        ({"type": "number", "default": True}, "True is not a number"),
        ({"type": "integer", "default": 1.5}, "1.5 is not a integer"),
        ({"type": "boolean", "default": 1}, "1 is not a boolean"),
        ({"type": "number", "default": -1, "minimum": 0}, "-1 is below the minimum 0"),
        ({"type": "string", "default": "trapez", "choices": ["trapezoid", "right"]}, "'trapez' is not a choice; did you mean"),
    ],
)
def test_a_default_that_its_own_option_forbids_is_a_fault(faults, option, fault):
    [found] = faults(changed(configuration={"x": option}))
    assert found.startswith(f"configuration.x.default: {fault}")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_configured_value_must_be_finite(value):
    assert Option(type="number", default=1.0).fault_of(value) == f"{value} is not finite"


def test_a_configured_value_inside_its_bounds_is_fine():
    option = Option(type="number", default=1.0, minimum=0.0, maximum=2.0)
    assert [option.fault_of(value) for value in (0, 0.0, 2.0, 1)] == [None] * 4
    assert Option(type="boolean", default=True).fault_of(False) is None


@pytest.mark.parametrize(
    ("content", "fault"), [("{", "not JSON"), ("[]", "a manifest is one JSON object"), ("3", "one JSON object")]
)
def test_what_is_no_json_object_is_refused(faults, content, fault):
    assert fault in faults(content)[0]


def test_a_missing_manifest_says_how_to_get_one(tmp_path):
    with pytest.raises(UsageError, match=r"models/x/model\.json is missing; `python entrypoint\.py new-model x` writes one"):
        read_manifest(tmp_path / "x")


def test_blocks_of_a_wrong_kind_are_faults_not_a_crash(faults):
    for block in ("inputs", "outputs", "configuration"):
        assert any(fault.startswith(f"{block}: ") for fault in faults(changed(**{block: [1, 2]})))
    assert any(fault.startswith("inputs.soc") for fault in faults(changed(inputs__soc=3)))


def test_a_manifest_cannot_be_changed_after_reading(folder):
    with pytest.raises(ValidationError):
        read_manifest(folder(GOOD)).version = "2.0.0"


def test_the_json_schema_for_editors_can_be_made():
    schema = json.loads(json.dumps(Manifest.model_json_schema()))
    assert {"name", "version", "inputs", "outputs"} <= set(schema["required"])
    assert schema["additionalProperties"] is False
    unit = schema["$defs"]["Input"]["properties"]["unit"]
    assert unit["type"] == "string"


DICT_FORM = {
    "name": "vendor_dict",
    "version": "2.1.0",
    "category": "Wellness",
    "complexity": "Medium",
    "computational_cost": "Low",
    "inputs": {
        "current": {"unit": "A", "type": "pd.Series", "description": "Current", "required": True},
        "capacity": {"unit": "Ah", "type": "float"},
        "seed": {"unit": "cycles", "type": "float", "initialisation_value": "total", "required": False},
        "curve": {"unit": "various", "type": "Dict", "required": False},
    },
    "outputs": {"total": {"unit": "cycles", "type": "pd.Series", "decimation_threshold": 0.01}, "flag": {"unit": "0/1"}},
    "configuration": {"on": {"type": "boolean", "default": True, "description": "Switch."}, "bare": 0.98},
}
LIST_FORM = {
    "name": "vendor_list",
    "version": "1.0",
    "inputs": [{"logical_name": "current", "unit": "A", "type": "pd.Series", "required": True}],
    "parameters": [{"logical_name": "capacity", "unit": "Ah", "required": True}],
    "outputs": [{"logical_name": "total", "unit": "p.u.", "type": "pd.Series"}],
    "configuration": {"k": {"type": "number", "default": 1}},
}


def test_the_vendors_form_keyed_by_name_is_read(folder):
    manifest = read_manifest(folder(DICT_FORM, "vendor_dict"))
    assert manifest.vendor is True
    assert (manifest.category, manifest.complexity) == ("Other", "Medium")
    assert manifest.inputs["current"].quantity == "current"
    assert manifest.inputs["capacity"].unit == "ampere_hour"
    assert manifest.inputs["seed"].initialisation_value == "total"
    assert manifest.inputs["curve"].type == "dict"
    assert {output.unit for output in manifest.outputs.values()} == {"dimensionless"}
    assert manifest.configuration["bare"].default == 0.98


def test_the_vendors_form_of_lists_is_read(folder):
    manifest = read_manifest(folder(LIST_FORM, "vendor_list"))
    assert manifest.vendor is True
    assert manifest.version == "1.0.0"
    assert manifest.inputs["current"].is_sensor
    assert manifest.inputs["capacity"].type == "float"
    assert manifest.outputs["total"].unit == "dimensionless"


def test_an_unknown_field_of_a_vendor_manifest_is_told_too(faults):
    assert faults({**DICT_FORM, "inptus": {}}, "vendor_dict") == ["inptus: not a field of a manifest; did you mean 'inputs'?"]


def test_discovery_finds_folders_with_a_manifest_and_the_first_of_one_name(tmp_path):
    for path in ("one/a/model.json", "one/b/other.json", "two/a/model.json", "two/c/model.json"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("{}")
    assert discover([tmp_path / "one", tmp_path / "two"]) == {"a": tmp_path / "one/a", "c": tmp_path / "two/c"}
