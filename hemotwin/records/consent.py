"""Who permitted what: a register of decisions, and what follows from it for one measurement. A denial wins.

Modelled on HL7 FHIR R4 Consent (provision.type, purpose, dataPeriod, period): https://hl7.org/fhir/R4/consent.html
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..core.errors import InputError, nearest
from .births import BIRTH_DATE
from .codes import find_name, nearest_names
from .policy import purpose_of, purposes
from .values import moment

__all__ = ["ConsentRegister", "Decision", "load_register"]

_COLUMNS = ("patient", "purpose", "decision", "observable", "data_from", "data_until", "valid_from", "valid_until")
_DECISIONS = {"permit": True, "permitted": True, "yes": True, "deny": False, "denied": False, "no": False,
              "withdrawn": False, "withdraw": False}  # fmt: skip
_ALL = ("", "*", "all")
_DAY = 86_400.0


@dataclass(frozen=True)
class Decision:
    """One line of the register. None in `purpose` and `observable` means every one; times in s, None for open ends.

    `data` bounds when the reading was taken, `valid` when it is used.
    """

    patient: str
    purpose: str | None
    permits: bool
    observable: str | None
    data: tuple[float | None, float | None]
    valid: tuple[float | None, float | None]

    def concerns(self, purpose: str, observable: str, taken: float | None, used: float) -> bool:
        """Whether the decision is about this use. A reading without a time counts as inside for a denial alone."""
        if self.purpose not in (None, purpose) or self.observable not in (None, observable):
            return False
        if not _inside(used, self.valid):
            return False
        if self.data == (None, None):
            return True
        return not self.permits if taken is None else _inside(taken, self.data)


class ConsentRegister:
    """Decisions by patient. What nobody decided is None: a policy says whether that permits."""

    def __init__(self, decisions: Iterable[Decision] = ()):
        self._by_patient: dict[str, list[Decision]] = {}
        for one in decisions:
            self._by_patient.setdefault(one.patient, []).append(one)

    def renamed(self, name_of: Callable[[str], str]) -> ConsentRegister:
        """The same decisions of patients under other names, such as their pseudonyms."""
        several = (one for group in self._by_patient.values() for one in group)
        return ConsentRegister(replace(one, patient=name_of(one.patient)) for one in several)

    def __len__(self) -> int:
        return sum(len(several) for several in self._by_patient.values())

    def decision(
        self, patient: str, purpose: str, observable: str, taken: float | None, used: float | None = None
    ) -> bool | None:
        """Whether this use is permitted: False if any decision denies it, True if one permits it, else None.

        `taken` and `used` are moments in s (`values.moment`); `used` is now when not given.
        """
        now = datetime.now(UTC).timestamp() if used is None else used
        said = [
            one.permits for one in self._by_patient.get(patient, ()) if one.concerns(purpose, observable, taken, now)
        ]
        return None if not said else all(said)


def load_register(source: str | Path | Iterable[Mapping[str, Any]]) -> ConsentRegister:
    """A register from a CSV file with the columns patient, purpose, decision (permit, deny or withdrawn) and, where
    needed, observable, data_from, data_until (of the reading), valid_from, valid_until (of its use); or from such rows.

    Blank purpose or observable means all of them; an end that is a date includes that day. Raises `InputError` naming
    the line and never the patient for anything that is not understood: a decision must not be lost.
    """
    if not isinstance(source, str | Path):
        return ConsentRegister(_decision(row, f"consent entry {number}") for number, row in enumerate(source, 1))
    path = Path(source)
    try:
        with path.open("r", encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(line for line in file if not line.startswith("#"))
            rows = [(f"{path.name} row {number}", row) for number, row in enumerate(reader, 1)]
            names = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path.name}: the consent register cannot be read ({type(error).__name__}).") from None
    missing = [name for name in _COLUMNS[:3] if name not in names]
    if missing:
        raise InputError(f"{path.name}: the consent register lacks {', '.join(missing)}; it needs {_COLUMNS[:3]}.")
    return ConsentRegister(_decision(row, where) for where, row in rows)


def _decision(row: Mapping[str, Any], where: str) -> Decision:
    for key in row:
        if key not in _COLUMNS:
            close = nearest(str(key), _COLUMNS)
            hint = f"; did you mean `{close[0]}`?" if close else ""
            raise InputError(f"{where}: unknown column `{key}`; known are {', '.join(_COLUMNS)}{hint}")
    cell = {name: str(row.get(name) if row.get(name) is not None else "").strip() for name in _COLUMNS}
    if not cell["patient"]:
        raise InputError(f"{where}: `patient` is empty: say whose decision it is.")
    if cell["decision"].lower() not in _DECISIONS:
        raise InputError(f"{where}: `decision` must be permit, deny or withdrawn, but got {cell['decision'][:40]!r}.")
    return Decision(
        cell["patient"],
        _purpose(cell["purpose"], where),
        _DECISIONS[cell["decision"].lower()],
        _observable(cell["observable"], where),
        (_moment(cell, "data_from", where), _moment(cell, "data_until", where)),
        (_moment(cell, "valid_from", where), _moment(cell, "valid_until", where)),
    )


def _purpose(text: str, where: str) -> str | None:
    if text.lower() in _ALL:
        return None
    found = purpose_of(text)
    if found is None:
        raise InputError(f"{where}: `purpose` must be one of {', '.join(purposes())} or blank, but got {text[:40]!r}.")
    return found


def _observable(text: str, where: str) -> str | None:
    if text.lower() in _ALL:
        return None
    found = find_name(text)
    if found is None:
        close = nearest_names(text)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise InputError(f"{where}: `observable` {text[:40]!r} is not known{hint}")
    return "age" if found.name == BIRTH_DATE else found.name


def _moment(cell: Mapping[str, str], name: str, where: str) -> float | None:
    text = cell[name]
    if not text:
        return None
    found = moment(text)
    if found is None:
        raise InputError(f"{where}: `{name}` must be an ISO date such as 2024-01-31, but got {text[:40]!r}.")
    return found + (_DAY if name.endswith("until") and len(text) == 10 else 0.0)


def _inside(when: float, span: tuple[float | None, float | None]) -> bool:
    first, last = span
    return (first is None or first <= when) and (last is None or when < last)
