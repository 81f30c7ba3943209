"""Patients who are probably one patient twice, and patients without a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from .quality import flag_of
from .quality_rules import Flag, rule

__all__ = ["flags_between", "repeated"]

_COMMON = 50  # a value that more patients share says nothing about who they are
_FEW = 20  # names written out in a sentence


def flags_between(sets: Sequence[Any]) -> tuple[Flag, ...]:
    """What can only be seen between patients (each a `MeasurementSet`).

    Two patients who share most of their values to the digit are a likely repeat visit, or one row twice under two
    names: `share` of the readings of the one who has fewer, and at least `least` (rule likely_repeat_visit).
    """
    return (*_repeats(sets), *_without_values(sets))


def repeated(sets: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """The pairs of patients who are likely one, by the rule likely_repeat_visit."""
    for a, b, _, _ in _pairs(sets):
        yield sets[a].patient, sets[b].patient


def _repeats(sets: Sequence[Any]) -> list[Flag]:
    found = []
    for a, b, same, fewer in _pairs(sets):
        patients = (sets[a].patient, sets[b].patient)
        names = tuple(name for name, *_ in same)
        sentence = (
            f"{patients[0]} and {patients[1]} share {len(same)} of {fewer} values to the digit "
            f"({', '.join(names[:8])}): a likely repeat visit of one patient, or one row twice."
        )
        found.append(flag_of("likely_repeat_visit", sentence, names, patients))
    return found


def _pairs(sets: Sequence[Any]) -> Iterator[tuple[int, int, list[tuple], int]]:
    """(first, second, the values that they share, how many the one has who has fewer)."""
    by = rule("likely_repeat_visit")
    values = [_values(one) for one in sets]
    holders: dict[tuple, list[int]] = {}
    for number, mine in enumerate(values):
        for value in mine:
            holders.setdefault(value, []).append(number)
    shared: Counter[tuple[int, int]] = Counter()
    for held in holders.values():
        if 1 < len(held) <= _COMMON:
            shared.update((a, b) for k, a in enumerate(held) for b in held[k + 1 :])
    for (a, b), _ in sorted(pair for pair in shared.items() if pair[1] > 1):
        same = sorted(values[a] & values[b])
        fewer = min(len(values[a]), len(values[b]))
        if len(same) >= by.limit("least") and len(same) >= by.limit("share") * fewer:
            yield a, b, same, fewer


def _values(one: Any) -> set[tuple]:
    body = {(name, value) for name, value in one.covariates.items() if name != "bsa"}
    return body | {(m.observable, m.value) for m in one.measurements if m.kind == "exact" and m.value is not None}


def _without_values(sets: Sequence[Any]) -> list[Flag]:
    empty = tuple(one.patient for one in sets if not one.counted)
    if not empty:
        return []
    listed = ", ".join(empty[:_FEW]) + (f" and {len(empty) - _FEW} more" if len(empty) > _FEW else "")
    return [flag_of("no_value", f"No usable value: {listed}.", patients=empty)]
