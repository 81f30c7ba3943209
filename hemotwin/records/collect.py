"""Gather readings from any reader: code, number, unit and range are checked row by row, and every row gets its fate."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ..core.errors import InputError, UnitError
from ..core.units import convert
from .codes import ObservableInfo, Target, find_modality, info, nearest_names, observables, sex_of
from .derived import derived_reason
from .quality import find_conflicts, implausible, impossible_order, mosteller
from .reading import Place, Reading
from .record import Measurement, MeasurementSet, Records
from .rows import RowLog
from .values import ValueProblem, moment, parse_number, years_between

__all__ = ["Collector"]

KEPT_LIMIT = 500_000
PATIENT_LIMIT = 200_000
HINT_LIMIT = 2_000  # a nearest name is looked for so many times: a file of nonsense must not take hours
_NO_UNIT_NEEDED = ("", "1")


class Collector:
    """Takes what readers find, keeps at most one reading per patient and channel, and accounts for every row.

    Of several readings of one channel the latest in time is kept; without times the first one, and a different later
    one is set aside as a conflicting duplicate. Memory is bounded: past half a million kept readings reading stops
    with an `InputError` that asks to split the file.
    """

    def __init__(self) -> None:
        self.log = RowLog()
        self._kept: dict[str, dict[tuple[str, str], Reading]] = {}
        self._born: dict[str, tuple[str, int]] = {}
        self._count = 0
        self._hints = HINT_LIMIT

    def see(self, patient: str) -> str:
        """A patient who is in the source, with or without a usable value; returns the name that is kept."""
        if patient in self._kept:
            return patient
        name = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(patient).strip()[:64])
        if name and len(self._kept) >= PATIENT_LIMIT and name not in self._kept:
            raise InputError(f"more than {PATIENT_LIMIT:,} patients in one source; split it and read the parts.")
        if name:
            self._kept.setdefault(name, {})
        return name

    def set_aside(self, place: Place, patient: str, field: str, text: Any, unit: str, reason: str) -> None:
        """A row that no reading can be made of."""
        row = self._row(place, self.see(patient), field, text, unit)
        self.log.settle(row, "quarantined", reason)

    def born(self, place: Place, patient: str, date: str) -> None:
        """A birth date: it gives the age at the time of the measurements, and is itself not kept."""
        name = self.see(patient)
        row = self._row(place, name, "birthDate", "(not kept)", "")
        if name in self._born:
            if self._born[name][0] == date:
                self.log.settle(row, "duplicate", "the same birth date came first")
            else:
                self.log.settle(row, "quarantined", "another birth date came first: keep the right one")
            return
        self._born[name] = (date, row)

    def offer(
        self,
        place: Place,
        patient: str,
        target: Target | None,
        field: str,
        text: Any,
        unit: str | None,
        *,
        sd: Any = None,
        time: str | None = None,
        modality: str | None = None,
        condition: str | None = None,
        consent: str | None = None,
    ) -> None:
        """One value with all that is known of it: it is kept, or set aside with the reason.

        `consent` are the purposes that the record permits for it; a collector that admits by policy looks at them.
        """
        name = self.see(patient)
        row = self._row(place, name, field, text, unit or "")
        try:
            if not name:
                raise ValueProblem("no patient is named: fill in who it belongs to")
            if target is None:
                raise ValueProblem(self._unknown(field))
            if target.role == "recognised":
                self._recognised(row, target)
                return
            reading, note = self._reading(row, name, target, text, unit, sd, time, modality, condition)
        except (ValueProblem, UnitError) as problem:
            self._hints -= isinstance(problem, UnitError)
            reason = str(problem) if self._hints > 0 else str(problem.args[0])
            self.log.settle(row, "quarantined", reason)
            return
        self._keep(reading, note)

    def records(self, source: Path, sha256: str) -> Records:
        """Judge every patient's readings together and hand over the records; each row has its fate from here on."""
        sets = [self._judge(patient, readings) for patient, readings in self._kept.items()]
        return Records(sets, self.log, source, sha256)

    def _row(self, place: Place, patient: str, field: str, text: Any, unit: str) -> int:
        shown = text if isinstance(text, str) else "" if text is None else str(text)[:80] if _small(text) else "(large)"
        return self.log.add(
            place.prefix, place.number, place.suffix, patient, str(field)[:200], shown[:200], str(unit)[:80]
        )

    def _unknown(self, field: str) -> str:
        self._hints -= 1
        return _unknown_name(field, self._hints > 0)

    def _recognised(self, row: int, target: Target) -> None:
        if target.derived_from:
            self.log.settle(row, "derived", f"{target.label} is a function of {target.derived_from}: not counted")
        else:
            self.log.settle(row, "quarantined", f"{target.label} is understood, but no circulation here predicts it")

    def _reading(
        self, row: int, patient: str, target: Target, text: Any, unit: str | None, sd: Any, time: str | None,
        modality: str | None, condition: str | None,
    ) -> tuple[Reading, str]:  # fmt: skip
        if target.name == "sex":
            return Reading(patient, "sex", _sex(text), None, "", time, moment(time), None, 0.0, row), ""
        about = info(target.name)
        number, digit = parse_number(text)
        written = _unit(unit, about)
        value = convert(number, written, about.unit)
        problem = implausible(target.name, value)
        if problem:
            raise ValueProblem(problem)
        spread = None if sd in (None, "") else convert(_positive(sd), written, about.unit)
        how, note = ("", "") if target.role == "covariate" else _modality(modality, target, about)
        if not math.isclose(value, number):
            note = f"{number:.6g} {written} = {value:.6g} {about.unit}" + (f"; {note}" if note else "")
        resolution = abs(convert(digit, written, about.unit))
        when = moment(time)
        return Reading(
            patient, target.name, value, spread, how, time or None, when, condition or None, resolution, row
        ), note

    def _keep(self, new: Reading, note: str) -> None:
        kept = self._kept[new.patient]
        key = (new.name, new.modality)
        old = kept.get(key) or _same_unspecified(kept, new)
        if old is None:
            self._count += 1
            if self._count > KEPT_LIMIT:
                raise InputError(
                    f"{self.log[new.row].origin}: more than {KEPT_LIMIT:,} different readings in one source; "
                    "split it by patient and read the parts."
                )
            kept[key] = new
            self.log.settle(new.row, "used", note)
            return
        undated = old.when is None or new.when is None
        if _same(old, new) and (undated or old.when == new.when):
            self.log.settle(new.row, "duplicate", f"the same as {self.log[old.row].origin}")
        elif (old.condition or "") != (new.condition or ""):
            reason = f"taken in condition {new.condition!r}, while {self.log[old.row].origin} is in {old.condition!r}: "
            self.log.settle(new.row, "quarantined", reason + "a twin is of one condition, give one file for each")
        elif not undated and old.when != new.when:
            later, earlier = (new, old) if new.when > old.when else (old, new)  # type: ignore[operator]
            reason = f"a twin is of one visit: {later} of {later.time} is later than this one of {earlier.time}"
            if later is new:
                kept[old.name, old.modality] = new
                self.log.settle(new.row, "used", note)
            self.log.settle(earlier.row, "quarantined", reason)
        else:
            reason = f"conflicting duplicate: {self.log[old.row].origin} already gives {old}: keep the right one"
            self.log.settle(new.row, "quarantined", reason)

    def _judge(self, patient: str, kept: dict[tuple[str, str], Reading]) -> MeasurementSet:
        readings = [one for (_, modality), one in kept.items() if modality]
        for row, reason in impossible_order(readings).items():
            self.log.settle(row, "quarantined", reason)
            readings = [one for one in readings if one.row != row]
        covariates, recorded_bsa = self._covariates(patient, kept, readings)
        measurements = []
        for one in readings:
            reason = derived_reason(one, readings, covariates)
            if reason:
                self.log.settle(one.row, "derived", reason)
            measurements.append(self._measurement(one, "derived" if reason else "exact"))
        order = list(observables())
        measurements.sort(key=lambda m: (order.index(m.observable), m.modality))
        conflicts = tuple(find_conflicts(readings, covariates, recorded_bsa))
        return MeasurementSet(patient, covariates, tuple(measurements), conflicts)

    def _covariates(self, patient: str, kept: dict[tuple[str, str], Reading], readings: list[Reading]):
        covariates = {name: kept[name, ""].value for name in ("sex", "age", "height", "weight") if (name, "") in kept}
        if patient in self._born:
            self._age(patient, covariates, readings)
        recorded = kept.get(("bsa", ""))
        bsa = mosteller(covariates)
        if bsa is not None:
            covariates["bsa"] = bsa
            if recorded:
                self.log.settle(recorded.row, "derived", f"height and weight give {bsa:.3g} m2 (Mosteller)")
        elif recorded:
            covariates["bsa"] = recorded.value
        return covariates, recorded.value if recorded else None

    def _age(self, patient: str, covariates: dict[str, Any], readings: list[Reading]) -> None:
        date, row = self._born[patient]
        if "age" in covariates:
            self.log.settle(row, "duplicate", "the age itself is recorded")
            return
        dated = [one for one in readings if one.when is not None and one.time]
        latest = max(dated, key=lambda one: one.when or 0.0).time if dated else None
        age = years_between(date, latest) if latest else None
        if age is None or implausible("age", age):
            self.log.settle(row, "quarantined", "no age: it needs a birth date and a later date of a measurement")
            return
        covariates["age"] = age
        self.log.settle(row, "used", f"age {age:.0f} at the latest measurement")

    def _measurement(self, one: Reading, kind: str) -> Measurement:
        return Measurement(
            patient=one.patient, observable=one.name, value=one.value, unit=info(one.name).unit, sd=one.sd, kind=kind,
            modality=one.modality, time=one.time, condition=one.condition, origin=self.log[one.row].origin,
        )  # fmt: skip


