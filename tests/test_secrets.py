"""No secret in any output: not in a message, a log, a report, the store or a traceback, however the key came in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.command import ASSET, PROGRAM, brought_in, command, launch_file, plugin, values
from tests.malformed_site import Site

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
def test_no_command_shows_a_key_given_inline_under_its_name_or_a_misspelled_one(folder, name):
    """The real command; every command under every name is run in one process, further below."""
    key = ["altergoUserApiKey", "userApikey", "altergoUserKey"][list(COMMANDS).index(name) % 3]
    given = content(folder)
    given[key] = given.pop("userApiKey")
    result = command(*COMMANDS[name], json.dumps(given), cwd=folder)
    assert_silent(folder, result)
    if key == "userApikey" and name != "new-model":
        assert result.returncode == 2
        assert key in result.stdout + result.stderr


@pytest.mark.parametrize("name", ["run", "check"])
def test_no_command_shows_a_key_given_by_file_or_environment(folder, name):
    launch = launch_file(folder, values(folder, debug_mode=True), userApiKey="env:TWIN_KEY", userPassword=KEY)
    assert_silent(folder, command(*COMMANDS[name], launch, cwd=folder, TWIN_KEY=KEY))


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


REAL = ("cut off", "key as setting")


@pytest.mark.parametrize("name", REAL)
def test_a_launch_that_cannot_be_used_shows_no_key(folder, name):
    """The real command; every such launch goes through one process, further below."""
    text = BROKEN[name].replace("%s", json.dumps(KEY)[1:-1])
    (folder / "broken.json").write_text(text, encoding="utf-8")
    results = [command(*arguments, cwd=folder) for arguments in ([text], ["check", "broken.json"])]
    assert_silent(folder, *results)
    assert all(result.returncode == 2 for result in results)
    assert all("Traceback" not in result.stderr for result in results)


ORDERS = [
    ["--quiet", "%s"], ["--quiet", "%s", "run"], ["%s", "run"], ["%s", "--dry-rum"], ["run", "--log-format", "%s"],
    ["--log-format", "%s", "run"], ["ingest", "%s"], ["ingest", "--asset", "%s"], ["forget", "%s"], ["new-model", "%s"],
    ["validate", "%s"], ["rnu", "%s"], ["run", "%s", "%s"], ["run", "--key=%s"], ["--userApiKey", "%s"], ["list", "%s", "x"],
]  # fmt: skip


def test_a_launch_in_the_wrong_place_shows_no_key(folder):
    text = json.dumps(content(folder))
    assert_silent(folder, command(*(part.replace("%s", text) for part in ORDERS[3]), cwd=folder))


@pytest.mark.parametrize(("name", "options"), list(zip(LEAKS, ([], ["--log-format", "json"], ["--quiet"]), strict=True)))
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
    code += "def crash(launch, settings, progress, **_): raise RuntimeError(launch.userApiKey)\n"
    code += "f.run_fleet = crash\nfrom platform_interface.cli import main\nsys.exit(main(['run', sys.argv[2]]))\n"
    result = subprocess.run([sys.executable, "-c", code, PROGRAM, launch], capture_output=True, text=True, cwd=folder)
    assert result.returncode != 0
    assert "RuntimeError" in result.stderr
    assert_silent(folder, result)


# --- every field, every form, every verbosity: in one process, since it is said of hundreds of command lines -------------------

FIELDS = {"key": ["userApiKey", "altergoUserApiKey", "userApikey"], "password": ["userPassword", "userPasword", "password"]}
ENDINGS = {
    "itself": KEY,
    "env": "env:TWIN_KEY",
    "file": "file:site/key",
    "no such variable": f"env:{PLAIN}",
    "no file": f"file:{PLAIN}",
}
VERBOSITY = [["--quiet"], [], ["--log-format", "json"], ["--quiet", "--log-format", "json"]]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    os.environ["TWIN_KEY"] = KEY
    place = Site(tmp_path_factory.mktemp("shared") / "place")
    for name, body in LEAKS.items():
        plugin(place.folder, name, body)
    (place.folder / "pristine" / "key").write_text(KEY, encoding="utf-8")
    (place.folder / "pristine" / "key").chmod(0o600)
    yield place
    place.close()
    del os.environ["TWIN_KEY"]


def assert_site_silent(site, result):
    written = [
        path for name in ("store", "reports", "pages") for path in (site.folder / "site" / name).rglob("*") if path.is_file()
    ]
    text = "\n".join(
        [result.out, result.err, result.escaped, *(path.read_bytes().decode("utf-8", "replace") for path in written)]
    )
    for form in FORMS:
        assert form not in text
    assert not result.escaped


@pytest.mark.parametrize("name", BROKEN)
def test_no_command_shows_the_key_of_a_launch_that_it_cannot_use(site, name):
    text = BROKEN[name].replace("%s", json.dumps(KEY)[1:-1])
    ingest = ["ingest", "site/log.csv", "--asset", ASSET, text]
    for words in ([text], ["check", "site/broken.json"], ["run", "--log-format", "json", text], ingest, ["list", text]):
        result = site.run("broken", words, files={"site/broken.json": text})
        assert_site_silent(site, result)
        assert result.code in (0, 2)
        assert "Traceback" not in result.err


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_no_order_of_words_shows_the_key(site, order):
    text = json.dumps({"userApiKey": KEY, "configurationValues": site.values(debug_mode=True)})
    assert_site_silent(site, site.run("order", [part.replace("%s", text) for part in order]))


@pytest.mark.parametrize("kind", FIELDS)
def test_no_command_shows_a_secret_in_any_field_form_format_or_verbosity(site, kind):
    commands = [*(["run", *options] for options in VERBOSITY), [], ["list"], ["check"], ["validate"], ["doctor", ASSET],
                ["dashboard", ASSET],
                ["backtest", "eq_cycles", ASSET], ["forget", "nothing", "--yes"], ["run", "--dry-run"], ["run", "--resume"],
                ["ingest", "site/log.csv", "--asset", "new", "--mapping", "site/mapping.json"]]  # fmt: skip
    for field in FIELDS[kind]:
        for number, (form, secret) in enumerate(ENDINGS.items()):
            for position, words in enumerate(commands if form in ("itself", "env") else commands[: len(VERBOSITY) + 2]):
                execution = {"debug_mode": (number + position) % 2 == 0, "write_pages": words == ["run"]}
                launch = json.dumps({field: secret, "configurationValues": site.values(**execution)})
                assert_site_silent(site, site.run("secret", [*words, launch]))


@pytest.mark.parametrize("secret", ["itself", "env", "file"])
@pytest.mark.parametrize("name", LEAKS)
def test_a_leaking_model_shows_neither_key_nor_password_however_it_was_given(site, name, secret):
    execution = {
        "enabled_models": name,
        "plugin_folders": [str(site.folder / "plugins")],
        "debug_mode": True,
        "write_pages": True,
    }
    for field in ("userApiKey", "userPassword"):
        for options in VERBOSITY:
            launch = json.dumps({field: ENDINGS[secret], "configurationValues": site.values(**execution)})
            result = site.run("leak", ["run", *options, launch])
            assert_site_silent(site, result)
            assert result.code in (0, 1)


class _Echo(BaseHTTPRequestHandler):
    """A platform that throws back what it was sent, with an error."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
        content = json.dumps({"status": 403, "message": f"{self.path} {self.headers.items()} {body}", "errorCode": 20}).encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("connector", ["thingsboard", "sensorthings"])
