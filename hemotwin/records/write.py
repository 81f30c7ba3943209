"""Records written as a table in long form, which `read` takes back to the same evidence."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..core.whole_file import write_whole
from .codes import info
from .record import Measurement, MeasurementSet

__all__ = ["COLUMNS", "table_rows", "write_csv"]

COLUMNS = ("patient", "observable", "value", "unit", "sd", "time", "modality", "condition")


def write_csv(sets: Iterable[MeasurementSet], path: str | Path, comment: str = "") -> Path:
    """Write patients as UTF-8 CSV (patient, observable, value, unit, sd, time, modality, condition), whole or not at
    all; numbers keep every digit, and a range or limit is written as "55-60", ">60" or "<10".

    Derived readings are left out: they are functions of what is written, and reading the table tells so again.
    `comment` becomes a line that begins with "#".
    """
    text = io.StringIO()
    if comment:
        text.write(f"# {' '.join(comment.split())}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(row for one in sets for row in table_rows(one))
    return write_whole(path, text.getvalue())


def table_rows(one: MeasurementSet) -> Iterator[tuple[str, ...]]:
    """The rows of one patient: covariates first (no surface area beside height and weight), then counted readings."""
    for name, value in one.covariates.items():
        if name == "bsa" and {"height", "weight"} <= one.covariates.keys():
            continue
        number = value if isinstance(value, str) else repr(float(value))
        yield (one.patient, name, number, info(name).unit, "", "", "", "")
    for m in one.counted:
        sd = "" if m.sd is None else repr(float(m.sd))
        yield (one.patient, m.observable, _cell(m), m.unit, sd, m.time or "", m.modality, m.condition or "")


def _cell(m: Measurement) -> str:
    if m.value is not None:
        return repr(float(m.value))
    if m.lower is None:
        return f"<{float(m.upper or 0.0)!r}"
    return f">{float(m.lower)!r}" if m.upper is None else f"{float(m.lower)!r}-{float(m.upper)!r}"
