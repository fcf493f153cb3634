"""A site with all that a page can show, under names that try to break out of it; and its pages."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from platform_interface.dashboard.command import Request, write_pages
from platform_interface.launch import Launch
from platform_interface.platforms.base import Asset
from tests.kit import ASSET, START, Rows, Site, pack

EVIL = "</script><script>window.hurt=1</script>\u2028<img src=x onerror=hurt()>&amp; %{y}"
MODELS = ("eq_cycles", "cell_spread", "alarming")
HOUR = 3_600_000
DAYS = 4


def site(folder: Path, models: tuple[str, ...] = MODELS, start: int = START) -> Site:
    """Return a computed asset: a gap, sentinels, cells, alarms, one refused output, in Berlin's summer-time change."""
    zone = {"time_zone": "Europe/Berlin"}
    made = Site(folder / "store", {"Capacity": 100.0, "positive_current": "charge", EVIL: EVIL, **zone}, tree())
    made.platform.save_asset(Asset(ASSET, f"Pack {EVIL}", (EVIL,), made.platform.assets([ASSET], "")[0].parameters))
    made.put(*samples(start))
    if models:
        made.run(models, clock=start + (DAYS * 24 + 1) * HOUR).save(made.folder)
    return made


def tree() -> dict[str, Any]:
    cells = {"cell_voltage": f"Cells {EVIL}|*"}
    spread = {"inputs": cells, "outputs": {"spread": f"Spread {EVIL}"}}
    return {"models": {"eq_cycles": {"inputs": {"soc": "State of nothing"}}, "cell_spread": spread}}


def samples(start: int) -> list[Rows]:
    time = np.arange(start, start + DAYS * 24 * HOUR, 60_000)
    time = time[(time < start + 30 * HOUR) | (time > start + 36 * HOUR)]
    current = 45.0 * np.sin(time / HOUR)
    voltage = 3.3 + 0.05 * np.cos(time / HOUR)
    voltage[100:103] = 65.535
    cells = voltage[None, :] + np.array([[0.0], [0.001], [-0.002]])
    names = tuple(f"Cells {EVIL}|{number}" for number in (1, 2, 82))
    return [pack(time, current=current, voltage=voltage), Rows("cells", names, ("volt",) * 3, time, cells)]


def pages(made: Site, folder: Path, models: tuple[str, ...] = MODELS, **more: Any) -> dict[str, Path]:
    """Write the pages and return them by model; the index as ``""``."""
    request = Request(**{"assets": [ASSET], "output": folder, **more})
    paths = write_pages(Launch(), made.settings(models), request, lambda _asset, _share: None)
    return {path.stem.partition("--")[2]: path for path in paths}


@dataclass
class Read(HTMLParser):
    """What a browser would make of a page, without a browser."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        (self.scripts if self._inside == "script" else self.texts).append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def figure(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found


def read(path: Path) -> Read:
    """Parse a page."""
    parser = Read()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser
