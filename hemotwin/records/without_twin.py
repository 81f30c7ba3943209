"""Why a patient has no twin, in words that quote nothing of the record: readings and the rules that they fell under."""

from __future__ import annotations

from collections.abc import Collection

from .codes import find_field, info, observables
from .quality_rules import rule
from .record import Records

__all__ = ["where_no_twin", "why_no_twin"]

_SHOWN = 4  # readings or rows named one by one; the account of rows has them all


def why_no_twin(records: Records, patient: str) -> str:
    """Why nothing of a patient's record is counted: what was recorded and cannot be used, and by which rule.

    Holds for a patient without a counted measurement; the reasons row by row are in `records.rows_of(patient)`.
    """
    one = records[patient]
    reasons = {name: by for name, by in records.inventory.refused(patient).items() if name in observables()}
    for flag in one.flags:
        if flag.consequence == "quarantine":
            reasons |= dict.fromkeys(flag.observables, flag.rule)
    sound = {fact.name for fact in records.inventory.of(patient) if fact.measured and fact.name in observables()}
    if left := [name for name in observables() if name in sound - reasons.keys()]:
        be = "is" if len(left) == 1 else "are"
        return f"no usable measurement: {_named(left)} {be} not of the visit and condition that were chosen"
    if reasons:
        by_rule: dict[str, list[str]] = {}
        for name in (name for name in observables() if name in reasons):
            by_rule.setdefault(reasons[name], []).append(name)
        return f"no usable measurement: {'; '.join(f'{_named(n)} ({rule(by).label})' for by, n in by_rule.items())}"
    if any(m.kind == "derived" for m in one.measurements):
        return "no usable measurement: its readings are functions of others"
    return "no usable measurement: nothing that a twin can use is recorded"


def where_no_twin(records: Records, patients: Collection[str]) -> dict[str, str]:
    """By patient, where the rows stand that could have been evidence and are not: "two.csv line 6, two.csv line 7".

    These are rows of known readings, or all that were set aside where none is; a patient without any is left out. The
    places name the file. One pass over the rows serves all patients, and keeps the first few places of each.
    """
    found: dict[str, tuple[list[str], list[str]]] = {patient: ([], []) for patient in patients}
    for row in records.rows if found else ():
        if row.patient in found and row.fate in ("quarantined", "derived"):
            target = find_field(row.field)
            places = found[row.patient][target is None or target.role != "observable"]
            if len(places) <= _SHOWN and row.origin not in places:
                places.append(row.origin)
    first = {patient: known or other for patient, (known, other) in found.items() if known or other}
    return {
        patient: ", ".join(places[:_SHOWN]) + (" and more" if len(places) > _SHOWN else "")
        for patient, places in first.items()
    }


def _named(names: list[str]) -> str:
    labels = [info(name).label for name in names[:_SHOWN]]
    return ", ".join(labels) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
