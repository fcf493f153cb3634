"""Faults injected into the demo fleet and into measured batteries: ``python -m tests.doctor_measured`` prints what was named.

Measured data: ../shared/data or the folder in TWIN_SHARED_DATA; without it only the demo fleet is looked at.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks import measured_data as measured
from platform_interface.demo import FOLDER
from platform_interface.doctor.channels import Channel
from platform_interface.doctor.examine import sensors_of
from platform_interface.doctor.order import OrderEvidence
from platform_interface.ingest import ingest
from platform_interface.platforms.local import LocalPlatform
from platform_interface.settings import AssetFacts
from tests.doctor_faults import FAULTS
from tests.doctor_kit import ROLES, Logged, Pack, look

DEMO = ("storage-module", "vehicle-pack")
MEASURED = ("ev-car2", "ev-car3", "bess-pylontech")
#: Those that need nothing but what every one of these batteries has.
EVERYWHERE = (
    "sign of the current", "mA mapped as A", "A mapped as mA", "cells: mV mapped as V", "pack: mV mapped as V",
    "SOC: percent mapped as a fraction", "SOC: fraction mapped as percent", "one cell not mapped", "kelvin mapped as °C",
    "cells 8 h late", "cells 1 h late",
)  # fmt: skip
#: Distance of neighbouring cells. [mV]
CLASSES = ((0, 5), (5, 10), (10, 500))


def loaded(asset: str, folder: Path) -> Pack:
    """Bring one battery into a store and return it as the doctor reads it, mapped right."""
    file, mapping = FOLDER / f"{asset}.parquet", FOLDER / f"{asset}.mapping.json"
    facts = AssetFacts()
    if asset in MEASURED:
        data = measured.shared_data()
        assert data is not None
        file, mapping = data / measured.BY_NAME[asset].file, measured.MAPPINGS / f"{asset}.json"
    content = json.loads(mapping.read_text())
    if asset.startswith("ev-car"):
        content["columns"]["temp{n}_raw"] = {"sensor": "Temperature|*", "unit": "degC"}
        facts = AssetFacts.model_validate({"sensors": {"Temperature|*": {"offset": -40.0, "sentinels": [255.0, 65535.0]}}})
    if asset == "bess-pylontech":  # its temperatures are an array, by another name
        content["columns"]["temp{n}_c"] = {"sensor": "Temperature|*", "unit": "degC"}
    (folder / f"{asset}.json").write_text(json.dumps(content))
    platform = LocalPlatform(folder / "store")
    ingest(platform, file, asset, folder / f"{asset}.json")
    [found] = platform.assets([asset], "")
    sensors = {}
    for each in sensors_of(platform.sensors(asset), {**ROLES, "Cell Voltage|*": "cell_voltage"}, facts, found):
        [table] = platform.read(asset, each.names, 0, 2**62)
        sensors[each.pattern] = Logged(each.unit, table.time, table.values)
    return Pack(sensors, found, facts)


def missing(pack: Pack, fault: str) -> bool:
    """Whether a battery lacks what a fault is injected into, or has it in another unit."""
    soc, cells = pack.sensors.get("BMS SOC"), pack.sensors["Cell Voltage|*"]
    return ("SOC" in fault and soc is None) or ("cells: mV" in fault and cells.unit != "millivolt")


def swaps(pack: Pack) -> Iterator[tuple[float, bool, int]]:
    """Exchange each pair of neighbouring cells in the middle: give their distance [mV], whether it was named, and how many others."""
    old = pack.sensors["Cell Voltage|*"]
    time, first = np.unique(old.time, return_index=True)
    cells = np.where((old.values <= 0) | (old.values > 60_000), np.nan, old.values)[:, first]
    cells = cells * (1e-3 if old.unit == "millivolt" else 1.0)
    level = 1e3 * np.nanmedian(cells - np.nanmedian(cells, axis=0), axis=1)
    for place in range(cells.shape[0] - 1):
        values, half = cells.copy(), time.size // 2
        values[[place, place + 1], half:] = values[[place + 1, place], half:]
        evidence = OrderEvidence()
        evidence.add({"c": Channel("C|*", tuple(range(cells.shape[0])), "cell_voltage", "volt", time, values)})
        told = evidence.findings("")
        named = [finding for finding in told if f"'C|{place}' and 'C|{place + 1}'" in finding.text]
        yield float(abs(level[place + 1] - level[place])), bool(named), len(told) - len(named)


def main() -> None:
    assets = [*DEMO, *(MEASURED if measured.shared_data() is not None else ())]
    with tempfile.TemporaryDirectory() as folder:
        packs = {asset: loaded(asset, Path(folder)) for asset in assets}
    before = {asset: {(f.check, f.sensor) for f in look(pack)} for asset, pack in packs.items()}
    print("as they are:", {asset: sorted(found) for asset, found in before.items()})
    print(f"\n| fault | {' | '.join(assets)} |\n|---|{'---|' * len(assets)}")
    for fault in EVERYWHERE:
        cells = [_named(packs[asset], fault, before[asset]) for asset in assets]
        print(f"| {fault} | {' | '.join(cells)} |")
    print(f"\n| exchanged neighbours differ by | {' | '.join(assets)} |\n|---|{'---|' * len(assets)}")
    found = {asset: list(swaps(pack)) for asset, pack in packs.items()}
    for low, high in CLASSES:
        cells = [_share([named for apart, named, _ in found[asset] if low <= apart < high]) for asset in assets]
        print(f"| {low} to {high} mV | {' | '.join(cells)} |")
    print("other pairs accused:", {asset: sum(others for _, _, others in found[asset]) for asset in assets})


def _named(pack: Pack, fault: str, before: set[tuple[str, str]]) -> str:
    if missing(pack, fault):
        return "–"
    change, check, sensor = FAULTS[fault]
    told = {(finding.check, finding.sensor) for finding in look(change(pack))}
    others = sorted(f"{other} {name}" for other, name in told - before if other != check)
    return f"{'named' if (check, sensor) in told else 'not named'}{'; ' + ', '.join(others) if others else ''}"


def _share(named: list[bool]) -> str:
    return f"{sum(named)} of {len(named)}"


if __name__ == "__main__":
    main()
