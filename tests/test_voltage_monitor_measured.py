"""Voltage monitor on the measured cars, against counts made by hand from the raw files; skipped where the data are not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import measured_data as measured
from platform_interface.backtest import backtest
from platform_interface.launch import Launch, program_folder
from platform_interface.settings import load_settings

DATA = measured.shared_data()
BARE = (
    "warning_on_delay_s=0", "warning_off_delay_s=0", "undervoltage_hysteresis=0", "overvoltage_hysteresis=0", "most_cell_alarms=10000",
    "data_delay_s=3600",
)  # fmt: skip


@pytest.fixture(scope="module", params=["ev-car2", "ev-car3"])
def car(request, tmp_path_factory):
    if DATA is None:
        pytest.skip("the measured data (../shared/data or TWIN_SHARED_DATA) are not here")
    item, folder = measured.BY_NAME[request.param], tmp_path_factory.mktemp(request.param)
    platform = {"store": str(folder / "store"), "reports": str(folder / "reports")}
    content = {"configurationValues": {"platform": platform, "execution": {"enabled_models": ["voltage_monitor"]}}}
    mapping = measured.MAPPINGS / f"{item.asset}.json"
    file = str(DATA / item.file)
    measured.command("ingest", file, "--asset", item.asset, "--mapping", str(mapping), json.dumps(content))
    launch = Launch.model_validate(content)
    settings = load_settings(program_folder() / "settings.json", launch)

    def what_if(*words):
        [result] = backtest(launch, settings, "voltage_monitor", item.asset, changed=words)
        assert result.status == "done", result.reason
        return result

    frame = measured.raw(item, DATA)
    frame = frame.drop_duplicates(item.time).sort_values(item.time, kind="stable")
    return what_if, frame.filter(regex="^cell").replace(0.0, np.nan)


def excursions(cells, limit):
    """Count, cell by cell, how often the voltage falls below a limit, having been above it; equal to it is neither."""
    count = 0
    for values in cells.to_numpy(np.float64).T:  # the file has 32 bits: 3.4 V is 3.4000001 V there, as for the monitor
        known = values[~np.isnan(values)]
        below = known[known != limit] < limit
        count += int(below[:1].sum() + (below[1:] & ~below[:-1]).sum())
    return count


@pytest.mark.parametrize("limit", [3.2, 3.4, 3.5])
def test_without_delay_and_hysteresis_every_excursion_is_an_alarm_and_with_them_fewer(car, limit):
    what_if, cells = car
    wanted = excursions(cells, limit)
    assert what_if(f"undervoltage_warning={limit}", *BARE).alarms == wanted
    tamed = what_if(f"undervoltage_warning={limit}", "most_cell_alarms=10000")
    grouped = what_if(f"undervoltage_warning={limit}")
    assert grouped.alarms <= tamed.alarms <= wanted
    assert grouped.flood_minutes <= tamed.flood_minutes


def test_limits_by_chemistry_raise_nothing_because_no_cell_was_beyond_them(car):
    what_if, cells = car
    assert cells.min().min() > 3.0 and cells.max().max() < 4.22
    assert what_if().alarms == 0
