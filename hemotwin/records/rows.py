"""The account of every input row, held by columns so that millions of rows fit in memory."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from ..core.errors import InputError

__all__ = ["FATES", "FATE_MEANINGS", "RowFate", "RowLog"]

FATE_MEANINGS = {
    "used": "a reading or covariate of the patient: evidence of a twin",
    "derived": "a function of other rows: shown beside the fit, never counted twice",
    "duplicate": "repeats a row that came before it",
    "quarantined": "set aside, with the reason and, where there is one, the fix",
}
FATES = tuple(FATE_MEANINGS)
_UNSETTLED = len(FATES)
_TEXT_WIDTH, _NAME_WIDTH = 60, 200  # characters kept of a value, and of the name of a column or code
ROW_LIMIT = 20_000_000
DISTINCT_TEXT_LIMIT = 1_000_000


@dataclass(frozen=True)
class RowFate:
    """What became of one input value: where it stood, what it said, its fate and the reason for it."""

    origin: str
    patient: str
    field: str
    text: str
    unit: str
    fate: str
    reason: str

    @property
    def message(self) -> str:
        """One sentence that names place, field, value, unit and reason."""
        value = " ".join(part for part in (self.text, self.unit) if part)
        return f"{self.origin}: {self.field} = {value or '(empty)'}: {self.fate}" + (
            f": {self.reason}" if self.reason else ""
        )


class RowLog(Sequence[RowFate]):
    """Rows in input order. A row is added once, settled once, and reads back as a `RowFate`.

    Repeated texts are stored once. Past a million distinct texts, further values and reasons are kept by count only
    (patients, fates and places always are), and past twenty million rows reading stops with an `InputError`.
    """

    def __init__(self) -> None:
        self._texts: list[str] = [""]
        self._ids: dict[str, int] = {"": 0}
        self._columns = {
            name: array("I") for name in ("prefix", "suffix", "patient", "field", "text", "unit", "reason")
        }
        self._number = array("Q")
        self._fate = array("B")

    def add(self, prefix: str, number: int, suffix: str, patient: str, field: str, text: str, unit: str) -> int:
        """Enter a row, not yet settled; the origin reads `prefix number suffix`. Returns its index."""
        if len(self._fate) >= ROW_LIMIT:
            raise InputError(f"{prefix.strip()} {number}: more than {ROW_LIMIT:,} values; split the file by patient.")
        columns = self._columns
        columns["prefix"].append(self._keep(prefix))
        columns["suffix"].append(self._keep(suffix))
        columns["patient"].append(self._keep(patient))
        columns["field"].append(self._keep_short(field, _NAME_WIDTH))
        columns["text"].append(self._keep_short(text))
        columns["unit"].append(self._keep_short(unit))
        columns["reason"].append(0)
        self._number.append(number)
        self._fate.append(_UNSETTLED)
        return len(self._fate) - 1

    def settle(self, index: int, fate: str, reason: str = "") -> None:
        """Give a row its fate, one of used, derived, duplicate, quarantined, and the reason in words."""
        self._fate[index] = FATES.index(fate)
        self._columns["reason"][index] = self._keep(reason, bounded=True)

    def place(self, index: int) -> tuple[str, int, str]:
        """Where a row stood, as (prefix, number, suffix): rows compare by the names of their files, then by number."""
        words = (self._texts[self._columns[name][index]] for name in ("prefix", "suffix"))
        prefix, suffix = words
        return prefix, self._number[index], suffix

    def settled(self, index: int) -> bool:
        """Whether the row has its fate."""
        return self._fate[index] != _UNSETTLED

    def counts(self) -> dict[str, int]:
        """How many rows met each fate; they add up to the number of rows once reading has ended."""
        return {fate: self._fate.count(code) for code, fate in enumerate(FATES)}

    def __len__(self) -> int:
        return len(self._fate)

    @overload
    def __getitem__(self, index: int) -> RowFate: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RowFate]: ...
    def __getitem__(self, index: int | slice) -> RowFate | Sequence[RowFate]:
        if isinstance(index, slice):
            return tuple(self[k] for k in range(*index.indices(len(self))))
        word = {name: self._texts[column[index]] for name, column in self._columns.items()}
        code = self._fate[index]
        return RowFate(
            origin=f"{word['prefix']}{self._number[index]}{word['suffix']}",
            patient=word["patient"],
            field=word["field"],
            text=word["text"],
            unit=word["unit"],
            fate=FATES[code] if code < len(FATES) else "",
            reason=word["reason"],
        )

    def _keep_short(self, text: str, width: int = _TEXT_WIDTH) -> int:
        clean = _printable(text[: width + 1])
        if len(clean) > width:
            clean = clean[:width] + "..."
        return self._keep(clean, bounded=True)

    def _keep(self, text: str, bounded: bool = False) -> int:
        known = self._ids.get(text)
        if known is None:
            if bounded and len(self._texts) >= DISTINCT_TEXT_LIMIT:
                return self._keep("(not kept: too many distinct texts)")
            known = self._ids[text] = len(self._texts)
            self._texts.append(_printable(text))
        return known


def _printable(text: str) -> str:
    """The text with a mark in place of every character that does not print."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
