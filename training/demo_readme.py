"""Write the README of the demo fleet from the truths, so that its tables cannot go stale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEXT = """# Demo fleet

Three simulated assets with the faults of real logs, and beside each the truth that a test may
use. Every number here comes from PyBaMM {pybamm}; nothing was measured. This page is written by
`training/demo_fleet.py`: change it there.

| file | content |
|---|---|
| `<asset>.parquet` | the log: one wide table, missing values are nulls, order as logged |
| `<asset>.mapping.json` | the ingest mapping: sensors, units, sign of the current, parameters |
| `<asset>.truth.json` | seeds, cells, faults, true SOC, Ah, kWh, and the ledger of the dirt |

## Assets

{assets}

**storage-module.** A 16s LFP module of 100 Ah behind a photovoltaic inverter: morning and evening
loads, charges under sun and clouds, half an hour each of 0.5C discharge and charge, frequency
regulation, charges to 3.55 V of the highest cell. **+ is charge.** Cell 11 has a soft short of 40
ohm (about 2 % of charge a day); cell 5 has 8 % less capacity and ends every full charge. The
electronics count charge with an offset of -0.205 A and recalibrate once, +12 % within 10 s on day
3 (their display stays wrong, as it does in the field). The logged current has its own offset of
+0.02 A.

**vehicle-pack.** A 96s NMC pack of 60 Ah: two drives of 45 min and one charge of 30 A to 4.1 V a
day, logged only while awake: parked hours are gaps. **+ is discharge.** Cell 37 has 60 % more
ohmic resistance. Cells are logged at 5 mV, the state of charge at 0.5 %, the current at 0.1 A.
Drives are UDDS, US06 and WLTC, scaled and averaged over 10 s.

**ageing-cell.** One NMC 811 cell of 5 Ah (LG M50) over {cycles} cycles: 1C to 2.8 V, 30 min rest,
0.5C to 4.2 V, hold to C/20, 30 min rest. **+ is charge.** The log has a row every 60 s, and one
in the first and last second of each step. Capacity falls from {first:.2f} to {last:.2f} Ah
({fade:.1f} %), by SEI growth and by loss of active material, whose rates are raised over the
published set (`parameter_factors` in the truth) so that two months show it. The first discharge
starts from a full cell at equilibrium and has about 0.04 Ah more than the second; the resistance
of the first cycle is null, as no rest comes before it.

## Columns

| column | unit | assets |
|---|---|---|
| `time` | UTC, milliseconds | all |
| `current_a` | A; sign as stated in the mapping | all |
| `pack_voltage_v` | V | storage-module, vehicle-pack |
| `voltage_v` | V | ageing-cell |
| `cell01_mv` … | mV, unsigned 16-bit integer | storage-module (16), vehicle-pack (96) |
| `temp1_c` … | degC | storage-module (4), vehicle-pack (6) |
| `temp_mean_c` | degC; mean of the sensors before one froze | storage-module, vehicle-pack |
| `temp_c` | degC | ageing-cell |
| `bms_soc_pct` | percent | storage-module, vehicle-pack |

## Dirt

Put in after the truth was taken; exact times and counts are in the truth (`dirt`). Apart from
gaps and frozen sensors, no row has two faults except that a run that is unsorted or late may hold
a row that has another.

{dirt}

Kinds: `gap` rows removed · `frozen` sensor stuck · `sentinel` 65.535 V (65535 mV) or 0xFFFF at
the channel's resolution (6553.5) · `zero_on_live_cell` 0 V · `missing` null · `duplicate` the
same row twice · `conflict` same time, other value · `unsorted` a shuffled run · `late` a run at
the end of the file.

## Truth

Cells are numbered from 1. State of charge is a fraction of each cell's own capacity between the
parameter set's voltage limits. `throughput.logged` integrates the noiseless current at the times
in the file, intervals above `max_gap_s` excluded; `throughput.full` includes the gaps. Equivalent
full cycles are (charged + discharged) / (2 * capacity). In the truth `charged` and `discharged`
are directions, whatever the sign of the file.

