"""A small table that prints on a terminal and in a notebook, without pandas."""

from __future__ import annotations

import csv
import html
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import InputError

__all__ = ["Table", "format_cell"]

_DASH = "\u2013"


@dataclass(frozen=True, repr=False)
class Table:
    """Columns and rows with a title and a note; a float prints with four significant figures, None as a dash.

    Rows may be any iterable of cells as long as the columns; another length raises `InputError`.
    """

    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]
    title: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "rows", tuple(tuple(row) for row in self.rows))
        for number, row in enumerate(self.rows, 1):
            if len(row) != len(self.columns):
                raise InputError(
                    f"`rows` must have {len(self.columns)} cells as the columns, but row {number} has {len(row)}."
                )

    def __len__(self) -> int:
        return len(tuple(self.rows))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self.records()

    def records(self) -> Iterator[dict[str, Any]]:
        """Each row as a dict from column to raw cell."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)

    def column(self, name: str) -> list[Any]:
        """The raw cells of one column."""
        if name not in self.columns:
            raise InputError(f"`name` must be one of the columns {', '.join(self.columns)}, but got {name!r}.")
        position = list(self.columns).index(name)
        return [row[position] for row in self.rows]

    def __repr__(self) -> str:
        cells = [[format_cell(cell) for cell in row] for row in self.rows]
        numeric = [_is_numeric(row[k] for row in self.rows) for k in range(len(self.columns))]
        widths = [max([len(name), *(len(row[k]) for row in cells)]) for k, name in enumerate(self.columns)]
        lines = [self.title] if self.title else []
        lines.append(_line(self.columns, widths, numeric))
        lines.append("  ".join("-" * width for width in widths))
        lines.extend(_line(row, widths, numeric) for row in cells)
        if self.note:
            lines.append(self.note)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        numeric = [_is_numeric(row[k] for row in self.rows) for k in range(len(self.columns))]
        style = [' style="text-align:right"' if right else ' style="text-align:left"' for right in numeric]
        caption = f"<caption>{html.escape(self.title)}</caption>" if self.title else ""
        head = "".join(f"<th{style[k]}>{html.escape(str(name))}</th>" for k, name in enumerate(self.columns))
        body = "".join(
            "<tr>"
            + "".join(f"<td{style[k]}>{html.escape(format_cell(cell))}</td>" for k, cell in enumerate(row))
            + "</tr>"
            for row in self.rows
        )
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"

    def to_pandas(self):
        """The table as a pandas DataFrame; raises `InputError` with the install command when pandas is absent."""
        try:
            import pandas  # type: ignore[import-not-found]
        except ImportError:
            raise InputError("`to_pandas` needs pandas: pip install pandas") from None
        return pandas.DataFrame(list(self.rows), columns=list(self.columns))

    def to_csv(self, path: str | Path) -> Path:
        """Write columns and raw cells as a CSV file (UTF-8, None as an empty cell); the path is returned."""
        target = Path(path)
        with target.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(self.columns)
            writer.writerows(["" if cell is None else cell for cell in row] for row in self.rows)
        return target


def format_cell(cell: Any) -> str:
    """One cell as text: None and NaN as a dash, a float with four significant figures, a truth value as yes or no."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return _DASH
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, str | int):
        return str(cell).replace("\r", " ").replace("\n", " ")
    try:
        number = float(cell)
    except (TypeError, ValueError):
        return str(cell).replace("\n", " ")
    if math.isnan(number):
        return _DASH
    return f"{number:.0f}" if 1e4 <= abs(number) < 1e15 else f"{number:.4g}"


def _is_numeric(cells: Iterable[Any]) -> bool:
    known = [cell for cell in cells if cell is not None]
    return bool(known) and all(_looks_numeric(cell) for cell in known)


def _looks_numeric(cell: Any) -> bool:
    if isinstance(cell, bool):
        return False
    if isinstance(cell, str):
        text = cell.strip().rstrip("%").strip()
        return text == _DASH or text.lstrip("+-\u2212").replace(".", "", 1).isdigit()
    return not isinstance(cell, list | tuple | dict)


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    parts = [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, numeric, strict=True)
    ]
    return "  ".join(parts).rstrip()
