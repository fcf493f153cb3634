"""The reference of conventions: sign, time, units, names. Its tables come from the code."""

from __future__ import annotations

from typing import get_args

from documentation.fields import table
from platform_interface import manifest, units
from platform_interface.mapping import USUAL_SENTINELS
from platform_interface.quarantine import TOLERANCE
from platform_interface.when import span

QUANTITIES = {
    "current": "The site's sign is applied. Compared with SOC and voltage.",
    "power": "The site's sign is applied.",
    "voltage": "0 V counts as a sentinel. Compared with current.",
    "cell_voltage": "0 V counts as a sentinel.",
    "soc": "Percent that is mapped as a fraction is recognised. Compared with current.",
    "soh": "Percent that is mapped as a fraction is recognised.",
    "temperature": "No check of its own.",
    "other": "No check of its own.",
}


_SIGN_AND_TIME = """# Conventions

## Sign of the current

Inside, **current is positive on discharge**, and so is power. What a positive value means on a site must be stated for each
asset, as `"positive_current": "discharge"` or `"charge"`, in the mapping file, on the platform or in
[settings](settings.md#assetfacts). There is no default: loggers differ, and a wrong guess turns charge into
discharge without anyone noticing. The sign is turned once, on reading. When SOC or voltage
contradict it, the report says so.

## Time

* Inside, times are UTC. On the embedded platform they are whole milliseconds since 1970.
* A time in settings must carry an offset: `2026-01-31T00:00:00+00:00`. One without is an error, not UTC.
* A duration is a number of seconds or a word: `"30s"`, `"5min"`, `"2h"`, `"7d"`, `"1w"`.
* A window is `start <= t < end`. Days begin at UTC midnight.
* A sample more than {future} in the future is kept apart, see [late and bad data](../how-to/late-and-bad-data.md).

"""

_NAMES_AND_NUMBERS = """## Names

* A **logical name** is what a model calls a thing: `cell_voltage`. The **name on the site** is what the platform calls it: "Cell
  Voltage". Settings map one to the other; where they say nothing, the name on the site is the logical one in words, each with a
  capital: `cell_voltage` is "Cell Voltage", `soc` is "SOC".
* The elements of an **array sensor** are `Cell Voltage|0`, `Cell Voltage|1`, …, from whatever number the site counts. The
  whole is `Cell Voltage|*`, in numeric order. A cell has that number in every output, alarm and page: it is never counted anew.
* An **asset id** on the embedded platform is 1 to 100 letters, digits, spaces, `.`, `_` or `-`.
* A **plugin** is lower-case words joined by `_`, the same as its folder.

## Numbers on the platform

Outputs are rounded to 9 significant digits and are finite, on every platform. With `decimation_threshold` a value is left out when it
is nearer than that to the last kept one; the first of every UTC day is always kept.
"""


def conventions_page() -> str:
    """Return the page.

    Raises
    ------
    KeyError
        A quantity of the manifest is not described here.
    """
    known = get_args(manifest.Quantity)
    if set(known) != set(QUANTITIES):
        raise KeyError("describe every quantity of a manifest in documentation/conventions.py")
    quantities = table(("quantity", "checks"), [(f"`{name}`", QUANTITIES[name]) for name in QUANTITIES])
    sentinels = ", ".join(f"{value:g}" if value < 1e6 else f"{value:.0f}" for value in USUAL_SENTINELS)
    return f"""{_SIGN_AND_TIME.format(future=span(TOLERANCE / 1000))}## Units

A unit is a [pint](https://pint.readthedocs.io) name, such as `ampere_hour`, or one of the words below. Values are
converted once, on reading; a model gets bare numbers in the unit of its manifest. **SOC and SOH are fractions, 0 to 1**; percent
exists only at the boundary. These units are known without pint, so that a scheduled run need not load it; all others are too,
0.3 s later.

{_unit_table()}

In manifests of the vendor's boilerplate these words stand for a count, a label or a flag: {_words(units.VENDOR_WORDS)}.

## Quantities

`quantity` of an input says what is measured. It decides which checks apply. For all but `soc` and `soh`, values that only a thousandth or a
thousandfold explains are recognised too.

{quantities}

## Values that mean "no value"

Raw values that loggers send for "no value" and that no model gets:
{sentinels}, and 0 V on a voltage.
`sentinels` of a sensor in the [settings](settings.md#sensorfacts) replaces the list.

{_NAMES_AND_NUMBERS}"""


def _unit_table() -> str:
    words: dict[str, list[str]] = {}
    for word, name in units.ALIASES.items():
        words.setdefault(name, []).append(word)
    rows = [(f"`{name}`", ", ".join(f"`{word}`" for word in words.get(name, []) if word)) for name in units.COMMON]
    return table(("unit", "also written"), rows)


def _words(names: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