def _small(value: Any) -> bool:
    return isinstance(value, float | bool) or (isinstance(value, int) and abs(value) < 10**60)


def _unknown_name(field: str, hinted: bool) -> str:
    close = nearest_names(field) if hinted else ()
    hint = f"; did you mean {' or '.join(close)}?" if close else "; known names are in configs/codes/observables.yaml"
    return f"{str(field)[:60]!r} is no observable or code that is known{hint}"


def _sex(text: Any) -> str:
    sex = sex_of(text) if isinstance(text, str) else None
    if sex is None:
        raise ValueProblem("sex is not one of male, female (m, f): it stays unknown")
    return sex


def _unit(unit: str | None, about: ObservableInfo) -> str:
    written = (unit or "").strip()
    if not written and about.unit not in _NO_UNIT_NEEDED:
        raise ValueProblem(f"the unit is missing: write it beside the value, for example {about.unit}")
    return written or about.unit


def _positive(sd: Any) -> float:
    try:
        value, _ = parse_number(sd)
    except ValueProblem as problem:
        raise ValueProblem(f"its sd {str(sd)[:40]!r}: {problem}") from None
    if value <= 0:
        raise ValueProblem(f"its sd {str(sd)[:40]!r} is not above 0: give the standard deviation or leave it out")
    return value


def _modality(written: str | None, target: Target, about: ObservableInfo) -> tuple[str, str]:
    if not (written or "").strip():
        return target.modality or about.modality, ""
    found = find_modality(written or "")
    if found:
        return found, ""
    return "unspecified", f"how it was taken ({str(written)[:40]!r}) is not a known modality"


def _same(one: Reading, other: Reading) -> bool:
    if isinstance(one.value, str) or isinstance(other.value, str):
        return one.value == other.value
    return math.isclose(one.value, other.value, rel_tol=1e-9, abs_tol=1e-12)


def _same_unspecified(kept: dict[tuple[str, str], Reading], new: Reading) -> Reading | None:
    """The same value of the same observable where one of the two does not say how it was taken: one reading."""
    for (name, modality), old in kept.items():
        if name == new.name and "unspecified" in (modality, new.modality) and _same(old, new):
            return old
    return None
