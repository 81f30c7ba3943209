"""Tables of text: the long form (one value a row) and the wide form (one patient a row, with a mapping).

Read as a stream: no more than a row is held, whatever the size of the file. `#` begins a comment line.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.registry import register
from ..collect import Collector
from ..reading import Place
from . import Reader, Source
from .table import Row, offer_table

__all__ = ["CsvTable"]

LINE_LIMIT = 1_000_000  # characters; a longer line is no table row
FIELD_LIMIT = 100_000
_BLOCK = 1 << 20


@register("reader", "csv_table")
class CsvTable(Reader):
    """CSV with comma, semicolon or tab, in long or wide form.

    Long: patient, observable or code, value, unit, and where known sd, time, modality, condition, consent (what the
    value may be used for); headers in any case and order; a birth date in a column or a row of its own. Wide: a patient
    column, and one for each observable as the mapping says (or with the unit in the header, as "sbp [mmHg]"). Without a
    patient column all rows are one patient, named after the file.
    """

    suffixes = (".csv", ".tsv", ".txt")
    takes_mapping = True

    def sources(self, folder: Path, files: Sequence[Path]) -> list[Source]:
        """Tables by their ending; a text file in a folder is more often a licence or a note than a table."""
        return [source for source in super().sources(folder, files) if source.path.suffix.lower() != ".txt"]

    def read(self, path: Path, collector: Collector, mapping: Mapping[str, Any] | None) -> None:
        """Offer every non-empty value; raises `InputError` for an empty file or headers that nothing can be made of."""
        with path.open("r", encoding=_encoding(path), errors="replace", newline="") as file:
            rows = _rows(file, path, collector)
            header = next(rows, None)
            if header is None:
                raise InputError(f"{path.name}: the file is empty: it must hold a header line and rows.")
            names = [name.strip() for name in header[1]]
            if any("\x00" in name for name in names):
                raise InputError(f"{path.name}: not a text table (binary or UTF-16): save it as CSV in UTF-8.")
            count = offer_table(rows, path, names, mapping, collector)
        if count == 0:
            raise InputError(
                f"{path.name}: there is a header but no row below it: add one row for each value or patient."
            )

    def beginning(self, path: Path, count: int) -> tuple[list[str], list[list[str]]]:
        """The headers and up to so many rows; raises `InputError` for an empty file or one that is no text."""
        with path.open("r", encoding=_encoding(path), errors="replace", newline="") as file:
            rows = _rows(file, path, Collector())
            header = next(rows, None)
            if header is None or any("\x00" in name for name in header[1]):
                raise InputError(f"{path.name}: no header line: a text table begins with the names of its columns.")
            return [name.strip() for name in header[1]], [cells for _, cells in islice(rows, count)]


def _encoding(path: Path) -> str:
    """UTF-8; Windows-1252, as spreadsheets save it, for a text whose letters beyond ASCII are none of UTF-8.

    Read as UTF-8 such letters would all be one, and two patients whose names differ by them one patient.
    """
    decoder, damaged = codecs.getincrementaldecoder("utf-8")("replace"), False
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            text = decoder.decode(block)
            damaged = damaged or "\ufffd" in text
            if not text.replace("\ufffd", "").isascii():
                return "utf-8-sig"
    return "cp1252" if damaged else "utf-8-sig"


def _rows(file, path: Path, collector: Collector) -> Iterator[Row]:
    """(line number, cells) of every row; lines that are no rows are set aside one by one."""
    lines = _Lines(file)
    first = next(lines, "")
    while first and (not first.strip() or first.lstrip().startswith("#")):
        first = next(lines, "")
    if not first.strip():
        return
    delimiter = max((",", ";", "\t"), key=first.count)
    csv.field_size_limit(FIELD_LIMIT)
    try:
        header = next(csv.reader([first], delimiter=delimiter))
    except csv.Error as error:
        raise InputError(f"{path.name} line {lines.number}: no header line of a table ({error}): check it.") from None
    yield lines.number, header
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
