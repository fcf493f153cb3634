"""The few parts of the protocol-buffer wire format that an ONNX file uses; no library is needed at run time."""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
Value = int | memoryview


class WireError(Exception):
    """Bytes that are no protocol-buffer message."""


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """Read a number of variable length; return it and where it ends.

    Examples
    --------
    >>> varint(memoryview(bytes([0xAC, 0x02])), 0)
    (300, 2)
    """
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise WireError(f"a number without end at byte {at}")


def signed(value: int) -> int:
    """Return a 64-bit number with its sign.

    Examples
    --------
    >>> signed(2**64 - 1)
    -1
    """
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def fields(data: memoryview) -> Iterator[tuple[int, int, Value]]:
    """Yield number, wire type and value of each field of a message, in order."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = varint(data, at)
            yield number, kind, value
            continue
        if kind == BYTES:
            length, at = varint(data, at)
        elif kind in (FIXED32, FIXED64):
            length = 4 if kind == FIXED32 else 8
        else:
            raise WireError(f"wire type {kind} at byte {at}")
        if at + length > len(data):
            raise WireError(f"a field of {length} bytes at byte {at} runs over the end, {len(data)}")
        yield number, kind, data[at : at + length]
        at += length


def integers(kind: int, value: Value) -> list[int]:
    """Return repeated integers, packed or one by one."""
    if kind == VARINT and isinstance(value, int):
        return [signed(value)]
    assert isinstance(value, memoryview)
    found, at = [], 0
    while at < len(value):
        number, at = varint(value, at)
        found.append(signed(number))
    return found


def floats(value: Value, letter: str = "f") -> list[float]:
    """Return repeated floats (`letter` ``f``) or doubles (``d``), packed or one by one."""
    assert isinstance(value, memoryview)
    size = struct.calcsize(letter)
    return list(struct.unpack(f"<{len(value) // size}{letter}", value))


def text(value: Value) -> str:
    """Return a string."""
    assert isinstance(value, memoryview)
    return bytes(value).decode("utf-8")


def part(value: Value) -> memoryview:
    """Return a message within the message."""
    assert isinstance(value, memoryview)
    return value
