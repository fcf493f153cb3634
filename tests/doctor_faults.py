"""Faults of a mapping that are injected into simulated packs, and oddities that are none.

``python -m tests.doctor_faults`` prints the confusion matrix of documentation/explanation/data-checks.md.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from tests.doctor_kit import AUTUMN, CELLS, DAYS, SPRING, Logged, Pack, look, name_of, simulated

# --- faults: each takes a pack and returns one whose mapping does not fit it ---


def scaled(key: str, factor: float, unit: str) -> Callable[[Pack], Pack]:
    def fault(pack: Pack) -> Pack:
        old = pack.sensors[name_of(key)]
        return pack.having(**{key: Logged(unit, old.time, old.values * factor)})

    return fault


def changed(key: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Pack], Pack]:
    def fault(pack: Pack) -> Pack:
        old = pack.sensors[name_of(key)]
        return pack.having(**{key: Logged(old.unit, old.time, change(old.values.copy()))})

    return fault


def late(keys: tuple[str, ...], hours: float, since: float = 0.0) -> Callable[[Pack], Pack]:
    """Set the stamps of some sensors forward, from a share of the data on."""

    def fault(pack: Pack) -> Pack:
        found = {}
        for key in keys:
            old = pack.sensors[name_of(key)]
            from_here = np.arange(old.time.size) >= since * old.time.size
            found[key] = Logged(old.unit, old.time + from_here * round(hours * 3_600_000), old.values)
        return pack.having(**found)

    return fault


def stated(**parameters: Any) -> Callable[[Pack], Pack]:
    return lambda pack: replace(pack, asset=replace(pack.asset, parameters={**pack.asset.parameters, **parameters}))


def held(row: int, start: float, stop: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(values: np.ndarray) -> np.ndarray:
        part = slice(round(start * values.shape[1]), round(stop * values.shape[1]))
        values[row, part] = values[row, part.start]
        return values

    return change


def swapped(one: int, other: int, since: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(values: np.ndarray) -> np.ndarray:
        place = round(since * values.shape[1])
        values[[one, other], place:] = values[[other, one], place:]
        return values

    return change


def coded(row: int, code: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(values: np.ndarray) -> np.ndarray:
        values[row] = code
        return values

    return change


def local_stamps(pack: Pack) -> Pack:
    """Take the site's wall clock for UTC."""
    import pandas as pd

    found = {}
    for name, old in pack.sensors.items():
        wall = pd.DatetimeIndex(pd.to_datetime(old.time, unit="ms", utc=True)).tz_convert("Europe/Berlin").tz_localize(None)
        found[name] = Logged(old.unit, np.asarray(wall.as_unit("ms").asi8, np.int64), old.values)
    return replace(pack, sensors=found)


def most_different(pack: Pack) -> tuple[int, int]:
    """Return the two neighbouring cells that differ most, by their median distance from the pack's median."""
    cells = pack.sensors["Cell Voltage|*"].values
    level = np.median(cells - np.median(cells, axis=0), axis=1)
    place = int(np.abs(np.diff(level)).argmax())
    return place, place + 1


def swap_of_neighbours(pack: Pack) -> Pack:
    return changed("cells", swapped(*most_different(pack), 0.5))(pack)


def stranger(pack: Pack) -> Pack:
    """Map the pack voltage as a seventeenth cell."""
    cells, volts = pack.sensors["Cell Voltage|*"], pack.sensors["Voltage"]
    return pack.having(cells=Logged(cells.unit, cells.time, np.vstack([cells.values, volts.values * 1000])))


