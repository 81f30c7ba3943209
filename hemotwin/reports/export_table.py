"""Twins and predictions as one tidy table, a value a row: what it is, of which kind, how sure, and whence."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..calibration.twin import CalibratedTwin
from ..core.disclaimer import DISCLAIMER
from ..core.extras import required
from ..core.whole_file import whole_file, write_whole
from ..prediction.predict import Prediction
from ..records.marks import MARK_COLUMN, MEASURED, PREDICTED

__all__ = ["COLUMNS", "export_rows", "write_csv", "write_parquet"]

COLUMNS = (
    "patient", "kind", "observable", "label", "modality", "scenario", "value", "low", "high", "unit", "counted",
    "verdict", MARK_COLUMN, "status", "circulation", "hemotwin", "record_sha256", "evidence_sha256", "steward",
    "licence", "notice",
)  # fmt: skip
_NUMBERS = ("value", "low", "high")


def export_rows(twins: Iterable[CalibratedTwin], predictions: Sequence[Prediction] = ()) -> Iterator[dict[str, Any]]:
    """Rows by column, see `COLUMNS`; numbers as floats, what is not known as None.

    `kind` is measured (a reading of the record), fitted (what the twin says of it), unmeasured (what it says of the
    rest), quantity (a parameter of the circulation), baseline, after and change (a what-if). low to high is the 95 %
    interval, or of a reading known only as a range that range, without a value. Every row says its origin, measured or
    predicted by a model, and that it is not for clinical use.
    """
    for twin in twins:
        facts = {name: twin.provenance.get(name) for name in COLUMNS}
        facts |= {"patient": twin.patient, "status": twin.status.name, "circulation": twin.circulation,
                  "notice": DISCLAIMER}  # fmt: skip
        for row in _of_twin(twin):
            yield dict.fromkeys(COLUMNS) | facts | row
        for one in predictions:
            if one.patient == twin.patient:
                for row in _of_prediction(one):
                    yield dict.fromkeys(COLUMNS) | facts | row | {"status": one.status.name}


def _of_twin(twin: CalibratedTwin) -> Iterator[dict[str, Any]]:
    for r in twin.fit:
        about = {"observable": r.observable, "label": r.label, "unit": r.unit, "modality": r.modality}
        yield {**about, "kind": "measured", "value": r.measured, "low": r.lower, "high": r.upper, "counted": r.counted,
               MARK_COLUMN: MEASURED}  # fmt: skip
        yield {**about, "kind": "fitted", "value": r.fitted, "low": r.low, "high": r.high, "counted": r.counted,
               "verdict": r.verdict, MARK_COLUMN: PREDICTED}  # fmt: skip
    for u in twin.unmeasured:
        yield {"kind": "unmeasured", "observable": u.observable, "label": u.label, "unit": u.unit, "value": u.value,
               "low": u.low, "high": u.high, MARK_COLUMN: PREDICTED}  # fmt: skip
    for q in twin.quantities:
        yield {"kind": "quantity", "observable": q.name, "label": q.label, "unit": q.unit, "value": q.value,
               "low": q.low, "high": q.high, "verdict": q.verdict, MARK_COLUMN: PREDICTED}  # fmt: skip


def _of_prediction(one: Prediction) -> Iterator[dict[str, Any]]:
    for r in one.rows:
        about = {"observable": r.observable, "label": r.label, "unit": r.unit, "scenario": one.label,
                 MARK_COLUMN: PREDICTED}  # fmt: skip
        for kind in ("baseline", "after", "change"):
            value, low, high = (getattr(r, f"{kind}{end}") for end in ("", "_low", "_high"))
            yield {**about, "kind": kind, "value": value, "low": low, "high": high}


def write_csv(rows: Iterable[dict[str, Any]], path: str | Path) -> Path:
    """Write rows as UTF-8 CSV, whole or not at all; numbers keep every digit and what is not known stays empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow("" if row[name] is None else row[name] for name in COLUMNS)
    return write_whole(path, text.getvalue())


def write_parquet(rows: Iterable[dict[str, Any]], path: str | Path) -> Path:
    """Write rows as Parquet with typed columns and the notice in the file's metadata; needs pyarrow (extra `omop`)."""
    arrow = required("pyarrow", "omop", "writing Parquet")
    parquet = required("pyarrow.parquet", "omop", "writing Parquet")
    kinds = {**dict.fromkeys(_NUMBERS, arrow.float64()), "counted": arrow.bool_()}
    schema = arrow.schema([(name, kinds.get(name, arrow.string())) for name in COLUMNS], {"notice": DISCLAIMER})
    listed = [{**row, **{n: None if row[n] is None else float(row[n]) for n in _NUMBERS}} for row in rows]
    with whole_file(path) as draft:
        parquet.write_table(arrow.Table.from_pylist(listed, schema=schema), draft)
    return Path(path)
