"""FHIR R4 from plain JSON: a bundle, a list, one resource, or an NDJSON export. Lenient with what can be understood.

Observations and Patients are read; of a Patient only gender and birth date, never a name or an address; free text is
left out of the account. An entry that is malformed is set aside by itself. Source of the format: HL7 FHIR R4,
https://hl7.org/fhir/R4/observation.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.registry import register
from ..codes import find_modality, panel_label, panel_of
from ..collect import Collector
from ..fhir_codes import Meaning, codings, placed_codings, resolve
from ..marks import mark_of_labels, refusal
from ..reading import Place
from ..values import ValueProblem, is_missing, parse_value
from . import Reader
from .fhir_groups import TIMES, Groups, Membership, effective_time, members_of, tail
from .fhir_links import Links
from .fhir_states import GIVEN, may_hold, take_resource
from .json_stream import ELEMENT_LIMIT, beginning, decode, elements
from .json_values import list_of, object_of, text_of
from .written_unit import believed_unit

__all__ = ["Fhir"]

_REFUSED = {"entered-in-error": "entered in error", "cancelled": "cancelled"}
_LINES = (".ndjson", ".jsonl")
_ABSENT = "recorded as absent"
_LEFT = "no measurement: left unread"
_OF_THE_WHOLE = ("status", "meta", "encounter")  # what a contained Observation has of the one that contains it
_SHORT = re.compile(r"[\d\s.,:/<>=~+-]{1,40}")  # numbers and their marks, which say how to mend them


@register("reader", "fhir")
class Fhir(Reader):
    """FHIR R4: Bundle, list of resources, single resource (.json), or one resource a line (.ndjson)."""

    suffixes = (".json", *_LINES)

    def accepts(self, path: Path) -> bool:
        if path.suffix.lower() in _LINES:
            return True
        text = beginning(path) if path.suffix.lower() == ".json" else ""
        return path.suffix.lower() == ".json" and ('"resourceType"' in text or '"observations"' not in text)

    def states(self, path: Path, collector: Collector) -> None:
        """What was given, by MedicationAdministration and DeviceUseStatement; damaged entries are told by `read`."""
        if not may_hold(path):
            return
        file = _File(path, collector, _links(path))
        for _, entry in _entries(path, None, '"Medication|"Device'):
            _, resource = _resource(entry)
            if resource.get("resourceType") in (*GIVEN, "Medication", "Device"):
                take_resource(collector.exposures, resource, file.links.subject(resource))

    def read(self, path: Path, collector: Collector, mapping: Mapping[str, Any] | None) -> None:
        """Offer every Observation; raises `InputError` for malformed JSON or a file without any FHIR resource."""
        file = _File(path, collector, _links(path))
        for number, entry in _entries(path, collector):
            file.take(number, entry)
        file.close()


def _links(path: Path) -> Links:
    """Who a Patient is by address and identifier, and what groups an Observation is of: either may come later."""
    links = Links()
    for _, entry in _entries(path, None, '"Patient"|"hasMember"'):
        links.add(*_resource(entry))
    return links


class _File:
    """One FHIR file on its way into the collector."""

    def __init__(self, path: Path, collector: Collector, links: Links):
        self.path, self.collector, self.links = path, collector, links
        self.prefix = f"{path.name} {'line' if path.suffix.lower() in _LINES else 'entry'} "
        self.others: Counter[str] = Counter()
        self.count = 0

    def take(self, number: int, entry: Any) -> None:
        """One entry: a Patient, an Observation, or something that is counted and left."""
        full, resource = _resource(entry)
        kind = text_of(resource.get("resourceType"))
        place = Place(self.prefix, number)
        if not kind:
            shown = f"({type(entry).__name__})"
            self.collector.set_aside(place, "", "entry", shown, "", "not a FHIR resource: `resourceType` is missing")
            return
        self.count += 1
        if kind == "Patient":
            self._patient(place, resource)
        elif kind == "Observation":
            above = self.links.membership(full, resource)
            patient = self.links.subject(resource) or (self.links.subject(above.whose) if above.whose else "")
            if patient in self.links.stand_ins:
                self.collector.stand_in(patient)
            whole = {**resource, **above.time} if above.time else resource
            self._observation(place, whole, patient, above)
            self._contained(place, whole, patient, above)
        else:
            self.others[kind[:60]] += 1

    def close(self) -> None:
        """Account for what is neither; raises `InputError` when no resource was found at all."""
        for number, (kind, count) in enumerate(sorted(self.others.items()), 1):
            place = Place(f"{self.path.name} resource type ", number)
            reason = self.collector.exposures.told(kind) if kind in GIVEN else _LEFT
            self.collector.set_aside(place, "", kind, f"{count} entries", "", reason)
        if not self.count:
            raise InputError(
                f"{self.path.name}: no FHIR resource in it: expected is a Bundle, a list or one resource with "
                "`resourceType`, or a JSON record with `observations`."
            )

    def _patient(self, place: Place, resource: Mapping[str, Any]) -> None:
        patient = text_of(resource.get("id"))
        if not patient:
            self.collector.set_aside(
                place, "", "Patient", "", "", "the Patient has no id: its observations cannot point to it"
            )
            return
        self.collector.see(patient)
        self._person(place, patient, resource)

    def _person(self, place: Place, patient: str, resource: Mapping[str, Any]) -> None:
        if "gender" in resource:
            self.collector.offer(
                _within(place, "gender"), patient, resolve([("loinc", "46098-0")]).target, "gender",
                resource["gender"], "",
            )  # fmt: skip
        if "birthDate" in resource:
            self.collector.born(_within(place, "birthDate"), patient, text_of(resource["birthDate"]))

    def _contained(self, place: Place, resource: Mapping[str, Any], patient: str, above: Membership) -> None:
        """The patient and the members that an Observation brings with it; a member has its status and marks."""
        inside = [object_of(inner) for inner in list_of(resource.get("contained"))]
        if not inside:
            return
        about = text_of(object_of(resource.get("subject")).get("reference"))
        groups = Groups()
        groups.add((text_of(resource.get("id")) or "the whole", "#"), resource, members_of(resource), above.panels)
        for whole in inside:
            groups.add((f"#{text_of(whole.get('id'))}",), whole, members_of(whole))
        own = {key: resource[key] for key in _OF_THE_WHOLE if key in resource}
        site = {key: resource[key] for key in ("bodySite",) if key in resource}
        time = {key: resource[key] for key in TIMES if key in resource}
        for number, whole in enumerate(inside, 1):
            here, name = _within(place, f"contained {number}"), f"#{text_of(whole.get('id'))}"
            if whole.get("resourceType") == "Patient" and about == name:
                self._person(here, patient, whole)
            elif whole.get("resourceType") == "Observation":
                inner = groups.membership((name,), whole)
                when = {} if effective_time(whole) else inner.time or time
                whose = self._subject_within(whole, inner, patient)
                problem = above.problem or inner.problem
                self._observation(
                    here, {**site, **whole, **when, **own}, whose, Membership(inner.panels, problem=problem)
                )

    def _subject_within(self, whole: Mapping[str, Any], inner: Membership, patient: str) -> str:
        """The patient of a contained Observation: its own, or its group's, or that of the one that contains it."""
        for one in (whole, inner.whose or {}):
            reference = text_of(object_of(one.get("subject")).get("reference"))
            if not reference.startswith("#") and (found := self.links.subject(one)):
                return found
        return patient

    def _observation(self, place: Place, resource: Mapping[str, Any], patient: str, above: Membership) -> None:
        own = placed_codings(resource)
        components = list_of(resource.get("component"))
        if _has_value(resource) or not components:
            self._value(place, patient, resource, resource, own, above.panels or (None,), above.problem)
        for number, part in enumerate(components, 1):
            here = _within(place, f"component {number}")
            if isinstance(part, dict):
                self._value(here, patient, resource, part, codings(part.get("code")), (own,), above.problem)
            else:
                shown = f"({type(part).__name__})"
                self.collector.set_aside(here, patient, "component", shown, "", "the component is not an object")

    def _value(
        self,
        place: Place,
        patient: str,
        whole: Mapping[str, Any],
        part: Mapping[str, Any],
        own: list,
        parents: Sequence[list | None],
        misplaced: str | None,
    ):
        field = _field(part)
        given, unit, problem = _quantity(part)
        status, mark = text_of(whole.get("status")), mark_of_labels(list_of(object_of(whole.get("meta")).get("tag")))
        meaning = _meaning(own, parents, text_of(object_of(part.get("code")).get("text")))
        if status in _REFUSED:
            problem = f"its status says {_REFUSED[status]}"
        elif marked := refusal(mark):
            problem = marked
        elif misplaced:
            problem = misplaced
        elif problem is None and meaning.problem:
            problem = meaning.problem
        absent = problem if problem and problem.startswith(_ABSENT) and meaning.target is not None else None
        given = _without_free_text(given, "" if meaning.target is None else meaning.target.name)
        if problem is not None and problem != absent:
            self.collector.set_aside(
                place, patient, field, given if isinstance(given, str | int | float) else "", unit, problem
            )
            return
        method = _words(whole.get("method"))
        if not find_modality(method) and meaning.target is not None and meaning.target.modality:
            method = ""
        self.collector.offer(
            place, patient, meaning.target, field, given, unit, time=effective_time(whole), modality=method,
            consent=_purposes_of_use(whole), visit=tail(text_of(object_of(whole.get("encounter")).get("reference"))),
            problem=absent,
        )  # fmt: skip


def _meaning(own: list, parents: Sequence[list | None], text: str) -> Meaning:
    """What codes mean in each of the groups that they are in, where that is the same."""
    found = list(dict.fromkeys(resolve(own, parent, text if parent is None else "") for parent in parents))
    if len(found) == 1:
        return found[0]
    places = " and ".join(panel_label(panel) for parent in parents if (panel := panel_of(parent or ())))
    return Meaning(problem=f"groups of different places name it as a member ({places}): keep the right one")


def _within(place: Place, part: str) -> Place:
    return Place(place.prefix, place.number, f"{place.suffix} {part}")


def _entries(path: Path, collector: Collector | None, naming: str = "") -> Iterator[tuple[int, Any]]:
    """Every entry with its number; bad lines of an NDJSON file go to the collector where there is one.

    Lines that hold none of the words in `naming` (with | between them) may be left out, unless they have escapes.
    """
    if path.suffix.lower() in _LINES:
        yield from _lines(path, collector, naming)
        return
    number = 0
    for key, value in elements(path):
        if key == "observations" or (key == "object" and value.get("resourceType") in (None, "Bundle")):
            continue
        for entry in _unpacked(value) if key != "object" else [value]:
            number += 1
            yield number, entry


def _lines(path: Path, collector: Collector | None, naming: str) -> Iterator[tuple[int, Any]]:
    with path.open("r", encoding="utf-8-sig", errors="replace") as file:
        number, wanted = 0, naming.split("|") if naming else []
        while line := file.readline(ELEMENT_LIMIT):
            number += 1
            whole = line
            while whole and not whole.endswith("\n") and len(whole) == ELEMENT_LIMIT:
                whole = file.readline(ELEMENT_LIMIT)
            if wanted and not any(one in line for one in wanted) and "\\u" not in line:
                continue
            try:
                if whole is not line:
                    raise ValueError(f"the line is longer than {ELEMENT_LIMIT:,} characters: it is no resource")
                if line.strip():
                    yield from ((number, entry) for entry in _unpacked(decode(line)))
            except ValueError as error:
                if collector is not None:
                    collector.set_aside(Place(f"{path.name} line ", number), "", "entry", "", "", str(error))


