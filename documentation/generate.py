"""Write `documentation/reference/` from the code: `python -m documentation.generate`.

With ``--check`` nothing is written; the pages that are not up to date are named, and the exit code is 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

from documentation.conventions import conventions_page
from documentation.pages import commands_page, errors_page, mapping_page, models_page, settings_page
from documentation.report_fields import report_page
from documentation.schema import manifest_page, schema_text

FOLDER = Path(__file__).parent / "reference"
NOTICE = (
    "<!-- Written by `python -m documentation.generate` from the code. Do not edit: change the code and run it again. -->\n"
)


def pages() -> dict[str, str]:
    """Return the content of every reference page by file name."""
    texts = {
        "settings.md": settings_page(),
        "manifest.md": manifest_page(),
        "commands.md": commands_page(),
        "models.md": models_page(),
        "report.md": report_page(),
        "mapping-file.md": mapping_page(),
        "errors.md": errors_page(),
        "conventions.md": conventions_page(),
    }
    marked = {name: f"{NOTICE}\n{text.strip()}\n" for name, text in texts.items()}
    return {**marked, "manifest.schema.json": schema_text()}


def stale() -> list[str]:
    """Return the names of the pages that are missing, changed by hand, or older than the code."""
    wanted = pages()
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*") if path.is_file()}
    return sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))


def main(arguments: list[str]) -> int:
    """Write the pages, or check them."""
    if arguments == ["--check"]:
        old = stale()
        if old:
            print(f"not up to date: {', '.join(old)}. Run: python -m documentation.generate", file=sys.stderr)
        return 1 if old else 0
    if arguments:
        print("usage: python -m documentation.generate [--check]", file=sys.stderr)
        return 2
    FOLDER.mkdir(exist_ok=True)
    wanted = pages()
    for path in FOLDER.glob("*"):
        if path.is_file() and path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(wanted)} files in {FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
