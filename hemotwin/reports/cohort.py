"""A cohort at a glance: a line for each of the first patients."""

from __future__ import annotations

from typing import Any

from ..calibration.twin import CalibratedTwin, CalibratedTwins
from ..core.table import Table
from .account import Account
from .account_tables import first_few, short
from .tables import narrowed

__all__ = ["patients_table"]


def patients_table(
    twins: CalibratedTwins, found: Account, limit: int | None = None, rest: str = "", width: int = 110
) -> Table:
    """The first `limit` patients of an account (all for None), a line each; `rest` says where the others are.

    The gravest reason is cut so that lines stay within `width`; names are whole, as one asks for a patient by them.
    """
    entries, note = first_few(found.patients, limit, rest)
    ready = {twin.patient: twin for twin in twins}
    rows = []
    for entry in entries:
        counts = _counts(ready[entry.patient]) if entry.patient in ready else [None, None, None]
        rows.append([short(entry.reasons[:1]) or "usable", entry.patient, *counts])
    columns = ["twin", "patient", "values that fit", "informed", "quarantined"]
    turned = [[*row[1:], row[0]] for row in narrowed(columns, rows, width)]
    return Table([*columns[1:], columns[0]], turned, "Patient by patient", note)


def _counts(twin: CalibratedTwin) -> list[Any]:
    """Values that fit, quantities informed, rows of the patient that were quarantined."""
    counted = [row for row in twin.fit if row.counted]
    fits = sum(not row.verdict.startswith("not fitted") for row in counted)
    aside = sum(row.fate == "quarantined" for row in twin.rows)
    return [f"{fits} of {len(counted)}", f"{len(twin.informed)} of {len(twin.free)}", aside]
