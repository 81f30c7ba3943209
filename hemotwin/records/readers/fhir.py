"""FHIR R4 from plain JSON: a bundle, a list, one resource, or an NDJSON export. Lenient with what can be understood.

Observations and Patients are read, on their own and inside other resources (`contained`); of a Patient only gender and
birth date, never a name or an address; free text is left out of the account. An entry that is malformed is set aside by
itself. Source of the format: HL7 FHIR R4, https://hl7.org/fhir/R4/observation.html
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
from .fhir_contained import REFUSED, Container, is_container
from .fhir_groups import Membership, effective_time, tail
from .fhir_links import Links
from .fhir_states import GIVEN, may_hold, take_resource
from .json_stream import ELEMENT_LIMIT, beginning, decode, elements
from .json_values import list_of, object_of, text_of
from .written_unit import believed_unit

__all__ = ["Fhir"]

_LINES = (".ndjson", ".jsonl")
_ABSENT = "recorded as absent"
_NESTED = "contained in what is itself contained, which FHIR does not allow: move it one level up"
_LEFT = "no measurement: left unread"
_NO_RESOURCE = "not a FHIR resource: `resourceType` is missing"
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
        file = _File(path, collector)
        for number, entry in _entries(path, None, '"Medication|"Device'):
            _, resource = file.resource(number, entry)
            if resource.get("resourceType") in (*GIVEN, "Medication", "Device"):
                take_resource(collector.exposures, resource, file.links.subject(resource))

    def read(self, path: Path, collector: Collector, mapping: Mapping[str, Any] | None) -> None:
        """Offer every Observation; raises `InputError` for malformed JSON or a file without any FHIR resource."""
        file = _File(path, collector)
        for number, entry in _entries(path, collector):
            file.take(number, entry)
        file.close()


class _File:
    """One FHIR file on its way into the collector."""

    def __init__(self, path: Path, collector: Collector):
        self.path, self.collector = path, collector
        self.prefix = f"{path.name} {'line' if path.suffix.lower() in _LINES else 'entry'} "
        self.others: Counter[str] = Counter()
        self.opened: set[str] = set()
        self.count = 0
        self.links = Links(collector.identities)  # a Patient or group may come later than what is its
        for number, entry in _entries(path, None, '"Patient"|"Person"|"hasMember"'):
            self.links.add(*self.resource(number, entry))

    def resource(self, number: int, entry: Any) -> tuple[str, Mapping[str, Any]]:
        """(fullUrl, resource) of an entry; one without an id has that of its place where something in it is "#..."."""
        full, resource = _resource(entry)
        if text_of(resource.get("id")):
            return full, resource
        subject = text_of(object_of(resource.get("subject")).get("reference"))
        if "contained" not in resource and not subject.startswith("#"):
            return full, resource
        where = f"entry {number} of {self.collector.exposures.source or self.path.name}"
        return full, resource if resource.get("resourceType") == "Patient" else {**resource, "id": tail(full) or where}

    def take(self, number: int, entry: Any) -> None:
        """One entry: a Patient, an Observation, or something that is counted and left but for what it contains."""
        full, resource = self.resource(number, entry)
        kind = text_of(resource.get("resourceType"))
        place = Place(self.prefix, number)
        if not kind:
            self.collector.set_aside(place, "", "entry", f"({type(entry).__name__})", "", _NO_RESOURCE)
            return
        self.count += 1
        above = self.links.membership(full, resource) if kind == "Observation" else Membership()
        whole = {**resource, **above.time} if above.time else resource
        patient = ""
        if kind == "Patient":
            self._patient(place, resource)
        elif kind == "Observation":
            patient = self._subject(resource) or (self._subject(above.whose) if above.whose else "")
            self._observation(place, whole, patient, above)
        else:
            self.others[kind[:60]] += 1
        if is_container(resource):
            self._contained(place, whole, patient if kind == "Observation" else self._subject(resource), above)

    def _subject(self, resource: Mapping[str, Any]) -> str:
        return self._known(self.links.subject(resource))

    def _known(self, patient: str) -> str:
        """The patient, told to the collector as nobody's name where it is none."""
        if patient in self.links.stand_ins:
            self.collector.stand_in(patient)
        return patient

    def close(self) -> None:
        """Account for what is neither; raises `InputError` when no resource was found at all."""
        for number, (kind, count) in enumerate(sorted(self.others.items()), 1):
            place = Place(f"{self.path.name} resource type ", number)
            reason = self.collector.exposures.told(kind) if kind in GIVEN else _LEFT
            reason += "; what it contains is read" if kind in self.opened else ""
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
        """Everything that a resource contains: its Observations, their patients, and a count of what is neither."""
        container, kind = Container(resource, patient, above, self.links), text_of(resource.get("resourceType"))
        if not isinstance(resource.get("contained", []), list):
            self.collector.set_aside(place, patient, "contained", "", "", "`contained` must be a list of resources")
        patients = container.patients()
        for number, own in enumerate(list_of(resource.get("contained")), 1):
            here, inner = _within(place, f"contained {number}"), object_of(own)
            which = text_of(inner.get("resourceType"))
            if not which:
                shown = f"({type(own).__name__})"
                self.collector.set_aside(here, patient, "contained", shown, "", _NO_RESOURCE)
            elif which == "Observation":
                self.opened.add(kind[:60])
                found = container.observation(inner)
                self._observation(here, found.resource, self._known(found.patient), found.above)
            elif which == "Patient" and (whose := patients.get(f"#{text_of(inner.get('id'))}")):
                self._person(here, self._known(whose), inner)
            elif not (kind in GIVEN and which in ("Medication", "Device")):  # those say what was given
                self.others[f"contained {which}"[:60]] += 1
            for _ in list_of(inner.get("contained")):
                self.collector.set_aside(here, "", "contained", "", "", _NESTED)
        for element, reference in container.dangling():
            reason = f"{element} points to something contained that is not there: add it, or remove the reference"
            self.collector.set_aside(_within(place, element), patient, element, reference, "", reason)

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
        if status in REFUSED:
            problem = f"its status says {REFUSED[status]}"
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
            consent=_purposes_of_use(whole), visit=_encounter(whole),
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


def _encounter(resource: Mapping[str, Any]) -> str:
    """The id of an Observation's encounter; of a contained one its identifier, as it has no id for others."""
    reference = text_of(object_of(resource.get("encounter")).get("reference"))
    if not reference.startswith("#"):
        return tail(reference)
    inside = (object_of(one) for one in list_of(resource.get("contained")))
    found = next((one for one in inside if reference == f"#{text_of(one.get('id'))}"), {})
    listed = (text_of(object_of(one).get("value")) for one in list_of(found.get("identifier")))
    return next(filter(None, listed), "")


def _words(concept: Any) -> str:
    data = object_of(concept)
    parts = [text_of(data.get("text"))]
    parts += [text_of(object_of(one).get(key)) for one in list_of(data.get("coding")) for key in ("display", "code")]
    return " ".join(dict.fromkeys(part for part in parts if part))
