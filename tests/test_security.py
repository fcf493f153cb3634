"""What the code may not do at all; and weights, which are data that a model computes with."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import re
import ssl
import stat
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from platform_interface.cli import main
from platform_interface.errors import UsageError
from platform_interface.log import _CONTROL, _NOT_OURS, _escaped, shown
from platform_interface.platforms.base import Asset
from platform_interface.platforms.local import LocalPlatform
from platform_interface.weights import REFUSED, read_weights
from tests.command import ASSET, PROGRAM, brought_in, command, launch_file, plugin, report_of, values

CODE = sorted([*(PROGRAM / "platform_interface").rglob("*.py"), *(PROGRAM / "models").rglob("*.py"), PROGRAM / "entrypoint.py"])
#: Modules that run code from data, or data as a command.
MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "yaml", "code", "codeop", "pty",
           "telnetlib", "xmlrpc", "lxml"}  # fmt: skip
#: Calls by their last name, wherever they come from.
CALLS = {"eval", "exec", "__import__", "system", "popen", "read_pickle", "to_pickle", "mktemp", "_create_unverified_context", "load_module",
         "execfile"}  # fmt: skip
#: `compile` and `loads` and `load` by their module.
ATTRIBUTES = {("torch", "load"), ("builtins", "compile"), ("numpy", "load"), ("np", "load"), ("hashlib", "md5"),
              ("hashlib", "sha1")}  # fmt: skip
KEYWORDS = {("shell", True), ("allow_pickle", True), ("verify", False), ("check_hostname", False), ("autoescape", False)}
#: The one exception: Dask's own transport pickles between a client and its workers; the modules of fleets alone use it, over TLS
#: with one-time keys for workers of our own. None of them calls pickle itself.
FLEET = "fleet"


def name_of(path):
    return path.relative_to(PROGRAM).as_posix()


def faults_of(tree):
    """Return what a module does that none may."""
    found = []
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import):
            found += [f"line {line}: import {a.name}" for a in node.names if a.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            found += [f"line {line}: from {node.module}"] if (node.module or "").split(".")[0] in MODULES else []
            found += [f"line {line}: import {a.name}" for a in node.names if a.name in CALLS | {"md5", "sha1"}]
        elif isinstance(node, ast.Call):
            found += [f"line {line}: {fault}" for fault in _call_faults(node)]
    return found


def _call_faults(node):
    if isinstance(node.func, ast.Name):
        name, owner = node.func.id, "builtins"
    elif isinstance(node.func, ast.Attribute):
        name, owner = node.func.attr, node.func.value.id if isinstance(node.func.value, ast.Name) else ""
    else:
        return
    if name in CALLS or (owner, name) in ATTRIBUTES:
        yield f"{owner}.{name}()"
    for keyword in node.keywords:
        value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
        if (keyword.arg, value) in KEYWORDS:
            yield f"{name}({keyword.arg}={value})"


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_no_module_unpickles_evaluates_starts_a_shell_or_leaves_a_certificate_unchecked(path):
    assert faults_of(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_only_the_modules_of_fleets_use_dasks_transport(path):
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    words = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    words |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    if {word.split(".")[0] for word in words} & {"distributed", "dask"}:
        assert path.name.startswith(FLEET)


@pytest.mark.parametrize(
    "line",
    ["import pickle", "from joblib import load", "import torch\ntorch.load('x')", "eval('1')", "import os\nos.system('id')", "import yaml",
     "import subprocess\nsubprocess.run('id', shell=True)", "import numpy as np\nnp.load('x', allow_pickle=True)",
     "from hashlib import md5",
     "import requests\nrequests.get('https://x', verify=False)", "import pandas as pd\npd.read_pickle('x')"],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(line):
    assert faults_of(ast.parse(line))


# --- weights ----------------------------------------------------------------------------------------------------------------

CONTENT = b"onnx, as far as this test goes" * 100
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def with_weights(folder, weights, files):
    """Write a plugin that gives the size of its weights, with these in the manifest and these files in the folder."""
    size = 'return {"neural_out": data["current"] * 0 + len(self.weights("weights.onnx"))}'
    plugin(folder, "neural", size)
    place = folder / "plugins" / "neural"
    manifest = json.loads((place / "model.json").read_text())
    (place / "model.json").write_text(json.dumps({**manifest, "weights": weights}))
    for name, content in files.items():
        (place / name).write_bytes(content)
    return place


def configuration(folder):
    return values(folder, "neural,eq_cycles", plugin_folders=[str(folder / "plugins")])


def validated(folder, capsys):
    code = main(["validate", "neural", json.dumps({"configurationValues": configuration(folder)})])
    return code, capsys.readouterr().out


def test_weights_that_are_what_the_manifest_states_are_given_to_the_model(tmp_path, capsys):
    with_weights(tmp_path, {"weights.onnx": DIGEST}, {"weights.onnx": CONTENT})
    assert validated(tmp_path, capsys) == (0, "neural: valid\n")
    assert brought_in(tmp_path).returncode == 0
    assert main(["run", str(launch_file(tmp_path, configuration(tmp_path)))]) == 0
    models = {model["model"]: model for model in report_of(tmp_path)["assets"][0]["models"]}
    assert models["neural"]["latest"]["Neural Out"][0] == len(CONTENT)
    assert "weights" in models["neural"]["settings_hashes"]
    assert "weights" not in models["eq_cycles"]["settings_hashes"]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"weights.onnx": CONTENT + b"x"}, "and model.json states"),
        ({"weights.onnx": CONTENT[:-1]}, "They were changed or not copied whole"),
        ({}, "cannot be read: No such file"),
    ],
)
def test_tampered_cut_or_missing_weights_fail_alone_before_any_code_of_the_plugin_runs(tmp_path, capsys, files, told):
    place = with_weights(tmp_path, {"weights.onnx": DIGEST}, files)
    (place / "model.py").write_text("raise SystemExit('the code ran')\n")
    code, out = validated(tmp_path, capsys)
    assert code == 2
    assert told in out
    assert brought_in(tmp_path).returncode == 0
    assert main(["run", str(launch_file(tmp_path, configuration(tmp_path)))]) == 1
    models = {model["model"]: model for model in report_of(tmp_path)["assets"][0]["models"]}
    assert told in models["neural"]["reason"]
    assert models["eq_cycles"]["status"] == "done"


def test_weights_that_change_while_a_run_goes_on_are_refused_when_they_are_read(tmp_path):
    place = with_weights(tmp_path, {"weights.onnx": DIGEST}, {"weights.onnx": CONTENT})
    assert read_weights(place, "weights.onnx", {"weights.onnx": DIGEST}) == CONTENT
    (place / "weights.onnx").write_bytes(CONTENT[::-1])
    with pytest.raises(UsageError, match="have the SHA-256"):
        read_weights(place, "weights.onnx", {"weights.onnx": DIGEST})


@pytest.mark.parametrize("name", [f"weights{suffix}" for suffix in REFUSED])
def test_files_whose_reading_may_run_code_are_refused_in_the_manifest_and_in_the_folder(tmp_path, capsys, name):
    place = with_weights(tmp_path, {name: DIGEST}, {name: CONTENT})
    code, out = validated(tmp_path, capsys)
    assert code == 2
    assert "is not an ONNX file; weights are .onnx only" in out
    (place / "model.json").write_text((place / "model.json").read_text().replace(json.dumps({name: DIGEST}), "{}"))
    code, out = validated(tmp_path, capsys)
    assert code == 2
    assert f"{name}: is never read, because reading such a file may run code" in out


@pytest.mark.parametrize(
    "name",
    ["../weights.onnx", "/etc/weights.onnx", "..\\weights.onnx", "a/b.onnx", ".onnx", "weights.onnx\n", "weights.onnx.pkl"],
)
def test_a_path_is_no_name_of_weights(tmp_path, capsys, name):
    with_weights(tmp_path, {name: DIGEST}, {})
    code, out = validated(tmp_path, capsys)
    assert code == 2
    assert "weights: " in out
    with pytest.raises(UsageError, match="weights"):
        read_weights(tmp_path / "plugins" / "neural", name, {name: DIGEST})


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    place = with_weights(tmp_path, {"weights.onnx": DIGEST}, {})
    (tmp_path / "outside.onnx").write_bytes(CONTENT)
    (place / "weights.onnx").symlink_to(tmp_path / "outside.onnx")
    with pytest.raises(UsageError, match="are a link"):
        read_weights(place, "weights.onnx", {"weights.onnx": DIGEST})


@pytest.mark.parametrize("digest", ["", "0" * 63, "G" * 64, DIGEST.upper()])
def test_what_is_no_sha256_is_refused(tmp_path, capsys, digest):
    with_weights(tmp_path, {"weights.onnx": digest}, {"weights.onnx": CONTENT})
    code, out = validated(tmp_path, capsys)
    assert code == 2
    assert "is not a SHA-256" in out


def test_weights_that_nobody_stated_are_named_with_the_line_to_write(tmp_path, capsys):
    with_weights(tmp_path, {}, {"weights.onnx": CONTENT})
    code, out = validated(tmp_path, capsys)
    assert code == 2
    assert 'add "weights": {"weights.onnx": "<its SHA-256>"}' in out


def test_a_model_gets_no_weights_that_its_manifest_does_not_name(tmp_path):
    place = with_weights(tmp_path, {"weights.onnx": DIGEST}, {"weights.onnx": CONTENT, "other.onnx": CONTENT})
    with pytest.raises(UsageError, match=r"'other.onnx' are not in model.json; there is 'weights.onnx' Name the file"):
        read_weights(place, "other.onnx", {"weights.onnx": DIGEST})


# --- names from a platform ----------------------------------------------------------------------------------------------------

ORDERS = "pack\x1b]0;title\x07 \x1b[2J\x1b[31mred \x9b31m \u202egnp.exe \u2066x \r\b"


def test_control_characters_of_a_name_reach_no_terminal(tmp_path, capsys):
    platform = LocalPlatform(tmp_path / "store")
    platform.save_asset(Asset(ASSET, ORDERS, (ORDERS,), {"positive_current": "discharge", ORDERS: 1}))
    text = json.dumps({"configurationValues": values(tmp_path)})
    for words in (["list", text], ["run", text], ["check", text], ["doctor", ASSET, text], ["validate", ORDERS, text]):
        main(words)
        out, err = capsys.readouterr()
        assert out + err
        assert not _CONTROL.search(out + err), words


def test_on_a_terminal_only_what_our_own_tables_need_passes():
    ours = "\x1b[1mbold\x1b[0m \x1b[2K\x1b[1A\r\x1b[?25l"
    assert _NOT_OURS.sub(_escaped, ours) == ours
    for order in ("\x1b]0;title\x07", "\x1b[2J", "\x1b[6n", "\x1bc", "\x9b31m", "\u202e", "\x07"):
        assert "\\" in _NOT_OURS.sub(_escaped, order)
    assert shown("a\x1b[31mb\nc") == "a\\x1b[31mb\nc"


@pytest.mark.parametrize("name", ["../x", "..", ".hidden", "a/b", "a\\b", "", "x" * 101, "a\x00b", "a.", "\ud800", "CON/x"])
def test_no_name_of_an_asset_or_a_time_base_becomes_a_path(tmp_path, name):
    from platform_interface.errors import PlatformError

    platform = LocalPlatform(tmp_path / "store")
    with pytest.raises(PlatformError, match="cannot be an asset id"):
        platform.save_asset(Asset(name))
    platform.save_asset(Asset("pack"))
    if name != "a.":
        with pytest.raises(PlatformError, match="cannot be a time base"):
            platform._base("pack", name)
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == ["pack"]


# --- files ----------------------------------------------------------------------------------------------------------------------


def test_what_is_written_is_no_more_open_than_the_users_own_mask_and_holds_no_key(tmp_path):
    """Store and reports follow the umask: a site chooses who may read; no file of them may be run."""
    assert brought_in(tmp_path).returncode == 0
    (tmp_path / "key").write_text("a-key-in-a-file-of-its-own")
    (tmp_path / "key").chmod(0o600)
    mask = os.umask(0o077)
    try:
        result = command(launch_file(tmp_path, values(tmp_path), userApiKey=f"file:{tmp_path / 'key'}"), cwd=tmp_path)
    finally:
        os.umask(mask)
    assert result.returncode == 0
    written = [path for path in (tmp_path / "reports").rglob("*") if path.is_file()]
    assert written
    for path in written:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert b"a-key-in-a-file" not in path.read_bytes()


def test_a_key_file_that_others_may_read_is_told(tmp_path, capsys):
    key = tmp_path / "key"
    key.write_text("a-key-in-a-file-of-its-own")
    for mode, told in ((0o644, True), (0o600, False)):
        key.chmod(mode)
        main(["list", json.dumps({"userApiKey": f"file:{key}", "configurationValues": values(tmp_path)})])
        err = capsys.readouterr().err
        assert ("can be read by others" in err) == told
        assert "a-key-in-a-file" not in err


# --- the way to a platform ------------------------------------------------------------------------------------------------------


class _Heard(BaseHTTPRequestHandler):
    """A platform that notes what it was sent, and points elsewhere when told to."""

    heard: ClassVar[list[str]] = []
    elsewhere = ""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        type(self).heard.append(f"{self.server.server_port} {self.headers.items()} {body}")
        there = self.elsewhere and self.elsewhere != f"{self.server.server_port}"
        self.send_response(307 if there else 403)
        if there:
            self.send_header("Location", f"http://127.0.0.1:{self.elsewhere}{self.path}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def listening(context=None):
    """Serve in a thread; give the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Heard) as server:
        server.handle_error = lambda *_: None
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def heard():
    _Heard.heard, _Heard.elsewhere = [], ""
    return _Heard.heard


