"""What a calibration is expected to learn and what to measure next, as tables and JSON."""

from __future__ import annotations

import dataclasses
from collections import Counter
from statistics import mean, median
from typing import Any

from ..core.rounding import shown_unit
from ..core.table import Table
from .needs import examinations
from .readiness_expected import IDENTIFIED, NOT_INFORMED, PARTLY, Expectation, Expected, ExpectedQuantity, NextStep

__all__ = ["brief", "expected_as_dict", "expected_tables"]

_VERDICTS = (IDENTIFIED, PARTLY, NOT_INFORMED)
LEARNT = "What a calibration is expected to learn"
SHOWN = 12  # lines of a ranking on a terminal


def expected_tables(found: Expectation, limit: int | None = None) -> list[Table]:
    """Quantities, what was asked, next readings and next examinations: of one patient in full, of more as summaries.

    `limit` is the most lines of a table by patient (None: all).
    """
    if len(found.patients) == 1:
        every = [*_of_one(found, found.patients[0], limit), _notes(found, limit)]
    else:
        every = [_quantities(found), _asked(found), _by_patient(found, limit), _steps(found, "readings", limit),
                 _steps(found, "examinations", limit), _skipped(found),
                 _notes(found, limit)]  # fmt: skip
    return [table for table in every if len(table)]


def _of_one(found: Expectation, one: Expected, limit: int | None) -> list[Table]:
    columns = ["quantity", "unit", "posterior sd / prior sd", "over the draws", "verdict"]
    rows = [_line(q) for q in sorted(one.quantities, key=lambda q: q.contraction)]
    asked = Table(columns, [_line(q) for q in one.asked], "What you ask about")
    most = None if limit is None else SHOWN
    shown = one.readings[:most]
    note = (
        f"{len(one.readings) - len(shown)} more in the JSON and HTML files." if len(shown) < len(one.readings) else ""
    )
    by_cost = "Cost per bit is that of the whole examination, at your own costs."
    unpriced = "Give your own costs with --costs FILE to weigh."
    return [
        Table(columns, rows, LEARNT, found.sentence), asked,
        Table(_step_columns(found, "reading", "noise sd"), [_step(found, s, _noise(s)) for s in shown],
              "Best next reading", note),
        Table([*_step_columns(found, "examination", "readings that it adds"), *_priced_columns(found)],
              [[*_step(found, s, _reading_names(s)), *_prices(found, s)] for s in one.examinations],
              "Best next examination", by_cost if found.priced else unpriced),
    ]  # fmt: skip


def _line(q: ExpectedQuantity) -> list[Any]:
    return [q.label, q.unit, f"{q.contraction:.2f}", f"{q.low:.2f} to {q.high:.2f}", q.verdict]


def _noise(step: NextStep) -> str:
    return "" if step.sd is None else f"{step.sd:.3g} {shown_unit(step.unit)}".rstrip()


def _reading_names(step: NextStep) -> str:
    return ", ".join(step.readings)


def _step_columns(found: Expectation, what: str, detail: str) -> list[str]:
    by = ["by"] if what == "reading" else []
    asked = ["narrows what you ask by"] if found.about else []
    return [what, *by, detail, *asked, "bits", "would identify", "narrows most"]


def _step(found: Expectation, step: NextStep, detail: str) -> list[Any]:
    by = [] if step.sd is None else [examinations()[step.examination].label]
    asked = [f"{100 * (step.asked or 0.0):.0f} %"] if found.about else []
    labels = _labels(found)
    identifies = ", ".join(labels[name] for name in step.identifies)
    most = f"{labels[step.narrows]} by {100 * step.narrows_by:.0f} %"
    return [step.label, *by, detail, *asked, f"{step.gain:.2f}", identifies, most]


def _labels(found: Expectation) -> dict[str, str]:
    return {q.name: brief(q.label) for one in found.patients[:1] for q in one.quantities}


def brief(label: str) -> str:
    """The label of a quantity as a narrow table says it."""
    for word, short in _SHORT.items():
        label = label.replace(word, short)
    return label


_SHORT = {
    "left ventricular": "LV", "right ventricular": "RV", "left atrial": "LA", "right atrial": "RA",
    "pulmonary arterial": "PA", "pulmonary characteristic": "PA", "aortic characteristic": "aortic",
    "maximal elastance": "elastance", "passive exponent": "stiffness", "passive pressure scale": "passive scale",
    "ventricular systole": "systole",
}  # fmt: skip


def _priced_columns(found: Expectation) -> list[str]:
    return [f"cost, {found.currency}".rstrip(", "), "cost per bit"] if found.priced else []


def _prices(found: Expectation, step: NextStep) -> list[Any]:
    if not found.priced:
        return []
    return [step.cost, None if step.cost_per_bit is None else round(step.cost_per_bit)]


