"""A readiness report as sentences, tables and JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..core.disclaimer import DISCLAIMER
from ..core.table import Table
from ..core.whole_file import write_whole
from .codes import info, observables
from .ladder import GRADES, ladder, left_without
from .needs import asked_for, examinations, questions, twins
from .readiness import PatientReadiness, Readiness
from .readiness_expected_tables import expected_as_dict, expected_tables
from .reading import show_range
from .structure import structure_of
from .without_twin import why_no_twin

__all__ = ["as_dict", "columns_of", "evidence", "lead", "mended_by", "tables", "write_json"]

_GAP_WORDS = {
    "unit": ("a unit that can be read", "write the unit beside the value, or in the mapping"),
    "time": ("a time", "export the date or time of each reading"),
    "method": ("how it was taken", "export the method, or write the modality in the mapping"),
    "consent": ("consent to a purpose, steward and licence", "add a governance file with a consent register"),
}

_NOW = "Now: by a calibration of these records, at the visit and condition chosen, without what contradicts itself."


def mended_by(gap: str) -> tuple[str, str]:
    """(what the readings lack, how it is mended) of a gap."""
    return _GAP_WORDS[gap]


def columns_of(readiness: Readiness) -> list[str]:
    """Readings that a patient has in any form, and those that the twins ask for, in the order of the code table."""
    held = {name for one in readiness.patients for name in (*one.held, *one.unusable)}
    return sorted(held | set(asked_for(held)), key=_order)


def lead(readiness: Readiness) -> str:
    """The level of the data set, twins with a flow, and what a calibration of it takes, in three sentences."""
    count = len(readiness.patients)
    people = "1 patient" if count == 1 else f"{count} patients"
    rung = readiness.rung
    text = f"Readiness level {rung.level} of {ladder()[-1].level}: {rung.label}; "
    text += f"{readiness.reached(max(rung.level, 1))} of {people} reach it."
    able = sum("systemic" in one.twins or "right_heart" in one.twins for one in readiness.patients)
    now = [one for one in readiness.records if one.counted]
    return text + (
        f" A twin with a flow can be made of {able} of {people}. A calibration now takes "
        f"{sum(len(one.counted) for one in now)} readings of {len(now)} of {people}."
    )


def evidence(readiness: Readiness) -> list[tuple[int, str, int, int | None, str]]:
    """(level, label, patients who reach it, readings that have what it asks, an example) of every rung.

    Rungs that ask for a twin count no readings: it is their combination that matters.
    """
    facts = {one.patient: list(readiness.records.inventory.of(one.patient)) for one in readiness.patients}
    found = []
    for rung in ladder():
        those = [
            fact
            for mine in facts.values()
            for fact in mine
            if fact.name in observables() and all(GRADES[ask](fact) for ask in rung.asks)
        ]
        reached = [one for one in readiness.patients if one.level >= rung.level]
        count = None if rung.twins else len(those)
        found.append((rung.level, rung.label, len(reached), count, _example(reached, rung.level)))
    return found


def _example(reached: list[PatientReadiness], level: int) -> str:
    if not reached or level == 0:
        return ""
    one = max(reached, key=lambda one: len(one.names))
    when = f" on {one.date}" if one.date else ""
    return f"{one.patient}{when}: {len(one.names & observables().keys())} readings"


def tables(readiness: Readiness, limit: int | None = None) -> list[Table]:
    """Evidence for each level, readings, twins and questions, gaps, expectation, worklist (`limit` lines), quality."""
    every = [_levels(readiness), _readings(readiness), _served(readiness), _gaps(readiness), _cost_of_gaps(readiness)]
    every += [] if readiness.expected is None else expected_tables(readiness.expected, limit)
    every += [_held_back(readiness, limit), _recovered(readiness, limit), _worklist(readiness, limit)]
    every += [readiness.records.quality()]
    return [table for table in every if len(table)]


def _levels(readiness: Readiness) -> Table:
    rows = [
        [level, label, patients, readings, example] for level, label, patients, readings, example in evidence(readiness)
    ]
    without = ", ".join(f"without {name} level {level}" for name, level in left_without().items())
    note = f"Readings are counted once a day. From the top rung: {without}."
    return Table(["level", "what it takes", "patients", "readings", "for example"], rows, "Level by level", note)


def _readings(readiness: Readiness) -> Table:
    rows, count = [], len(readiness.patients)
    held, best = _counts(one.held for one in readiness.patients), _counts(one.names for one in readiness.patients)
    unusable = _counts(one.unusable for one in readiness.patients)
    now = _counts(one.now for one in readiness.patients)
    for name in columns_of(readiness):
        rows.append([info(name).label, held[name], count - held[name], best[name], now[name], unusable[name]])
    columns = ["reading", "patients with it", "without", "in their best visit", "taken now", "recorded, not usable"]
    note = f"The best visit is the one that serves most twins. {_NOW}"
    return Table(columns, rows, "Reading by reading", note)


def _served(readiness: Readiness) -> Table:
    count, rows = len(readiness.patients), []
    for kind, what in (("twin", twins()), ("question", questions())):
        now = readiness.served_now(what)
        for name, served in readiness.served(what).items():
            lack = Counter(
                label for one in readiness.patients if name not in (*one.twins, *one.questions)
                for label in _lacks(what[name], one.names)
            )  # fmt: skip
            most = ", ".join(f"{label} ({n})" for label, n in lack.most_common(3))
            rows.append([kind, what[name].label, served, count - served, now[name], most])
    columns = ["kind", "what", "patients served", "not", "served now", "what they lack most"]
    return Table(columns, rows, "What it can serve", _NOW)


def _held_back(readiness: Readiness, limit: int | None) -> Table:
    """Patients whose best visit serves more than what a calibration takes now, and those of whom it takes nothing."""
    rows = []
    for one in readiness.patients:
        measured = readiness.records[one.patient]
        lost = [twins()[name].label for name in one.twins if name not in one.twins_now]
        if lost or not measured.counted:
            rows.append([one.patient, ", ".join(lost) or None, _why_held_back(one, readiness)])
    more = len(rows) - len(rows[:limit])
    note = f"{more} more in the HTML file." if more else ""
    return Table(["patient", "twins that its best visit serves", "why not now"], rows[:limit], "Held back", note)


def _recovered(readiness: Readiness, limit: int | None) -> Table:
    """Values that were never recorded and follow from one that was computed with them."""
    rows = [
        [one.patient, info(m.observable).label, m.value, show_range(m.lower, m.upper), m.unit, m.origin]
        for one in readiness.records for m in one.measurements if m.kind == "recovered"
    ]  # fmt: skip
    more = len(rows) - len(rows[:limit])
    note = "Offered, not counted: what they come from is evidence already."
    note += f" {more} more in the JSON and HTML files." if more else ""
    columns = ["patient", "reading", "value", "as rounding leaves it", "unit", "how"]
    return Table(columns, rows[:limit], "Recovered", note)


def _why_held_back(one: PatientReadiness, readiness: Readiness) -> str:
    measured = readiness.records[one.patient]
    if not measured.counted:
        return why_no_twin(readiness.records, one.patient)
    bad = [
        flag.sentence for flag in measured.flags if flag.rule != "too_far_apart" and flag.consequence == "quarantine"
    ]
    where = f" of {one.date}" if one.date else ""
    visit = f"another visit{where} in condition {one.condition} holds more: choose it with --visit or --condition"
    return " ".join(bad) or visit


def _lacks(one: Any, names: frozenset[str]) -> list[str]:
    return [need.replace("_", " ") for need, ways in one.needs.items() if not any(way <= names for way in ways)]


def _gaps(readiness: Readiness) -> Table:
    rows = [
        [_GAP_WORDS[gap.name][0], gap.lacking, gap.of, gap.level_without_gap - gap.level, _GAP_WORDS[gap.name][1]]
        for gap in readiness.gaps
    ]
    columns = ["what readings lack", "lack it", "of", "levels it costs", "how to mend it"]
    return Table(columns, rows, "Cost of the gaps, in levels", "A gap that costs 0 levels is held back by another one.")


def _cost_of_gaps(readiness: Readiness) -> Table:
    rows = []
    for twin, one in twins().items():
        tasks = [task for task in readiness.worklist if task.twin == twin]
        if not tasks:
            continue
        todo = Counter(name for task in tasks for name in task.examinations)
        listed = ", ".join(f"{examinations()[name].label} ({n})" for name, n in todo.most_common())
        priced = [task.cost for task in tasks if task.cost is not None]
        cost = f"{sum(priced):.0f} {readiness.costs.currency}".strip() if len(priced) == len(tasks) else None
        rows.append([one.label, len(tasks), listed, cost])
    note = "" if readiness.costs.of else "Give your own costs with --costs FILE to price this."
    return Table(
        ["twin within reach", "patients", "examinations", "cost"], rows, "Cost of the gaps, in examinations", note
    )


def _worklist(readiness: Readiness, limit: int | None) -> Table:
    shown = readiness.worklist[:limit]
    rows = [
        [task.patient, twins()[task.twin].label, ", ".join(info(name).label for name in task.lacks),
         ", ".join(examinations()[name].label for name in task.examinations),
         None if task.cost is None else f"{task.cost:.0f} {readiness.costs.currency}".strip()]
        for task in shown
    ]  # fmt: skip
    more = len(readiness.worklist) - len(shown)
    note = f"{more} more in the JSON and HTML files." if more else ""
    return Table(["patient", "twin within reach", "lacks", "examination", "cost"], rows, "Worklist", note)


def as_dict(readiness: Readiness) -> dict[str, Any]:
    """Everything that the report says, as plain data for JSON."""
    from .. import __version__

    return {
        "disclaimer": DISCLAIMER, "hemotwin": __version__, "source": readiness.source, "sha256": readiness.sha256,
        "level": readiness.level, "of": ladder()[-1].level, "label": readiness.rung.label,
        "steward": readiness.steward, "licence": readiness.licence, "counts": readiness.records.summary(),
        "levels": [
            {"level": level, "label": label, "patients": patients, "readings": readings, "example": example}
            for level, label, patients, readings, example in evidence(readiness)
        ],
        "twins": readiness.served(twins()), "questions": readiness.served(questions()),
        "twins_now": readiness.served_now(twins()), "questions_now": readiness.served_now(questions()),
        "gaps": [{"lacks": gap.name, "lacking": gap.lacking, "of": gap.of, "level": gap.level,
                  "level_without_gap": gap.level_without_gap} for gap in readiness.gaps],
        "worklist": [{"patient": task.patient, "twin": task.twin, "lacks": list(task.lacks),
                      "examinations": list(task.examinations), "cost": task.cost} for task in readiness.worklist],
        "currency": readiness.costs.currency,
        "quality": list(readiness.records.quality().records()),
        "between_patients": [flag.sentence for flag in readiness.records.flags],
        "patients": [_patient(one, readiness) for one in readiness.patients],
        "structure": structure_of(readiness.records),
    } | ({} if readiness.expected is None else {"expected": expected_as_dict(readiness.expected)})  # fmt: skip


def _patient(one: PatientReadiness, readiness: Readiness) -> dict[str, Any]:
    measured = readiness.records[one.patient]
    return {
        "patient": one.patient, "level": one.level, "date": one.date, "condition": one.condition,
        "held": sorted(one.held), "best_visit": sorted(one.names), "unusable": sorted(one.unusable),
        "twins": list(one.twins), "questions": list(one.questions), "now": sorted(one.now),
        "twins_now": list(one.twins_now), "questions_now": list(one.questions_now),
        "no_twin": "" if measured.counted else why_no_twin(readiness.records, one.patient), "choice": measured.choice,
        "recovered": [{"observable": m.observable, "value": m.value, "unit": m.unit, "rule": m.origin}
                      for m in measured.measurements if m.kind == "recovered"],
        "flags": [{"rule": flag.rule, "category": flag.category, "severity": flag.severity,
                   "consequence": flag.consequence, "sentence": flag.sentence} for flag in measured.flags],
    }  # fmt: skip


def write_json(readiness: Readiness, path: str | Path) -> Path:
    """Write `as_dict` as a JSON file; it appears whole or not at all."""
    return write_whole(path, json.dumps(as_dict(readiness), indent=1, ensure_ascii=False) + "\n")


def _counts(sets: Iterable[frozenset[str]]) -> Counter[str]:
    return Counter(name for names in sets for name in names)


def _order(name: str) -> int:
    """Observables in the order of the code table, then who the patient is."""
    return (*observables(), "age", "sex", "height", "weight", "bsa").index(name)
