"""Which patients of a record are surely different people: what k-anonymity may count, and no more than that."""

from __future__ import annotations

from collections.abc import Sequence

from .record import MeasurementSet
from .repeat_visits import repeated

__all__ = ["NOBODY_KNOWN", "persons_of"]

NOBODY_KNOWN = ""


def persons_of(sets: Sequence[MeasurementSet]) -> dict[str, str]:
    """The person behind each patient, by patient: equal words are one person.

    A patient is a person, but for three cases. Patients who share an identifier or are linked in their source
    (`MeasurementSet.person`), and patients that the rule likely_repeat_visit links, directly or through others, are one
    person. A patient whom no source names (`MeasurementSet.identified` is False) is `NOBODY_KNOWN`: it may be the same
    person as any other, named or not.
    """
    person = {one.patient: one.patient for one in sets}
    told = ((one.patient, one.person) for one in sets if one.person)
    for first, second in (*told, *repeated(sets)):
        person.setdefault(second, second)  # who may not be among the patients that were chosen
        a, b = _first(person, first), _first(person, second)
        person[max(a, b)] = min(a, b)
    return {one.patient: _first(person, one.patient) if one.identified else NOBODY_KNOWN for one in sets}


def _first(person: dict[str, str], patient: str) -> str:
    """The name at the end of a chain of links, which are shortened on the way."""
    while person[patient] != patient:
        person[patient] = person[person[patient]]
        patient = person[patient]
    return patient
