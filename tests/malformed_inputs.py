"""Valid inputs, broken in one to three places, by hypothesis."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from hypothesis import strategies as st


class Raw:
    """A number as it is written: one that Python would not write so."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"Raw({self.text})"


DEEP: Any = 1
for _ in range(70):
    DEEP = {"a": DEEP} if _ % 2 else [DEEP]

NUMBERS = [0, -1, 1, 2, 0.5, -0.0, 1e-320, 1e300, 2**31, 2**63, 2**64, -(2**63) - 1, 10**30]
LITERALS = [Raw(text) for text in ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400, "9" * 5000, "1" + "0" * 310,
                                       "0.1e-400", "-0", "1E5", "01", "+1", "0x10", "1_000", ".5", "True", "nan")]  # fmt: skip
WORDS = ["", " ", "0", "5", "1e3", "true", "null", "nan", "inf", "discharge", "Capacity", "pack-1", "*", "|*", "Current|*", "default",
         "full", "manual", "2026-01-31", "2026-01-31T00:00:00", "2026-01-31T08:30:00+00:00", "9999-12-31T23:59:59Z", "5min", "-5min",
         "A", "mA", "V", "Ah", "kWh", "parsec", "degC", "delta_degC", "ampere ** 99", "%", "1/0", "[]", "()", "ampere)", "Europe/Berlin",
         "\u0000", "a\u0000b", "\u001b[31mred\u001b[0m", "\u202egnp", "\u0085", "\r\n", "\ud800", "x\udfffy", "\ufeff", "é", "电流",
         "🔋", "../../etc/passwd", "..", ".", "~nobody-here/x", "/dev/null/x", "con", "a/b", "a\\b", "{n}", "%s%n", "{0}", "$(id)", "; id",
         "[red]x[/red]", "<script>alert(1)</script>", "__class__", "x" * 300, "x" * 20_000, "*" * 200]  # fmt: skip

texts = st.one_of(st.sampled_from(WORDS), st.text(max_size=20).filter(lambda text: text[:1] not in ("/", "~")))
scalars = st.one_of(
    st.none(), st.booleans(), st.sampled_from(NUMBERS), st.sampled_from(LITERALS), st.integers(), texts,
    st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip
nasty = st.one_of(
    scalars, st.lists(scalars, max_size=3), st.dictionaries(texts, scalars, max_size=3), st.just(DEEP),
    st.builds(lambda value: {"default": value}, scalars), st.builds(lambda value: {"value": value, "unit": "Ah"}, scalars),
    st.builds(lambda unit: {"value": 100.0, "unit": unit}, scalars),
)  # fmt: skip
OPERATIONS = ("replace", "replace", "replace", "replace", "delete", "rename", "add", "wrap", "twice", "nudge")


def places(tree: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything in a tree but its root."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = []
    for key, value in items:
        found += [(*above, key), *places(value, (*above, key))]
    return found


class Twice:
    """A key that is written twice in its object."""

    def __init__(self, first: Any, second: Any) -> None:
        self.first, self.second = first, second

    def __repr__(self) -> str:
        return f"Twice({self.first!r}, {self.second!r})"


def written(tree: Any) -> str:
    """Return the JSON text of a tree, with what no JSON writer would write."""
    if isinstance(tree, Raw):
        return tree.text
    if isinstance(tree, dict):
        parts = []
        for key, value in tree.items():
            name = json.dumps(str(key))
            each = (value.first, value.second) if isinstance(value, Twice) else (value,)
            parts += [f"{name}: {written(one)}" for one in each]
        return "{" + ", ".join(parts) + "}"
    if isinstance(tree, (list, tuple)):
        return "[" + ", ".join(map(written, tree)) + "]"
    return json.dumps(tree)


@st.composite
def mutations(draw: Any, tree: Any, most: int = 3, under: tuple[Any, ...] = ()) -> tuple[Any, list[tuple[Any, ...]]]:
    """Draw the tree with one to three places changed, and the places."""
    known = [path for path in places(tree) if path[: len(under)] == under and path != under]
    changed = copy.deepcopy(tree)
    paths = draw(st.lists(st.sampled_from(known), min_size=1, max_size=draw(st.sampled_from([1, 1, most])), unique=True))
    done = []
    for path in paths:
        operation = draw(st.sampled_from(OPERATIONS))
        if _change(changed, path, operation, draw):
            done.append(path)
    return changed, done


def _holds(holder: Any, key: Any) -> bool:
    if isinstance(holder, dict):
        return key in holder
    return isinstance(holder, list) and isinstance(key, int) and key < len(holder)


def _change(tree: Any, path: tuple[Any, ...], operation: str, draw: Any) -> bool:
    holder, last = tree, path[-1]
    for key in path[:-1]:
        if not _holds(holder, key):
            return False  # an earlier change took the place away
        holder = holder[key]
    if not _holds(holder, last):
        return False
    if operation == "delete":
        del holder[last]
    elif operation == "rename" and isinstance(holder, dict):
        holder[draw(texts)] = holder.pop(last)
    elif operation == "add" and isinstance(holder, dict):
        holder[draw(texts)] = draw(nasty)
    elif operation == "wrap":
        holder[last] = draw(
            st.sampled_from([[holder[last]], {"default": holder[last]}, {"a": holder[last]}, str(holder[last])])
        )
    elif operation == "twice" and isinstance(holder, dict):
        holder[last] = Twice(holder[last], draw(nasty))
    elif operation == "nudge" and isinstance(holder[last], str) and holder[last]:
        at = draw(st.integers(0, len(holder[last]) - 1))
        holder[last] = (
            holder[last][:at] + draw(st.sampled_from(["", "x", " ", "\u0000", "\ud800", "'"])) + holder[last][at + 1 :]
        )
    else:
        holder[last] = draw(nasty)
    return True


@st.composite
def torn(draw: Any, text: str) -> str:
    """Draw a text that was cut, doubled, or had pieces put in or changed."""
    for _ in range(draw(st.integers(1, 4))):
        if not text:
            break
        at = draw(st.integers(0, len(text) - 1))
        size = draw(st.integers(0, 12))
        way = draw(st.sampled_from(["cut", "put in", "leave out", "double", "token"]))
        if way == "cut":
            text = text[:at]
        elif way == "put in":
            text = text[:at] + draw(texts) + text[at:]
        elif way == "leave out":
            text = text[:at] + text[at + size :]
        elif way == "double":
            text = text[:at] + text[at : at + size] + text[at:]
        else:
            numbers = list(re.finditer(r"-?\d+(\.\d+)?", text))
            if numbers:
                hit = draw(st.sampled_from(numbers))
                text = text[: hit.start()] + draw(st.sampled_from(LITERALS)).text + text[hit.end() :]
    return text


anything = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4))
)