def _unpacked(value: Any) -> list[Any]:
    """The entries of a bundle within a list or on a line; anything else as it is."""
    inner = value.get("resource", value) if isinstance(value, dict) else value
    if isinstance(inner, dict) and inner.get("resourceType") == "Bundle":
        return list_of(inner.get("entry"))
    return [value]


def _resource(entry: Any) -> tuple[str, Mapping[str, Any]]:
    """(fullUrl, resource) of a bundle entry or of a bare resource; an empty resource for anything else."""
    if not isinstance(entry, dict):
        return "", {}
    if "resourceType" in entry:
        return "", entry
    return text_of(entry.get("fullUrl")), object_of(entry.get("resource"))


def _has_value(part: Mapping[str, Any]) -> bool:
    return any(key.startswith("value") for key in part) or "dataAbsentReason" in part


def _quantity(part: Mapping[str, Any]) -> tuple[Any, str, str | None]:
    """(value, unit, problem) of an Observation or component."""
    if "valueQuantity" in part:
        quantity = object_of(part["valueQuantity"])
        given, limit = quantity.get("value"), text_of(quantity.get("comparator"))
        unit, problem = believed_unit(text_of(quantity.get("code")), text_of(quantity.get("unit")))
        return (f"{limit}{given}" if limit else given), unit, problem
    if "valueRange" in part:
        return _range(object_of(part["valueRange"]))
    for key in ("valueInteger", "valueString", "valueDecimal"):
        if key in part:
            return part[key], "", None
    if "valueCodeableConcept" in part:
        concept = object_of(part["valueCodeableConcept"])
        codes = [text_of(object_of(coding).get("code")) for coding in list_of(concept.get("coding"))]
        return next((code for code in codes if code), text_of(concept.get("text"))), "", None
    if "dataAbsentReason" in part:
        return "", "", f"{_ABSENT}: {_words(part['dataAbsentReason']) or 'no reason given'}"
    other = next((key for key in part if key.startswith("value")), None)
    if other:
        return "", "", f"a value of type {other[:40]} is not a single reading"
    if part.get("hasMember"):
        return "", "", "a group that only points to other entries, which are read themselves"
    return "", "", "there is no value: give valueQuantity with value and unit"


