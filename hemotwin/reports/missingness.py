"""The picture of what is there and what is missing: a patient or a pattern a row, a reading a column."""

from __future__ import annotations

import html
from collections import Counter
from typing import Any

from ..records.codes import info
from ..records.readiness_tables import columns_of

__all__ = ["STATES", "missingness"]

# state: (label, class of the cell)
STATES = {
    "visit": "in the best visit", "other": "at another time only", "unusable": "recorded, not usable", "": "missing",
}  # fmt: skip
ROWS_ONE_BY_ONE, MOST_ROWS = 60, 60
WIDE, HIGH, GAP, LEFT, RIGHT = 30, 19, 2, 150, 60  # px


def missingness(readiness: Any) -> dict[str, Any]:
    """{svg, caption}: up to 60 patients one by one, more of them as patterns with the number of patients of each."""
    columns = columns_of(readiness)
    rows = [(one.patient, 1, one.level, tuple(_state(one, name) for name in columns)) for one in readiness.patients]
    one_by_one = len(rows) <= ROWS_ONE_BY_ONE
    if one_by_one:
        rows.sort(key=lambda row: (-row[2], [state != "visit" for state in row[3]], row[0]))
        caption = f"Each row is one of {len(rows)} patients, best first; each column a reading."
    else:
        rows, total = _patterns(rows), len(rows)
        shown = rows[:MOST_ROWS]
        caption = f"{total} patients in {len(rows)} patterns of what is recorded, the commonest first"
        caption += "." if len(shown) == len(rows) else f"; the {len(shown)} commonest are shown."
        rows = shown
    return {"svg": _svg(rows, columns, one_by_one), "caption": caption}


def _state(one: Any, name: str) -> str:
    if name in one.names:
        return "visit"
    return "other" if name in one.held else "unusable" if name in one.unusable else ""


def _patterns(rows: list[tuple]) -> list[tuple]:
    counts = Counter((level, states) for _, _, level, states in rows)
    return [(f"{count} patients" if count > 1 else "1 patient", count, level, states)
            for (level, states), count in counts.most_common()]  # fmt: skip


def _svg(rows: list[tuple], columns: list[str], one_by_one: bool) -> str:
    top = 24 + int(5.2 * max((len(_short(name)) for name in columns), default=0))  # room for the slanted heads
    right, bottom = LEFT + WIDE * len(columns), top + HIGH * len(rows)
    width, height = right + RIGHT, bottom + 26
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        'aria-label="What each patient has and what is missing">'
    ]
    for k, name in enumerate(columns):
        x, y = LEFT + k * WIDE + WIDE / 2 + 4, top - 8
        parts.append(f'<text class="head" transform="translate({x:.0f} {y}) rotate(-55)">{_short(name)}</text>')
    parts.append(f'<text class="head end" x="{right + 30}" y="{top - 8}">level</text>')
    for r, (label, _, level, states) in enumerate(rows):
        y = top + r * HIGH
        shown = label if len(label) <= 20 else f"{label[:8]}…{label[-8:]}"
        parts.append(f'<text class="row" x="{LEFT - 8}" y="{y + 14}">{html.escape(shown)}</text>')
        for k, state in enumerate(states):
            title = html.escape(f"{label}: {info(columns[k]).label} {STATES[state]}")
            parts.append(
                f'<rect class="{state or "none"}" x="{LEFT + k * WIDE + GAP / 2:.0f}" y="{y + GAP / 2:.0f}" '
                f'width="{WIDE - GAP}" height="{HIGH - GAP}"><title>{title}</title></rect>'
            )
        parts.append(f'<text class="level" x="{right + 30}" y="{y + 14}">{level}</text>')
    weight = sum(count for _, count, _, _ in rows)
    for k in range(len(columns)):
        share = 100 * sum(count for _, count, _, states in rows if states[k] == "visit") / (weight or 1)
        x = LEFT + k * WIDE + WIDE / 2
        parts.append(f'<text class="share" x="{x:.0f}" y="{bottom + 16}">{share:.0f}</text>')
    parts.append(f'<text class="row" x="{LEFT - 8}" y="{bottom + 16}">in best visit, %</text></svg>')
    return "".join(parts)


def _short(name: str) -> str:
    label = info(name).label
    for word, short in _SHORT.items():
        label = label.replace(word, short)
    return html.escape(label)


_SHORT = {
    "left ventricular": "LV", "right ventricular": "RV", "pulmonary artery": "PA", "pulmonary capillary wedge": "wedge",
    "right atrial": "RA", "left atrial": "LA", "ejection fraction": "EF", "end-diastolic": "ED", "end-systolic": "ES",
    "systolic blood pressure": "systolic BP", "diastolic blood pressure": "diastolic BP", "vascular resistance": "VR",
    " pressure": "",
}  # fmt: skip
