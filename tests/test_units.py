"""Units at the boundary: the table of daily use against pint, exact decimals, refusals with the nearest name."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_interface import units

PAIRS = [(a, b) for a, b in product(units.COMMON, repeat=2) if a != b]
SAME = [(a, b) for a, b in PAIRS if units.COMMON[a][0] == units.COMMON[b][0]]
OTHER = [(a, b) for a, b in PAIRS if units.COMMON[a][0] != units.COMMON[b][0]]


def converted(value, source, target):
    how = units.conversion(source, target)
    return value * how.multiply / how.divide + how.add


def test_the_table_has_pairs_that_convert_and_pairs_that_do_not():
    assert len(SAME) == 32
    assert len(SAME) + len(OTHER) == len(units.COMMON) * (len(units.COMMON) - 1)


@pytest.mark.parametrize(("source", "target"), SAME)
def test_every_pair_of_the_table_that_converts_converts_as_pint_does(source, target):
    registry = units._registry()
    for value in (-40.0, 0.0, 1.0, 3312.0):
        expected = registry.Quantity(value, source).to(target).magnitude
        assert converted(value, source, target) == pytest.approx(expected, rel=1e-12, abs=1e-9)


@pytest.mark.parametrize(("source", "target"), OTHER)
def test_every_pair_of_the_table_that_does_not_measure_the_same_is_refused(source, target):
    with pytest.raises(ValueError, match=rf"'{source}' cannot become '{target}': they do not measure the same quantity"):
        units.conversion(source, target)


def test_the_pairs_that_are_refused_are_refused_by_pint_too():
    import pint

    registry = units._registry()
    for source, target in OTHER:
        with pytest.raises(pint.DimensionalityError):
            registry.Quantity(1.0, source).to(target)


@given(st.integers(-10_000_000, 10_000_000))
@settings(derandomize=True, deadline=None)
def test_whole_millivolts_become_the_volts_that_a_person_would_write(millivolts):
    assert converted(float(millivolts), "mV", "volt") == float(f"{millivolts}e-3")


@given(st.integers(-1_000_000, 1_000_000))
@settings(derandomize=True, deadline=None)
def test_whole_percents_become_the_fractions_that_a_person_would_write(percent):
    assert converted(float(percent), "%", "dimensionless") == float(f"{percent}e-2")


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (3312.0, "mV", "volt", 3.312),
        (98.6, "%", "dimensionless", 0.986),
        (0.5, "p.u.", "percent", 50.0),
        (25.0, "°C", "kelvin", 298.15),
        (298.15, "K", "degC", 25.0),
        (1.5, "kA", "ampere", 1500.0),
        (2.0, "hour", "second", 7200.0),
        (90.0, "s", "hour", 0.025),
        (1.5, "kWh", "watt_hour", 1500.0),
        (0.7, "mΩ", "ohm", 0.0007),
    ],
)
def test_values_converted_by_hand_come_out(value, source, target, expected):
    assert converted(value, source, target) == pytest.approx(expected, rel=1e-14, abs=1e-12)


def test_a_unit_beside_the_table_goes_to_pint():
    assert converted(77.0, "degF", "degC") == pytest.approx(25.0, abs=1e-9)
    assert converted(25.0, "degC", "degF") == pytest.approx(77.0, abs=1e-9)
    assert converted(2.0, "minute", "second") == pytest.approx(120.0)
    assert converted(1.0, "coulomb", "ampere_hour") == pytest.approx(1 / 3600)


def test_units_beside_the_table_that_do_not_convert_are_refused():
    with pytest.raises(ValueError, match="'degF' cannot become 'volt'"):
        units.conversion("degF", "volt")


def test_the_same_unit_under_two_names_is_no_conversion():
    for a, b in (("V", "volt"), ("%", "percent"), ("p.u.", "dimensionless"), ("°C", "degC"), ("cycles", ""), (" A ", "ampere")):
        assert units.conversion(a, b).is_identity


def test_every_alias_names_a_unit():
    for word in (*units.ALIASES, *units.COMMON):
        assert units.fault_of(word) is None


@pytest.mark.parametrize("word", sorted(units.VENDOR_WORDS))
def test_the_vendors_words_for_no_unit_are_dimensionless(word):
    assert units.canonical(word) == "dimensionless"
    assert units.fault_of(word) is None


@pytest.mark.parametrize(
    ("word", "nearest"), [("Amper", "ampere"), ("milivolt", "millivolt"), ("Percent", "percent"), ("kelvn", "kelvin")]
)
def test_a_misspelled_unit_is_named_with_the_nearest(word, nearest):
    fault = units.fault_of(word)
    assert fault == f"'{word}' is not a unit; did you mean '{nearest}'?"


@pytest.mark.parametrize("word", ["furlongs per", "3 *", "?", "-", "n/a", "$", "'", "__import__('os')", "V/", "("])
def test_what_is_no_unit_is_a_fault_and_not_a_crash(word):
    assert units.fault_of(word).startswith(f"'{word}' is not a unit")
    with pytest.raises(ValueError, match="is not a unit"):
        units.conversion(word, "volt")
    with pytest.raises(ValueError, match="is not a unit"):
        units.conversion("volt", word)


def test_units_that_convert_have_one_dimension():
    assert units.dimension("mV") == units.dimension("volt")
    assert units.dimension("°C") == units.dimension("K")
    assert units.dimension("volt") != units.dimension("ampere")
    assert units.dimension("minute") == units.dimension("day")
