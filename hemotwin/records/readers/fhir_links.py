"""How FHIR resources point to each other: who a subject is, and the pressure panel that an Observation is a member of.

Source of the format: HL7 FHIR R4, https://hl7.org/fhir/R4/references.html and observation.html (hasMember)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..codes import panel_of
from ..fhir_codes import Coding, placed_codings
from .json_values import list_of, object_of, text_of

__all__ = ["Links", "tail"]


class Links:
    """What a file says of its resources elsewhere in it, gathered before any of them is read."""

    def __init__(self) -> None:
        self._patients: dict[str, str] = {}  # id of a Patient by the end of its address, or by system|identifier
        self._systems: dict[str, str] = {}  # of an identifier that names a patient: the same in another is another
        self._groups: dict[str, list[Coding]] = {}  # codes of the panel by the end of the address of each member

    def add(self, full: str, resource: Mapping[str, Any]) -> None:
        """A Patient, with its address and identifiers, or an Observation, with its members."""
        kind, name = resource.get("resourceType"), text_of(resource.get("id"))
        if kind == "Patient" and name:
            self._patients.update({tail(full): name} if full else {})
            self._patients.update({f"{system}|{value}": name for system, value in _identifiers(resource)})
        if kind == "Observation" and "hasMember" in resource and (own := _panel(resource)):
            self._groups.update({tail(member): own for member in _members(resource) if not member.startswith("#")})

    def subject(self, resource: Mapping[str, Any]) -> str:
        """The patient that a resource is of: by reference, by a contained Patient, or by identifier alone."""
        subject = object_of(resource.get("subject"))
        reference = text_of(subject.get("reference"))
        if reference.startswith("#"):
            inside = (object_of(one) for one in list_of(resource.get("contained")))
            person = next((one for one in inside if reference == f"#{text_of(one.get('id'))}"), {})
            return self._identified(person) or f"{text_of(resource.get('id'))}{reference}"
        if reference:
            return self._patients.get(tail(reference), tail(reference))
        return self._identified({"identifier": [subject.get("identifier")]})

    def _identified(self, person: Mapping[str, Any]) -> str:
        for system, value in _identifiers(person):
            if (known := self._patients.get(f"{system}|{value}")) is not None:
                return known
        for system, value in _identifiers(person):
            return value if self._systems.setdefault(value, system) == system else f"{value}|{system}"
        return ""

    def group(self, full: str, resource: Mapping[str, Any]) -> list[Coding] | None:
        """The codes of the pressure panel that names this Observation among its members; None when none does."""
        return self._groups.get(text_of(resource.get("id"))) or (self._groups.get(tail(full)) if full else None)

    def group_within(self, resource: Mapping[str, Any], inner: Mapping[str, Any]) -> list[Coding] | None:
        """The same for an Observation that its panel contains."""
        return _panel(resource) if f"#{text_of(inner.get('id'))}" in _members(resource) else None


def tail(reference: str) -> str:
    """The id at the end of an address."""
    return reference.rstrip("/").rpartition("/")[2].rpartition(":")[2]


def _panel(resource: Mapping[str, Any]) -> list[Coding] | None:
    own = placed_codings(resource)
    return own if panel_of(own) else None


def _members(resource: Mapping[str, Any]) -> list[str]:
    listed = (text_of(object_of(one).get("reference")) for one in list_of(resource.get("hasMember")))
    return [reference for reference in listed if reference]


def _identifiers(resource: Mapping[str, Any]) -> list[tuple[str, str]]:
    listed = [object_of(one) for one in list_of(resource.get("identifier"))]
    return [(text_of(one.get("system")), value) for one in listed if (value := text_of(one.get("value")))]
