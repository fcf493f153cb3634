"""Malformed inputs end in a message and exit code 0 (harmless), 1 or 2: never in a traceback, a hang or a wrong number.

Hypothesis breaks valid inputs in one to three places, or tears their text; the same 2,000 and more in every run. A longer soak,
with new ones and a table: ``python -m tests.test_malformed 10`` (ten times as many).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from platform_interface.launch import Launch
from platform_interface.platforms.local import LocalPlatform
from platform_interface.when import instant
from tests.command import ASSET, CSV, MAPPING, command, plugin
from tests.kit import SCRATCH
from tests.malformed_inputs import anything, mutations, nasty, texts, torn, written
from tests.malformed_site import CYCLES, SERIES, Site, judge, judge_number

TIMES = int(os.environ.get("MALFORMED_TIMES", "1"))
pytestmark = pytest.mark.xdist_group("malformed")


def inputs(count: int) -> Any:
    """Return the settings of a test over so many inputs; the same ones in every run, unless it is a soak."""
    return settings(
        max_examples=count * TIMES, derandomize=TIMES == 1, database=None, deadline=None, print_blob=False,
        suppress_health_check=list(HealthCheck), phases=list(Phase) if TIMES == 1 else [Phase.generate],
    )  # fmt: skip


@pytest.fixture(scope="module")
def site():
    folder = Path(tempfile.mkdtemp(prefix="malformed-", dir=SCRATCH))
    place = Site(folder)
    yield place
    place.close()
    shutil.rmtree(folder)


#: Settings whose change may rightly change the number; kept apart.
DECIDES = {
    ("execution", "max_days_period_compute"), ("execution", "manual_start_date"), ("execution", "manual_end_date"),
    ("execution", "compute_type"), ("execution", "settle_time"), ("execution", "enabled_models"), ("execution", "upload_output"),
    ("sensors",), ("sensors", "Current"), ("assets",), ("assets", "*"), ("assets", ASSET), ("models",), ("models", "eq_cycles"),
    ("platform",), ("execution",),
}  # fmt: skip
TREE: dict[str, Any] = {
    "platform": {"connector": "local", "address": "", "pages_address": "", "private_ca": "", "insecure_http": False, "concurrency": 8,
                 "request_values": 10_000, "request_timeout": 60.0, "retry_budget": "5min", "options": {}, "metrics": ""},
    "execution": {
        "enabled_models": "eq_cycles", "compute_type": "full", "max_days_period_compute": 0, "manual_start_date": "",
        "manual_end_date": "", "debug_mode": False, "upload_output": True, "settle_time": "0s", "lookback": "7d", "max_values": 2_097_152,
        "write_pages": False, "batch_assets": 20, "asset_timeout": "1h", "lease_wait": "0s", "plugin_folders": ["plugins"],
    },
    "sensors": {"Current": {"unit": "A", "max_gap": "5min", "valid_range": [-500, 500], "sentinels": [65535], "conflicts": "drop"}},
    "assets": {"*": {"positive_current": "discharge", "time_zone": "Europe/Berlin"}, ASSET: {"parameters": {"Capacity": 100.0}}},
    "models": {"eq_cycles": {
        "inputs": {"current": {"default": "Current"}, "capacity": {"valueDev": "Capacity"}, "soc": ""},
        "outputs": {"equivalent_cycles": {"default": "Equivalent Cycles"}}, "configuration": {},
    }},
}  # fmt: skip


def decides(path: tuple[Any, ...]) -> bool:
    """Whether a change here may rightly change the number."""
    return path[:1] in (("sensors",), ("assets",), ("models",)) or path[:2] in DECIDES or path in DECIDES


@inputs(420)
@given(case=mutations(TREE))
def test_malformed_settings_end_in_a_message_or_in_the_known_number(site, case):
    tree, changed = case
    base = site.values()
    if isinstance(tree.get("platform"), dict):
        tree["platform"] = {**base["platform"], **tree["platform"]}
    result = site.run("settings", ["run", f'{{"configurationValues": {written(tree)}}}'])
    judge(result)
    if not any(decides(path) for path in changed):
        judge_number(result)


@inputs(160)
@given(
    case=mutations({"parameters": TREE}),
    text=torn(json.dumps({"name": "battery-twin", "parameters": TREE})),
    which=st.booleans(),
)
def test_a_malformed_settings_file_ends_in_a_message(site, case, text, which):
    content = written(case[0]) if which else text
    try:
        result = site.run("settings.json", ["run", site.launch()], files={"program/settings.json": content})
    finally:
        shutil.copy(Path(__file__).parent.parent / "settings.json", site.program / "settings.json")
    judge(result)


LAUNCH: dict[str, Any] = {
    "programTaskId": "task-7", "userApiKey": "env:HOME", "userName": "someone", "userPassword": "a-password-of-9", "factoryApi": "https://x.example",
    "iotApi": "https://y.example", "assetId": ASSET, "assetIds": [ASSET], "assetTag": "test", "demoFleet": False, "configurationValues": {},
}  # fmt: skip
VENDOR: dict[str, Any] = {
    "altergoProgramTaskId": "task-7", "altergoUserApiKey": "file:site/key", "altergoFactoryApi": "https://x.example",
    "altergoIotApi": "https://y.example", "assetId": ASSET, "configurationValues": {},
}  # fmt: skip


@inputs(300)
@given(
    case=st.sampled_from([LAUNCH, VENDOR]).flatmap(mutations),
    text=torn(json.dumps(LAUNCH)),
    tear=st.booleans(),
    inline=st.booleans(),
)
def test_a_malformed_launch_ends_in_a_message_or_in_the_known_number(site, case, text, tear, inline):
    tree, _ = case
    if isinstance(tree.get("configurationValues"), dict):
        tree["configurationValues"] = {**site.values(), **tree["configurationValues"]}
    content = (text if tear else written(tree)).replace("\x00", "") if inline else (text if tear else written(tree))
    tree_is_torn = tear and '"configurationValues": {}' in content
    files = {"site/key": "a-key-of-the-site"} if inline else {"site/key": "a-key-of-the-site", "site/launch.json": content}
    if tree_is_torn:  # keep the store of the site out of the program's own folder
        content = content.replace('"configurationValues": {}', f'"configurationValues": {json.dumps(site.values())}')
        files = {**files, "site/launch.json": content} if not inline else files
    result = site.run(
        "launch inline" if inline else "launch file", ["run", content if inline else "site/launch.json"], files=files
    )
    judge(result)
    judge_number(result)


@inputs(120)
@given(value=anything, inline=st.booleans())
def test_any_json_as_a_launch_ends_in_a_message(site, value, inline):
    text = written(value)
    judge(site.run("random JSON", ["run", text.replace("\x00", "") if inline else "site/x.json"], files={"site/x.json": text}))


MANIFEST: dict[str, Any] = {
    "manifest_version": 1, "name": "probe", "version": "1.0.0", "state_version": 1, "description": "Test.", "category": "Other",
    "complexity": "Simple", "computational_cost": "Low",
    "inputs": {
        "current": {"type": "pd.Series", "unit": "ampere", "quantity": "current", "valid_range": [-1000, 1000], "max_gap": "5min"},
        "voltage": {"type": "pd.Series", "unit": "volt", "required": False, "align_to": "current", "tolerance": "60s", "lookback": "0s"},
        "capacity": {"type": "float", "unit": "ampere_hour", "required": False, "valid_range": [0, 1e6]},
        "word": {"type": "str", "required": False, "choices": ["a", "b"]},
        "seed": {"type": "float", "required": False, "initialisation_value": "probe_out"},
    },
    "outputs": {"probe_out": {"unit": "ampere", "decimation_threshold": 0.1, "valid_range": [-1e4, 1e4], "codes": {"0": "fine"}}},
    "configuration": {"gain": {"type": "number", "default": 1.0, "minimum": 0, "maximum": 10, "description": "Times."},
                      "mode": {"type": "string", "default": "a", "choices": ["a", "b"]}},
    "weights": {},
}  # fmt: skip
VENDORS: dict[str, Any] = {
    "name": "probe", "version": "1.0", "category": "Other", "description": "In the vendor's form.",
    "inputs": [{"logical_name": "current", "unit": "A", "type": "pd.Series", "required": True}],
    "parameters": [{"logical_name": "capacity", "unit": "Ah", "required": False}],
    "outputs": [{"logical_name": "probe_out", "unit": "p.u.", "type": "pd.Series", "decimation_threshold": 0.01}],
    "configuration": {"factor": {"type": "number", "default": 2}},
}  # fmt: skip


@inputs(340)
@given(
    case=st.sampled_from([MANIFEST, MANIFEST, VENDORS]).flatmap(mutations),
    text=torn(json.dumps(MANIFEST)),
    tear=st.integers(0, 3),
)
def test_a_malformed_manifest_ends_in_a_message_and_its_neighbour_computes(site, case, text, tear):
    place = site.folder / "plugins" / "probe"
    if not place.exists():
        plugin(site.folder, "probe", 'return {"probe_out": data["current"] * 1.0}')
    content = text if tear == 0 else written(case[0])
    launch = site.launch(enabled_models="eq_cycles,probe", plugin_folders=[str(site.folder / "plugins")])
    if tear == 1:
        judge(site.run("manifest, validate", ["validate", "probe", launch], files={"plugins/probe/model.json": content}))
        return
    result = site.run("manifest, run", ["run", launch], files={"plugins/probe/model.json": content})
    judge(result)
    judge_number(result)


def expected(value: Any) -> float | None:
    """Return the cycles by hand for a capacity as it stands on the platform; `None`: only a refusal is right."""
    unit = "Ah"
    if isinstance(value, dict) and "value" in value:
        unit, value = value.get("unit", unit), value["value"]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or unit not in ("Ah", "mAh", "ampere_hour"):
        return None
    try:
        capacity = float(value) / (1000.0 if unit == "mAh" else 1.0)
        return float(f"{25.0 / capacity:.9g}") if 0 < capacity < float("inf") else None
    except OverflowError:
        return None


@inputs(260)
@given(value=nasty, beside=st.dictionaries(texts, nasty, max_size=2), whole=st.one_of(st.none(), st.none(), anything))
def test_malformed_parameters_of_an_asset_end_in_a_refusal_or_in_the_number_of_the_new_capacity(site, value, beside, whole):
    parameters = {"positive_current": "discharge", **beside, "Capacity": value}
    text = written(parameters if whole is None else whole)
    sql = [["site/store/pack-1/asset.db", "update asset set parameters = ?", [text]]]
    result = site.run("parameters", ["run", site.launch()], sql=sql)
    judge(result)
    if whole is not None:
        judge_number(result, None)
        return
    try:
        judge_number(result, expected(json.loads(text)["Capacity"]))
    except ValueError:  # not JSON to Python either
        assert result.model().get("status") != "done"


INGEST = ["ingest", "site/log.csv", "--asset", "new", "--mapping", "site/mapping.json"]
FIRST = instant("2026-01-31T08:00:00Z")
DAMAGES = [
    ("asset.tags", "update asset set tags = ?"), ("asset.name", "update asset set name = ?"),
    ("unit", "update sensor set unit = ? where name = 'Current'"),
    ("base", "update sensor set base = ? where name = 'Current'"),
    ("checkpoint", "update state set value = ? where key like 'checkpoint/%'"),
    ("every state", "update state set value = ?"), ("alarm", "insert into alarm values ('x', 1, ?)"),
    ("sensor", "insert into sensor values (?, 'pack', 'ampere', 0)"), ("lease", "insert or replace into lease values (1, 'x', ?, 1, 1)"),
]  # fmt: skip


@inputs(60)
@given(damage=st.sampled_from(DAMAGES), text=st.one_of(anything.map(written), torn('{"state": {}, "end": 1769850000001}')))
def test_a_damaged_store_ends_in_a_message_or_in_the_known_number(site, damage, text):
    launch = site.launch(compute_type="incremental")
    assert site.run("", ["run", launch]).code == 0
    sql = [["site/store/pack-1/asset.db", damage[1], [text.encode("utf-8", "replace").decode()]]]
    for words in (["run", launch], ["list", launch]):
        result = site.run("damaged store", words, sql=sql, fresh=False)
        judge(result)
        if damage[0] != "unit":
            judge_number(result)
        sql = []


@inputs(260)
@given(case=mutations({**MAPPING, "rows": {"u": 3300}}), text=torn(json.dumps(MAPPING)), tear=st.integers(0, 4))
def test_a_malformed_mapping_file_ends_in_a_message_or_in_the_values_of_the_file(site, case, text, tear):
    content = text if tear == 0 else written(case[0])
    files = {"site/log.csv": CSV, "site/mapping.json": content}
    result = site.run("mapping file", [*INGEST, site.launch()], files=files)
    judge(result)
    if result.code == 0 and tear:
        platform = LocalPlatform(site.folder / "site" / "store")
        for table in platform.read("new", list(platform.sensors("new")), -(2**62), 2**62):
            assert all(set(row) in ({50.0}, {3300.0}) for row in table.values.tolist())
            if not any(path[0] == "time" for path in case[1]):
                assert set(table.time.tolist()) <= {FIRST + 10_000 * n for n in range(361)}


HEAD = "".join(CSV.splitlines(keepends=True)[:12])


@inputs(260)
@given(text=torn(HEAD), encoding=st.sampled_from(["utf-8", "utf-8", "utf-16", "utf-32", "cp1252"]))
def test_a_malformed_file_of_samples_ends_in_a_message(site, text, encoding):
    content = list(text.encode(encoding, "replace") if encoding != "utf-8" else text.encode("utf-8", "surrogatepass"))
    files = {"site/log.csv": content, "site/mapping.json": json.dumps(MAPPING)}
    judge(site.run("CSV file", [*INGEST, site.launch()], files=files))


COMMANDS = ["run", "check", "doctor", "list", "validate", "new-model", "ingest", "forget", "backtest", "dashboard"]
OPTIONS = ["--quiet", "--log-format", "--dry-run", "--days", "--json", "--asset", "--mapping", "--again", "--yes", "--model", "--output",
           "--single-file", "--all", "--from", "--to", "--set", "--version", "--help", "--resume", "-x", "--", "-"]  # fmt: skip
OPERANDS = ["LAUNCH", "LAUNCH", ASSET, "eq_cycles", "site/log.csv", "site/mapping.json", "json", "text", "3", "0", "-1", "1e99", "pages",
            "2026-01-31T08:00:00Z", "reserve=0.5", "a=b=c", "=", "site", "no.json"]  # fmt: skip


@inputs(260)
@given(
    first=st.one_of(st.sampled_from(COMMANDS), st.sampled_from(OPERANDS), texts),
    rest=st.lists(st.one_of(st.sampled_from(OPTIONS), st.sampled_from(OPERANDS), texts), max_size=5),
)
def test_a_malformed_command_line_ends_in_a_message(site, first, rest):
    words = [word.replace("\x00", "") for word in (first, *rest)]
    arguments = [site.launch() if word == "LAUNCH" else word for word in words]
    if not any(argument.startswith("{") for argument in arguments):
        arguments.append(site.launch())
    files = {"site/log.csv": CSV, "site/mapping.json": json.dumps(MAPPING)}
    judge(site.run("command line", arguments, files=files))


def test_at_least_two_thousand_inputs_were_given(site):
    if len(site.slowest) >= 10:  # else a part of the file was chosen
        assert sum(site.tally.values()) >= 2000 * TIMES, site.table()
    print(f"\n{site.table()}")


REAL = {
    "a lone surrogate as a name": ['{"assetId": "\\ud800"}'],
    "bytes that are no text": [b'{"assetId": "\xff\xfe"}'],
    "deep nesting": ['{"configurationValues": ' + '{"a":' * 5000 + "1" + "}" * 5001],
    "a number with 400 digits": ['{"configurationValues": {"execution": {"max_values": ' + "9" * 400 + "}}}"],
    "more than a number can hold": ['{"configurationValues": {"execution": {"max_days_period_compute": 1e999}}}'],
    "an escape sequence": ['{"configurationValues": {"execution": {"enabled_models": "\\u001b[31mred"}}}'],
    "a null byte in a folder's name": ['{"configurationValues": {"platform": {"store": "a\\u0000b"}}}'],
    "a key twice": ['{"assetId": "a", "assetId": "b"}'],
    "nothing": [""],
}


@pytest.mark.parametrize("name", REAL)
def test_the_real_command_ends_in_a_message_too(tmp_path, name):
    result = command(*(part if isinstance(part, str) else os.fsdecode(part) for part in REAL[name]), cwd=tmp_path)
    assert result.returncode == 2, result
    assert "ERROR: " in result.stderr
    assert "Traceback" not in result.stderr
    assert "\x1b" not in result.stderr


def test_the_known_number_is_the_one_worked_out_by_hand(site):
    result = site.run("", ["run", site.launch()])
    assert result.code == 0
    assert result.model()["latest"][SERIES][0] == CYCLES
    assert set(LAUNCH) | {"inline"} == set(Launch.model_fields)  # a new key of the launch is broken here too


if __name__ == "__main__":
    os.environ["MALFORMED_TIMES"] = sys.argv[1] if len(sys.argv) > 1 else "10"
    sys.exit(pytest.main([__file__, "-n", "0", "-s"]))
