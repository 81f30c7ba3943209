"""All readings of one patient judged together: one visit and condition; what stands, what is derived or recovered."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from typing import Any

from .agreement import Agreement
from .births import age_at
from .codes import info, observables
from .derived import derived_reason
from .quality import find_conflicts, flag_of, implausible, impossible_order, mosteller, row_rule
from .quality_rules import Flag, rule
from .reading import Reading, show_range, with_range
from .record import Measurement, MeasurementSet
from .recovered import recovered
from .rows import RowLog
from .visit import Choice, Selection, choose, of_visit, too_old

__all__ = ["Judge"]

_BODY = ("sex", "age", "height", "weight")
_COUNTED = ("contradiction_at_one_moment", "repeats_at_one_moment")  # where the rows are gathered, of every visit
_ORDERS = ("order", "between")
_NAMED = ("too_far_apart", "contradiction_at_one_moment")  # what was set aside, and the twin lacks for that


class Judge:
    """Turns the kept readings of a patient into a `MeasurementSet` and settles the rows that are not used in it.

    `binned` names the observables whose numbers stand for ranges in this source; `rules` counts what the rules did.
    """

    def __init__(self, log: RowLog, selection: Selection, binned: frozenset[str]):
        self.log, self.selection, self.binned = log, selection, binned
        self.rules: Counter[str] = Counter()
        self._order = {name: k for k, name in enumerate(observables())}

    def set_of(
        self, patient: str, kept: list[Reading], contradictions: list[Agreement], born: tuple[str, int] | None
    ) -> MeasurementSet:
        """The patient's readings of one visit and condition, each row settled.

        `contradictions` are rows of one moment that left no reading; those that the visit lacks are named.
        """
        choice = choose([one for one in kept if one.modality], self.selection)
        for one, by, reason in choice.aside:
            self._settle(one, by, reason)
        flags = [flag_of("too_far_apart", sentence) for sentence in choice.too_far]
        flags += self._contradictions(contradictions, kept, choice)
        flags += [
            flag_of("repeats_at_one_moment", f"{self.log[one.row].reason[:1].upper()}{self.log[one.row].reason[1:]} "
                    f"({info(one.name).label}).", (one.name,))
            for one in choice.taken if one.more
        ]  # fmt: skip
        readings = self._in_order([self._as_range(one) for one in self._once(choice.taken)], flags)
        covariates, bsa = self._covariates([one for one in kept if not one.modality], choice, readings, born, flags)
        found = find_conflicts(readings, covariates, bsa)
        flags += found.flags
        measurements = []
        for one in readings:
            reason = derived_reason(one, readings, covariates)
            if reason:
                self._give(one, "derived", reason)
            sd = one.sd if reason else found.widened.get(one.row, one.sd)
            quality = found.flagged.get(one.row, "ok")
            measurements.append(self._measurement(one, "derived" if reason else one.kind, sd, quality))
        measurements += self._recovered(patient, readings, choice, flags)
        measurements.sort(key=lambda m: (self._order[m.observable], m.modality))
        self.rules.update(flag.rule for flag in flags if flag.rule not in _COUNTED)
        conflicts = tuple(
            flag.sentence
            for flag in flags
            if flag.rule != "below_adult_age"  # a twin says so among its assumptions
            and (flag.consequence != "quarantine" or flag.rule in _NAMED or rule(flag.rule).check in _ORDERS)
        )
        return MeasurementSet(patient, covariates, tuple(measurements), conflicts, tuple(flags), choice.sentence)

    def _contradictions(self, found: list[Agreement], kept: list[Reading], choice: Choice) -> list[Flag]:
        """A flag for every observable that the visit lacks because the rows of its moment contradict each other."""
        have = {one.name for one in choice.taken} | {one.name for one in kept if not one.modality}
        return [
            flag_of("contradiction_at_one_moment", f"{slot.contradiction[:1].upper()}{slot.contradiction[1:]}: none of "
                    "these values is used.", (slot.best.name,))
            for slot in found
            if slot.best.name not in have and of_visit(slot.best, choice, self.selection)
        ]  # fmt: skip

    def _give(self, one: Reading, fate: str, reason: str) -> None:
        """The fate of every row that a reading was made of."""
        for row in (one.row, *one.more):
            self.log.settle(row, fate, reason)

    def _settle(self, one: Reading, by: str, reason: str) -> None:
        self._give(one, "duplicate" if by == "duplicate" else "quarantined", reason)
        if by in ("other_condition",):
            self.rules[by] += 1

    def _once(self, taken: list[Reading]) -> list[Reading]:
        """Without a reading that repeats another of the same observable and does not say how it was taken."""
        kept: list[Reading] = []
        for one in taken:
            old = next((k for k in kept if k.name == one.name and k.same_as(one)
                        and "unspecified" in (k.modality, one.modality)), None)  # fmt: skip
            if old is None:
                kept.append(one)
                continue
            self._give(one, "duplicate", f"the same as {self.log[old.row].origin}")
            if old.modality == "unspecified":  # the value stays where it stood first, and gains its method
                signal = old.signal or one.signal
                kept[kept.index(old)] = dataclasses.replace(
                    old, modality=one.modality, sd=old.sd or one.sd, signal=signal
                )
        return kept

    def _as_range(self, one: Reading) -> Reading:
        """A fraction in a column of half points as the range whose middle it is."""
        half = rule("binned_value").limit("width") / 2.0
        if one.name not in self.binned or not one.exact or one.value % 1.0 == 0.0 or one.sd:
            return one
        self.rules["binned_value"] += 1
        lower, upper = one.value - half, one.value + half
        reason = f"the middle of a step of {2 * half:g}: read as {show_range(lower, upper)} {info(one.name).unit}"
        self.log.settle(one.row, "used", reason)
        return dataclasses.replace(one, kind="interval", value=None, lower=lower, upper=upper)

    def _in_order(self, readings: list[Reading], flags: list[Flag]) -> list[Reading]:
        bad = impossible_order(readings)
        for one in (one for one in readings if one.row in bad):
            self._give(one, "quarantined", with_range(bad[one.row][1], one.name))
        for by, reason in dict.fromkeys(bad.values()):
            names = tuple(one.name for one in readings if bad.get(one.row) == (by, reason))
            left = "neither is used" if rule(by).check == "order" else "the mean is not used"
            flags.append(flag_of(by, f"{reason[:1].upper()}{reason[1:]}; {left}.", names))
        return [one for one in readings if one.row not in bad]

    def _covariates(
        self,
        body: list[Reading],
        choice: Choice,
        readings: list[Reading],
        born: tuple[str, int] | None,
        flags: list[Flag],
    ) -> tuple[dict[str, Any], float | None]:
        """Covariates nearest to the visit, and the recorded body surface area where there is one."""
        nearest: dict[str, Reading] = {}
        for one in sorted(body, key=choice.distance):
            kept = nearest.setdefault(one.name, one)
            if kept is not one:
                self._not_nearest(one, kept)
        covariates = {name: nearest[name].value for name in _BODY if name in nearest}
        flags += [flag_of("body_size_old", sentence) for one in nearest.values() if (sentence := too_old(one, choice))]
        if born is not None:
            self._age(born, covariates, readings)
        if covariates.get("age", math.inf) < rule("below_adult_age").limit("adult_from"):
            flags.append(flag_of("below_adult_age", _child(covariates["age"]), ("age",)))
        recorded = nearest.get("bsa")
        bsa = mosteller(covariates)
        if bsa is not None:
            covariates["bsa"] = bsa
            if recorded:
                self._give(recorded, "derived", f"height and weight give {bsa:.3g} m2 (Mosteller)")
        elif recorded:
            covariates["bsa"] = recorded.value
        return covariates, recorded.value if recorded else None

    def _not_nearest(self, one: Reading, kept: Reading) -> None:
        if one.when is None or kept.when is None or one.when == kept.when:
            if one.same_as(kept):
                self._give(one, "duplicate", f"the same as {self.log[kept.row].origin}")
                return
            reason = f"the record gives {kept} elsewhere, with a time: keep the right one"
        else:
            reason = f"a twin is of one visit: {kept} of {kept.time} is nearer to it than this one of {one.time}"
        self._give(one, "quarantined", reason)

    def _age(self, born: tuple[str, int], covariates: dict[str, Any], readings: list[Reading]) -> None:
        date, row = born
        if "age" in covariates:
            self.log.settle(row, "duplicate", "the age itself is recorded")
            return
        dated = [one for one in readings if one.when is not None and one.time]
        latest = max(dated, key=lambda one: one.when or 0.0).time if dated else None
        age = age_at(date, latest)
        if age is None:
            reason = "no age: it needs the date of a measurement beside the birth date: add the time of the readings"
            self.log.settle(row, "quarantined", reason)
        elif problem := implausible("age", age):
            why = "the birth date is later than the measurements" if age < 0.0 else problem.partition(":")[0]
            self.rules[row_rule(problem)] += 1
            reason = with_range(f"{why}: correct the birth date, or the time of the readings", "age")
            self.log.settle(row, "quarantined", reason)
        else:
            covariates["age"] = age
            self.log.settle(row, "used", f"age {age:.0f} at the latest measurement")

    def _recovered(self, patient: str, readings: list[Reading], choice: Choice, flags: list[Flag]) -> list[Measurement]:
        offered = []
        for one in recovered(readings):
            if one.problem:
                flags.append(
                    flag_of("resistance_against_recorded", f"{one.rule[:1].upper()}{one.rule[1:]}: {one.problem}.")
                )
                continue
            offered.append(Measurement(
                patient=patient, observable=one.observable, value=one.value, unit=info(one.observable).unit,
                lower=one.lower, upper=one.upper, kind="recovered", modality=one.modality, time=choice.time,
                condition=None, quality="ok", origin=one.rule,
            ))  # fmt: skip
        return offered

    def _measurement(self, one: Reading, kind: str, sd: float | None, quality: str) -> Measurement:
        return Measurement(
            patient=one.patient, observable=one.name, value=one.value, unit=info(one.name).unit, sd=sd, kind=kind,
            lower=one.lower, upper=one.upper, modality=one.modality, time=one.time, condition=one.condition,
            quality=quality, origin=self.log[one.row].origin,
        )  # fmt: skip


def _child(age: float) -> str:
    limit = rule("below_adult_age").limit("adult_from")
    return f"Age {age:.0f} y is below {limit:.0f} y: every prior here is of adults, so a twin is an extrapolation."