def _without_free_text(given: Any, name: str) -> Any:
    """The value, unless it is text that is neither a number, a range nor a word known for this reading: words of a
    record may name a person."""
    if not isinstance(given, str) or not given or name == "sex":
        return given
    try:
        parse_value(given, name)
    except ValueProblem:
        if is_missing(given) or _SHORT.fullmatch(given):
            return given
        numbers = len(re.findall(r"\d+", given))
        return f"(free text, numbers in it: {numbers})" if numbers else "(free text)"
    return given


def _range(written: Mapping[str, Any]) -> tuple[str, str, str | None]:
    """A Range as text: "55 to 60", or a limit where one end is open; both ends must be in one unit."""
    ends = [object_of(written.get(end)) for end in ("low", "high")]
    numbers = [end.get("value") for end in ends]
    units = [believed_unit(text_of(end.get("code")), text_of(end.get("unit"))) for end in ends if "value" in end]
    problem = next((problem for _, problem in units if problem), None)
    if len({unit for unit, _ in units}) > 1:
        problem = "the ends of the range are in two units: write both in one"
    low, high = numbers
    text = f"{low} to {high}" if None not in numbers else f">{low}" if high is None else f"<{high}"
    return (text if units else ""), (units[0][0] if units else ""), problem


def _field(part: Mapping[str, Any]) -> str:
    code = object_of(part.get("code"))
    named = [one for one in list_of(code.get("coding")) if isinstance(one, dict)]
    best = next((one for one in reversed(named) if text_of(one.get("display"))), named[-1] if named else {})
    words = f"{text_of(best.get('code'))} {text_of(best.get('display')) or text_of(code.get('text'))}".strip()
    return words or "Observation without a code"


def _purposes_of_use(resource: Mapping[str, Any]) -> str:
    """Purpose-of-use codes among the security labels of a resource; "" when it has none."""
    labels = list_of(object_of(resource.get("meta")).get("security"))
    found = (one for label in labels if "v3-ActReason" in text_of((one := object_of(label)).get("system")))
    return " ".join(text_of(one.get("code")) for one in found)


def _words(concept: Any) -> str:
    data = object_of(concept)
    parts = [text_of(data.get("text"))]
    parts += [text_of(object_of(one).get(key)) for one in list_of(data.get("coding")) for key in ("display", "code")]
    return " ".join(dict.fromkeys(part for part in parts if part))
