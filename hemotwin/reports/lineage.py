"""Which rows of the record a twin was made of: those that entered its likelihood or its prior, and no others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..calibration.twin import CalibratedTwin
from ..core.table import Table
from ..records.rows import RowFate

__all__ = ["Lineage", "lineage"]

_FACTS = ("record", "record_sha256", "evidence_sha256", "steward", "licence", "policy", "purpose", "hemotwin", "date",
          "circulation", "prior", "noise", "method", "seed")  # fmt: skip


@dataclass(frozen=True)
class Lineage:
    """The rows that a twin was made of, with what each was used for, and where they came from (`facts`)."""

    patient: str
    rows: tuple[tuple[RowFate, str], ...]
    facts: dict[str, Any]

    def table(self) -> Table:
        """Row by row: place, field, value, unit, use; the facts below."""
        cells = [[row.origin, row.field, row.text, row.unit, use] for row, use in self.rows]
        note = "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in self.facts.items())
        return Table(["row", "field", "value", "unit", "used as"], cells, f"Lineage of {self.patient}", note)

    def plain(self) -> dict[str, Any]:
        """The same as plain values, ready for JSON."""
        rows = [{"origin": row.origin, "field": row.field, "value": row.text, "unit": row.unit, "used_as": use}
                for row, use in self.rows]  # fmt: skip
        return {"patient": self.patient, "rows": rows, "facts": self.facts}

    def __repr__(self) -> str:
        return f"<Lineage {self.patient}: {len(self.rows)} rows of {self.facts.get('record', 'an unnamed record')}>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def lineage(twin: CalibratedTwin) -> Lineage:
    """The rows whose reading was fitted, and those that gave sex, age or body size to the prior.

    A row that was read well and then left aside by the calibration (the circulation has no such reading, or it needs a
    body size that is not known) is not among them; nor are derived, duplicate and quarantined rows.
    """
    fitted = {row.origin: row.label for row in twin.fit if row.counted and row.origin}
    shown = {row.origin for row in twin.fit if not row.counted}
    found = []
    for row in twin.rows:
        if row.fate != "used":
            continue
        if row.origin in fitted:
            found.append((row, f"reading: {fitted[row.origin]}"))
        elif label := next((fitted[at] for at in fitted if row.reason.endswith(f", with {at}")), ""):
            found.append((row, f"reading: {label}"))  # one of several values of one moment, kept as a range
        elif row.origin not in shown and not _left_aside(row, twin.assumptions):
            # a twin saved before its readings knew their rows cannot tell the two apart
            found.append((row, "covariate of the prior" if fitted else "reading or covariate"))
    facts = {name: twin.provenance[name] for name in _FACTS if name in twin.provenance} | {"twin_sha256": twin.sha256}
    return Lineage(twin.patient, tuple(found), facts)


def _left_aside(row: RowFate, assumptions: tuple[str, ...]) -> bool:
    return any(f"({row.origin}) was left aside" in sentence for sentence in assumptions)