def _quantities(found: Expectation) -> Table:
    rows = []
    for n, q in enumerate(found.patients[0].quantities if found.patients else ()):
        those = [one.quantities[n] for one in found.patients]
        rows.append([q.label, q.unit, *_counted(those), *_spread(those)])
    columns = ["quantity", "unit", *_VERDICTS, "posterior sd / prior sd", "over the patients"]
    return Table(columns, rows, LEARNT, found.sentence)


def _counted(those: list[ExpectedQuantity]) -> list[int]:
    counts = Counter(one.verdict for one in those)
    return [counts[verdict] for verdict in _VERDICTS]


def _spread(those: list[ExpectedQuantity]) -> list[Any]:
    ratios = sorted(one.contraction for one in those)
    return [f"{median(ratios):.2f}", f"{ratios[0]:.2f} to {ratios[-1]:.2f}"]


def _asked(found: Expectation) -> Table:
    rows = []
    for n in range(len(found.about) if found.patients else 0):
        those = [one.asked[n] for one in found.patients]
        rows.append([those[0].label, those[0].unit, *_counted(those), *_spread(those)])
    columns = ["quantity", "unit", *_VERDICTS, "posterior sd / prior sd", "over the patients"]
    return Table(columns, rows, "What you ask about")


def _by_patient(found: Expectation, limit: int | None) -> Table:
    rows, labels = [], _labels(found)
    shown = found.patients[:limit]
    for one in shown:
        counts = _counted(list(one.quantities))
        step = one.readings[0] if one.readings else None
        best = [None] * 4 if step is None else [
            step.label, examinations()[step.examination].label, f"{step.gain:.2f}",
            ", ".join(labels[name] for name in step.identifies),
        ]  # fmt: skip
        rows.append([one.patient, one.values, *counts, *best])
    more = len(found.patients) - len(shown)
    note = f"{more} more in the JSON and HTML files." if more else ""
    columns = ["patient", "values", *_VERDICTS, "best next reading", "by", "bits", "would identify"]
    return Table(columns, rows, "Expected patient by patient", note)


def _steps(found: Expectation, kind: str, limit: int | None) -> Table:
    """Each reading or examination over all patients: for how many it is the best, and what it brings on average."""
    steps: dict[tuple[str, str], list[NextStep]] = {}
    best: Counter[tuple[str, str]] = Counter()
    for one in found.patients:
        mine = getattr(one, kind)
        best.update([(mine[0].name, mine[0].examination)] if mine else [])
        for step in mine:
            steps.setdefault((step.name, step.examination), []).append(step)
    rows = []
    order = sorted(steps, key=lambda key: (-best[key], -sum(step.worth for step in steps[key])))
    for key in order[: None if limit is None else SHOWN]:
        those = steps[key]
        first, by = those[0], [examinations()[key[1]].label] if kind == "readings" else []
        asked = [f"{100 * mean(step.asked or 0.0 for step in those):.0f} %"] if found.about else []
        gain, more = mean(step.gain for step in those), mean(len(step.identifies) for step in those)
        cost = [first.cost, None if first.cost is None else round(first.cost / gain)] if found.priced else []
        rows.append([first.label, *by, len(those), best[key], *asked, f"{gain:.2f}", f"{more:.1f}",
                     *(cost if kind == "examinations" else [])])  # fmt: skip
    singular = kind.removesuffix("s")
    columns = [singular, *(["by"] if kind == "readings" else []), "patients who lack it", "best for",
               *(["narrows what you ask by"] if found.about else []), "bits, mean", "quantities identified, mean",
               *(_priced_columns(found) if kind == "examinations" else [])]  # fmt: skip
    more = len(steps) - len(rows)
    return Table(columns, rows, f"Best next {singular}", f"{more} more in the HTML file." if more else "")


def _notes(found: Expectation, limit: int | None) -> Table:
    """What was assumed of patients and left aside of their records, the commonest first."""
    counts = Counter(note for one in found.patients for note in one.notes)
    rows = counts.most_common(None if limit is None else SHOWN)
    more = f"{len(counts) - len(rows)} more in the JSON and HTML files." if len(rows) < len(counts) else ""
    return Table(["what", "patients"], rows, "Assumed and left aside", more)


def _skipped(found: Expectation) -> Table:
    return Table(["patient", "why"], list(found.skipped.items()), "Without an expectation")


def expected_as_dict(found: Expectation) -> dict[str, Any]:
    """Everything as plain data for JSON."""
    plain = dataclasses.asdict(found)
    for one, entry in zip(found.patients, plain["patients"], strict=True):
        for kind in ("readings", "examinations"):
            for step, row in zip(getattr(one, kind), entry[kind], strict=True):
                row["cost_per_bit"] = step.cost_per_bit
    return {"what_it_is": found.sentence, **plain}
