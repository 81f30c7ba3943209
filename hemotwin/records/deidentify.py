"""Records that can leave the house: keyed pseudonyms, dates moved per patient, no free text, nothing that names anyone.

Everything that goes on is listed here by name (allow-list); what a reader may add later stays behind until it is
listed. What is removed follows the Safe Harbor list (45 CFR 164.514(b)(2)) but for dates, which are moved and kept
as intervals; a moved date is no Safe Harbor date, and it takes an expert's word or a data use agreement.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .codes import Target, find_field, modalities, sex_of
from .kinds import KINDS
from .policy import purposes
from .record import Measurement, MeasurementSet, Records
from .rows import RowFate
from .secret import Secret
from .shifted_time import shifted_time
from .values import ValueProblem, parse_number, plain_time

__all__ = ["WITHHELD", "Deidentifier", "deidentify"]

WITHHELD = "(withheld)"
OLDEST = 90  # a: ages above 89 are given as 90 (45 CFR 164.514(b)(2)(i)(C))
NEAREST_DAY, FARTHEST_DAY = 31, 3650  # days that dates are moved by, to either side
_COVARIATES = ("sex", "age", "height", "weight", "bsa")
_WORD_OF_OURS = re.compile(r"[a-z][a-z_]{0,40}")
_UNSAID = "A sentence is withheld: it may quote the record."
_REASONS = {
    "used": "",
    "derived": "a function of recorded values: shown, not counted",
    "duplicate": "the same reading came first",
    "quarantined": "set aside at the source; the reason may quote the record and is withheld",
}


def deidentify(records: Records, key: Secret) -> Records:
    """The same records without anything that names a person, a file or a place.

    - Patients become pseudonyms (`Deidentifier.pseudonym`) and are ordered by them, so that the order tells nothing.
    - Times move by 31 to 3650 days, per patient and the same for all of it: intervals and times of day stay.
    - Free text is refused: a condition becomes a keyed token (two conditions stay two), a value that was not
      understood, a reason and a sentence that may quote the record are withheld, and a time that is none is left out.
    - Ages above 89 a are given as 90. Origins and the source's checksum become keyed digests: the holder of the key
      finds a row again, nobody else does.
    The same key gives the same result; another key gives one that cannot be linked to it by any of these.
    """
    return Deidentifier(key).records(records)


class Deidentifier:
    """The keyed replacements of one key."""

    def __init__(self, key: Secret):
        self._key = key

    def pseudonym(self, patient: str) -> str:
        """ "S-" and 80 bits of HMAC-SHA256 of the patient's name in base 32; "" for nobody."""
        return f"S-{self._token('patient', patient, 10)}" if patient else ""

    def days(self, patient: str) -> int:
        """By how many days this patient's dates are moved: 31 to 3650, to either side."""
        number = int.from_bytes(self._key.digest("days", patient)[:8], "big")
        distance = NEAREST_DAY + (number >> 1) % (FARTHEST_DAY - NEAREST_DAY + 1)
        return distance if number & 1 else -distance

    def origin(self, text: str) -> str:
        """The place of a row as a keyed token."""
        return f"row {self._token('origin', text, 10)}" if text else ""

    def records(self, records: Records) -> Records:
        """All patients and rows; see `deidentify`."""
        names = {patient: self.pseudonym(patient) for patient in records.patients}
        words = {word for patient in names for word in _words(patient)} | set(_words(records.source.stem))
        sets = sorted((self._set(one, words) for one in records), key=lambda one: one.patient)
        by_origin = {m.origin: m for one in records for m in one.measurements}
        rows = [self._row(row, by_origin.get(row.origin)) for row in records.rows]
        rows.sort(key=lambda row: row.patient)
        sha256 = self._key.digest("source", records.sha256).hex()
        safe = Records(sets, tuple(rows), Path("deidentified"), sha256)
        if records.governance is not None:
            register = records.governance.register.renamed(self.pseudonym)
            safe.governance = replace(records.governance, register=register)
        return safe

    def _set(self, one: MeasurementSet, words: set[str]) -> MeasurementSet:
        name, days = self.pseudonym(one.patient), self.days(one.patient)
        measurements = tuple(self._measurement(m, name, days) for m in one.measurements)
        own = words | {word for m in one.measurements for text in (m.time, m.condition) for word in _words(text or "")}
        conflicts = tuple(text if _clean(text, own, one.patient) else _UNSAID for text in one.conflicts)
        return MeasurementSet(
            name, _covariates(one.covariates), measurements, conflicts, identified=one.identified,
            person=self.pseudonym(one.person),
        )  # fmt: skip

    def _measurement(self, m: Measurement, name: str, days: int) -> Measurement:
        condition = f"state {self._token('condition', m.condition, 5)}" if m.condition else None
        return Measurement(
            patient=name, observable=m.observable, value=m.value, unit=m.unit, sd=m.sd, lower=m.lower, upper=m.upper,
            kind=m.kind if m.kind in KINDS else "exact",
            modality=m.modality if m.modality in modalities() else "unspecified",
            time=plain_time(shifted_time(m.time, days)), condition=condition,
            quality=m.quality if _WORD_OF_OURS.fullmatch(m.quality) else WITHHELD, origin=self.origin(m.origin),
            consent=tuple(purpose for purpose in m.consent if purpose in purposes()),
        )  # fmt: skip

    def _row(self, row: RowFate, measurement: Measurement | None) -> RowFate:
        target = find_field(row.field)
        field = measurement.observable if measurement else target.name if target else WITHHELD
        text, unit, reason = _understood(row, target, measurement is not None), "", _REASONS[row.fate]
        if text != WITHHELD:
            unit = re.sub(r"\{[^}]*\}", "", row.unit)  # UCUM allows any words in braces
        if field == "age" and _age(text) > OLDEST - 1:
            text, reason = str(OLDEST), "ages above 89 a are given as 90"
        return RowFate(self.origin(row.origin), self.pseudonym(row.patient), field, text, unit, row.fate, reason)

    def _token(self, purpose: str, text: str, size: int) -> str:
        return base64.b32encode(self._key.digest(purpose, text)[:size]).decode().rstrip("=").lower()


def _covariates(given: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: given[name] for name in _COVARIATES if name in given}
    if kept.get("age", 0) > OLDEST - 1:
        kept["age"] = float(OLDEST)
    if "sex" in kept and sex_of(str(kept["sex"])) is None:
        del kept["sex"]
    return kept


def _understood(row: RowFate, target: Target | None, measured: bool) -> str:
    """The value's text when it was read as a number or a sex; a value that was set aside may be anything at all."""
    if row.fate == "quarantined" or not (measured or (target and target.role != "recognised")):
        return WITHHELD
    if target is not None and target.name == "sex":
        return sex_of(row.text) or WITHHELD
    try:
        return f"{parse_number(row.text)[0]:.10g}"
    except ValueProblem:
        return WITHHELD


def _age(text: str) -> float:
    return float(text) if text != WITHHELD else 0.0


def _words(text: str) -> list[str]:
    return [word.strip(".") for word in re.split(r"[\s,;:()\[\]{}\"'`/]+", text) if word.strip(".")]


def _clean(sentence: str, words: set[str], patient: str) -> bool:
    """Whether a sentence shares no word with a name, a time or a condition of the record; in doubt it does not pass."""
    if (len(patient) > 2 and patient in sentence) or re.search(r"\d{4}-\d{2}", sentence):
        return False
    return words.isdisjoint(_words(sentence))
