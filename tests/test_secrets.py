"""No secret in any output: not in a message, a log, a report, the store or a traceback, however the key came in."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.command import ASSET, PROGRAM, brought_in, command, launch_file, plugin, values

KEY = 'Sk-93"\\f1E7c0ffee/ä+TOPSECRET'
PLAIN = "TOPSECRET"
#: How the key may look where it is written: as it is, in JSON, in JSON of ASCII, in a Python literal.
FORMS = {PLAIN, KEY, json.dumps(KEY)[1:-1], json.dumps(KEY, ensure_ascii=False)[1:-1], repr(KEY)[1:-1], "f1E7c0ffee"}
READ = "import logging, sys; key = open(sys.argv[-1]).read(); "
LEAKS = {
    "leaking": READ + "raise ValueError(key)",
    "printing": READ + 'logging.getLogger("twin").error(key); raise KeyError(key)',
    "noting": READ + "self.note(key); raise ModelError(key)",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("site")
    assert brought_in(place).returncode == 0
    for name, body in LEAKS.items():
        plugin(place, name, body)
    return place


def seen(folder, *results):
    """Everything that the results printed and everything that lies in the store and the reports."""
    found = [result.stdout + result.stderr for result in results]
    written = [p for place in ("store", "reports") for p in (folder / place).rglob("*") if p.is_file()]
    assert written
    return "\n".join([*found, *(path.read_bytes().decode("utf-8", "replace") for path in written)])


def assert_silent(folder, *results):
    text = seen(folder, *results)
    for form in FORMS:
        assert form not in text, [r.args for r in results]


def content(folder, **more):
    return {"userApiKey": KEY, "configurationValues": values(folder, debug_mode=True), **more}


COMMANDS = {
    "run": ["run"], "default": [], "dry": ["run", "--dry-run"], "json": ["run", "--log-format", "json"], "quiet": ["run", "--quiet"],
    "check": ["check"], "list": ["list"], "validate": ["validate"], "new-model": ["new-model", "eq_cycles"],
    "ingest": ["ingest", "log.csv", "--asset", ASSET, "--mapping", "mapping.json"], "forget": ["forget", "nothing", "--yes"],
    "forget unanswered": ["forget", ASSET], "dashboard": ["dashboard", ASSET, "--output", "reports"],
    "doctor": ["doctor", ASSET], "backtest": ["backtest", "eq_cycles", ASSET],
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("key", ["altergoUserApiKey", "userApikey", "altergoUserKey"])
def test_no_command_shows_a_key_given_inline_under_its_name_or_a_misspelled_one(folder, name, key):
    given = content(folder)
    given[key] = given.pop("userApiKey")
    result = command(*COMMANDS[name], json.dumps(given), cwd=folder)
    assert_silent(folder, result)
    if key == "userApikey" and name != "new-model":
        assert result.returncode == 2
        assert key in result.stdout + result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_shows_a_key_given_by_file_or_environment(folder, name):
    launch = launch_file(folder, values(folder, debug_mode=True), userApiKey=KEY)
    by_variable = launch_file(folder, values(folder), "variable.json", userApiKey="env:TWIN_KEY")
    assert_silent(
        folder,
        command(*COMMANDS[name], launch, cwd=folder),
        command(*COMMANDS[name], by_variable, cwd=folder, TWIN_KEY=KEY),
    )


BROKEN = {
    "cut off": '{"userApiKey": "%s"',
    "single quotes": "{'userApiKey': '%s'}",
    "no quotes": "{userApiKey: %s}",
    "quoted whole": '\'{"userApiKey": "%s"}\'',
    "list": '["userApiKey", "%s"]',
    "key as list": '{"userApiKey": ["%s"]}',
    "key in settings": '{"configurationValues": {"execution": {"userApiKey": "%s"}}}',
    "key as setting": '{"userApiKey": "%s", "configurationValues": {"execution": {"compute_type": "%s"}}}',
    "key as model": '{"userApiKey": "%s", "configurationValues": {"execution": {"enabled_models": "%s"}}}',
    "key as name of a key": '{"userApiKey": "%s", "x%s": 1}',
    "key as asset": '{"userApiKey": "%s", "assetId": "%s"}',
    "key as store": '{"userApiKey": "%s", "configurationValues": {"platform": {"connector": "%s"}}}',
    "given twice": '{"userApiKey": "%s", "altergoUserApiKey": "%s"}',
    "no braces": "userApiKey=%s",
    "eaten": "{userApiKey:%s}",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_launch_that_cannot_be_used_shows_no_key(folder, name):
    text = BROKEN[name].replace("%s", json.dumps(KEY)[1:-1])
    (folder / "broken.json").write_text(text, encoding="utf-8")
    results = [command(*arguments, cwd=folder) for arguments in ([text], ["check", "broken.json"])]
    results.append(command("ingest", "log.csv", "--asset", ASSET, text, cwd=folder))
    assert_silent(folder, *results)
    assert all(result.returncode in (0, 2) for result in results)
    assert all("Traceback" not in result.stderr for result in results)


ORDERS = [
    ["--quiet", "%s"], ["--quiet", "%s", "run"], ["%s", "run"], ["%s", "--dry-rum"], ["run", "--log-format", "%s"],
    ["--log-format", "%s", "run"], ["ingest", "%s"], ["ingest", "--asset", "%s"], ["forget", "%s"], ["new-model", "%s"],
    ["validate", "%s"], ["rnu", "%s"], ["run", "%s", "%s"], ["run", "--key=%s"], ["--userApiKey", "%s"], ["list", "%s", "x"],
]  # fmt: skip


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_a_launch_in_the_wrong_place_shows_no_key(folder, order):
    text = json.dumps(content(folder))
    assert_silent(folder, command(*(part.replace("%s", text) for part in order), cwd=folder))


@pytest.mark.parametrize("name", LEAKS)
@pytest.mark.parametrize("options", [[], ["--log-format", "json"], ["--quiet"]])
def test_a_model_that_fails_with_the_key_in_hand_shows_no_key_not_even_in_its_traceback(folder, name, options):
    configuration = values(folder, name, plugin_folders=[str(folder / "plugins")], debug_mode=True, compute_type="full")
    launch = launch_file(folder, configuration, "leak.json", userApiKey=KEY)
    result = command("run", *options, launch, cwd=folder)
    assert result.returncode == (0 if name == "noting" else 1)
    if name != "noting":
        assert "Traceback" in result.stderr
    assert_silent(folder, result)


def test_a_fault_of_the_program_itself_shows_no_key(folder):
    launch = launch_file(folder, values(folder), "crash.json", userApiKey=KEY)
    code = "import sys; sys.path.insert(0, sys.argv[1]); import platform_interface.fleet as f\n"
    code += "def crash(launch, settings, progress): raise RuntimeError(launch.userApiKey)\n"
    code += "f.run_fleet = crash\nfrom platform_interface.cli import main\nsys.exit(main(['run', sys.argv[2]]))\n"
    result = subprocess.run([sys.executable, "-c", code, PROGRAM, launch], capture_output=True, text=True, cwd=folder)
    assert result.returncode != 0
    assert "RuntimeError" in result.stderr
    assert_silent(folder, result)