Fault = Callable[[Pack], Pack]
ALL = ("current", "voltage", "soc", "cells", "probes", "hottest")
#: Fault -> (how it is made, the check that must name it, the sensor that it must name).
FAULTS: dict[str, tuple[Fault, str, str]] = {
    "sign of the current": (scaled("current", -1, "ampere"), "sign", "Current"),
    "mA mapped as A": (scaled("current", 1e3, "ampere"), "unit", "Current"),
    "A mapped as mA": (scaled("current", 1, "milliampere"), "unit", "Current"),
    "cells: mV mapped as V": (scaled("cells", 1, "volt"), "unit", "Cell Voltage|*"),
    "cells: V mapped as mV": (scaled("cells", 1e-3, "millivolt"), "unit", "Cell Voltage|*"),
    "pack: mV mapped as V": (scaled("voltage", 1e3, "volt"), "unit", "Voltage"),
    "SOC: percent mapped as a fraction": (scaled("soc", 1, "dimensionless"), "unit", "BMS SOC"),
    "SOC: fraction mapped as percent": (scaled("soc", 0.01, "percent"), "unit", "BMS SOC"),
    "one cell too many stated": (stated(**{"Cells in series": CELLS + 1}), "cell count", "Cell Voltage|*"),
    "one cell not mapped": (changed("cells", lambda v: v[:-1]), "cell count", "Cell Voltage|*"),
    "pack voltage mapped as a cell": (stranger, "cell count", "Cell Voltage|17"),
    "pack voltage 3 V too high": (changed("voltage", lambda v: v + 3.0), "pack voltage", "Voltage"),
    "pack voltage 2 % too high": (changed("voltage", lambda v: v * 1.02), "pack voltage", "Voltage"),
    "two neighbouring cells exchanged": (swap_of_neighbours, "order", "Cell Voltage|*"),
    "°C + 40": (changed("probes", lambda v: v + 40.0), "temperature", "Temperature|*"),
    "kelvin mapped as °C": (changed("probes", lambda v: v + 273.15), "temperature", "Temperature|*"),
    "°F mapped as °C": (changed("hottest", lambda v: v * 1.8 + 32), "temperature", "Cell Temperature"),
    "probe not fitted: 255": (changed("probes", coded(2, 255.0)), "not fitted", "Temperature|*"),
    "probe not fitted: 511": (changed("probes", coded(1, 511.0)), "not fitted", "Temperature|*"),
    "temperature frozen for a day": (changed("probes", held(3, 0.3, 0.5)), "frozen", "Temperature|4"),
    "cell voltage frozen for 6 h": (changed("cells", held(6, 0.5, 0.55)), "frozen", "Cell Voltage|7"),
    "SOC frozen for 12 h": (changed("soc", held(0, 0.5, 0.6)), "frozen", "BMS SOC"),
    "cells 8 h late": (late(("cells",), 8), "clock", "Cell Voltage|*"),
    "cells 1 h late": (late(("cells",), 1), "clock", "Cell Voltage|*"),
    "pack sensors 5.5 h late": (late(("current", "voltage", "soc", "hottest"), 5.5), "clock", "Voltage"),
    "cells 8 h late from the third day on": (late(("cells",), 8, since=0.34), "clock", "Cell Voltage|*"),
    "local time in spring taken for UTC": (local_stamps, "clock", "time"),
    "local time in autumn taken for UTC": (local_stamps, "clock", "time"),
}


# --- odd, but nothing of it is a fault of the mapping ---


def every(change: Callable[[Logged, np.random.Generator], Logged]) -> Callable[[Pack, int], Pack]:
    """Change every sensor alike: each gets a generator of the same state."""
    return lambda pack, seed: replace(
        pack, sensors={name: change(logged, np.random.default_rng(seed)) for name, logged in pack.sensors.items()}
    )


