"""Site names, units and sign become what a model reads; what is not stated is refused, not guessed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from platform_interface.manifest import Manifest
from platform_interface.mapping import USUAL_SENTINELS, Mapper, expand, site_name
from platform_interface.platforms.base import Asset, Sensor
from platform_interface.settings import AssetFacts, ModelSettings, SensorFacts

CURRENT = {"type": "pd.Series", "unit": "ampere", "quantity": "current", "max_gap": "2min"}
VOLTAGE = {"type": "pd.Series", "unit": "volt", "quantity": "voltage", "valid_range": [1, 5]}
CELLS = {"type": "pd.DataFrame", "unit": "volt", "quantity": "cell_voltage"}
CAPACITY = {"type": "float", "unit": "ampere_hour", "valid_range": [1, 1000]}
TABLE = {"type": "dict", "required": False}
SENSORS = {"Current": "A", "Voltage": "mV", "Power": "kW", "BMS SOC": "%", "Mystery": ""}


def manifest(outputs=("total",), configuration=None, **inputs):
    return Manifest.model_validate(
        {
            "manifest_version": 1, "name": "m", "version": "1.0.0", "description": "Test.", "inputs": inputs,
            "outputs": {name: {"unit": "hour"} for name in outputs}, "configuration": configuration or {},
        }
    )  # fmt: skip


def plan(model, facts=None, settings=None, parameters=None, sensors=None, producers=None):
    known = {name: Sensor(name, unit) for name, unit in (sensors or SENSORS).items()}
    mapper = Mapper(Asset("pack", parameters=parameters or {}), known, facts or AssetFacts(), producers or {})
    return mapper.plan(model, settings or ModelSettings())


DISCHARGE, CHARGE = AssetFacts(positive_current="discharge"), AssetFacts(positive_current="charge")


@pytest.mark.parametrize(("facts", "value"), [(DISCHARGE, 50.0), (CHARGE, -50.0)])
def test_a_current_is_turned_to_positive_on_discharge(facts, value):
    source = plan(manifest(current=CURRENT), facts).sources["current"]
    assert source.convert(50.0) == value


def test_the_sign_that_the_platform_states_counts_and_the_settings_win_over_it():
    model = manifest(current=CURRENT)
    assert plan(model, parameters={"positive_current": "charge"}).sources["current"].sign == -1.0
    assert plan(model, DISCHARGE, parameters={"positive_current": "charge"}).sources["current"].sign == 1.0


@pytest.mark.parametrize("stated", [{}, {"positive_current": "Discharge"}, {"positive_current": 1}])
@pytest.mark.parametrize("quantity", ["current", "power"])
def test_a_sign_that_is_not_stated_is_refused_with_where_to_state_it(stated, quantity):
    given = {**CURRENT, "quantity": quantity, "unit": {"current": "ampere", "power": "watt"}[quantity]}
    result = plan(manifest(**{quantity: given}), parameters=stated)
    assert result.sources == {}
    [refusal] = result.refusals
    assert refusal == (
        f"what a positive '{quantity.capitalize()}' means on pack is not stated, and guessing would turn charge into discharge. "
        'Set assets.pack.positive_current in settings.json to "discharge" or "charge".'
    )


def test_a_voltage_has_no_sign_to_state():
    assert plan(manifest(voltage=VOLTAGE)).sources["voltage"].sign == 1.0


def test_an_unknown_unit_is_refused_with_where_to_state_it():
    result = plan(manifest(voltage=VOLTAGE), settings=ModelSettings(inputs={"voltage": "Mystery"}))
    assert result.refusals == ("the unit of sensor 'Mystery' is not known. State it: sensors.'Mystery'.unit",)


def test_a_unit_of_the_site_wins_over_that_of_the_platform():
    facts = AssetFacts(sensors={"Voltage": SensorFacts(unit="volt")})
    source = plan(manifest(voltage=VOLTAGE), facts).sources["voltage"]
    assert source.convert(3.3) == 3.3
    assert source.unit == "volt"


def test_a_unit_that_does_not_measure_the_same_is_refused():
    [refusal] = plan(manifest(voltage=VOLTAGE), settings=ModelSettings(inputs={"voltage": "Power"})).refusals
    assert "'kW' cannot become 'volt'" in refusal
    assert "models.m.inputs.voltage" in refusal


@pytest.mark.parametrize("unit", ["?", "n/a", "mV (rms)"])
def test_a_unit_word_of_the_platform_that_is_none_is_refused_not_a_crash(unit):
    [refusal] = plan(manifest(voltage=VOLTAGE), sensors={"Voltage": unit}).refusals
    assert f"'{unit}' is not a unit" in refusal


def test_array_elements_come_in_numeric_order():
    names = [f"Cell Voltage|{number}" for number in (10, 2, 0, 1, 11)]
    sensors = {**dict.fromkeys(names, "mV"), "Cell Voltage|max": "mV", "Cell Voltage": "mV", "Other Cell Voltage|3": "mV"}
    source = plan(manifest(cell_voltage=CELLS), sensors=sensors).sources["cell_voltage"]
    assert source.names == tuple(f"Cell Voltage|{number}" for number in (0, 1, 2, 10, 11))
    assert source.pattern == "Cell Voltage|*"


def test_an_array_name_holds_no_pattern_of_its_own():
    sensors = {"T (1.5)|0": Sensor("T (1.5)|0"), "T (105)|0": Sensor("T (105)|0")}
    assert expand("T (1.5)|*", sensors) == ("T (1.5)|0",)


def test_a_series_does_not_take_an_array():
    settings = ModelSettings(inputs={"voltage": "Cell Voltage|*"})
    [refusal] = plan(
        manifest(voltage=VOLTAGE), settings=settings, sensors={"Cell Voltage|0": "V", "Cell Voltage|1": "V"}
    ).refusals
    assert refusal == "input 'voltage' takes one sensor, and models.m.inputs.voltage is the array 'Cell Voltage|*'"


def test_a_required_sensor_that_is_not_there_is_refused_with_the_nearest_name():
    [refusal] = plan(manifest(voltage=VOLTAGE), settings=ModelSettings(inputs={"voltage": "Voltag"})).refusals
    assert refusal == (
        "input 'voltage' reads sensor 'Voltag', which pack does not have; did you mean 'Voltage'? "
        "Set models.m.inputs.voltage in settings.json, or send the sensor."
    )


def test_an_optional_sensor_that_is_not_there_is_silent_unless_the_settings_name_it():
    optional = {**VOLTAGE, "required": False}
    silent = plan(manifest(voltage=optional, current=CURRENT), DISCHARGE, sensors={"Current": "A"})
    assert (silent.refusals, silent.notes) == ((), ())
    told = plan(
        manifest(voltage=optional, current=CURRENT),
        DISCHARGE,
        ModelSettings(inputs={"voltage": "Voltag"}),
        sensors={"Current": "A", "Voltage": "V"},
    )
    assert told.refusals == ()
    assert "did you mean 'Voltage'?" in told.notes[0]


def test_a_parameter_with_a_unit_is_converted():
    model = manifest(voltage=VOLTAGE, capacity=CAPACITY)
    for value in ({"value": 60000, "unit": "mAh"}, {"value": 60}, 60, 60.0):
        assert plan(model, parameters={"Capacity": value}).parameters == {"capacity": 60.0}


def test_a_parameter_of_the_settings_wins_over_that_of_the_platform():
    facts = AssetFacts(parameters={"Capacity": 55.0})
    assert plan(manifest(voltage=VOLTAGE, capacity=CAPACITY), facts, parameters={"Capacity": 60}).parameters == {
        "capacity": 55.0
    }


def test_a_parameter_outside_its_range_is_refused_with_value_and_unit():
    [refusal] = plan(manifest(voltage=VOLTAGE, capacity=CAPACITY), parameters={"Capacity": 60000}).refusals
    assert refusal.startswith("parameter 'Capacity' is 60000 ampere_hour, outside 1 to 1000 ampere_hour.")


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        "60 Ah",
        True,
        [60],
        {"value": "60"},
        {"value": 60, "unit": "kW"},
        {"value": 60, "unit": 5},
        {"value": 1, "unit": "?"},
    ],
)
def test_a_parameter_that_is_no_number_is_refused(value):
    result = plan(manifest(voltage=VOLTAGE, capacity=CAPACITY), parameters={"Capacity": value})
    assert len(result.refusals) == 1
    assert "Capacity" in result.refusals[0]
    assert result.parameters == {}


def test_a_number_in_the_settings_is_the_parameters_value():
    settings = ModelSettings(inputs={"capacity": 42})
    assert plan(manifest(voltage=VOLTAGE, capacity=CAPACITY), settings=settings).parameters == {"capacity": 42.0}


def test_a_missing_parameter_is_refused_with_the_nearest_name_and_an_optional_one_is_not():
    model = manifest(voltage=VOLTAGE, capacity=CAPACITY)
    [refusal] = plan(model, parameters={"Capacty": 60}).refusals
    assert refusal.startswith("parameter 'Capacity' (input 'capacity') is not set on pack; did you mean 'Capacty'?")
    optional = manifest(voltage=VOLTAGE, capacity={**CAPACITY, "required": False})
    assert plan(optional).refusals == plan(optional).notes == ()


def test_an_object_of_the_blueprint_is_read_by_its_name_with_or_without_prefix():
    model, table = manifest(voltage=VOLTAGE, ocv=TABLE), {"soc": [0, 1], "voltage": [3.0, 4.2]}
    for stored in ("OCV_Table", "BP/OCV_Table"):
        result = plan(model, settings=ModelSettings(inputs={"ocv": "BP/OCV_Table"}), parameters={stored: table})
        assert result.parameters == {"ocv": table}
    wrong = plan(model, settings=ModelSettings(inputs={"ocv": "BP/OCV_Table"}), parameters={"OCV_Table": 3})
    assert wrong.notes == ("parameter 'BP/OCV_Table' (input 'ocv') is 3, not an object",)


def test_facts_of_the_site_are_brought_to_the_models_unit():
    facts = AssetFacts(
        sensors={"Voltage": SensorFacts(max_gap=90, valid_range=(2500, 3650), sentinels=[9999], conflicts="mean")}
    )
    source = plan(manifest(voltage=VOLTAGE), facts).sources["voltage"]
    assert source.max_gap == 90.0
    assert source.valid_range == (2.5, 3.65)
    assert source.sentinels == (9.999,)
    assert source.conflicts == "mean"


def test_the_narrower_of_the_sites_and_the_models_range_holds_and_the_sign_turns_it():
    facts = AssetFacts(positive_current="charge", sensors={"Current": SensorFacts(valid_range=(-100, 200))})
    model = manifest(current={**CURRENT, "valid_range": [-150, 150]})
    assert plan(model, facts).sources["current"].valid_range == (-150.0, 100.0)


def test_usual_sentinels_are_in_the_units_of_the_sensor():
    source = plan(manifest(voltage=VOLTAGE)).sources["voltage"]
    assert source.sentinels == tuple(value / 1000 for value in USUAL_SENTINELS)
    assert 65.535 in source.sentinels
    assert source.max_gap == 300.0


def test_facts_of_an_array_are_stated_under_its_pattern():
    facts = AssetFacts(sensors={"Cell Voltage|*": SensorFacts(max_gap=7, unit="volt")})
    source = plan(manifest(cell_voltage=CELLS), facts, sensors={"Cell Voltage|0": "", "Cell Voltage|1": ""}).sources[
        "cell_voltage"
    ]
    assert (source.max_gap, source.unit) == (7.0, "volt")


def test_an_output_of_another_model_is_read_from_it_and_not_from_the_platform():
    result = plan(manifest(voltage=VOLTAGE), producers={"Voltage": ("other", "smooth")})
    assert result.computed == {"voltage": ("other", "smooth")}
    assert result.sources == {}


def test_a_model_that_reads_its_own_output_from_the_platform_is_refused():
    result = plan(manifest(voltage=VOLTAGE), producers={"Voltage": ("m", "total")})
    assert result.sources == {} and "the model's own output; carry it in self.state" in result.refusals[0]


def test_names_of_a_site_that_says_nothing():
    assert site_name("cell_voltage") == "Cell Voltage"
    assert site_name("bms_soc") == "BMS SOC"


def test_a_hash_changes_with_its_part_and_only_with_it():
    option = {"limit": {"type": "number", "default": 1.0}}
    model = manifest(voltage=VOLTAGE, capacity=CAPACITY, configuration=option)
    before = plan(model, parameters={"Capacity": 60})
    assert plan(model, parameters={"Capacity": 60.0}).hashes == before.hashes

    def differing(other):
        return {part for part, value in other.hashes.items() if before.hashes[part] != value}

    assert differing(plan(model, parameters={"Capacity": 61})) == {"parameters"}
    settings = ModelSettings(configuration={"limit": 2.0})
    assert differing(plan(model, settings=settings, parameters={"Capacity": 60})) == {"configuration"}
    facts = AssetFacts(sensors={"Voltage": SensorFacts(max_gap=1)})
    assert differing(plan(model, facts, parameters={"Capacity": 60})) == {"mapping"}
    settings = ModelSettings(outputs={"total": "Another"})
    assert differing(plan(model, settings=settings, parameters={"Capacity": 60})) == {"output names"}
    described = model.model_copy(
        update={"inputs": {n: i.model_copy(update={"description": "x"}) for n, i in model.inputs.items()}}
    )
    assert differing(replace(before, manifest=described)) == set()
    wider = model.inputs["voltage"].model_copy(update={"lookback": 60.0})
    assert differing(replace(before, manifest=model.model_copy(update={"inputs": {**model.inputs, "voltage": wider}}))) == {
        "manifest"
    }


WORD = {"type": "str", "choices": ["NMC", "LFP"]}


@pytest.mark.parametrize("value", ["LFP", "lfp"])
def test_a_word_is_taken_in_the_spelling_of_the_manifest(value):
    assert plan(manifest(current=CURRENT, chemistry=WORD), DISCHARGE, parameters={"Chemistry": value}).parameters == {
        "chemistry": "LFP"
    }


def test_a_word_may_stand_in_the_settings():
    settings = ModelSettings(inputs={"chemistry": "nmc"})
    assert plan(manifest(current=CURRENT, chemistry=WORD), DISCHARGE, settings).parameters == {"chemistry": "NMC"}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("LPF", "parameter 'Chemistry' is 'LPF', which input 'chemistry' does not take; did you mean 'LFP'?"),
        ("lead", "parameter 'Chemistry' is 'lead', which input 'chemistry' does not take; there is 'LFP', 'NMC'."),
        (3, "parameter 'Chemistry' (models.m.inputs.chemistry) is 3, not a text"),
    ],
)
def test_a_word_that_is_none_of_the_choices_is_refused(value, sentence):
    [refusal] = plan(manifest(current=CURRENT, chemistry=WORD), DISCHARGE, parameters={"Chemistry": value}).refusals
    assert refusal.startswith(sentence)


def test_an_array_keeps_the_numbers_of_the_site():
    sensors = {f"Cell Voltage|{number}": "V" for number in (82, 1, 9)}
    assert plan(manifest(cell_voltage=CELLS), sensors=sensors).sources["cell_voltage"].numbers == (1, 9, 82)
