"""How FHIR resources point to each other: who a subject is, which patients are one person, the groups of a reading.

Source of the format: HL7 FHIR R4, https://hl7.org/fhir/R4/references.html, observation.html (hasMember), patient.html
and person.html (link)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from ..identities import Identities, identifier_key, patient_key
from .fhir_groups import Groups, Membership, members_of, tail
from .json_values import list_of, object_of, text_of

__all__ = ["Links"]

_NO_PERSON = ("Group", "Device", "Location")  # what else R4 lets an Observation be of
_NAME_WIDTH = 64  # characters that a patient's name keeps


class Links:
    """What a file says of its resources elsewhere in it, gathered before any of them is read."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._patients: dict[str, str] = {}  # id of a Patient by the end of its address, or by system|identifier
        self._systems: dict[str, str] = {}  # of an identifier that names a patient: the same in another is another
        self._groups = Groups()  # by the end of the address of each member
        self.stand_ins: set[str] = set()  # names that `subject` made up for contained Patients without identifier

    def add(self, full: str, resource: Mapping[str, Any]) -> None:
        """A Patient, with its address and identifiers, or an Observation, contained ones too, with its members."""
        kind, name = resource.get("resourceType"), text_of(resource.get("id"))
        if kind == "Patient" and name:
            self._patients.update({tail(full): name} if full else {})
            self._patients.update({f"{system}|{value}": name for system, value in _identifiers(resource)})
            self._identities.join([patient_key(name), *_same_person(full, resource)])
        if kind == "Person":
            known = [f"Person {name}"] if name else []
            self._identities.join([*known, *_same_person("", resource)])
        if kind == "Observation" and "hasMember" in resource:
            members = [tail(one) for one in members_of(resource) if not one.startswith("#")]
            self._groups.add(_names(full, resource), resource, members)
        inside = list_of(resource.get("contained"))
        for one in (object_of(one) for one in inside):
            if one.get("resourceType") == "Observation" and "hasMember" in one:
                outside = [tail(member) for member in members_of(one) if not member.startswith("#")]
                self._groups.add((), {**one, "id": name, "contained": inside}, outside)

    def subject(self, resource: Mapping[str, Any]) -> str:
        """The patient that a resource is of: by reference, by a contained Patient, or by identifier alone.

        "" for nobody: no subject, one that is a group, a device or a place, or "#id" of several contained Patients.
        """
        subject = object_of(resource.get("subject"))
        reference = text_of(subject.get("reference"))
        kind = reference.partition("/_history/")[0].rpartition("/")[0].rpartition("/")[2]
        if kind in _NO_PERSON or text_of(subject.get("type")) in _NO_PERSON:
            return ""
        if reference.startswith("#"):
            inside = (object_of(one) for one in list_of(resource.get("contained")))
            meant = [one for one in inside if reference == f"#{text_of(one.get('id'))}"]
            person = meant[0] if meant else {}
            if len(meant) > 1 or person.get("resourceType") in _NO_PERSON:
                return ""
            return self._identified(person) or self._stand_in(f"{text_of(resource.get('id'))}{reference}")
        if reference:
            return self._patients.get(tail(reference), tail(reference))
        return self._identified({"identifier": [subject.get("identifier")]})

    def _stand_in(self, name: str) -> str:
        if len(name) > _NAME_WIDTH:  # what is cut off would make two patients one
            name = f"{name[: _NAME_WIDTH - 17]}~{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:16]}"
        self.stand_ins.add(name)
        return name

    def _identified(self, person: Mapping[str, Any]) -> str:
        listed = _identifiers(person)
        name = next((self._patients[one] for one in map("|".join, listed) if one in self._patients), "")
        if not name and listed:
            system, value = listed[0]
            name = value if self._systems.setdefault(value, system) == system else f"{value}|{system}"
        if name:
            self._identities.join([patient_key(name), *_same_person("", person)])
        return name

    def membership(self, full: str, resource: Mapping[str, Any]) -> Membership:
        """What an Observation has of the groups that name it among their members, at any depth."""
        return self._groups.membership(_names(full, resource), resource) if self._groups else Membership()


def _names(full: str, resource: Mapping[str, Any]) -> tuple[str, ...]:
    """What members and groups are found by: the id, and the end of the address of the entry."""
    return tuple(dict.fromkeys(name for name in (text_of(resource.get("id")), tail(full)) if name))


def _identifiers(resource: Mapping[str, Any]) -> list[tuple[str, str]]:
    listed = [object_of(one) for one in list_of(resource.get("identifier"))]
    return [(text_of(one.get("system")), value) for one in listed if (value := text_of(one.get("value")))]


def _same_person(full: str, resource: Mapping[str, Any]) -> Iterator[str]:
    """What else a Patient or Person is known by: address, identifiers, and whom its links call the same individual."""
    if full:
        yield patient_key(tail(full))
    yield from (identifier_key(system, value) for system, value in _identifiers(resource))
    for link in (object_of(one) for one in list_of(resource.get("link"))):
        other = object_of(link.get("other") or link.get("target"))  # of a Patient, of a Person
        reference = text_of(other.get("reference"))
        kind = reference.partition("/_history/")[0].rpartition("/")[0].rpartition("/")[2] or text_of(other.get("type"))
        if reference.startswith("#"):
            inside = (object_of(one) for one in list_of(resource.get("contained")))
            for meant in (one for one in inside if reference == f"#{text_of(one.get('id'))}"):
                yield from (identifier_key(system, value) for system, value in _identifiers(meant))
        elif reference:
            yield f"{kind} {tail(reference)}" if kind in ("RelatedPerson", "Person") else patient_key(tail(reference))
        identifier = {"identifier": [other.get("identifier")]}
        yield from (identifier_key(system, value) for system, value in _identifiers(identifier))