def only(keep: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Callable[[Pack, int], Pack]:
    """Keep the samples at some times."""

    def change(old: Logged, random: np.random.Generator) -> Logged:
        which = keep(old.time, random)
        return Logged(old.unit, old.time[which], old.values[:, which])

    return every(change)


def _outages(time: np.ndarray, random: np.random.Generator) -> np.ndarray:
    keep = np.ones(time.size, bool)
    for start in random.integers(0, time.size, 25):
        keep[start : start + random.integers(5, 600)] = False
    return keep


def asynchronous(pack: Pack, seed: int) -> Pack:
    """Log each sensor at its own phase of the 30 s."""
    phases = np.random.default_rng(seed).integers(0, 30_000, len(pack.sensors))
    moved = zip(pack.sensors.items(), phases, strict=True)
    return replace(pack, sensors={name: Logged(old.unit, old.time + int(phase), old.values) for (name, old), phase in moved})


def _polled(old: Logged, random: np.random.Generator) -> Logged:
    """Read each element in turn and hold it until its next turn."""
    every_so_many, values = (20 if old.unit == "degC" else 4), old.values.copy()
    for element in range(values.shape[0]):
        turn = (np.arange(values.shape[1]) - element) // every_so_many * every_so_many + element
        values[element] = values[element, np.clip(turn, 0, None)]
    return Logged(old.unit, old.time, values)


def _of_cells(change: Callable[[np.ndarray, np.random.Generator], None]) -> Callable[[Pack, int], Pack]:
    def fault(pack: Pack, seed: int) -> Pack:
        old = pack.sensors["Cell Voltage|*"]
        values = old.values.copy()
        change(values, np.random.default_rng(seed))
        return pack.having(cells=Logged(old.unit, old.time, np.round(values)))

    return fault


def _ailing(values: np.ndarray, random: np.random.Generator) -> None:
    """A soft short, a low cell, and two that drift through one another."""
    count = values.shape[1]
    values[4] -= np.linspace(0, 80, count)
    values[2] -= 30
    values[3] += np.linspace(-20, 20, count)
    values[5] += np.linspace(20, -20, count)


def _balanced(values: np.ndarray, random: np.random.Generator) -> None:
    half = slice(values.shape[1] // 2, None)
    middle = np.median(values[:, half], axis=0)
    values[:, half] = middle + 0.2 * (values[:, half] - middle)


def _module_shift(values: np.ndarray, random: np.random.Generator) -> None:
    values[:8, values.shape[1] // 2 :] += 12


def _two_replaced(values: np.ndarray, random: np.random.Generator) -> None:
    values[3, values.shape[1] // 2 :] += 25
    values[11, values.shape[1] // 2 :] -= 14


def _thermostat(pack: Pack, seed: int) -> Pack:
    """One probe sits where the coolant is kept at 22 °C."""
    old = pack.sensors["Temperature|*"]
    values = old.values.copy()
    values[0] = np.round(22 + 0.3 * np.random.default_rng(seed).standard_normal(values.shape[1]))
    return pack.having(probes=Logged(old.unit, old.time, values))


def _idle(pack: Pack, seed: int) -> Pack:
    random, time = np.random.default_rng(seed), pack.sensors["Current"].time
    cells = 3330 + random.normal(0, 4, (CELLS, 1)) + random.normal(0, 0.6, (CELLS, time.size))
    return pack.having(
        cells=Logged("millivolt", time, np.round(cells)), voltage=Logged("volt", time, np.round(cells.sum(axis=0)[None] / 1000, 1)),
        current=Logged("ampere", time, np.zeros((1, time.size))), soc=Logged("percent", time, np.full((1, time.size), 50.0)),
    )  # fmt: skip


def _all_warmer(by: float) -> Callable[[Pack, int], Pack]:
    return lambda pack, seed: changed("hottest", lambda v: v + by)(changed("probes", lambda v: v + by)(pack))


def _with_ambient(pack: Pack, seed: int) -> Pack:
    time = pack.sensors["Current"].time
    return replace(pack, sensors={**pack.sensors, "Ambient": Logged("degC", time, np.full((1, time.size), -18.0))})


def _soc_jump(values: np.ndarray) -> np.ndarray:
    half = values.shape[1] // 2
    values[0, half:] = np.clip(values[0, half:] + 12, 0, 100)
    return values


def _coarse(pack: Pack, seed: int) -> Pack:
    rough = changed("cells", lambda v: np.round(v / 20) * 20)(pack)
    return changed("probes", lambda v: np.round(v / 2) * 2)(rough)


ODD: dict[str, Callable[[Pack, int], Pack]] = {
    "as it is": lambda pack, seed: pack,
    "outages": only(_outages),
    "an outage of one full hour": only(lambda time, random: (time - time[0]) // 3_600_000 != random.integers(0, DAYS * 24)),
    "nightly maintenance from 2 to 3": only(lambda time, random: time // 3_600_000 % 24 != 2),
    "sensors at their own phases": asynchronous,
    "elements polled in turn": every(_polled),
    "sensors of 20 mV and 2 °C": _coarse,
    "cells that are ill or drift": _of_cells(_ailing),
    "balanced in between": _of_cells(_balanced),
    "a module that shifts": _of_cells(_module_shift),
    "two cells replaced": _of_cells(_two_replaced),
    "a probe at a thermostat": _thermostat,
    "at rest all the time": _idle,
    "an oven of 55 °C": _all_warmer(35),
    "a cold store": _all_warmer(-40),
    "ambient at -18 °C all the time": _with_ambient,
    "current 5 % and 1 A wrong": lambda pack, seed: changed("current", lambda v: v * 1.05 + 1.0)(pack),
    "capacity stated 2.5 times too large": lambda pack, seed: stated(Capacity=250.0)(pack),
    "a jump of the SOC": lambda pack, seed: changed("soc", _soc_jump)(pack),
}


def injected(name: str, seed: int) -> Pack:
    """Return a simulated pack with one fault."""
    return FAULTS[name][0](simulated(seed, AUTUMN if "autumn" in name else SPRING))


def matrix(seeds: range) -> dict[str, Counter[str]]:
    """Return, by fault, how often each check said something, and how often it was the right one of the right sensor."""
    found: dict[str, Counter[str]] = {}
    for name in ["none", *FAULTS]:
        told = found.setdefault(name, Counter())
        for seed in seeds:
            findings = look(simulated(seed) if name == "none" else injected(name, seed))
            told.update({finding.check for finding in findings})
            if name != "none":
                told["right"] += any((f.check, f.sensor) == FAULTS[name][1:] for f in findings)
                told["wrong"] += any(f.check != FAULTS[name][1] for f in findings)
    return found


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print(f"| fault | named | something else too | checks that spoke, of {count} packs |\n|---|---|---|---|")
    for fault, told in matrix(range(count)).items():
        words = ", ".join(f"{check} {number}" for check, number in sorted(told.items()) if check not in ("right", "wrong"))
        print(f"| {fault} | {told['right'] if fault != 'none' else ''} | {told['wrong']} | {words or 'none'} |")
    spoke = {name: sum(bool(look(change(simulated(seed), seed))) for seed in range(count)) for name, change in ODD.items()}
    print(f"\nodd, but no fault: {sum(spoke.values())} of {len(ODD) * count} packs accused; {spoke}")
