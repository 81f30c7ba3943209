"""Values and times as they are written in records; anything that is not plainly one is refused, with the fix.

A value is of one of four kinds, decided for each by itself: a number is exact, "55-60" an interval, "<10" censored, and
a word such as "elevated" ordinal (its range stands in configs/codes/ordinals.yaml).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from ..core.configs import config_path, load_yaml

__all__ = [
    "ValueProblem", "Written", "is_missing", "moment", "parse_number", "parse_value", "plain_time", "years_between",
]  # fmt: skip

_NUMBER = re.compile(r"[+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,3})?")
_RANGE = re.compile(rf"({_NUMBER.pattern})\s*(?:-|\u2013|\u2014|\.\.|\bto\b|\bbis\b)\s*({_NUMBER.pattern})")
_LIMIT = re.compile(rf"(<=|>=|<|>|\u2264|\u2265)\s*({_NUMBER.pattern})")
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
_CLOCK = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?")


class ValueProblem(ValueError):
    """Why a value cannot be used, with the fix, in words for the row's reason."""


@dataclass(frozen=True)
class Written:
    """A value as it was written: its kind, its number or bounds in the written unit, and the size of its last digit.

    `unit` is given where the value brings its own (an ordinal word), None where it is that of the row.
    """

    kind: str
    value: float | None
    lower: float | None = None
    upper: float | None = None
    digit: float = 0.0
    unit: str | None = None


def parse_value(given: Any, observable: str = "") -> Written:
    """The value of a cell: a number, a range, a limit, or a word that is known for this observable.

    Raises `ValueProblem` with the fix for a missing value, a range that runs backwards, and anything else.
    """
    if not isinstance(given, str):
        value, digit = parse_number(given)
        return Written("exact", value, digit=digit)
    text = given.strip().replace("\u2212", "-")
    found = _range_or_limit(text) or _word(observable, text)
    if found is not None:
        return found
    value, digit = parse_number(text)
    return Written("exact", value, digit=digit)


@lru_cache(maxsize=65536)
def _range_or_limit(text: str) -> Written | None:
    if not text or text[-1:].isalpha() or _NUMBER.fullmatch(text):
        return None
    if match := _RANGE.fullmatch(text):
        (low, fine), (high, _) = _parse_text(match[1]), _parse_text(match[2])
        if low > high:
            raise ValueProblem(f"the range {text!r} runs backwards: write the lower end first, or one number")
        return Written("exact", low, digit=fine) if low == high else Written("interval", None, low, high)
    if match := _LIMIT.fullmatch(text):
        bound, _ = _parse_text(match[2])
        below = match[1] in ("<", "<=", "\u2264")
        return Written("censored", None, None if below else bound, bound if below else None)
    return None


def _word(observable: str, text: str) -> Written | None:
    entry = _ordinals().get(observable)
    if entry is None or not text[:1].isalpha():
        return None
    known = entry["words"].get(re.sub(r"[\s_-]+", " ", text.lower()[:60]))
    return None if known is None else Written("ordinal", None, float(known[0]), float(known[1]), unit=entry["unit"])


@lru_cache(maxsize=1)
def _ordinals() -> dict[str, dict[str, Any]]:
    """{observable: {unit, words: {word: (lower, upper)}}}, from the data file."""
    read = load_yaml(config_path("codes", "ordinals.yaml"))["ordinals"]
    return {
        name: {"unit": entry["unit"], "words": {w: g["range"] for g in entry["grades"] for w in g["words"]}}
        for name, entry in read.items()
    }


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
    if comma := _with_comma(text):
        return comma
    if re.fullmatch(r"[<>~≈=]+\s*[\d.]+", text):
        return "an approximate value: give the number, a limit (<10) or a range (55-60)"
    if re.fullmatch(r"[\d.]+\s*/\s*[\d.]+", text):
        return "two numbers in one cell: give one number for each reading"
    if re.search(r"\d", text):
        return "text in a number: put the number alone in the value and the unit in the unit"
    return "the value is text where a number is expected: give one plain number"


def _with_comma(text: str) -> str:
    """The number to write in place of one with a comma, which is a decimal sign here and groups thousands there."""
    point = text.replace(",", ".")
    if re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", text):
        return f"a comma is ambiguous: write {point} or {text.replace(',', '')}"
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        return f"a decimal comma is ambiguous: write {point}, or export the table with decimal points"
    if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+,\d+|[+-]?\d{1,3}(,\d{3})+\.\d+", text):
        whole, fraction = re.split(r"[,.](?=\d+$)", text)
        return f"thousands are set apart: write {re.sub('[,.]', '', whole)}.{fraction}"
    return ""


@lru_cache(maxsize=65536)
def plain_time(text: str | None) -> str | None:
    """A date and time in one form, so that sources compare: 2020-03-01T09:30 for "2020-03-01 09:30:00".

    Midnight without a zone stands for a day without a time, as exports fill it in; anything else stays as it is.
    """
    if not text or (match := _CLOCK.fullmatch(text.strip())) is None:
        return text or None
    day, minute, second, zone = match.groups()
    second = "" if second is None or not second.strip(":0.") else second
    if minute == "00:00" and not second and not zone:
        return day
    return f"{day}T{minute}{second}{'Z' if zone in ('+00:00', 'Z') else zone or ''}"


@lru_cache(maxsize=65536)
def moment(text: str | None) -> float | None:
    """Seconds on one axis for an ISO 8601 date or time, or for a plain number of seconds; None when it is neither."""
    if not text:
        return None
    try:
        if _NUMBER.fullmatch(text):
            number = float(text)
            if not math.isfinite(number):
                return None
            return number if len(text) != 4 else datetime(int(number), 1, 1, tzinfo=UTC).timestamp()
        if re.fullmatch(r"\d{4}-\d{2}", text):
            text += "-01"
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def years_between(born: str, when: str) -> float | None:
    """Completed years between ISO dates (a year or year and month will do), below 0 where the second comes first; None
    when either cannot be read."""
    try:
        first, last = _date(born), _date(when)
    except (ValueError, IndexError):
        return None
    return float(last.year - first.year - ((last.month, last.day) < (first.month, first.day)))


def _date(text: str) -> date:
    parts = [int(part) for part in text[:10].split("-")]
    return date(parts[0], parts[1] if len(parts) > 1 else 7, parts[2] if len(parts) > 2 else 1)
