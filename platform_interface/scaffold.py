"""`new-model`: a plugin folder that passes validation and conformance at once."""

from __future__ import annotations

import re
from pathlib import Path

from platform_interface.errors import UsageError

TEMPLATE = Path(__file__).parent / "templates" / "new_model"
_NAME = re.compile(r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")


def scaffold(name: str, models: Path) -> Path:
    """Write the folder `models/<name>` from the template.

    Raises
    ------
    UsageError
        The name is no Python name in lower case, or the folder is there.
    """
    if not _NAME.match(name):
        suggestion = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()).strip("_")
        hint = f"; did you mean '{suggestion}'?" if _NAME.match(suggestion) else ""
        raise UsageError(f"'{name}' is not a plugin's name: lower-case words joined by _{hint}")
    folder = models / name
    if folder.exists():
        raise UsageError(f"{folder} exists already; choose another name, or delete it")
    words = {"MODEL_NAME": name, "ModelClass": "".join(word.capitalize() for word in name.split("_")),
             "Model Title": " ".join(name.split("_")).capitalize()}  # fmt: skip
    folder.mkdir(parents=True)
    for source in sorted(TEMPLATE.iterdir()):
        if source.name.endswith(".template"):
            content = source.read_text(encoding="utf-8")
            for word, value in words.items():
                content = content.replace(word, value)
            (folder / source.name.removesuffix(".template")).write_text(content, encoding="utf-8")
    return folder
