"""Parquet tables: the same long and wide forms, and the same mapping file, as a CSV table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.extras import required
from ...core.registry import register
from ..collect import Collector
from ..rows import ROW_LIMIT
from . import Reader
from .cell_text import cell_text
from .refusal import refusal
from .table import Row, offer_table

__all__ = ["ParquetTable"]

BATCH = 4096
COLUMNS_LIMIT = 10_000
GROUP_LIMIT = 1 << 30  # bytes of a row group once unpacked
_MARK = b"PAR1"


@register("reader", "parquet")
class ParquetTable(Reader):
    """A Parquet file in long or wide form; empty and NaN cells are no values. Nested columns are set aside as text."""

    suffixes = (".parquet",)
    takes_mapping = True

    def read(self, path: Path, collector: Collector, mapping: Mapping[str, Any] | None) -> None:
        """Offer every non-empty cell; raises `InputError` for a damaged file or headers that nothing can be made of."""
        file, names = _opened(path)
        count = offer_table(_rows(file, path), path, names, mapping, collector, unit="row")
        if count == 0:
            raise InputError(f"{path.name}: the table has columns but no row.")

    def beginning(self, path: Path, count: int) -> tuple[list[str], list[list[str]]]:
        """The column names and up to so many rows; raises `InputError` for a damaged file."""
        file, names = _opened(path)
        return names, [cells for _, cells in islice(_rows(file, path), count)]


def _opened(path: Path) -> tuple[Any, list[str]]:
    with path.open("rb") as begin:
        if begin.read(4) != _MARK:
            raise InputError(f"{path.name}: no Parquet file: its first bytes are of another format.")
    parquet = required("pyarrow.parquet", "omop", "reading Parquet")
    with refusal(path.name, "the table"):
        file = parquet.ParquetFile(str(path), memory_map=False)
        names = [str(name) for name in file.schema_arrow.names]
    _within_limits(path, file, names)
    return file, names


def _within_limits(path: Path, file: Any, names: list[str]) -> None:
    if len(set(names)) < len(names) or len(names) > COLUMNS_LIMIT:
        raise InputError(f"{path.name}: {len(names)} columns, some of one name: export the table again.")
    if file.metadata.num_rows > ROW_LIMIT:
        raise InputError(
            f"{path.name}: {file.metadata.num_rows:,} rows, allowed are {ROW_LIMIT:,}: split the file by patient."
        )
    with refusal(path.name, "the table"):
        groups = [file.metadata.row_group(k).total_byte_size for k in range(file.metadata.num_row_groups)]
    if max(groups, default=0) > GROUP_LIMIT:
        raise InputError(
            f"{path.name}: a row group unpacks to {max(groups) >> 20:,} MiB, allowed are {GROUP_LIMIT >> 20:,}: "
            "write it with smaller row groups."
        )


def _rows(file: Any, path: Path) -> Iterator[Row]:
    """(row number from 1, cells as text)."""
    number = 0
    with refusal(path.name, "the table"):
        for batch in file.iter_batches(batch_size=BATCH, use_threads=False):
            for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                number += 1
                texts = [cell_text(cell) for cell in cells]
                if any(texts):
                    yield number, texts
