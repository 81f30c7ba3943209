"""The shape of a record without anything that is in it: who has which readings, when apart, how taken, what is lacking.

Nobody's name, value, date or word is kept, so that it may leave where the record may not; days become classes of
intervals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from ..core.errors import UnitError
from ..core.units import parse_unit, same_dimension
from .codes import info, modalities, observables
from .inventory import Fact
from .record import MeasurementSet, Records
from .rows import RowFate
from .visit import known_state

__all__ = ["CONDITIONS", "structure_of"]

CONDITIONS = ("rest", "exercise", "drug", "support", "fluid")
_GAPS = ((1, 1), (7, 4), (30, 15), (90, 60), (365, 200))  # days apart up to, and the days that stand for them
_LONG = 500
_UNITS_LIMIT = 12  # characters of a unit that is kept


def structure_of(records: Records) -> dict[str, Any]:
    """Plain data: `patients`, each a list of what is held; `units` as written, by reading; `unrecognised` rows.

    A held reading says name, measured (its value can be used), unit (it has one that can be read), day (counted in the
    steps of `_GAPS` from the patient's first, None without a time), methods, consent and condition.
    """
    return {
        "patients": [_patient(records.inventory.of(one.patient), one) for one in records],
        "units": _units(records.rows, {m.origin: m.observable for one in records for m in one.measurements}),
        "unrecognised": sum("is no observable or code that is known" in row.reason for row in records.rows),
    }


def _patient(facts: Iterable[Fact], one: MeasurementSet) -> list[dict[str, Any]]:
    mine = sorted(facts, key=lambda fact: (fact.name, fact.day is not None, fact.day or 0, fact.condition, fact))
    steps = _steps(sorted({fact.day for fact in mine if fact.day is not None}))
    ways: dict[str, list[str]] = {}
    for m in one.measurements:
        if m.modality in modalities() and m.modality != "unspecified":
            ways.setdefault(m.observable, []).append(m.modality)
    return [
        {
            "name": fact.name, "measured": fact.measured, "unit": fact.unit,
            "day": None if fact.day is None else steps[fact.day],
            "methods": sorted(set(ways.get(fact.name, ()))) or [_usual(fact.name)] if fact.method else [],
            "consent": fact.permitted,
            "condition": fact.condition if fact.condition in CONDITIONS else known_state(fact.condition) or "drug",
        }
        for fact in mine
    ]  # fmt: skip


def _steps(days: list[int]) -> dict[int, int]:
    """A day that stands for each, the gaps between them kept as classes."""
    found, at = {}, 0
    for number, day in enumerate(days):
        if number:
            gap = day - days[number - 1]
            at += next((stands for upper, stands in _GAPS if gap <= upper), _LONG)
        found[day] = at
    return found


def _usual(name: str) -> str:
    if name not in observables():
        return ""
    usual = info(name).modality
    return (
        "catheter"
        if usual == "unspecified" and info(name).unit == "mmHg"
        else "echo"
        if usual == "unspecified"
        else usual
    )


def _units(rows: Iterable[RowFate], observable_at: dict[str, str]) -> dict[str, str]:
    """The unit that each reading is mostly written in, where it is one that says nothing else."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        name = observable_at.get(row.origin)
        if name is not None and _plain(row.unit, info(name).unit):
            counts.setdefault(name, Counter())[row.unit] += 1
    return {name: count.most_common(1)[0][0] for name, count in sorted(counts.items())}


def _plain(unit: str, inside: str) -> bool:
    if not unit or len(unit) > _UNITS_LIMIT or "{" in unit:
        return False
    try:
        parse_unit(unit)
        return same_dimension(unit, inside)
    except UnitError:
        return False
