"""What several rows say of one channel at one moment: one value, a range or a contradiction, in whatever order."""

from __future__ import annotations

import dataclasses
import math
from array import array

from .codes import info
from .quality_rules import rule
from .reading import Reading, show, show_range
from .rows import RowLog

__all__ = ["Agreement"]

_KINDS = {"exact": 0, "interval": 1, "ordinal": 2, "censored": 3}
_WRITTEN = 0.4999  # of the last written digit to either side: 120 may be 120.4 and is not 121
_SAME = 1e-9  # relative; what a conversion of units leaves


class Agreement:
    """The rows of one patient, channel and condition within one day, of which the latest moment counts.

    Rows of that moment agree when one number lies within all of them, as far as they are written ("120" and "120.4",
    "<10" and "8"): the most exact is kept, the others repeat it. Numbers that differ by no more than repeats of a
    measurement do (rule `repeats_at_one_moment`) are kept together as the range that they span. All else is a
    contradiction: none of them is used. What is held does not grow with the rows but for their numbers.
    """

    __slots__ = ("_ends", "_exact", "_rows", "_values", "_within", "best", "note", "superseded")

    def __init__(self, first: Reading, note: str):
        self._begin(first, note)
        self.superseded: array[int] | None = None

    def _begin(self, one: Reading, note: str) -> None:
        self.best, self.note = one, note
        self._rows: array[int] | None = None
        self._values: array[float] | None = None
        self._within: tuple[float, float] | None = None  # what all allow; None while there is one row only
        self._ends: tuple[float, float] | None = None
        self._exact = one.exact

    def add(self, new: Reading, note: str, log: RowLog) -> None:
        """Another row of the same channel, condition and day."""
        if new.when != self.best.when:
            self._of_another_moment(new, note)
            return
        old = self.best
        if self._rows is None:
            self._rows, self._values = array("Q", (old.row,)), array("d", (_number(old),))
            self._within, self._ends = _allowed(old), _extremes(old)
        assert self._values is not None and self._within is not None and self._ends is not None
        self._rows.append(new.row)
        self._values.append(_number(new))
        self._exact = self._exact and new.exact
        if isinstance(new.value, str) or isinstance(old.value, str):
            if new.value != old.value:
                self._within = (math.inf, -math.inf)
        else:
            self._within = _both(self._within, _allowed(new))
            self._ends = min(self._ends[0], new.least), max(self._ends[1], new.most)
        if (_rank(new), log.place(new.row)) < (_rank(old), log.place(old.row)):
            self.best, self.note = new, note

    def _of_another_moment(self, new: Reading, note: str) -> None:
        superseded = array("Q") if self.superseded is None else self.superseded
        if (new.when or 0.0) > (self.best.when or 0.0):
            superseded.extend(self._rows if self._rows is not None else (self.best.row,))
            self._begin(new, note)
        else:
            superseded.append(new.row)
        self.superseded = superseded

    def settle(self, log: RowLog) -> tuple[Reading | None, str]:
        """(the reading that stands, the name of the rule that applied or ""); every row gets its fate."""
        reading, by = self._settle_moment(log)
        if self.superseded is not None:
            said = str(reading) if reading is not None else f"what is said of {info(self.best.name).label}"
            reason = f"a twin is of one visit: {said} of {self.best.time} is later the same day"
            for row in self.superseded:
                log.settle(row, "quarantined", reason)
        return reading, by

    def _settle_moment(self, log: RowLog) -> tuple[Reading | None, str]:
        best = self.best
        if self._rows is None or self._within is None or self._ends is None:
            log.settle(best.row, "used", self.note)
            return best, ""
        if self._within[0] <= self._within[1]:
            self._settle_others(log, "duplicate", f"the same as {log[best.row].origin}")
            log.settle(best.row, "used", self.note)
            return best, ""
        if self._exact and not isinstance(best.value, str) and _repeats(best, *self._ends):
            return self._together(log), "repeats_at_one_moment"
        self._settle_others(log, "quarantined", f"contradiction: {self.contradiction}: keep the right one")
        return None, "contradiction_at_one_moment"

    @property
    def contradiction(self) -> str:
        """What is said at once, as in "the record gives systolic blood pressure 112 to 150 mmHg of 2020-01-01"."""
        about, when = info(self.best.name), f" of {self.best.time}" if self.best.time else ", all without a time"
        if isinstance(self.best.value, str) or self._ends is None:
            return f"the record gives more than one {about.label}{when}"
        low, high = self._ends
        ends = show_range(None if low == -math.inf else low, None if high == math.inf else high)
        return f"the record gives {about.label} from {ends} {about.unit}{when}"

    def _together(self, log: RowLog) -> Reading:
        """The range that repeats span, or its middle for a body size, which scales a prior; all its rows are used."""
        best, (low, high) = self.best, self._ends or (0.0, 0.0)
        origin, unit = log[best.row].origin, info(best.name).unit
        middle = not best.modality
        kept = show(0.5 * (low + high)) if middle else show_range(low, high)
        said = f"{len(self._rows or ())} values of one moment, kept together as {kept} {unit}"
        met: dict[str, int] = {}
        values = zip(self._rows or (), self._values or (), strict=True)
        for row, value in sorted(values, key=lambda one: (one[0] != best.row, log.place(one[0]))):
            if met.setdefault(f"{value:.9g}", row) != row:
                log.settle(row, "duplicate", f"the same as another of the values at {origin}")
            else:
                log.settle(row, "used", said if row == best.row else f"{said}, with {origin}")
        more = tuple(row for row in met.values() if row != best.row)
        if middle:
            return dataclasses.replace(best, value=0.5 * (low + high), resolution=high - low, more=more)
        return dataclasses.replace(
            best, kind="interval", value=None, lower=low, upper=high, resolution=high - low, more=more
        )

    def _settle_others(self, log: RowLog, fate: str, reason: str) -> None:
        for row in self._rows or ():
            log.settle(row, fate, reason)


def _allowed(one: Reading) -> tuple[float, float]:
    """The numbers that a reading allows, as far as it is written."""
    if isinstance(one.value, str):
        return -math.inf, math.inf
    if not one.exact:
        return one.least, one.most
    half = max(_WRITTEN * one.resolution, _SAME * abs(one.value), 1e-12)
    return one.value - half, one.value + half


def _number(one: Reading) -> float:
    return float(one.value) if one.exact and not isinstance(one.value, str) else math.nan


def _extremes(one: Reading) -> tuple[float, float]:
    return (0.0, 0.0) if isinstance(one.value, str) else (one.least, one.most)


def _both(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return max(one[0], other[0]), min(one[1], other[1])


def _repeats(one: Reading, low: float, high: float) -> bool:
    """Whether numbers from `low` to `high` are what repeats of this measurement differ by."""
    by = rule("repeats_at_one_moment")
    if not one.modality:
        return high - low <= by.limit("body") * abs(low)
    return high - low <= max(by.limit("relative") * abs(low), by.limits["absolute"].get(info(one.name).unit, 0.0))


def _rank(one: Reading) -> tuple:
    """The smaller, the better: exact, of a signal, with its own error (the wider), written finer, by its words."""
    width = one.resolution if one.exact else one.most - one.least
    return (
        _KINDS.get(one.kind, len(_KINDS)), not one.signal, one.sd is None, -(one.sd or 0.0), width, not one.condition,
        -len(one.time or ""), one.time or "", one.condition or "", one.visit, str(one.value), str(one.lower),
        str(one.upper),
    )  # fmt: skip
