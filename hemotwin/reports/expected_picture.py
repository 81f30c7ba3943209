"""The picture of what a calibration is expected to identify: a patient a row, a quantity a column."""

from __future__ import annotations

import html
from typing import Any

from markupsafe import Markup

from ..records.readiness_expected import IDENTIFIED, NOT_INFORMED, PARTLY, Expectation, Expected
from ..records.readiness_expected_tables import brief

__all__ = ["expected_picture"]

CLASSES = {IDENTIFIED: "visit", PARTLY: "other", NOT_INFORMED: "none"}  # colours that the picture of what is there has
MOST_ROWS = 60
WIDE, HIGH, GAP, LEFT, RIGHT = 34, 19, 2, 150, 96  # px
HEAD, SLANT = 24, 5.2  # px above the first row, and for each letter of a slanted head
DARK = 0.7  # below this contraction the cell is dark and its number white


def expected_picture(found: Expectation) -> dict[str, Any] | None:
    """{svg, caption, states} of up to 60 patients, those with most to be identified first; None without any patient."""
    if not found.patients:
        return None
    rows = sorted(found.patients, key=lambda one: (-len(one.named(IDENTIFIED)), -len(one.named(PARTLY)), one.patient))
    shown = rows[:MOST_ROWS]
    caption = "Each cell is the posterior sd that a calibration is expected to reach, in per cent of the prior sd: 100 "
    caption += "means that nothing is learnt. What it rests on stands below the table of the quantities."
    if len(shown) < len(rows):
        caption += f" The first {len(shown)} of {len(rows)} patients are drawn; all are in the JSON file."
    limits = {
        IDENTIFIED: f"below {100 * found.identified_below:.0f} %",
        PARTLY: f"below {100 * found.partly_below:.0f} %",
    }
    states = [(CLASSES[v], f"{v} ({limits[v]})" if v in limits else v) for v in (IDENTIFIED, PARTLY, NOT_INFORMED)]
    return {"svg": Markup(_svg(shown)), "caption": caption, "states": states}


def _svg(rows: list[Expected]) -> str:
    columns = [brief(q.label) for q in rows[0].quantities]
    top = HEAD + int(SLANT * max(len(name) for name in columns))
    right, bottom = LEFT + WIDE * len(columns), top + HIGH * len(rows)
    width, height = right + RIGHT, bottom + 8
    parts = [f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
             'aria-label="What each record is expected to identify">']  # fmt: skip
    for k, name in enumerate(columns):
        x, y = LEFT + k * WIDE + WIDE / 2 + 4, top - 8
        parts.append(f'<text class="head" transform="translate({x:.0f} {y}) rotate(-55)">{html.escape(name)}</text>')
    parts.append(f'<text class="head end" x="{right + 52}" y="{top - 8}">identified</text>')
    for r, one in enumerate(rows):
        parts += _row(one, top + r * HIGH, right)
    return "".join((*parts, "</svg>"))


def _row(one: Expected, y: int, right: int) -> list[str]:
    name = one.patient if len(one.patient) <= 20 else f"{one.patient[:8]}…{one.patient[-8:]}"
    parts = [f'<text class="row" x="{LEFT - 8}" y="{y + 14}">{html.escape(name)}</text>']
    for k, q in enumerate(one.quantities):
        x, share = LEFT + k * WIDE, f"{100 * q.contraction:.0f}"
        title = html.escape(
            f"{one.patient}: {q.label} {q.verdict}, {share} % ({100 * q.low:.0f} to {100 * q.high:.0f})"
        )
        ink = "#fff" if q.contraction < DARK else "#1b2430"
        parts.append(
            f'<rect class="{CLASSES[q.verdict]}" x="{x + GAP / 2:.0f}" y="{y + GAP / 2:.0f}" width="{WIDE - GAP}" '
            f'height="{HIGH - GAP}"><title>{title}</title></rect><text x="{x + WIDE / 2:.0f}" y="{y + 13}" '
            f'style="font-size:10px;fill:{ink};text-anchor:middle;pointer-events:none">{share}</text>'
        )
    count = f"{len(one.named(IDENTIFIED))} of {len(one.quantities)}"
    parts.append(f'<text class="level" x="{right + 52}" y="{y + 14}">{count}</text>')
    return parts
