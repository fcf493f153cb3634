"""Simulate the demo fleet with PyBaMM and write it with its truth.

One command makes everything again, from fixed seeds, in a few minutes::

    python training/demo_fleet.py [--output DIR] [--drive-cycles DIR]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import demo_ageing
import demo_readme
import demo_storage
import demo_vehicle
import demo_write
from demo_asset import Asset

ROOT = Path(__file__).resolve().parents[1]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Simulate the demo fleet with its truth.")
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT / "platform_interface" / "demo_fleet",
        help="folder to write to (default: %(default)s)",
    )
    parser.add_argument(
        "--drive-cycles",
        type=Path,
        default=ROOT.parent / "shared" / "data" / "drive_cycles",
        help="UDDS.csv, US06.csv, WLTC.csv; PyBaMM fetches what is absent (default: %(default)s)",
    )
    return parser.parse_args()


def main() -> None:
    """Simulate, write and check every asset."""
    options = arguments()
    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    makers: dict[str, Callable[[], Asset]] = {
        demo_storage.NAME: demo_storage.simulate,
        demo_vehicle.NAME: lambda: demo_vehicle.simulate(options.drive_cycles),
        demo_ageing.NAME: demo_ageing.simulate,
    }
    truths: dict[str, dict[str, Any]] = {}
    for name, simulate in makers.items():
        begin = time.monotonic()
        print(f"{name}: simulating ...", flush=True)
        truths[name] = demo_write.write(simulate(), folder)
        print(f"{name}: written after {time.monotonic() - begin:.0f} s", flush=True)
    demo_readme.write(folder, truths)
    for name in truths:
        print(demo_write.check(folder, name))
    total = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
