"""A cohort at a glance: a line for each of the first patients."""

from __future__ import annotations

from typing import Any

from ..calibration.twin import CalibratedTwin, CalibratedTwins
from ..core.table import Table
from .account import Account
from .account_tables import first_few, short
from .tables import narrowed

__all__ = ["patients_table"]

REASON = 46  # characters of why a twin is not usable, beside which a long name of a patient has room


def patients_table(
    twins: CalibratedTwins, found: Account, limit: int | None = None, rest: str = "", width: int = 110
) -> Table:
    """The first `limit` patients of an account (all for None), a line each that stays within `width`.

    `rest` says where the others are.
    """
    entries, note = first_few(found.patients, limit, rest)
    ready = {twin.patient: twin for twin in twins}
    rows = []
    for entry in entries:
        counts = _counts(ready[entry.patient]) if entry.patient in ready else [None, None, None]
        rows.append([entry.patient, *counts, _cut(short(entry.reasons)) or "usable"])
    columns = ["patient", "values that fit", "informed", "quarantined", "twin"]
    return Table(columns, narrowed(columns, rows, width), "Patient by patient", note)


def _counts(twin: CalibratedTwin) -> list[Any]:
    """Values that fit, quantities informed, rows of the patient that were quarantined."""
    counted = [row for row in twin.fit if row.counted]
    fits = sum(not row.verdict.startswith("not fitted") for row in counted)
    aside = sum(row.fate == "quarantined" for row in twin.rows)
    return [f"{fits} of {len(counted)}", f"{len(twin.informed)} of {len(twin.free)}", aside]


def _cut(text: str) -> str:
    return text if len(text) <= REASON else f"{text[: REASON - 1]}…"