def test_a_platform_that_throws_the_key_back_does_not_make_it_shown(site, connector):
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for login in ({"userApiKey": KEY}, {"userName": "someone", "userPassword": KEY}):
            for words in (["run"], ["list"], ["check"], ["run", "--log-format", "json"]):
                values = site.values(debug_mode=True)
                values["platform"] |= {
                    "connector": connector,
                    "address": f"http://127.0.0.1:{server.server_port}",
                    "retry_budget": 0,
                }
                result = site.run("echo", [*words, json.dumps({**login, "configurationValues": values})])
                assert_site_silent(site, result)
                assert result.code == 2, result
        server.shutdown()


def test_a_password_in_the_address_is_refused_and_not_shown(site):
    values = site.values()
    values["platform"] |= {"connector": "thingsboard", "address": f"https://someone:{PLAIN}@platform.example"}
    for words in (["run"], ["check"], ["list"]):
        result = site.run("address", [*words, json.dumps({"userApiKey": "a-key-that-is-fine", "configurationValues": values})])
        assert_site_silent(site, result)
        assert result.code == 2


def test_workers_show_no_key_not_even_when_a_model_fails_with_it_in_hand(folder):
    assert brought_in(folder, "pack-2").returncode == 0
    plugins = {
        "plugin_folders": [str(folder / "plugins")],
        "debug_mode": True,
        "compute_type": "full",
        "workers": 2,
        "batch_assets": 1,
    }
    launch = launch_file(
        folder, values(folder, "leaking,printing", **plugins), "workers.json", userApiKey="env:TWIN_KEY", userPassword=KEY
    )
    result = command("run", "--log-format", "json", launch, cwd=folder, TWIN_KEY=KEY)
    assert result.returncode == 1, result
    assert_silent(folder, result)


@pytest.mark.parametrize("given", ["env:TWIN_KEY", "file:key", KEY])
def test_serve_shows_no_key_whatever_it_is_asked(folder, given):
    (folder / "key").write_text(KEY, encoding="utf-8")
    launch = json.dumps({"configurationValues": values(folder)})
    server = subprocess.Popen(
        [sys.executable, str(PROGRAM / "entrypoint.py"), "serve", "--port", "0", "--key", given, "--log-format", "json", launch],
        cwd=folder, env={**os.environ, "TWIN_KEY": KEY}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    heard = []
    try:
        told = server.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", told)
        for header in ("", f"ApiKey {KEY}", f"Bearer {KEY}", "ApiKey wrong") if found else ():
            for path in ("/api/tenant/assets?pageSize=1&page=0", f"/api/x?key={PLAIN}"):
                request = urllib.request.Request(
                    found.group() + path, headers={"X-Authorization": header.encode().decode("latin-1")}
                )
                try:
                    with urllib.request.urlopen(request, timeout=30) as answer:
                        heard.append(answer.read().decode())
                except urllib.error.HTTPError as error:
                    heard.append(error.read().decode())
    finally:
        server.terminate()
        out, err = server.communicate(timeout=60)
    assert bool(heard) == (given != KEY)
    text = "\n".join([told, out, err, *heard])
    for form in FORMS:
        assert form not in text
    assert "Traceback" not in text
