"""Gather readings from any reader: code, number, unit and range are checked row by row, and every row gets its fate."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.errors import InputError, UnitError
from ..core.units import convert, same_dimension
from .agreement import Agreement
from .births import BIRTH_DATE, FIELD, NOT_KEPT, Births, birth_date, speaks_of_birth
from .codes import ObservableInfo, Target, find_modality, info, nearest_names, sex_of
from .exposures import Exposures
from .identities import Identities, patient_name
from .inventory import DAY, Fact, Inventory
from .judge import Judge
from .quality import implausible, row_rule
from .quality_rules import rule
from .reading import Place, Reading, show_range, with_range
from .record import Records
from .repeat_visits import flags_between
from .rows import RowLog
from .values import ValueProblem, Written, is_missing, moment, parse_number, parse_value, plain_time
from .visit import Selection, condition_of

__all__ = ["Collector"]

KEPT_LIMIT = 1_000_000
PATIENT_LIMIT = 200_000
HINT_LIMIT = 2_000  # a nearest name is looked for so many times: a file of nonsense must not take hours
_NO_UNIT_NEEDED = ("", "1")
_UNIT_RULES = ("unit_given", "unit_fits")


class Collector:
    """Takes what readers find, keeps the readings that a twin may be made of, and accounts for every row.

    A reading is kept for each patient, channel, condition and day, the latest of the day. What several rows say of one
    moment (or all without a time) is one value, a range or a contradiction (`Agreement`), whatever their order. Which
    visit and condition they are chosen from at the end says `selection`. A reading that does not say its condition is
    in that of the `exposures` at its time, which are complete before the first reading is offered. Memory is bounded:
    past a million kept readings reading stops with an `InputError` that asks to split the file.
    """

    def __init__(self, selection: Selection | None = None) -> None:
        self.log = RowLog()
        self.inventory = Inventory()
        self.exposures = Exposures()
        self.identities = Identities()
        self.selection = Selection() if selection is None else selection
        self._rules: Counter[str] = Counter()
        self.joined: dict[str, tuple[str, ...]] = {}  # origin of a reading made of several rows: those of the others
        self._kept: dict[str, dict[tuple, Agreement]] = {}
        self._stand_ins: set[str] = set()  # names that the source being read does not give itself
        self._unidentified: set[str] = set()  # patients of whom no source has given a name yet
        self._births = Births(self.log)
        self._fractions: dict[str, list[int]] = {}
        self._count = 0
        self._hints = HINT_LIMIT
        self._met = False  # a reading of the encounter that was asked for

    def begin_source(self) -> None:
        """From here on rows are of another source, whose names are its own until `stand_in` says otherwise."""
        self._stand_ins.clear()

    def stand_in(self, name: str) -> None:
        """The source being read names no patient here: `name`, that of its file or of a resource, stands for one.

        To be said before the first row under that name. Such a patient is not `identified`, unless another source
        gives the same name as that of a patient.
        """
        self._stand_ins.add(patient_name(name))

    def see(self, patient: str) -> str:
        """A patient who is in the source, with or without a usable value; returns the name that is kept."""
        name = patient if patient in self._kept else patient_name(patient)
        if name and name not in self._kept:
            if len(self._kept) >= PATIENT_LIMIT:
                raise InputError(f"more than {PATIENT_LIMIT:,} patients in one source; split it and read the parts.")
            self._kept[name] = {}
            if name in self._stand_ins:
                self._unidentified.add(name)
        elif name in self._unidentified and name not in self._stand_ins:
            self._unidentified.discard(name)
        return name

    def set_aside(self, place: Place, patient: str, field: str, text: Any, unit: str, reason: str) -> None:
        """A row that no reading can be made of."""
        row = self._row(place, self.see(patient), field, text, unit)
        self.log.settle(row, "quarantined", reason)

    def born(self, place: Place, patient: str, date: object, consent: str | None = None) -> None:
        """A birth date: it gives the age at the time of the measurements, and is itself not kept."""
        name = self.see(patient)
        row = self._row(place, name, FIELD, NOT_KEPT, "")
        try:
            if not name:
                raise ValueProblem("no patient is named: fill in who it belongs to")
            self._births.add(name, birth_date(date), row)
        except ValueProblem as problem:
            by = "value_given" if "as missing" in str(problem) else "value_readable"
            self._rules[by] += 1
            self.log.settle(row, "quarantined", str(problem))
            if not name:
                return
            self.inventory.refuse(name, "age", by)
        sound = not self.log.settled(row)
        self.inventory.add(name, Fact("age", sound, method=True, permitted=self.permits(place, name, "age", None)))

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
        visit: str = "",
        problem: str | None = None,
        signal: bool = False,
    ) -> None:
        """One value with all that is known of it: it is kept, or set aside with the reason.

        `consent` are the purposes that the record permits for it; a collector that admits by policy looks at them.
        `visit` is the identifier of the encounter that the record names, `problem` why a reading that is recorded has
        no value, in the words of the reader; `signal` whether it was averaged from a recorded signal.
        """
        if target is not None and target.name == BIRTH_DATE:
            self.born(place, patient, "" if problem else text, consent)
            return
        name = self.see(patient)
        row = self._row(place, name, field, text, unit or "")
        condition = condition or self.exposures.condition(name, plain_time(time))
        try:
            if not name:
                raise ValueProblem("no patient is named: fill in who it belongs to")
            if target is None:
                raise ValueProblem(self._unknown(field))
            if problem:
                raise ValueProblem(problem)
            if target.role == "recognised":
                self._recognised(row, target, unit)
                return
            reading, note = self._reading(row, name, target, text, unit, sd, plain_time(time), modality, condition)
            reading.visit, reading.signal = visit[:64], signal
            self._met = self._met or reading.visit == self.selection.encounter
        except (ValueProblem, UnitError) as refused:
            self._hints -= isinstance(refused, UnitError)
            reason = str(refused) if self._hints > 0 else str(refused.args[0])
            by = _row_rule(refused, target, text, unit)
            self._rules[by] += 1
            if target is not None and target.role != "recognised" and name:
                reason = reason if problem else with_range(reason, target.name)
                self._note(place, name, target, time, modality, condition, measured=False, unit=by not in _UNIT_RULES)
                self.inventory.refuse(name, target.name, by)
            self.log.settle(row, "quarantined", reason)
            return
        self._note(place, name, target, time, modality, condition)
        self._keep(reading, note)

    def refuse_signal(self, place: Place, patient: str, target: Target, field: str, reason: str) -> None:
        """A signal that was recorded of a reading, but is none of a patient: its reading is there and not usable."""
        self.set_aside(place, patient, field, "", "", reason)
        self._rules["signal_refused"] += 1
        self._note(place, patient, target, None, None, None, measured=False)
        self.inventory.refuse(patient, target.name, "signal_refused")

    def permits(self, place: Place, patient: str, observable: str, time: str | None) -> bool:
        """Whether a consent to any purpose is recorded for a reading; a plain collector knows of none."""
        return False

    def _note(
        self, place: Place, patient: str, target: Target, time: str | None, modality: str | None, condition: str | None,
        measured: bool = True, unit: bool = True,
    ) -> None:  # fmt: skip
        when = moment(time)
        day = None if when is None else int(when // DAY)
        permitted = self.permits(place, patient, target.name, time)
        how = _has_method(modality, target)
        fact = Fact(target.name, measured, unit, day, how, permitted, condition_of(condition))
        self.inventory.add(patient, fact)

    def records(self, source: Path, sha256: str) -> Records:
        """Judge every patient's readings together and hand over the records; each row has its fate from here on."""
        judge = Judge(self.log, self.selection, self._binned())
        sets = [judge.set_of(name, *self._gathered(kept), self._births.of(name)) for name, kept in self._kept.items()]
        persons = self.identities.persons(self._kept)
        sets = [replace(one, identified=one.patient not in self._unidentified, person=persons.get(one.patient, ""))
                for one in sets]  # fmt: skip
        if self.selection.encounter and not self._met:
            raise InputError(
                f"no usable reading names the encounter `{self.selection.encounter}`: give what Observation.encounter "
                "(FHIR) or visit_occurrence_id (OMOP) says, or choose by date."
            )
        counts = self._rules + judge.rules
        return Records(sets, self.log, source, sha256, flags_between(sets), counts, self.inventory)

    def _binned(self) -> frozenset[str]:
        """Observables whose every fraction in this source is the middle of a step: its numbers stand for ranges."""
        return frozenset(name for name, (middle, other) in self._fractions.items() if middle and not other)

    def _row(self, place: Place, patient: str, field: str, text: Any, unit: str) -> int:
        shown = text if isinstance(text, str) else "" if text is None else str(text)[:80] if _small(text) else "(large)"
        if shown and speaks_of_birth(str(field)[:200]):
            shown = NOT_KEPT
        return self.log.add(
            place.prefix, place.number, place.suffix, patient, str(field)[:201], shown[:200], str(unit)[:80]
        )

    def _unknown(self, field: str) -> str:
        self._hints -= 1
        return _unknown_name(field, self._hints > 0)

    def _recognised(self, row: int, target: Target, unit: str | None) -> None:
        if target.unit and unit and unit.strip():
            _check_kind(unit, target.unit, target.label)
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
        written = parse_value(text, target.name)
        if written.kind != "exact" and target.role == "covariate":
            raise ValueProblem(f"{about.label} must be one number: a range or limit cannot scale a prior")
        source = written.unit or _unit(unit, about)
        numbers = [
            None if n is None else convert(n, source, about.unit) for n in (written.value, written.lower, written.upper)
        ]
        for number in numbers:
            problem = None if number is None else implausible(target.name, number)
            if problem:
                raise ValueProblem(problem)
        spread = None if sd in (None, "") else convert(_positive(sd, source), source, about.unit)
        how, note = ("", "") if target.role == "covariate" else _modality(modality, target, about)
        note = "; ".join(part for part in (_converted(written, numbers, source, about.unit), note) if part)
        value, lower, upper = numbers
        reading = Reading(
            patient, target.name, value, spread, how, time or None, moment(time), condition or None,
            abs(convert(written.digit, source, about.unit)), row, written.kind, lower, upper,
        )  # fmt: skip
        self._count_fraction(reading)
        return reading, note

    def _count_fraction(self, reading: Reading) -> None:
        """Whether the fractions of this observable in this source are all the middle of a step (57.5 of 55 to 60)."""
        by = rule("binned_value")
        if reading.name not in by.limits["of"] or not reading.exact or reading.value % 1.0 == 0.0 or reading.sd:
            return
        width = by.limit("width")
        other = not math.isclose(reading.value % width, width / 2.0, abs_tol=1e-9)
        self._fractions.setdefault(reading.name, [0, 0])[other] += 1

    def _keep(self, new: Reading, note: str) -> None:
        kept = self._kept[new.patient]
        day = new.when if new.when is None or self.selection.asked else new.when // DAY
        visit = new.visit if self.selection.encounter else ""
        key = (new.name, new.modality, condition_of(new.condition), day, visit)
        if (slot := kept.get(key)) is not None:
            slot.add(new, note, self.log)
            return
        self._count += 1
        if self._count > KEPT_LIMIT:
            raise InputError(
                f"{self.log[new.row].origin}: more than {KEPT_LIMIT:,} different readings in one source; "
                "split it by patient and read the parts."
            )
        kept[key] = Agreement(new, note)

    def _gathered(self, kept: dict[tuple, Agreement]) -> tuple[list[Reading], list[Agreement]]:
        """A patient's readings, in an order that is not that of the rows, and the contradictions among the rows."""
        readings, contradictions = [], []
        for _, slot in sorted(kept.items(), key=lambda one: _order(one[0])):
            reading, by = slot.settle(self.log)
            if by:
                self._rules[by] += 1
            if reading is None:
                contradictions.append(slot)
            else:
                readings.append(reading)
                if reading.more:
                    origin, *others = (self.log[row].origin for row in (reading.row, *reading.more))
                    self.joined[origin] = tuple(others)
        return readings, contradictions


