"""Tables in memory, read as the same CSV table is: a pandas DataFrame, rows as dicts, or a dict of columns."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from .collect import Collector
from .mapping import load_mapping
from .readers.cell_text import cell_text
from .readers.headers import IN_MEMORY, is_known
from .readers.table import Row, offer_table

__all__ = ["is_table", "path_of", "read_table"]

_EXAMPLE = '[{"patient": "A17", "systolic [mmHg]": 128, "heart rate [1/min]": 74}]'


def is_table(given: Any) -> bool:
    """Whether this is a table in memory; pandas is not imported, as who gives a DataFrame has imported it."""
    return _is_frame(given) or isinstance(given, Mapping | list | tuple)


def path_of(given: Any) -> str:
    """The path as text; raises `InputError` for anything else, with what can be read and an example."""
    path = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if isinstance(path, str):
        return path
    kind = type(given)
    name = "None" if given is None else f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}"
    raise InputError(
        "`path` must be the path of a file or folder, a pandas DataFrame, a list of rows or a dict of columns, as in "
        f"ht.read({_EXAMPLE}), but got {name.removeprefix('builtins.')}."
    )


def read_table(given: Any, mapping: str | Path | Mapping[str, Any] | None, collector: Collector) -> str:
    """Offer every non-empty cell and return the digest of the table's text; rows are counted from 0, as in `iloc`.

    The same cells give the same digest in each of the three forms. Raises `InputError` for a table that is empty or
    uneven, or headers that nothing can be made of.
    """
    known = None if mapping is None else load_mapping(IN_MEMORY, mapping)
    names, cells = _frame(given, known) if _is_frame(given) else _table(given)
    collector.begin_source()
    digest = hashlib.sha256(_line(names))
    count = offer_table(_rows(cells, digest), IN_MEMORY, names, known, collector, unit="row")
    if count == 0:
        raise InputError(f"{IN_MEMORY}: there are columns but no row with a value: add one for each value or patient.")
    return digest.hexdigest()


_Cells = Iterable[Sequence[Any]]


def _is_frame(given: Any) -> bool:
    frame = getattr(sys.modules.get("pandas"), "DataFrame", None)
    return frame is not None and isinstance(given, frame)


def _rows(cells: _Cells, digest: Any) -> Iterator[Row]:
    for number, row in enumerate(cells):
        texts = [cell_text(cell) for cell in row]
        digest.update(_line(texts))
        if any(texts):
            yield number, texts


def _line(texts: Sequence[str]) -> bytes:
    """Texts so that no two lines of different cells are the same bytes."""
    return (repr(list(texts)) + "\n").encode()


def _frame(frame: Any, mapping: Mapping[str, Any] | None) -> tuple[list[str], _Cells]:
    """Headers and rows of a DataFrame; a level of its index comes first where it is named as a column that is read."""
    names = [str(name).strip() for name in frame.columns]
    columns = [frame.iloc[:, k].array for k in range(len(names))]
    for level, header in reversed(list(enumerate(frame.index.names))):
        name = "" if header is None else str(header).strip()
        if name and name not in names and _is_read(name, mapping):
            names.insert(0, name)
            columns.insert(0, frame.index.get_level_values(level).array)
    return names, zip(*columns, strict=True)


def _is_read(name: str, mapping: Mapping[str, Any] | None) -> bool:
    if mapping is None:
        return is_known(name)
    columns = mapping.get("columns")
    return name in (mapping.get("patient"), mapping.get("time"), *(columns if isinstance(columns, Mapping) else ()))


def _table(given: Mapping[Any, Any] | Sequence[Any]) -> tuple[list[str], _Cells]:
    if not given:
        raise InputError(f"{IN_MEMORY}: it is empty: give at least one row, as in ht.read({_EXAMPLE}).")
    if isinstance(given, Mapping):
        return [str(name).strip() for name in given], _even(given)
    for number, row in enumerate(given):
        if not isinstance(row, Mapping):
            path = isinstance(row, str | os.PathLike)
            fix = "several files are read as one folder" if path else f"write ht.read({_EXAMPLE})"
            raise InputError(
                f"{IN_MEMORY} row {number}: must be a dict of headers and values, but got {type(row).__name__}: {fix}."
            )
    keys = list(dict.fromkeys(key for row in given for key in row))
    return [str(key).strip() for key in keys], ([row.get(key) for key in keys] for row in given)


def _even(given: Mapping[Any, Any]) -> _Cells:
    """The rows of a dict of columns, which must be as long as each other, pandas Series also of one index."""
    columns, index, first = [], None, None
    for name, column in given.items():
        if isinstance(column, str | bytes | Mapping) or not (hasattr(column, "__getitem__") and _length(column)):
            raise InputError(
                f"{IN_MEMORY} column `{str(name)[:60]}`: must be a list of values, but got {type(column).__name__}: "
                f"write every column as a list, or one patient as a row in a list, as in ht.read({_EXAMPLE})."
            )
        if columns and len(column) != len(columns[0]):
            raise InputError(
                f"{IN_MEMORY} column `{str(name)[:60]}`: has {len(column)} values, but column `{str(first)[:60]}` has "
                f"{len(columns[0])}: give every column a value for each row, None where it is not known."
            )
        own = getattr(column, "index", None) if hasattr(column, "iloc") else None
        if own is not None and index is not None and not index.equals(own):
            raise InputError(
                f"{IN_MEMORY} column `{str(name)[:60]}`: its index is not that of the columns before it, so that rows "
                "might be of different patients: make one DataFrame of them first."
            )
        index, first = own if index is None else index, name if first is None else first
        columns.append(column.array if own is not None else column)
    return zip(*columns, strict=True)


def _length(column: Any) -> bool:
    """Whether it has a length and one dimension."""
    return hasattr(column, "__len__") and getattr(column, "ndim", 1) == 1
