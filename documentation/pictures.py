"""The pictures of the README, from a real run of the demo fleet: `python -m documentation.pictures`."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from documentation.drawing import Line, Panel, chart
from platform_interface import show
from platform_interface.fleet import run_fleet
from platform_interface.launch import Launch, program_folder
from platform_interface.platforms.local import LocalPlatform
from platform_interface.report import RunReport
from platform_interface.settings import load_settings

FOLDER = Path(__file__).parent / "pictures"
SERIES = {
    "Equivalent Full Cycles": "#1f6fb4",
    "Rainflow Equivalent Cycles": "#e07b00",
    "Stress Weighted Cycles": "#7a3fa0",
}
#: Points of a line: more than the picture has pixels for a panel.
MOST_POINTS = 400
_SENTENCES = 6
_ACCUSES = "is suspect"
_WIDTH = 146


def draw() -> list[Path]:
    """Run the demo fleet in a store of its own and draw what came out."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        launch = Launch(
            assetTag="demo", demoFleet=True, configurationValues={"platform": {"store": f"{scratch}/store"}, "execution": {}}
        )
        settings = load_settings(program_folder() / "settings.json", launch)
        report = run_fleet(launch, settings)
        plot = demo_plot(LocalPlatform(settings.folder(settings.platform.store)), report)
    pictures = {"run.svg": run_picture(report), "demo.svg": plot}
    for name, text in pictures.items():
        (FOLDER / name).write_text(text, encoding="utf-8", newline="\n")
    return [FOLDER / name for name in pictures]


def run_picture(report: RunReport) -> str:
    """Return what `make run` prints, as SVG; of the warnings those that accuse a cell, or the first few."""
    console = Console(
        record=True, width=_WIDTH, markup=False, highlight=False, emoji=False, file=io.StringIO(), force_terminal=True
    )
    console.print("$ make run", style="bold")
    console.print(show._run_table(report.assets))
    numbered = [(number, sentence) for number, (_, sentence) in enumerate(show._sentences(report), 1)]
    chosen = ([pair for pair in numbered if _ACCUSES in pair[1]] or numbered)[:_SENTENCES]
    for number, sentence in chosen:
        console.print(Text.assemble((f"{number:>3} ", "dim"), sentence))
    console.print(Text(f"    … {len(numbered) - len(chosen)} more", style="dim"))
    console.print(f"{len(report.assets)} assets in {report.seconds:.1f} s. Report: twin-reports/{report.run}.json")
    return console.export_svg(title="battery twin", unique_id="run")


def demo_plot(platform: LocalPlatform, report: RunReport) -> str:
    """Return the cycles of each asset over time, as SVG."""
    panels = []
    for asset in report.assets:
        lines = [line for name in SERIES if (line := _line(platform, asset.asset, name)) is not None]
        if lines:
            panels.append(Panel(asset.name or asset.asset, lines))
    return chart(panels, SERIES, "cycles")


def _line(platform: LocalPlatform, asset: str, name: str) -> Line | None:
    tables = platform.read(asset, [name], 0, 2**62)
    if not tables:
        return None
    table = tables[0]
    present = table.values[0] == table.values[0]
    time, values = table.time[present], table.values[0][present]
    order = time.argsort(kind="stable")
    time, values = time[order], values[order]
    step = max(1, time.size // MOST_POINTS)
    chosen = [*range(0, time.size - 1, step), time.size - 1]
    return Line(name, time[chosen].tolist(), values[chosen].tolist())


if __name__ == "__main__":
    for picture in draw():
        print(picture)
