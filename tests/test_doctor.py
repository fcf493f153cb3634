"""Every injected fault of a mapping is named, nothing else is accused, and what is proposed mends it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from platform_interface.doctor.findings import MAPPING, SETTINGS
from platform_interface.settings import Settings, merged
from tests.doctor_faults import FAULTS, ODD, injected
from tests.doctor_kit import SPRING, look, simulated

NMC, LFP = 0, 1
#: Cells of a flat curve differ by a millivolt: nobody can see two of them exchanged.
UNSEEN = {("two neighbouring cells exchanged", LFP)}

#: Faults that no setting repairs: a file is to be ingested again, a part to be looked at, or the data leave open what is wrong.
NO_SETTING = (
    "one cell not mapped",
    "pack voltage mapped as a cell",
    "two neighbouring cells exchanged",
    "temperature frozen for a day",
    "cell voltage frozen for 6 h",
    "SOC frozen for 12 h",
    "cells 8 h late",
    "cells 1 h late",
    "pack sensors 5.5 h late",
    "cells 8 h late from the third day on",
    "local time in spring taken for UTC",
    "local time in autumn taken for UTC",
)


@pytest.mark.parametrize("seed", [NMC, LFP])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_mapping_is_named_and_nothing_else(name, seed):
    _, check, sensor = FAULTS[name]
    found = look(injected(name, seed))
    if (name, seed) in UNSEEN:
        assert found == []
        return
    assert {finding.check for finding in found} == {check}
    assert sensor in {finding.sensor for finding in found}
    for finding in found:
        assert finding.text.endswith(".")
        assert 1 <= finding.count <= finding.of


@pytest.mark.parametrize("name", ODD)
def test_odd_data_with_a_right_mapping_are_accused_of_nothing(name):
    for seed in range(200, 203):
        found = look(ODD[name](simulated(seed), seed))
        assert found == [], found[0].text


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in NO_SETTING])
def test_what_is_proposed_for_settings_is_valid_and_mends_the_mapping(name):
    pack = injected(name, NMC)
    tree = proposed(pack)
    assert tree
    facts = Settings.model_validate(tree).facts_of(pack.asset.id)
    assert look(replace(pack, facts=facts)) == []


@pytest.mark.parametrize("name", NO_SETTING)
def test_where_no_setting_mends_a_fault_none_is_proposed(name):
    assert proposed(injected(name, NMC)) == {}


def proposed(pack):
    """Return what all findings together propose for settings.json."""
    tree = {}
    for finding in look(pack):
        if finding.proposal and finding.proposal.file == SETTINGS:
            tree = merged(tree, json.loads(json.dumps(finding.proposal.change)))
    return tree


def test_faults_that_no_setting_repairs_propose_none():
    for name in ("temperature frozen for a day", "SOC frozen for 12 h", "two neighbouring cells exchanged"):
        assert [finding.proposal for finding in look(injected(name, NMC))] == [None]


def test_a_local_clock_is_to_be_mended_in_the_mapping_file():
    [finding] = look(injected("local time in spring taken for UTC", NMC))
    assert finding.proposal.file == MAPPING
    assert finding.proposal.change == {"time": {"time_zone": "Europe/Berlin"}}
    assert finding.start == "2026-03-29T02:00:00Z"


def test_evidence_is_gathered_without_touching_what_a_model_is_given():
    pack = simulated(3, SPRING)
    before = {name: logged.values.tobytes() for name, logged in pack.sensors.items()}
    for logged in pack.sensors.values():
        logged.values.flags.writeable = False
    look(pack)
    assert {name: logged.values.tobytes() for name, logged in pack.sensors.items()} == before


def test_two_codes_of_one_array_are_proposed_together():
    from tests.doctor_faults import changed, coded

    pack = changed("probes", coded(1, 511.0))(changed("probes", coded(2, 255.0))(simulated(NMC)))
    found = look(pack)
    assert {finding.value for finding in found} == {255.0, 511.0}
    assert all(
        finding.proposal.change["assets"]["pack"]["sensors"]["Temperature|*"]["sentinels"] == [255.0, 511.0, 65535.0]
        for finding in found
    )


def test_a_swap_within_flat_cells_is_not_invented_by_noise():
    for seed in range(20):
        random = np.random.default_rng(seed)
        pack = simulated(2 * seed + 1)
        old = pack.sensors["Cell Voltage|*"]
        noisy = np.round(old.values + random.normal(0, 2.0, old.values.shape))
        found = look(pack.having(cells=replace(old, values=noisy)))
        assert found == []
