"""What the command `explore` does: finds a plugin that offers an explorer, and writes its page in one file."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from platform_interface import __version__
from platform_interface.dashboard import page
from platform_interface.errors import PlatformError, TwinError, UsageError
from platform_interface.explorer.graph import page_graph
from platform_interface.log import LOGGER
from platform_interface.manifest import discover, read_manifest
from platform_interface.plans import plugin_folders, plugin_package
from platform_interface.settings import Settings
from platform_interface.spelling import did_you_mean
from platform_interface.weights import read_weights

#: Module of a plugin with a function of the same name that returns what its page is made of.
MODULE = "explorer"
NAME = "explorer.html"
SCRIPTS = ("explorer_graph.js", "explorer_draw.js", "explorer.js")
STYLES = ("page.css", "explorer.css")


def explorable(settings: Settings) -> dict[str, Path]:
    """Return the folders of the plugins that can be explored, by name."""
    folders = discover(plugin_folders(settings))
    return {name: folder for name, folder in folders.items() if (folder / f"{MODULE}.py").is_file()}


def write_explorer(settings: Settings, model: str, output: Path) -> Path:
    """Write the page of a plugin; of the first that has one when none is named.

    Raises
    ------
    UsageError
        There is no such plugin, or it offers nothing to explore.
    PlatformError
        Its networks cannot be evaluated in a page.
    """
    known = explorable(settings)
    if not known:
        raise UsageError("no plugin can be explored: none has an explorer.py. See documentation/how-to/explore-a-cell.md")
    name = model or next(iter(known))
    if name not in known:
        raise UsageError(f"'{name}' cannot be explored{did_you_mean(name, known)}; these can: {', '.join(known)}")
    path = output / NAME if output.is_dir() else output
    page.write(path, explorer_page(name, known[name]))
    return path


def write_for_demo(settings: Settings) -> None:
    """Put a copy beside the pages of a demo, unless one is there that nothing has changed since.

    That it cannot be written is a warning, for the numbers are on the platform.
    """
    folder = settings.folder(settings.platform.pages)
    try:
        known = explorable(settings)
        if known and not _current(folder / NAME, next(iter(known.values()))):
            folder.mkdir(parents=True, exist_ok=True)
            write_explorer(settings, "", folder)
    except (TwinError, OSError) as error:
        LOGGER.warning("the explorer could not be written: %s", error)


def _current(path: Path, plugin: Path) -> bool:
    """Say whether a page is younger than all that it is made of."""
    if not path.exists():
        return False
    made_of = [file for place in (plugin, Path(__file__).parent, page.TEMPLATES) for file in place.iterdir() if file.is_file()]
    return path.stat().st_mtime > max(file.stat().st_mtime for file in made_of)


def explorer_page(name: str, folder: Path) -> str:
    """Return the page of a plugin."""
    content = _content(name, folder)
    stated = read_manifest(folder).weights
    networks = {}
    for key, (path, outputs) in content.pop("networks").items():
        if path.parent == folder:
            read_weights(folder, path.name, stated)
        networks[key] = page_graph(path, outputs)
    return page_of(content, networks)


def page_of(content: dict[str, Any], networks: dict[str, Any]) -> str:
    """Return a page of what a plugin says and of its networks as :func:`page_graph` returns them."""
    from markupsafe import Markup

    own = content["script"].read_text(encoding="utf-8")
    scripts = {name: page.script_of(name) for name in (*STYLES, *SCRIPTS)} | {"plugin.js": own}
    policy = page.policy_of([text for name, text in scripts.items() if name.endswith(".js")])
    shown = {key: value for key, value in content.items() if key not in ("data", "script")}
    return (
        page.environment()
        .get_template("explorer.html")
        .render(
            **page.without_secrets(shown),
            scripts={key: Markup(text) for key, text in scripts.items()},  # noqa: S704 - our own files
            content=Markup(page.json_for_html({"data": content["data"]})),  # noqa: S704 - escaped above
            networks=Markup(page.json_for_html(networks)),  # noqa: S704 - escaped above
            policy=policy,
            written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            version=__version__,
        )
    )


def _content(name: str, folder: Path) -> dict[str, Any]:
    try:
        package = plugin_package(name, folder)
        module = importlib.import_module(f"{package.__name__}.{MODULE}")
        return cast(Callable[[], dict[str, Any]], getattr(module, MODULE))()
    except (ImportError, AttributeError, OSError, KeyError, json.JSONDecodeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise PlatformError(f"models/{name}/{MODULE}.py: {reason}. Take the whole folder from one release.") from error
