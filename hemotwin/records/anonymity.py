"""k-anonymity of what is about to leave: how many people share each combination of all that points at a person.

k counts distinct persons, never rows, visits or files: see `smallest_class`.

Source: Sweeney L. k-anonymity: a model for protecting privacy. IJUFKS 2002;10:557-570, doi 10.1142/S0218488502001648.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from ..core.errors import InputError
from .persons import NOBODY_KNOWN
from .record import MeasurementSet
from .values import moment

__all__ = [
    "QUASI_IDENTIFIERS", "ROUNDED", "as_shown", "check_anonymity", "check_steps", "coarser_times", "generalised",
    "shown_of", "smallest_class", "time_pattern",
]  # fmt: skip

COVARIATES = ("sex", "age", "height", "weight", "bsa")
QUASI_IDENTIFIERS = (*COVARIATES, "times", "site")
ROUNDED = (*COVARIATES, "time")  # what a step can be given for
_DAY = 86_400.0  # s
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")


def check_steps(steps: Mapping[str, Any], where: str) -> None:
    """Raise `InputError` for a step of an unknown name, or one that is neither null nor a number above 0 (time: days).

    A misspelt name would otherwise leave the exact value in.
    """
    for name, step in steps.items():
        if name not in ROUNDED:
            raise InputError(f"{where}: `{name}` cannot be rounded; known are {', '.join(ROUNDED)}.")
        number = isinstance(step, int | float) and not isinstance(step, bool) and 0 < step < math.inf
        if step is not None and (name == "sex" or not number or (name == "time" and step != int(step))):
            allowed = {"sex": "null to leave it out", "time": "a whole number of days, or null to leave it out"}
            text = allowed.get(name, "a number above 0, or null to leave it out")
            raise InputError(f"{where}: the step of `{name}` must be {text}, but got {step!r}.")


def as_shown(one: MeasurementSet, steps: Mapping[str, float | None]) -> MeasurementSet:
    """A patient as an export shows them: covariates rounded, times of the readings coarser by the step of `time`."""
    measurements = one.measurements
    if "time" in steps:
        times = coarser_times([m.time for m in measurements], steps["time"])
        measurements = tuple(dataclasses.replace(m, time=t) for m, t in zip(measurements, times, strict=True))
    return dataclasses.replace(one, covariates=generalised(one.covariates, steps), measurements=measurements)


def shown_of(one: MeasurementSet, site: str = "", person: str | None = None) -> dict[str, Any]:
    """The quasi-identifiers that a patient's rows show: covariates, the pattern of their times, the site.

    `person` is who it is (`persons.persons_of`), by default the patient's name, or nobody known where none is given.
    """
    if person is None:
        person = one.patient if one.identified else NOBODY_KNOWN
    times = time_pattern(m.time for m in one.counted)
    return {**one.covariates, "times": times, "site": site, "person": person}


def time_pattern(times: Iterable[str | None]) -> tuple[tuple[int, float | None], ...]:
    """What times tell of a person whose dates were moved: days since the first, and the time of day (s) where given.

    Equal patterns are visits on days equally far apart, at the same times of day.
    """
    known = {(text, when) for text in times if text and (when := moment(text)) is not None}
    if not known:
        return ()
    first = min(math.floor(when / _DAY) for _, when in known)
    plain = lambda text: len(text) <= 10 and _ISO.match(text + "-01-01")  # noqa: E731
    return tuple(sorted(
        {(math.floor(when / _DAY) - first, None if plain(text) else when % _DAY) for text, when in known},
        key=lambda one: (one[0], -1.0 if one[1] is None else one[1]),
    ))  # fmt: skip


def coarser_times(times: Sequence[str | None], step: float | None) -> list[str | None]:
    """Times without their time of day, moved back to a multiple of `step` days after the first; None leaves all out.

    Years and months, which are coarser than a day, and what is no time stay as they are.
    """
    if step is None:
        return [None] * len(times)
    days = {text: _day_of(text) for text in times if text}
    first = min((day for day in days.values() if day is not None), default=0)
    moved = {text: None if day is None else first + (day - first) // int(step) * int(step)
             for text, day in days.items()}  # fmt: skip
    return [text if not text or moved[text] is None else _written(text, moved[text]) for text in times]


def _day_of(text: str) -> int | None:
    """Days since 1970 of the date that is written, or of a number of seconds; None for coarser or other forms."""
    if _ISO.match(text):
        try:
            return (date.fromisoformat(text[:10]) - date(1970, 1, 1)).days
        except ValueError:
            return None
    when = moment(text)
    return None if when is None or re.fullmatch(r"\d{4}(-\d{2})?", text) else math.floor(when / _DAY)


def _written(text: str, day: int | None) -> str:
    days = day or 0
    return (date(1970, 1, 1) + timedelta(days)).isoformat() if _ISO.match(text) else format(days * _DAY, ".0f")


def generalised(covariates: Mapping[str, Any], steps: Mapping[str, float | None]) -> dict[str, Any]:
    """Covariates rounded to the nearest multiple of their step (age in a, height in cm, weight in kg, bsa in m2).

    A covariate with the step None is left out; one without an entry stays as it is. Raises `InputError` for a step
    that is not above 0.
    """
    coarse: dict[str, Any] = {}
    for name, value in covariates.items():
        step = steps.get(name, 0.0)
        if step is None:
            continue
        if name in steps and not (isinstance(step, int | float) and step > 0):
            raise InputError(f"the step of `{name}` must be a number above 0, or null to leave it out, but got {step}.")
        coarse[name] = float(f"{round(value / step) * step:.6g}") if step and isinstance(value, int | float) else value
    if "bsa" in coarse and "bsa" not in steps and {"height", "weight"} & steps.keys():
        del coarse["bsa"]  # a function of height and weight in full would undo their rounding
        if "height" in coarse and "weight" in coarse:
            coarse["bsa"] = math.sqrt(coarse["height"] * coarse["weight"] / 3600)
    return coarse


def smallest_class(people: Iterable[Mapping[str, Any]]) -> int:
    """How many people share the rarest combination of quasi-identifiers (k); 0 when there is nobody.

    Values are compared as they are given, so that k holds for exactly what is written; "not recorded" is a value too.
    Entries with the same `person` are one person, however many visits or rows they are. An entry whose `person` is ""
    (nobody knows who) may be of anyone: it adds nobody to a group in which somebody is known, and all that are alone
    together count as one. An entry without `person` is a person of its own.
    """
    return min((_size(group) for group in _groups(people).values()), default=0)


def check_anonymity(people: Iterable[Mapping[str, Any]], k: int) -> None:
    """Raise `InputError` unless every combination of quasi-identifiers is shared by at least `k` people.

    People are counted as in `smallest_class`. The message counts and never names anybody. Quasi-identifiers are what
    `QUASI_IDENTIFIERS` lists, as far as it is shown. Measured values are none here: who already knows a patient's
    readings finds the patient by them, whatever k is.
    """
    groups = _groups(people)
    few = {values: group for values, group in groups.items() if _size(group) < k}
    if not few:
        return
    varied = [name for number, name in enumerate(QUASI_IDENTIFIERS) if len({values[number] for values in groups}) > 1]
    smallest = min(map(_size, few.values()))
    raise InputError(
        f"the export must be {k}-anonymous in {', '.join(varied) or 'number of people'}, but {_all_in(few)} of "
        f"{_all_in(groups)} people are in groups of fewer than {k} (the smallest has {smallest}): round age, height "
        "and weight to coarser steps and times to days (time: 1), leave one of them out, or export more people "
        "together." + _uncounted(groups)
    )


_Groups = dict[tuple[Any, ...], list[Any]]


def _groups(people: Iterable[Mapping[str, Any]]) -> _Groups:
    """The person of every entry, by combination of quasi-identifiers."""
    found: _Groups = {}
    for number, one in enumerate(people):
        found.setdefault(_class_of(one), []).append(one.get("person", number))
    return found


def _size(group: Iterable[Any]) -> int:
    return len(set(group) - {NOBODY_KNOWN}) or 1


def _all_in(groups: _Groups) -> int:
    return _size(person for group in groups.values() for person in group)


def _uncounted(groups: _Groups) -> str:
    """Why there are fewer people than patients."""
    entries = [person for group in groups.values() for person in group]
    unknown = entries.count(NOBODY_KNOWN)
    known = len(entries) - unknown
    again = known - len(set(entries) - {NOBODY_KNOWN})
    parts = []
    if again:
        parts.append(
            f" {again} of {len(entries)} patients are likely further visits of another (by an identifier, a link, "
            "or values to the digit) and count with it."
        )
    if unknown:
        parts.append(
            f" {unknown} of {len(entries)} patients are named by a file or resource alone, may all be one person, and "
            "count as nobody beside others: name the person in the source (a patient column, Patient.identifier)."
        )
    return "".join(parts)


def _class_of(covariates: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(covariates.get(name) for name in QUASI_IDENTIFIERS)
