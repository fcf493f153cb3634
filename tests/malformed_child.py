"""One process that runs many command lines of a copy of the program: a case a line comes in, what became of it goes out.

In a process of its own, a hang or a crash costs one case, and a folder that a case names by a relative path is made in the copy.
"""

from __future__ import annotations

import functools
import io
import json
import os
import shutil
import sqlite3
import sys
import time
import traceback
from pathlib import Path
from typing import Any


def main(program: str) -> None:
    sys.path.insert(0, program)
    import typer.main

    from platform_interface import cli, log

    typer.main.get_command = functools.cache(typer.main.get_command)  # the tree of commands is the same in every case
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    cases = sys.stdin
    for line in cases:
        sys.stdin = io.StringIO("")  # a question is answered with the end of the file
        case = json.loads(line)
        prepare(case)
        log._SECRETS.clear()
        found = run(cli.main, case["arguments"])
        report = Path("site/reports/latest.json")
        found["report"] = report.read_bytes().decode("utf-8", "replace") if report.is_file() else ""
        print(json.dumps(found), file=answers, flush=True)


def prepare(case: dict[str, Any]) -> None:
    """Put the site back as it was, and lay the case's files over it."""
    if case.get("fresh", True):
        shutil.rmtree("site", ignore_errors=True)
        shutil.copytree("pristine", "site")
    for name, content in case.get("files", {}).items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else bytes(content))
    for file, statement, values in case.get("sql", []):
        with sqlite3.connect(file) as database:
            database.execute(statement, values)


def run(command: Any, arguments: list[str]) -> dict[str, Any]:
    began = time.perf_counter()
    kept = sys.stdout, sys.stderr
    sys.stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    sys.stderr = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    escaped = ""
    code: Any = None
    try:
        code = command(arguments)
    except BaseException:  # noqa: BLE001 - whatever it is: it would have been a traceback on the user's terminal
        escaped = traceback.format_exc()
    finally:
        texts = []
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            texts.append(stream.buffer.getvalue().decode("utf-8", "replace"))
        sys.stdout, sys.stderr = kept
    return {"code": code, "out": texts[0], "err": texts[1], "escaped": escaped, "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    main(sys.argv[1])
