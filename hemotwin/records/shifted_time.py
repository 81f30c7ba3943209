"""Dates moved by a number of days, in the form in which they were written, so that intervals stay what they were."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal

__all__ = ["shifted_time"]

_COMPACT = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d{6})?")
_SECONDS = re.compile(r"[+-]?\d{1,15}(?:\.\d{0,9})?")
_YEAR, _MONTH = re.compile(r"\d{4}"), re.compile(r"\d{4}-\d{2}")
_DAYS_A_YEAR, _DAYS_A_MONTH = 365.2425, 30.436875  # Gregorian means


def shifted_time(text: str | None, days: int) -> str | None:
    """An ISO 8601 date or time, a compact date (20240131), or a number of seconds, moved by `days`.

    The time of day and the zone stay. A year alone moves by whole years and a month by whole months, the nearest to
    `days`, so that intervals between equal forms stay. None for anything that is no time: free text does not pass.
    """
    if not text:
        return None
    text = text.strip()
    try:
        if _YEAR.fullmatch(text):
            return f"{date(int(text) + round(days / _DAYS_A_YEAR), 1, 1).year:04d}"
        if _MONTH.fullmatch(text):
            months = int(text[:4]) * 12 + int(text[5:]) - 1 + round(days / _DAYS_A_MONTH)
            return date(months // 12, months % 12 + 1, 1).isoformat()[:7]
        if _COMPACT.fullmatch(text):
            form = "%Y%m%d%H%M%S" if len(text) == 14 else "%Y%m%d"
            return (datetime.strptime(text, form) + timedelta(days)).strftime(form)
        if _SECONDS.fullmatch(text):
            return format(Decimal(text) + days * 86400, "f")  # a float would round a long time
        if len(text) == 10:
            return (date.fromisoformat(text) + timedelta(days)).isoformat()
        return (datetime.fromisoformat(text) + timedelta(days)).isoformat()
    except (ValueError, OverflowError):
        return None
