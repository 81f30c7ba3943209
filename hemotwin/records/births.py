"""Birth dates: an age comes from them at the time of the measurements; they stand in no row or message."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

from .codes import find_field
from .rows import RowLog
from .values import ValueProblem, is_missing, years_between

__all__ = ["BIRTH_DATE", "FIELD", "NOT_KEPT", "Births", "age_at", "birth_date", "speaks_of_birth"]

BIRTH_DATE = "birth_date"  # its name among the covariates
FIELD = "birthDate"  # what a row of one is called, whatever its source calls it
NOT_KEPT = "(not kept)"
_WHOLE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ]\d{2}:.*)?")
_COMPACT = re.compile(r"((?:18|19|20)\d{2})(\d{2})(\d{2})")
_MONTH, _YEAR = re.compile(r"(\d{4})-(\d{2})"), re.compile(r"(\d{4})(?:\.0+)?")
_PART = "date|day|month|year|time"
_OF_BIRTH = re.compile(
    rf"({_PART})s?_?(of_?)?birth(?!_?w)|birth_?(d(ate|ay|t)?(?![a-z])|{_PART})|geburts_?(datum|tag|monat|jahr)|geb_?dat"
    r"|(?<![a-z])(dob|yob|bdate|bday|born|d\.o\.b)(?![a-z])|^birth$"
)


def birth_date(text: object) -> str:
    """A birth date in ISO form with as much of it as is written: 1960-05-02, 1960-05 or 1960.

    A date without dashes (19600502), one with a time of day, and a year as a number with decimals (1960.0) are
    understood; nothing else is, as 02/05/1960 may be May or February. Raises `ValueProblem`, which never repeats it.
    """
    written = str(text).strip()
    if is_missing(written) or not written:
        raise ValueProblem("the birth date is recorded as missing: leave the cell empty, or give the date")
    found = _WHOLE.fullmatch(written) or _COMPACT.fullmatch(written) or _MONTH.fullmatch(written)
    found = found or _YEAR.fullmatch(written)
    try:
        if found is None:
            raise ValueError
        year, month, day = [*map(int, found.groups()), 1, 1][:3]
        date(year, month, day)
    except ValueError:
        raise ValueProblem(
            "the birth date cannot be read (it is not repeated here, as it points at a person): write it as "
            "YYYY-MM-DD, YYYY-MM or YYYY"
        ) from None
    return "-".join(found.groups())


@lru_cache(maxsize=4096)
def speaks_of_birth(field: str) -> bool:
    """Whether a field or header is that of a birth date or a part of one, whose value no row may show."""
    target = find_field(field)
    words = re.sub(r"[\s_\-]+", "_", field.strip().lower())
    return (target is not None and target.name == BIRTH_DATE) or bool(_OF_BIRTH.search(words))


def age_at(born: str, when: str | None) -> float | None:
    """Completed years from an ISO birth date to an ISO date; below 0 for a birth after it; None without a date.

    Where only a year or month is known of either, it is taken at its middle; within that year or month the age is 0.
    """
    if not when:
        return None
    if when.startswith(born) or born.startswith(when):
        return 0.0
    return years_between(born, when)


class Births:
    """The birth dates of every patient with their rows, until the readings say at what time an age is needed."""

    def __init__(self, log: RowLog) -> None:
        self._log = log
        self._dates: dict[str, dict[str, list[int]]] = {}

    def add(self, patient: str, born: str, row: int) -> None:
        """An ISO birth date and the row that it stands in."""
        self._dates.setdefault(patient, {}).setdefault(born, []).append(row)

    def of(self, patient: str) -> tuple[str, int] | None:
        """The birth date, the most exact that is written, and its first row; none where two contradict each other.

        Rows that repeat it become duplicates, all rows of a contradiction are quarantined.
        """
        dates = self._dates.get(patient, {})
        finest = max(dates, key=len, default="")
        if any(not finest.startswith(one) for one in dates):
            for row in (row for rows in dates.values() for row in rows):
                self._log.settle(row, "quarantined", "contradiction: more than one birth date: keep the right one")
            return None
        for row in (row for rows in dates.values() for row in rows):
            self._log.settle(row, "duplicate", "the same birth date is recorded elsewhere")
        return (finest, min(dates[finest], key=self._log.place)) if dates else None