def asked(address, connector, capsys):
    content = {"platform": {"connector": connector, "address": address, "retry_budget": 0}}
    code = main(["list", json.dumps({"userApiKey": "a-key-for-nobody-else", "configurationValues": content})])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


@pytest.mark.parametrize("connector", ["thingsboard", "sensorthings"])
def test_a_certificate_that_nobody_vouches_for_is_refused_before_the_key_is_sent(tmp_path, heard, capsys, connector):
    from distributed import Security

    security = Security.temporary()  # a certificate for this test, signed by itself
    for name, text in (("cert.pem", security.tls_ca_file), ("key.pem", security.tls_scheduler_key)):
        (tmp_path / name).write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with listening(context) as port:
        code, told = asked(f"https://127.0.0.1:{port}", connector, capsys)
    assert code == 2
    assert "certificate" in told.lower()
    assert heard == []


@pytest.mark.parametrize("connector", ["thingsboard", "sensorthings"])
def test_a_redirection_does_not_carry_the_key_elsewhere(heard, capsys, connector):
    with listening() as first, listening() as second:
        _Heard.elsewhere = str(second)
        code, told = asked(f"http://127.0.0.1:{first}", connector, capsys)
    assert code == 2
    assert heard
    assert not [each for each in heard if each.startswith(str(second))]
    assert "a-key-for-nobody-else" not in told


@pytest.mark.parametrize("connector", ["thingsboard", "sensorthings"])
def test_no_address_without_tls_gets_the_key_but_on_this_machine(capsys, connector):
    code, told = asked("http://192.0.2.1:9", connector, capsys)
    assert code == 2
    assert "would send the key readable" in told


def test_the_page_of_threats_names_tests_that_are_there():
    page = (PROGRAM / "documentation" / "explanation" / "threat-model.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+\.py)`", page))
    assert len(named) > 8
    assert not {name for name in named if not (PROGRAM / "tests" / name).is_file()}