def _order(key: tuple) -> tuple:
    name, modality, condition, day, visit = key
    return name, modality, condition, day is not None, day or 0.0, visit


def _row_rule(problem: Exception, target: Target | None, text: Any, unit: str | None) -> str:
    """The quality rule that a row set aside falls under."""
    if target is None:
        return "code_known"
    if "unit is missing" in str(problem.args[0]):
        return "unit_given"
    if isinstance(problem, UnitError):
        return "unit_fits"
    if text in (None, "") or (isinstance(text, str) and is_missing(text)):
        return "value_given"
    return row_rule(str(problem)) if "is outside" in str(problem) else "value_readable"


def _has_method(written: str | None, target: Target | None) -> bool:
    """Whether the record itself says how the reading was taken, by a method or by the code of one."""
    return bool(find_modality(written or "")) or bool(target and (target.modality or target.role == "covariate"))


def _converted(written: Written, numbers: list[float | None], source: str, unit: str) -> str:
    """What a value became on the way to the unit inside, where it changed or was a word."""
    value, lower, upper = numbers
    if written.kind == "ordinal":
        return f"read as {show_range(lower, upper)} {unit}"
    if written.kind != "exact" or value is None or written.value is None:
        return f"kept as {show_range(lower, upper)} {unit}"
    return "" if math.isclose(value, written.value) else f"{written.value:.6g} {source} = {value:.6g} {unit}"


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
    _check_kind(written or about.unit, about.unit, about.label)
    return written or about.unit


def _check_kind(unit: str, wanted: str, label: str) -> None:
    """Refuses a unit that is unknown, or that measures another kind of quantity than the wanted one."""
    if not same_dimension(unit, wanted):
        raise UnitError(
            f"unit `{unit}` is of another kind than {label}, which is in {wanted}: check unit and column, or give the "
            f"value in {wanted}"
        )


def _positive(sd: Any, unit: str) -> float:
    allowed = f"; allowed: above 0 {unit}"
    try:
        value, _ = parse_number(sd)
    except ValueProblem as problem:
        raise ValueProblem(f"its sd {str(sd)[:40]!r}: {problem}{allowed}") from None
    if value <= 0:
        raise ValueProblem(
            f"its sd {str(sd)[:40]!r} is not above 0: give the standard deviation or leave it out{allowed}"
        )
    return value


def _modality(written: str | None, target: Target, about: ObservableInfo) -> tuple[str, str]:
    if not (written or "").strip():
        return target.modality or about.modality, ""
    found = find_modality(written or "")
    if found:
        return found, ""
    return "unspecified", f"how it was taken ({str(written)[:40]!r}) is not a known modality"
