"""Tables of text: the long form (one value a row) and the wide form (one patient a row, with a mapping).

Read as a stream: no more than a row is held, whatever the size of the file. `#` begins a comment line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.errors import InputError, nearest
from ...core.registry import register
from ..codes import Target, find_name, normalise
from ..collect import Collector
from ..mapping import Column, WideMapping
from ..reading import Place
from . import Reader, Source

__all__ = ["CsvTable"]

Row = tuple[int, list[str]]

LINE_LIMIT = 1_000_000  # characters; a longer line is no table row
FIELD_LIMIT = 100_000
_HEADERS = {
    "patient": ("patient", "patient_id", "id", "subject", "subject_id", "person", "person_id", "case", "pseudonym"),
    "observable": (
        "observable",
        "code",
        "name",
        "measurement",
        "parameter",
        "variable",
        "loinc",
        "observation",
        "item",
    ),
    "value": ("value", "result", "reading", "value_as_number", "valuenum"),
    "unit": ("unit", "units", "uom", "ucum", "unit_source_value"),
    "sd": ("sd", "std", "standard_deviation", "uncertainty"),
    "time": ("time", "date", "datetime", "timestamp", "effective", "measurement_date", "charttime"),
    "modality": ("modality", "method", "technique", "source_method"),
    "condition": ("condition", "state", "setting"),
    "consent": ("consent", "purposes", "permitted_use"),
}
_UNIT_IN_HEADER = re.compile(r"(.+?)\s*[\[(]\s*([^\[\]()]*(?:\[[^\]]*\][^\[\]()]*)?)\s*[\])]\s*$")


@register("reader", "csv_table")
class CsvTable(Reader):
    """CSV with comma, semicolon or tab, in long or wide form.

    Long: patient, observable or code, value, unit, and where known sd, time, modality, condition, consent (what the
    value may be used for); headers in any case and order. Wide: a patient column, and one for each observable as the
    mapping says (or with the unit in the header, as "sbp [mmHg]"). Without a patient column all rows are one patient,
    named after the file.
    """

    suffixes = (".csv", ".tsv", ".txt")
    takes_mapping = True

    def sources(self, folder: Path, files: Sequence[Path]) -> list[Source]:
        """Tables by their ending; a text file in a folder is more often a licence or a note than a table."""
        return [source for source in super().sources(folder, files) if source.path.suffix.lower() != ".txt"]

    def read(self, path: Path, collector: Collector, mapping: Mapping[str, Any] | None) -> None:
        """Offer every non-empty value; raises `InputError` for an empty file or headers that nothing can be made of."""
        with path.open("r", encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = _rows(file, path, collector)
            header = next(rows, None)
            if header is None:
                raise InputError(f"{path.name}: the file is empty: it must hold a header line and rows.")
            names = [name.strip() for name in header[1]]
            if any("\x00" in name for name in names):
                raise InputError(f"{path.name}: not a text table (binary or UTF-16): save it as CSV in UTF-8.")
            long = _long_columns(names) if mapping is None else None
            if long:
                count = _read_long(rows, path, names, long, collector)
            else:
                wide = _own_mapping(names, path) if mapping is None else WideMapping.of(mapping, path)
                count = _read_wide(rows, path, names, wide, collector)
        if count == 0:
            raise InputError(
                f"{path.name}: there is a header but no row below it: add one row for each value or patient."
            )


def _rows(file, path: Path, collector: Collector) -> Iterator[Row]:
    """(line number, cells) of every row; lines that are no rows are set aside one by one."""
    lines = _Lines(file)
    first = next(lines, "")
    while first and (not first.strip() or first.lstrip().startswith("#")):
        first = next(lines, "")
    if not first.strip():
        return
    delimiter = max((",", ";", "\t"), key=first.count)
    yield lines.number, next(csv.reader([first], delimiter=delimiter))
    csv.field_size_limit(FIELD_LIMIT)
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            reader = csv.reader(lines, delimiter=delimiter)
            collector.set_aside(
                Place(f"{path.name} line ", lines.number), "", "row", "", "", f"not a table row: {error}"
            )
            continue
        if lines.cut:
            lines.cut = False
            reason = f"a line of over {LINE_LIMIT:,} characters is no table row: check the line ends and quotes"
            collector.set_aside(Place(f"{path.name} line ", lines.number), "", "row", "", "", reason)
        elif any(cell.strip() for cell in cells) and not cells[0].lstrip().startswith("#"):
            yield lines.number, cells


class _Lines:
    """The file's lines with their number; of a line beyond the limit only the beginning is held."""

    def __init__(self, file):
        self.file, self.number, self.cut = file, 0, False

    def __iter__(self):
        return self

    def __next__(self) -> str:
        line = self.file.readline(LINE_LIMIT)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) == LINE_LIMIT and not line.endswith(("\n", "\r")):
            self.cut, rest = True, line
            while rest and not rest.endswith(("\n", "\r")):
                rest = self.file.readline(LINE_LIMIT)
            return "\n"
        return line


