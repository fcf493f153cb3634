"""A site that is fed malformed input, the process that it is fed to, and what may become of it."""

from __future__ import annotations

import json
import os
import re
import selectors
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.command import ASSET, CSV, MAPPING, PROGRAM

#: No case takes as long, however slow the machine. [s]
LONGEST = 90.0
CYCLES = 0.25
SERIES = "Equivalent Full Cycles"
COPIED = ("entrypoint.py", "settings.json", "requirements.txt", "models", "platform_interface")
_PYTHON_ERROR = re.compile(
    r"\bunexpected \w+Error|Traceback|\b(Type|Key|Attribute|Index|Overflow|Unicode\w*|Recursion|Assertion|ZeroDivision)Error\b"
)


@dataclass
class Result:
    """What one malformed input came to."""

    code: int
    out: str
    err: str
    escaped: str
    seconds: float
    report: str = ""

    def model(self, name: str = "eq_cycles") -> dict[str, Any]:
        """Return what the report says of a model on the small asset; nothing where there is no report of it."""
        assets = json.loads(self.report)["assets"] if self.report else []
        models = [model for asset in assets if asset["asset"] == ASSET for model in asset["models"]]
        return next((model for model in models if model["model"] == name), {})


@dataclass
class Site:
    """A copy of the program, a store with the small asset, and the process that runs command lines there."""

    folder: Path
    tally: Counter[tuple[str, int]] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    child: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        self.program = self.folder / "program"
        for name in COPIED:
            source, target = PROGRAM / name, self.program / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
        (self.folder / "pristine").mkdir()
        result = self.run("", ["ingest", "site/log.csv", "--asset", ASSET, "--mapping", "site/mapping.json", self.launch()],
                          files={"site/log.csv": CSV, "site/mapping.json": json.dumps(MAPPING)})  # fmt: skip
        assert result.code == 0, result
        (self.folder / "pristine").rmdir()
        shutil.copytree(self.folder / "site", self.folder / "pristine")
        self.tally.clear()
        self.slowest.clear()

    def values(self, **execution: Any) -> dict[str, Any]:
        """Return configurationValues of the site."""
        site = self.folder / "site"
        places = {name: str(site / name) for name in ("store", "reports", "pages")}
        return {"platform": places, "execution": {"enabled_models": "eq_cycles", "compute_type": "full", **execution}}

    def launch(self, **execution: Any) -> str:
        return json.dumps({"configurationValues": self.values(**execution)})

    def run(self, kind: str, arguments: list[str], **case: Any) -> Result:
        """Run one command line and count it under its kind, if that is not empty; an answer that does not come is a hang."""
        child = self._started()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(json.dumps({"arguments": arguments, **case}) + "\n")
            child.stdin.flush()
            with selectors.DefaultSelector() as waiting:
                waiting.register(child.stdout, selectors.EVENT_READ)
                answered = waiting.select(LONGEST)
            line = child.stdout.readline() if answered else ""
        except BrokenPipeError:
            line = ""
        if not line:
            self.close()
            raise AssertionError(f"{kind}: hung for {LONGEST} s, or its process died: {arguments} {case}")
        result = Result(**json.loads(line))
        if kind:
            self.tally[kind, result.code if isinstance(result.code, int) else -1] += 1
            self.slowest[kind] = max(result.seconds, self.slowest.get(kind, 0.0))
        return result

    def _started(self) -> subprocess.Popen[str]:
        if self.child is None:
            script = Path(__file__).with_name("malformed_child.py")
            self.child = subprocess.Popen(
                [sys.executable, str(script), str(self.program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True, encoding="ascii", cwd=self.folder,
                env={**os.environ, "HOME": str(self.folder)},
            )  # fmt: skip
        return self.child

    def close(self) -> None:
        """End the process."""
        if self.child is not None:
            self.child.kill()
            self.child.wait()
            for pipe in (self.child.stdin, self.child.stdout):
                pipe.close() if pipe is not None else None
            self.child = None

    def table(self) -> str:
        """Return what became of the inputs, by kind."""
        kinds = sorted({kind for kind, _ in self.tally})
        lines = [f"{'kind':<20}{'inputs':>8}{'exit 0':>8}{'exit 1':>8}{'exit 2':>8}{'slowest / s':>13}"]
        for kind in kinds:
            counts = [self.tally[kind, code] for code in (0, 1, 2)]
            lines.append(f"{kind:<20}{sum(counts):>8}{counts[0]:>8}{counts[1]:>8}{counts[2]:>8}{self.slowest[kind]:>13.2f}")
        lines.append(f"{'all':<20}{sum(self.tally.values()):>8}")
        return "\n".join(lines)


def judge(result: Result) -> None:
    """Hold an outcome against the rule: exit code 0, 1 or 2, a message for people, no traceback, no control characters."""
    assert not result.escaped, result.escaped
    assert result.code in (0, 1, 2), result
    shown = result.out + result.err
    told = _PYTHON_ERROR.search(re.sub(r"cannot be read: UnicodeDecodeError", "", shown))  # said of a file, on purpose
    assert told is None, f"{told}: {shown}"
    assert result.code == 0 or shown.strip(), "it failed and said nothing"
    assert result.code != 2 or "ERROR: " in result.err or "FAIL" in result.out or result.out, result
    control = re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)
    assert control is None, f"{control} reaches the terminal: {shown!r}"


def judge_number(result: Result, expected: float | None = CYCLES) -> None:
    """Hold the number against the one worked out by hand; `None`: only a refusal is right."""
    model = result.model()
    damaged = model.get("reason", "").startswith("its saved state cannot be read")
    assert damaged or model.get("status") != "failed", model
    if model.get("status") == "done":
        value = model["latest"].get(SERIES, [None])[0]
        assert expected is not None, f"{value} was computed from what cannot be used"
        assert value is None or value == expected, model
