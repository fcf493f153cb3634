"""The peer: every value of some folders of a store into NumPy, row group by row group, with pyarrow and nothing else."""

import sys
from pathlib import Path

import pyarrow.parquet as pq


def read(folder: Path) -> int:
    """Read every value once, with pyarrow's defaults (its own threads included); return how many there were."""
    count = 0
    for path in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                group = file.read_row_group(number)
                count += sum(column.to_numpy().size for column in group.columns[1:])
    return count


if __name__ == "__main__":
    print(sum(read(Path(name)) for name in sys.argv[1:]))