def _long_columns(names: Sequence[str]) -> dict[str, int] | None:
    """Position of each known header when the table is in long form; None when it is not."""
    found: dict[str, int] = {}
    for position, name in enumerate(names):
        for role, words in _HEADERS.items():
            if role not in found and normalise(name) in words:
                found[role] = position
                break
    return found if {"observable", "value"} <= found.keys() else None


def _read_long(
    rows: Iterator[Row], path: Path, names: Sequence[str], columns: Mapping[str, int], collector: Collector
) -> int:
    prefix, count, widest = f"{path.name} line ", 0, len(names)
    for number, cells in rows:
        count += 1
        place = Place(prefix, number)
        cell = {role: cells[k].strip() if k < len(cells) else "" for role, k in columns.items()}
        patient = cell.get("patient", path.stem)
        field, unit = cell["observable"], cell.get("unit", "")
        if len(cells) > widest and any(extra.strip() for extra in cells[widest:]):
            reason = f"the row has {len(cells)} cells under {widest} headers: check the delimiters and quote any comma"
            collector.set_aside(place, patient, field, cell["value"], unit, reason)
            continue
        if not cell["value"]:
            collector.set_aside(
                place, patient, field, "", unit, "the value is empty: leave the row out, or give the number"
            )
            continue
        collector.offer(
            place, patient, find_name(field), field, cell["value"], unit,
            sd=cell.get("sd"), time=cell.get("time"), modality=cell.get("modality"), condition=cell.get("condition"),
            consent=cell.get("consent"),
        )  # fmt: skip
    return count


def _read_wide(
    rows: Iterator[Row], path: Path, names: Sequence[str], mapping: WideMapping, collector: Collector
) -> int:
    patient_at = mapping.position("patient", names, path)
    time_at = mapping.position("time", names, path)
    columns = [(k, name, mapping.column(name)) for k, name in enumerate(names) if k not in (patient_at, time_at)]
    suffixes = [f" column {name[:60]}" for name in names]
    prefix, count = f"{path.name} line ", 0
    for number, cells in rows:
        count += 1
        patient = path.stem if patient_at is None else cells[patient_at].strip() if patient_at < len(cells) else ""
        time = cells[time_at].strip() if time_at is not None and time_at < len(cells) else None
        collector.see(patient)
        if len(cells) > len(names) and any(extra.strip() for extra in cells[len(names) :]):
            reason = f"the row has {len(cells)} cells under {len(names)} headers: check the delimiters"
            collector.set_aside(Place(prefix, number), patient, "row", "", "", reason)
            continue
        for k, name, column in columns:
            text = cells[k].strip() if k < len(cells) else ""
            if text and column is not None:
                _offer_cell(collector, Place(prefix, number, suffixes[k]), patient, name, column, text, time)
    return count


def _offer_cell(
    collector: Collector, place: Place, patient: str, name: str, column: Column, text: str, time: str | None
) -> None:  # fmt: skip
    if column.target is None:
        collector.set_aside(place, patient, name, text, column.unit, column.problem)
        return
    collector.offer(
        place, patient, column.target, name, text, column.unit,
        modality=column.modality, condition=column.condition, time=time,
    )  # fmt: skip


def _own_mapping(names: Sequence[str], path: Path) -> WideMapping:
    """The mapping that headers such as "sbp [mmHg]" and "age (a)" state themselves; raises when no header does."""
    roles: dict[str, str] = {}
    columns: dict[str, Column] = {}
    for name in names:
        match = _UNIT_IN_HEADER.fullmatch(name)
        target: Target | None = find_name(match[1]) if match else find_name(name)
        if target is not None and (match or target.name == "sex"):
            columns[name] = Column(target, match[2] if match else "")
        elif not match and (role := next((r for r in ("patient", "time") if normalise(name) in _HEADERS[r]), None)):
            roles.setdefault(role, name)
    if all(column.target is None or column.target.name == "sex" for column in columns.values()):
        raise InputError(_no_mapping(names, path))
    return WideMapping(roles, columns)


def _no_mapping(names: Sequence[str], path: Path) -> str:
    known = [name for words in _HEADERS.values() for name in words]
    close = {
        name: hit[0]
        for name in names[:40]
        if (hit := nearest(normalise(name), known, cutoff=0.8)) and hit[0] != normalise(name)
    }
    hint = "; did you mean " + ", ".join(f"{new!r} for {old!r}" for old, new in close.items()) if close else ""
    shown = ", ".join(name[:30] for name in names[:12]) or "none"
    return (
        f"{path.name}: the headers ({shown}) are neither the long form (patient, observable, value, unit{hint}) nor a "
        f"wide form with units in the headers: write {path.stem}_mapping.yaml beside it, as in\n"
        'patient: id\ncolumns:\n  <header>: {observable: sbp, unit: "mm[Hg]", modality: cuff}'
    )
