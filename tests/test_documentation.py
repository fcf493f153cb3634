"""The documentation is complete, its links lead somewhere, and its examples are run.

An example is run when the line before its fence is `<!-- run -->`. All examples of a page run in order, in one
temporary copy of the program with a store of its own. After `run` may stand:

* `exit=2`        the last command of a console block ends with this code (else 0)
* `file=NAME`     the block is written to this file of the copy
* `as=settings`   a part of `parameters` in settings.json: laid over the copy's file, and the whole is checked
* `as=launch`, `as=mapping`, `as=manifest`, `as=json`   the block is checked as that

In a console block `$ ` begins a command; the lines below are what it prints, in order, where `...` stands for anything.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from documentation import fields, generate, report_fields
from platform_interface import cli
from platform_interface.ingest_mapping import FileMapping
from platform_interface.launch import Launch, read_launch
from platform_interface.manifest import Manifest, discover, read_manifest
from platform_interface.settings import Settings, load_settings, merged

ROOT = Path(__file__).parent.parent
DOCUMENTATION = ROOT / "documentation"
REFERENCE = DOCUMENTATION / "reference"
PROGRAM = ("entrypoint.py", "settings.json", "dev-parameters.example.json", "requirements.txt", "models", "platform_interface",
           "documentation/recipes")  # fmt: skip
PAGES = sorted([*ROOT.glob("*.md"), *DOCUMENTATION.rglob("*.md")])
TEXTS = sorted([*PAGES, *ROOT.glob("models/*/*.md"), *ROOT.glob("platform_interface/**/*.md")])
#: Pages whose every example is run, or says why not.
STRICT = [page for page in PAGES if page.parent.name in ("tutorial", "how-to") or page.name == "README.md"]
_FENCE = re.compile(r"^(?P<before>[^\n]*)\n+```(?P<language>\w+)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- run(?P<options>[^>]*) -->")
_LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A fenced block that is to be run."""

    language: str
    text: str
    options: dict[str, str]


#: Plugins that take most of a first run of the demo fleet: they are left out of the program where a page does not speak of them.
SLOW_PLUGINS = ("pinn_internal_state",)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def examples(page: Path) -> Iterator[Example]:
    for found in _FENCE.finditer(page.read_text(encoding="utf-8")):
        mark = _MARK.fullmatch(found["before"].strip())
        if mark:
            options = dict(word.partition("=")[::2] for word in mark["options"].split())
            yield Example(found["language"], found["text"], options)


# --- completeness


def test_reference_pages_are_what_the_code_says() -> None:
    assert generate.stale() == [], "run: python -m documentation.generate (or make docs)"
    assert generate.main(["--check"]) == 0


@pytest.mark.parametrize("model", [Launch, Settings, Manifest, FileMapping], ids=lambda model: model.__name__)
def test_every_field_that_a_person_writes_is_described(model: type) -> None:
    bare = [
        f"{part.__name__}.{name}"
        for part in fields.classes_below(model)
        for name, field in fields.visible(part).items()
        if not fields.meaning_of(field)
    ]
    assert bare == [], "give these fields a description"