{figures}

## How it was simulated, and its limits

Packs: SPMe, one solve a cell, the pack current scaled to each cell's capacity; the cell that
reaches the limit first ends the charge. Parameter sets: Prada 2013 (LFP,
[doi:10.1149/2.053304jes](https://doi.org/10.1149/2.053304jes)), Chen 2020 (NMC 811,
[doi:10.1149/1945-7111/ab9050](https://doi.org/10.1149/1945-7111/ab9050)), O'Kane 2022 (ageing,
[doi:10.1039/D2CP00417H](https://doi.org/10.1039/D2CP00417H)); PyBaMM
([doi:10.5334/jors.309](https://doi.org/10.5334/jors.309)). Pack temperatures are a lumped heat
balance of ohmic and overpotential heat; they do not act back on the kinetics. The LFP set has no
hysteresis, and a full cell rests nearer to its charge voltage than a real one does. No cell is
balanced.

## Regenerate

```
pip install -r requirements-train.txt
python training/demo_fleet.py
```

Seeded: the same versions on the same machine type write the same bytes. Drive cycles are read
from `../shared/data/drive_cycles` (or `--drive-cycles DIR`); where that is absent, PyBaMM fetches
the same files.

## Licence

The data were computed for this project and are under its licence. PyBaMM, its parameter sets and
its drive cycles are BSD-3; no file of theirs is copied here.
"""


def sizes(folder: Path, truths: dict[str, dict[str, Any]]) -> str:
    """Table of the assets: span, rows and file sizes [kB]."""
    lines = ["| asset | from | to | rows | Parquet | truth |", "|---|---|---|---|---|---|"]
    for name, truth in truths.items():
        files = [folder / f"{name}.parquet", folder / f"{name}.truth.json"]
        size = [path.stat().st_size / 1e3 for path in files]
        lines.append(
            f"| `{name}` | {truth['first']} | {truth['last']} | {truth['rows']:,} | {size[0]:,.0f} kB | {size[1]:,.0f} kB |"
        )
    return "\n".join(lines)


def dirt(truths: dict[str, dict[str, Any]]) -> str:
    """Table of every fault in every asset, with its rows and first time."""
    lines = ["| asset | kind | column | rows | from | to |", "|---|---|---|---|---|---|"]
    for name, truth in truths.items():
        for entry in truth["dirt"]:
            column = f"`{entry['sensor']}`" if entry["sensor"] else "all"
            span = f"{entry['from']} | {entry['to']}"
            lines.append(f"| {name} | {entry['kind']} | {column} | {entry['count']} | {span} |")
    return "\n".join(lines)


def figures(truths: dict[str, dict[str, Any]]) -> str:
    """Table of the true throughput of every asset [Ah, kWh, 1]."""
    lines = [
        "| asset | over | charged | discharged | charged | discharged | equivalent full cycles |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, truth in truths.items():
        for over in ("logged", "full"):
            sums = truth["throughput"][over]
            lines.append(
                f"| {name} | {over} | {sums['charged_ah']:.3f} Ah | {sums['discharged_ah']:.3f} Ah "
                f"| {sums['charged_kwh']:.4f} kWh | {sums['discharged_kwh']:.4f} kWh "
                f"| {sums['equivalent_full_cycles']:.4f} |"
            )
    return "\n".join(lines)


def write(folder: Path, truths: dict[str, dict[str, Any]]) -> None:
    """Write README.md beside the assets.

    Parameters
    ----------
    folder
        Folder of the assets.
    truths
        Truth of all three assets, by name.
    """
    cycles = truths["ageing-cell"]["cycles"]["capacity_ah"]
    text = TEXT.format(
        pybamm=truths["ageing-cell"]["pybamm"],
        assets=sizes(folder, truths),
        cycles=len(cycles),
        first=cycles[0],
        last=cycles[-1],
        fade=100 * (1 - cycles[-1] / cycles[0]),
        dirt=dirt(truths),
        figures=figures(truths),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
