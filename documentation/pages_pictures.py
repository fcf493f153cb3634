"""Pictures of the HTML pages, from a real run of the demo fleet: `python -m documentation.pages_pictures [MODEL ...]`.

Needs Chromium. The index and the page of each model in light; the index and the first model's page in the dark and on a phone too.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from documentation.browser import chromium, missing, visit
from platform_interface.dashboard.command import Request, write_pages
from platform_interface.dashboard.page import file_name
from platform_interface.explorer.command import write_explorer
from platform_interface.fleet import run_fleet
from platform_interface.launch import Launch, program_folder
from platform_interface.settings import load_settings

FOLDER = Path(__file__).parent / "pictures"
#: The demo asset whose pages are shown, and another one for a model that refuses its chemistry.
ASSET, ASSET_OF = "storage-module", {"pinn_internal_state": "vehicle-pack", "neural_soh": "ageing-cell"}
#: A picture is cut below this many pixels of the page. [px]
TALLEST, TALLEST_ON_PHONE = 1700, 1300


def draw(models: list[str]) -> list[Path]:
    """Run the demo fleet in a store of its own, write its pages and take their pictures."""
    with tempfile.TemporaryDirectory() as scratch:
        values = {
            "platform": {name: f"{scratch}/{name}" for name in ("store", "reports", "pages")},
            "execution": {"enabled_models": models},
        }
        launch = Launch(assetTag="demo", demoFleet=True, configurationValues=values)
        settings = load_settings(program_folder() / "settings.json", launch)
        report = run_fleet(launch, settings)
        report.save(Path(scratch) / "reports")
        names = sorted(model.model for model in report.assets[0].models)
        output = Path(scratch) / "pages"
        write_pages(launch, settings, Request(every=True, output=output), lambda _asset, _share: None)
        write_explorer(settings, "", output)
        _tell_no_folder(output / "index.html", scratch)
        with chromium() as browser:
            return _pictures(browser, output, names)


def _tell_no_folder(index: Path, scratch: str) -> None:
    """Show the store where a user has it, not where this run had it."""
    index.write_text(index.read_text(encoding="utf-8").replace(f"{scratch}/store", "twin-store"), encoding="utf-8")


def _pictures(browser: Any, output: Path, models: list[str]) -> list[Path]:
    pages = {"index": output / "index.html", "explorer": output / "explorer.html"}
    pages |= {name: path for name in models if (path := output / file_name(ASSET_OF.get(name, ASSET), name)).exists()}
    taken = [_take(browser, path, f"page-{name}.png") for name, path in pages.items()]
    for name in ("index", models[0]):
        taken.append(_take(browser, pages[name], f"page-{name}-dark.png", scheme="dark"))
        taken.append(_take(browser, pages[name], f"page-{name}-phone.png", phone=True))
    return taken


def _take(browser: Any, path: Path, name: str, scheme: str = "light", phone: bool = False) -> Path:
    target = FOLDER / name
    with visit(browser, path, scheme, phone) as found:
        size = found.tab.viewport_size
        height = min(found.tab.evaluate("document.documentElement.scrollHeight"), TALLEST_ON_PHONE if phone else TALLEST)
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height}
        found.tab.screenshot(path=target, full_page=True, clip=clip, animations="disabled")
    return target


def main(models: list[str]) -> int:
    """Draw, or say what is missing."""
    lacking = missing()
    if lacking:
        print(f"no pictures: {lacking}", file=sys.stderr)
        return 2
    for picture in draw(models):
        print(f"{picture} {picture.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
