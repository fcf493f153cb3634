"""Arguments and settings.json become frozen settings: merge order, every fault at once, times with offsets."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from platform_interface.errors import UsageError
from platform_interface.launch import Launch, program_folder
from platform_interface.settings import AssetFacts, load_settings, merged
from platform_interface.when import instant

LOCAL = Launch()
SCHEDULED = Launch().model_copy(update={"inline": True})


@pytest.fixture
def load(tmp_path):
    def read(parameters, launch=LOCAL, **values):
        path = tmp_path / "settings.json"
        path.write_text(json.dumps({"parameters": parameters}), encoding="utf-8")
        return load_settings(path, launch.model_copy(update={"configurationValues": values}))

    return read


@pytest.fixture
def faults(load):
    def read(parameters, launch=LOCAL, **values):
        with pytest.raises(UsageError) as caught:
            load(parameters, launch, **values)
        assert caught.value.where == "settings.json"
        return caught.value.faults

    return read


def test_the_repositorys_own_settings_are_valid():
    assert load_settings(program_folder() / "settings.json", LOCAL).platform.connector == "local"


def test_value_dev_beats_default_in_a_local_run_only(load):
    parameters = {"execution": {"max_values": {"default": 5000, "valueDev": 7000}}}
    assert load(parameters, LOCAL).execution.max_values == 7000
    assert load(parameters, SCHEDULED).execution.max_values == 5000


def test_value_dev_alone_leaves_a_scheduled_run_without_a_value(load, faults):
    parameters = {"execution": {"max_values": {"valueDev": 7000}}}
    assert load(parameters, LOCAL).execution.max_values == 7000
    assert "max_values" in faults(parameters, SCHEDULED)[0]


def test_a_bare_value_and_a_default_mean_the_same(load):
    assert load({"execution": {"max_values": 5000}}).execution.max_values == 5000
    assert load({"execution": {"max_values": {"default": 5000}}}).execution.max_values == 5000


@pytest.mark.parametrize("launch", [LOCAL, SCHEDULED])
def test_values_of_the_launch_win_over_the_file_key_by_key(load, launch):
    parameters = {
        "execution": {"max_values": 5000, "lookback": "1d"},
        "models": {"m": {"inputs": {"current": {"default": "Current"}, "soc": "SOC"}}},
    }
    settings = load(parameters, launch, execution={"max_values": 9000}, models={"m": {"inputs": {"soc": "BMS SOC"}}})
    assert settings.execution.max_values == 9000
    assert settings.execution.lookback == 86400.0
    assert settings.models["m"].inputs == {"current": "Current", "soc": "BMS SOC"}


def test_values_of_the_launch_win_over_value_dev(load):
    parameters = {"execution": {"max_values": {"default": 5000, "valueDev": 7000}}}
    assert load(parameters, LOCAL, execution={"max_values": 9000}).execution.max_values == 9000


def test_merging_keeps_what_the_stronger_does_not_name():
    assert merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 4}, "e": 5}) == {"a": {"b": 1, "c": 4}, "d": 3, "e": 5}
    assert merged({"a": {"b": 1}}, {"a": 7}) == {"a": 7}


@pytest.mark.parametrize("given", ["eq_cycles,pinn", " eq_cycles , pinn ,", ["eq_cycles", "pinn"]])
def test_enabled_models_are_words_with_commas_or_a_list(load, given):
    assert load({"execution": {"enabled_models": given}}).execution.enabled_models == ["eq_cycles", "pinn"]


@pytest.mark.parametrize("given", ["", " ", [], ","])
def test_no_enabled_models_stand_for_every_plugin(load, given):
    assert load({"execution": {"enabled_models": given}}).execution.enabled_models == []


def test_unknown_names_at_every_level_are_told_at_once_with_the_nearest(faults, tmp_path):
    found = faults(
        {
            "excution": {},
            "execution": {"max_value": 5000, "compute_type": "incrementel"},
            "platform": {"conector": "local"},
            "sensors": {"Current": {"units": "A"}},
            "assets": {"pack": {"positive_curent": "charge", "sensors": {"Voltage": {"max_gaps": "1h"}}}},
            "models": {"m": {"input": {}}},
        }
    )
    assert found == [
        "parameters.execution.compute_type: Input should be 'incremental', 'full' or 'manual' (got 'incrementel')",
        "parameters.execution.max_value: not a known field; did you mean 'max_values'?",
        "parameters.platform.conector: not a known field; did you mean 'connector'?",
        "parameters.sensors.Current.units: not a known field; did you mean 'unit'?",
        "parameters.assets.pack.sensors.Voltage.max_gaps: not a known field; did you mean 'max_gap'?",
        "parameters.assets.pack.positive_curent: not a known field; did you mean 'positive_current'?",
        "parameters.models.m.input: not a known field; did you mean 'inputs'?",
        "parameters.excution: not a known field; did you mean 'execution'?",
    ]


def test_an_unknown_top_level_name_is_told_with_the_nearest(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text('{"nme": "x", "parameters": {}}', encoding="utf-8")
    with pytest.raises(UsageError, match=r"nme: not a known field; did you mean 'name'\?"):
        load_settings(path, LOCAL)


def test_a_form_that_is_left_empty_maps_nothing(load):
    settings = load({"models": {"m": {"inputs": {"soh": {"default": ""}, "soc": "SOC"}, "outputs": {"x": {"default": ""}}}}})
    assert settings.models["m"].inputs == {"soc": "SOC"}
    assert settings.models["m"].outputs == {}


def test_a_naive_date_is_refused_and_shown_with_an_offset(faults):
    found = faults({"execution": {"compute_type": "manual", "manual_start_date": "2026-01-31T08:00:00"}})
    [fault] = found
    assert fault == (
        "parameters.execution.manual_start_date: '2026-01-31T08:00:00' has no time zone; write '2026-01-31T08:00:00+00:00' for UTC, "
        "or the offset of the site"
    )


def test_dates_with_offsets_become_instants_in_utc(load):
    execution = load(
        {
            "execution": {
                "compute_type": "manual",
                "manual_start_date": "2026-01-31T08:00:00+08:00",
                "manual_end_date": "2026-01-31T00:00:01Z",
            }
        }
    ).execution
    assert execution.manual_start_date == instant("2026-01-31T00:00:00+00:00")
    assert execution.manual_end_date == execution.manual_start_date + 1000


@pytest.mark.parametrize(
    "dates", [{}, {"manual_start_date": "2026-01-01T00:00:00Z"}, {"manual_end_date": "2026-01-01T00:00:00Z"}]
)
def test_a_manual_run_needs_both_dates(faults, dates):
    [fault] = faults({"execution": {"compute_type": "manual", **dates}})
    assert "compute_type is manual, so manual_start_date and manual_end_date are needed" in fault


@pytest.mark.parametrize("end", ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+02:00"])
def test_a_manual_run_that_ends_before_it_starts_is_refused(faults, end):
    dates = {"manual_start_date": "2026-01-01T00:00:00+00:00", "manual_end_date": end}
    [fault] = faults({"execution": {"compute_type": "manual", **dates}})
    assert "manual_start_date is not before manual_end_date" in fault


def test_dates_are_not_needed_for_another_kind_of_run(load):
    assert load({"execution": {"manual_start_date": "", "manual_end_date": ""}}).execution.manual_start_date is None


def test_durations_are_read_as_people_write_them(load):
    execution = load({"execution": {"settle_time": "5min", "lookback": "2 d", "lease_wait": 90}}).execution
    assert (execution.settle_time, execution.lookback, execution.lease_wait) == (300.0, 172800.0, 90.0)


@pytest.mark.parametrize("value", ["5 minutes!", "-5min", -1, True, "", None, "1e3s"])
def test_what_is_no_duration_is_refused_with_examples(faults, value):
    [fault] = faults({"execution": {"settle_time": value}})
    assert fault.startswith("parameters.execution.settle_time: ")
    assert "is not a duration" in fault


def test_a_time_zone_is_an_iana_name_and_the_nearest_is_told(load, faults):
    assert load({"assets": {"pack": {"time_zone": "Europe/Berlin"}}}).assets["pack"].time_zone == "Europe/Berlin"
    [fault] = faults({"assets": {"pack": {"time_zone": "Europe/Berln"}}})
    assert fault == ("parameters.assets.pack.time_zone: 'Europe/Berln' is not an IANA time zone; did you mean 'Europe/Berlin'?")


@pytest.mark.parametrize("zone", ["/etc/passwd", "../UTC", "", "CEST"])
def test_what_is_no_time_zone_is_refused_not_looked_up_as_a_path(faults, zone):
    [fault] = faults({"assets": {"pack": {"time_zone": zone}}})
    assert "is not an IANA time zone" in fault


def test_a_unit_of_a_site_is_checked_and_brought_to_its_pint_name(load, faults):
    assert load({"sensors": {"Voltage": {"unit": "mV"}}}).sensors["Voltage"].unit == "millivolt"
    assert faults({"sensors": {"Voltage": {"unit": "Milivolt"}}}) == [
        "parameters.sensors.Voltage.unit: 'Milivolt' is not a unit; did you mean 'millivolt'?"
    ]


def test_facts_of_an_asset_are_its_own_before_those_of_all(load):
    settings = load(
        {
            "sensors": {"Voltage": {"unit": "mV"}, "Current": {"unit": "A"}},
            "assets": {
                "*": {"positive_current": "charge", "time_zone": "UTC", "parameters": {"Capacity": 100, "Cells": 16}},
                "pack": {
                    "positive_current": "discharge",
                    "sensors": {"Voltage": {"unit": "V"}},
                    "parameters": {"Capacity": 60},
                },
            },
        }
    )
    own, other = settings.facts_of("pack"), settings.facts_of("elsewhere")
    assert (own.positive_current, own.time_zone) == ("discharge", "UTC")
    assert own.sensors["Voltage"].unit == "volt"
    assert own.sensors["Current"].unit == "ampere"
    assert own.parameters == {"Capacity": 60, "Cells": 16}
    assert other.positive_current == "charge"
    assert other.sensors["Voltage"].unit == "millivolt"


def test_a_fact_of_one_assets_sensor_keeps_the_other_facts_of_that_sensor(load):
    settings = load(
        {
            "sensors": {"Voltage": {"unit": "mV", "conflicts": "mean", "max_gap": "1min"}},
            "assets": {"*": {"sensors": {"Voltage": {"max_gap": "2min"}}}, "pack": {"sensors": {"Voltage": {"max_gap": "1h"}}}},
        }
    )
    facts = settings.facts_of("pack").sensors["Voltage"]
    assert (facts.unit, facts.conflicts, facts.max_gap) == ("millivolt", "mean", 3600.0)


def test_settings_cannot_be_changed_after_reading(load):
    settings = load({})
    with pytest.raises(ValidationError):
        settings.execution = None
    assert settings.facts_of("any") == AssetFacts()


def test_folders_are_the_programs_unless_absolute(load, tmp_path):
    settings = load({})
    assert settings.folder("twin-store") == program_folder() / "twin-store"
    assert settings.folder(str(tmp_path)) == tmp_path


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "not JSON"),
        ("[]", "parameters: is missing"),
        ("{}", "parameters: is missing"),
        ('{"parameters": []}', "parameters: is missing"),
    ],
)
def test_a_settings_file_that_is_none_is_refused(tmp_path, content, fault):
    path = tmp_path / "settings.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=fault):
        load_settings(path, LOCAL)


def test_a_missing_settings_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"settings\.json is missing"):
        load_settings(tmp_path / "settings.json", LOCAL)


def test_a_settings_file_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text('{"parameters": {}}', encoding="utf-8-sig")
    assert load_settings(path, LOCAL).execution.compute_type == "incremental"
