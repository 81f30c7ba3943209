"""Numbers and times as they are written in records; anything that is not plainly one is refused, with the fix."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

__all__ = ["ValueProblem", "is_missing", "moment", "parse_number", "years_between"]

_NUMBER = re.compile(r"[+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,3})?")
_MISSING = {
    "na",
    "n/a",
    "nan",
    "null",
    "none",
    "nil",
    "-",
    "--",
    ".",
    "?",
    "missing",
    "unknown",
    "not done",
    "nd",
    "n.a.",
}
_LARGEST = 1e9


class ValueProblem(ValueError):
    """Why a value cannot be used, with the fix, in words for the row's reason."""


def is_missing(text: str) -> bool:
    """Whether the text says that there is no value."""
    return text.strip().lower() in _MISSING


def parse_number(given: Any) -> tuple[float, float]:
    """A finite number and the size of its last written digit; raises `ValueProblem` for anything else."""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ValueProblem("the value is not a number: give one plain number")
    if isinstance(given, int):
        given = str(given) if abs(given) < 10**18 else "1e99"
    return _parse_text(repr(given) if isinstance(given, float) else given.strip().replace("\u2212", "-"))


@lru_cache(maxsize=65536)
def _parse_text(text: str) -> tuple[float, float]:
    if is_missing(text):
        raise ValueProblem(f"recorded as missing ({text!r}): leave the cell empty, or give the number")
    if text.lower().lstrip("+-") in ("inf", "infinity"):
        raise ValueProblem("the value is infinite: give a finite number")
    if _NUMBER.fullmatch(text) is None:
        raise ValueProblem(_advice(text))
    value = float(text)
    if not math.isfinite(value) or abs(value) > _LARGEST:
        raise ValueProblem("the number is too large for any measurement: check it")
    mantissa, _, exponent = text.lower().partition("e")
    decimals = len(mantissa.partition(".")[2].rstrip("0"))
    return value, 10.0 ** (int(exponent or 0) - decimals)


def _advice(text: str) -> str:
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        return f"a decimal comma is ambiguous: write {text.replace(',', '.')}"
    if re.fullmatch(r"[<>~≤≥=]+\s*[\d.]+", text):
        return "a limit is not a value: give the number, or leave it out"
    if re.fullmatch(r"[\d.]+\s*(-|–|to|/)\s*[\d.]+", text):
        return "two numbers in one cell: give one number for each reading"
    if re.search(r"\d", text):
        return "text in a number: put the number alone in the value and the unit in the unit"
    return "the value is text where a number is expected: give one plain number"


@lru_cache(maxsize=65536)
def moment(text: str | None) -> float | None:
    """Seconds on one axis for an ISO 8601 date or time, or for a plain number of seconds; None when it is neither."""
    if not text:
        return None
    try:
        if _NUMBER.fullmatch(text):
            number = float(text)
            return (
                number
                if len(text) != 4 or not math.isfinite(number)
                else datetime(int(number), 1, 1, tzinfo=UTC).timestamp()
            )
        if re.fullmatch(r"\d{4}-\d{2}", text):
            text += "-01"
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def years_between(born: str, when: str) -> float | None:
    """Age in completed years, from ISO dates (a year or year and month will do); None when either cannot be read."""
    try:
        first, last = _date(born), _date(when)
    except (ValueError, IndexError):
        return None
    if last < first:
        return None
    return float(last.year - first.year - ((last.month, last.day) < (first.month, first.day)))


def _date(text: str) -> date:
    parts = [int(part) for part in text[:10].split("-")]
    return date(parts[0], parts[1] if len(parts) > 1 else 7, parts[2] if len(parts) > 2 else 1)
