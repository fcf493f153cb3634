"""Content -> HTML that needs nothing from anywhere: escaped, without secrets, in one file or beside one shared script."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import os
import re
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_interface.errors import PlatformError
from platform_interface.log import redact

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent.parent / "templates"
#: Files beside the pages of a folder.
SHARED = ("plotly.min.js", "page.js", "page.css")
#: How the file ends that a page is while it is written, and after how long one is left over from a killed process. [s]
SCRATCH, LEFT_OVER = ".page-part", 3600.0
#: Points of a line as base64: no text of anybody.
_NUMBERS = ("x", "y")
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}")


def without_secrets(content: Any) -> Any:
    """Return the same with every known secret masked, in every text of it. Keys are our own words."""
    if isinstance(content, str):
        return redact(content)
    if isinstance(content, dict):
        return {key: value if key in _NUMBERS else without_secrets(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [without_secrets(value) for value in content]
    if dataclasses.is_dataclass(content) and not isinstance(content, type):
        changes = {field.name: without_secrets(getattr(content, field.name)) for field in dataclasses.fields(content)}
        return dataclasses.replace(content, **changes)
    return content


def json_for_html(content: Any) -> str:
    r"""Return JSON that can stand in a script element, whatever names it holds.

    Examples
    --------
    >>> json_for_html({"name": "</script>\u2028"})
    '{"name":"\\u003c/script\\u003e\\u2028"}'
    """
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def script_of(name: str) -> str:
    """Return a script or style of the pages.

    Raises
    ------
    PlatformError
        plotly is not installed.
    """
    if name != "plotly.min.js":
        return (TEMPLATES / name).read_text(encoding="utf-8")
    found = importlib.util.find_spec("plotly")  # only its script is needed: importing the package would cost more
    folders = [] if found is None else list(found.submodule_search_locations or [])
    path = Path(folders[0]) / "package_data" / name if folders else Path(name)
    if not path.is_file():
        raise PlatformError("pages need plotly, which is not installed here: python -m pip install -r requirements.txt")
    return path.read_text(encoding="utf-8")


def render(template: str, content: dict[str, Any], single: bool) -> str:
    """Return a page.

    Parameters
    ----------
    template : str
        ``dashboard.html`` or ``index.html``.
    content : dict
        What it shows; ``figure`` becomes the data of its script.
    single : bool
        Everything in the page itself.
    """
    from markupsafe import Markup

    content = without_secrets(content)
    figure = content.get("figure")
    data = json_for_html(figure) if figure else ""
    scripts = {name: Markup(script_of(name)) for name in _needed(template, bool(figure)) if single}  # noqa: S704 - our own files
    policy = policy_of([str(text) for name, text in scripts.items() if name.endswith(".js")])
    return environment().get_template(template).render(
        **{**content, "figure": Markup(data)}, single=single, scripts=scripts, policy=policy  # noqa: S704 - escaped above
    )  # fmt: skip


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return the templates, read once a process."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _needed(template: str, drawn: bool) -> tuple[str, ...]:
    return SHARED if template == "dashboard.html" and drawn else SHARED[1:]


def policy_of(scripts: list[str]) -> str:
    """Return a content security policy: no request to anywhere, and no script but ours."""
    hashes = [f"'sha256-{_digest(script)}'" for script in scripts]
    allowed = " ".join(hashes) if hashes else "'self' file:"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'self' file: 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    import base64

    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def file_name(asset: str, model: str) -> str:
    """Return the file of a page; an id that cannot be a file name is replaced by a hash.

    Examples
    --------
    >>> file_name("pack 7", "eq")
    'pack 7--eq.html'
    """
    safe = _SAFE.fullmatch(asset) and not asset.endswith((".", " "))
    word = asset if safe else f"asset-{hashlib.blake2b(asset.encode(), digest_size=6).hexdigest()}"
    return f"{word}--{model}.html"


def write(path: Path, text: str) -> None:
    """Write a page whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{os.getpid()}.{hashlib.blake2b(path.name.encode(), digest_size=6).hexdigest()}{SCRATCH}")
    try:
        with scratch.open("w", encoding="utf-8", newline="\n", errors="replace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except OSError:
        scratch.unlink(missing_ok=True)
        raise


def sweep(folder: Path) -> None:
    """Take away what killed processes left half written."""
    for scratch in folder.glob(f".*{SCRATCH}"):
        try:
            if time.time() - scratch.stat().st_mtime > LEFT_OVER:
                scratch.unlink()
        except OSError:  # another process was quicker
            continue


def remove_pages(folder: Path, asset: str) -> int:
    """Delete the pages of an asset that is forgotten; return how many there were."""
    gone = [path for path in folder.glob("*--*.html") if path.name == file_name(asset, path.stem.rpartition("--")[2])]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)


def write_shared(folder: Path) -> None:
    """Put the scripts and the style that all pages of a folder share beside them, where they are not there already."""
    for name in SHARED:
        text = script_of(name)
        path = folder / name
        if not path.exists() or path.stat().st_size != len(text.encode()) or path.read_text(encoding="utf-8") != text:
            write(path, text)