@pytest.mark.parametrize(
    ("page", "model"),
    [("settings.md", Launch), ("settings.md", Settings), ("manifest.md", Manifest), ("mapping-file.md", FileMapping)],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_every_field_stands_in_its_reference_page(page: str, model: type) -> None:
    text = (REFERENCE / page).read_text(encoding="utf-8")
    sections = {part.partition("\n")[0].strip(): part for part in re.split(r"(?m)^## ", text)}
    whole = {"Settings": "settings.json", "Manifest": "The file", "FileMapping": "The file"}
    for part in fields.classes_below(model):
        section = sections[whole.get(part.__name__, part.__name__)]
        missing = [name for name in fields.visible(part) if f"| `{name}` |" not in section]
        assert missing == [], f"{part.__name__} in {page}"


def test_every_command_and_option_stands_in_the_reference() -> None:
    text = (REFERENCE / "commands.md").read_text(encoding="utf-8")
    for name, command in cli.commands().items():
        assert f"\n## {name}\n" in text
        assert command.help, f"the command {name} has no help"
        for option in command.params:
            assert option.name == "help" or option.help, f"{name} {option.name} has no help"
            assert option.param_type_name == "argument" or all(f"`{word}`" in text for word in option.opts)


def test_every_plugin_stands_in_the_reference_with_all_it_has() -> None:
    text = (REFERENCE / "models.md").read_text(encoding="utf-8")
    for name, folder in discover([ROOT / "models"]).items():
        manifest = read_manifest(folder)
        section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        for block in (manifest.inputs, manifest.outputs, manifest.configuration):
            for key, item in block.items():
                assert f"| `{key}` |" in section
                assert item.description, f"models/{name}/model.json: {key} has no description"


def test_a_field_of_the_report_without_a_sentence_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(report_fields.MODEL, "input_hash")
    with pytest.raises(KeyError, match="input_hash"):
        report_fields.report_page()


def test_the_schema_for_editors_takes_what_the_program_takes() -> None:
    schema = json.loads((REFERENCE / "manifest.schema.json").read_text(encoding="utf-8"))
    assert set(schema["properties"]) == set(fields.visible(Manifest))
    for folder in discover([ROOT / "models"]).values():
        content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        assert set(content) <= set(schema["properties"])
        for item in content["inputs"].values():
            assert set(item) <= set(schema["$defs"]["Input"]["properties"])


# --- links


def anchors(page: Path) -> set[str]:
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    heads = re.findall(r"(?m)^#+\s+(.+)$", text)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", TEXTS, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"`[^`\n]+`", "", _FENCED.sub("", page.read_text(encoding="utf-8")))
    broken = []
    for link in ("".join(pair) for pair in _LINK.findall(text)):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
            broken.append(link)
    assert broken == []


def test_every_page_is_reached_from_the_overview() -> None:
    overview = DOCUMENTATION / "README.md"
    linked = {
        (overview.parent / "".join(pair).partition("#")[0]).resolve() for pair in _LINK.findall(overview.read_text("utf-8"))
    }
    assert [name_of(page) for page in DOCUMENTATION.rglob("*.md") if page.resolve() not in linked and page != overview] == []


def test_tests_that_the_documentation_names_are_there() -> None:
    named = {
        (name_of(page), path) for page in PAGES for path in re.findall(r"tests/[\w/]+\.py", page.read_text(encoding="utf-8"))
    }
    assert sorted((page, path) for page, path in named if not (ROOT / path).exists()) == []


# --- examples


@pytest.mark.parametrize("page", STRICT, ids=name_of)
def test_every_example_is_run_or_says_why_not(page: Path) -> None:
    loose = [
        found["text"].splitlines()[0]
        for found in _FENCE.finditer(page.read_text(encoding="utf-8"))
        if found["language"] in ("console", "python", "json")
        and not re.match(r"<!-- (run|not run: \w+)", found["before"].strip())
    ]
    assert loose == [], "write <!-- run --> or <!-- not run: reason --> above the fence"


@pytest.mark.skipif(os.name != "posix", reason="console examples are for a POSIX shell")
@pytest.mark.parametrize("page", [page for page in PAGES if any(examples(page))], ids=name_of)
def test_examples_do_what_the_page_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = program_copy(tmp_path)
    without(home, [plugin for plugin in SLOW_PLUGINS if plugin not in page.read_text(encoding="utf-8")])
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TWIN_API_KEY", "a-key-for-examples")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    for example in examples(page):
        run_example(example, home)


def program_copy(folder: Path) -> Path:
    home = folder / "battery-twin"
    home.mkdir()
    for name in PROGRAM:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, home / name)
        else:
            shutil.copy2(source, home / name)
    return home


def without(home: Path, plugins: list[str]) -> None:
    path = home / "settings.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    for plugin in plugins:
        shutil.rmtree(home / "models" / plugin)
        del settings["parameters"]["models"][plugin]
    path.write_text(json.dumps(settings), encoding="utf-8")


def run_example(example: Example, home: Path) -> None:
    if "file" in example.options:
        target = home / example.options["file"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(example.text, encoding="utf-8")
    if "as" in example.options:
        check_json(example, home)
    elif example.language == "console":
        for command, expected in commands_of(example.text):
            run_command(command, expected, home, int(example.options.get("exit", "0")))
    elif example.language == "python" and "file" not in example.options:
        done = subprocess.run([sys.executable, "-c", example.text], cwd=home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def check_json(example: Example, home: Path) -> None:
    content, kind = json.loads(example.text), example.options["as"]
    if kind == "settings":
        path = home / "settings.json"
        whole = json.loads(path.read_text(encoding="utf-8"))
        whole["parameters"] = merged(whole["parameters"], content)
        path.write_text(json.dumps(whole), encoding="utf-8")
        load_settings(path, Launch.model_validate({}))
    elif kind == "launch":
        scratch = home / "launch-of-the-example.json"
        scratch.write_text(example.text, encoding="utf-8")
        load_settings(home / "settings.json", read_launch(str(scratch)))
    elif kind == "mapping":
        FileMapping.model_validate(content)
    elif kind == "manifest":
        Manifest.model_validate(content)
    else:
        assert kind == "json"


def commands_of(text: str) -> Iterator[tuple[str, list[str]]]:
    for block in re.split(r"(?m)^\$ ", text)[1:]:
        lines = block.splitlines()
        length = next(i for i, line in enumerate(lines, 1) if not line.endswith("\\"))
        yield "\n".join(lines[:length]), [line for line in lines[length:] if line.strip()]


def run_command(command: str, expected: list[str], home: Path, code: int) -> None:
    done = subprocess.run(
        command,
        shell=True,
        cwd=home,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == code, f"{command}\n{done.stdout}"
    said, position = " ".join(done.stdout.split()), 0
    for line in expected:
        wanted = ".*?".join(re.escape(" ".join(part.split())) for part in line.split("..."))
        found = re.compile(wanted).search(said, position)
        if found is None:
            pytest.fail(f"{command}\ndoes not print (in this order)\n{line}\nbut\n{done.stdout}")
        position = found.end()
