"""Samples as an Arrow stream between the served platform and a client that asks for it: no detour over text."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from platform_interface.table import Times, Values

#: What a client accepts that can read it. ThingsBoard knows no such thing, and answers in JSON.
ARROW = "application/vnd.apache.arrow.stream"
#: Last bytes of a whole stream; without them pyarrow takes one that was cut between two batches for whole.
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"


def packed(found: Mapping[str, tuple[Times, Values]]) -> bytes:
    """Return an Arrow stream of columns `ts` [ms UTC] and `value`: a batch a series, its name in the batch's metadata."""
    import pyarrow as pa

    schema = pa.schema([("ts", pa.int64()), ("value", pa.float64())])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for key, (time, values) in found.items():
            if time.size:
                columns = [pa.array(np.ascontiguousarray(time)), pa.array(np.ascontiguousarray(values))]
                writer.write_batch(pa.record_batch(columns, schema=schema), custom_metadata={"key": key})
    return bytes(sink.getvalue())


def unpacked(content: bytes) -> dict[str, tuple[Times, Values]]:
    """Return time and values of each series of a stream, on the same memory.

    Raises
    ------
    ValueError
        It is damaged, or another stream.
    """
    import pyarrow as pa

    if not content.endswith(_END):
        raise ValueError("the stream has no end")
    found: dict[str, tuple[Times, Values]] = {}
    try:
        with pa.ipc.open_stream(content) as reader:
            if [(each.name, each.type) for each in reader.schema] != [("ts", pa.int64()), ("value", pa.float64())]:
                raise ValueError("it has other columns")
            for batch, metadata in reader.iter_batches_with_custom_metadata():
                batch.validate(full=True)
                key = "" if metadata is None else metadata.get(b"key", b"").decode()
                if not key or key in found or any(column.null_count for column in batch.columns):
                    raise ValueError("a batch has no name, a second one of its name, or gaps")
                time, values = (column.to_numpy() for column in batch.columns)
                found[key] = (time, values)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
    return found
