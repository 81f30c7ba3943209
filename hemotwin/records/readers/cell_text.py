"""A typed cell as the text that a CSV table would hold, so that every table is judged by the same words."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np

__all__ = ["TEXT_LIMIT", "cell_text"]

TEXT_LIMIT = 100_000  # characters


def cell_text(cell: Any) -> str:
    """The cell as text; empty for None, NaN, NaT and pandas.NA, the kind of thing in parentheses for what is no value.

    A whole number has no decimals, a day without a time of day no midnight, and a single-precision number the digits
    that it was written with (1.1, not 1.10000002).
    """
    if isinstance(cell, np.generic):
        cell = _plain(cell)
    if cell is None or _is_empty(cell):
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() and cell.tzinfo is None else cell.isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float):
        return repr(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, str | int | Decimal) or _of_pandas(cell, "Period"):
        return str(cell)[:TEXT_LIMIT]
    return f"({type(cell).__name__})"


def _is_empty(cell: Any) -> bool:
    """NaN in every form; pandas.NA is neither equal nor unequal to itself, and is known without importing pandas."""
    if _of_pandas(cell, "NAType") or _of_pandas(cell, "NaTType"):
        return True
    return isinstance(cell, float | Decimal) and cell != cell


def _of_pandas(cell: Any, name: str) -> bool:
    kind = type(cell)
    return kind.__name__ == name and kind.__module__.partition(".")[0] == "pandas"


def _plain(cell: np.generic) -> Any:
    """A NumPy scalar as Python's own."""
    if isinstance(cell, np.datetime64):
        return cell.astype("datetime64[us]").item()
    return float(str(cell)) if isinstance(cell, np.floating) else cell.item()
