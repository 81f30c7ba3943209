"""What a FHIR resource contains: Observations and patients that exist nowhere but inside it (`contained`).

A contained resource has no identity outside its container, and "#id" points to it from within alone. It has nothing of
its container merely by being inside: what an Observation lacks is taken from the container only where that says that
the Observation is part of it, an Observation by hasMember, a DiagnosticReport by result, directly or through contained
panels. Then the nearest that says gives subject and time (of a report, effective is the time of its results), place and
encounter. Source of the format: HL7 FHIR R4, https://hl7.org/fhir/R4/references.html#contained, diagnosticreport.html
and domainresource.html (dom-2: no nesting; dom-3: nothing contained that nothing refers to)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..codes import panel_of
from ..fhir_codes import placed_codings
from ..marks import mark_of_labels, refusal
from .fhir_groups import Groups, Membership, members_of, says_who
from .fhir_links import Links
from .json_values import list_of, object_of, text_of

__all__ = ["REFUSED", "Container", "Inner", "is_container"]

REFUSED = {"entered-in-error": "entered in error", "cancelled": "cancelled"}
_PARTS = {"Observation": "hasMember", "DiagnosticReport": "result"}  # where a container names what is part of it
_ID = re.compile(r"#[A-Za-z0-9.-]{1,64}")


class Inner(NamedTuple):
    """A contained Observation with what it may take of its container, whose it is, and its groups."""

    resource: Mapping[str, Any]
    patient: str
    above: Membership


class Container:
    """One resource with `contained`; `patient` is whose it is and `above` what it has of the groups that it is in."""

    def __init__(self, resource: Mapping[str, Any], patient: str, above: Membership, links: Links):
        self.patient, self._links, self._above = patient, links, above
        self._whole = resource
        self._part = _PARTS.get(text_of(resource.get("resourceType")), "")
        inside = list_of(resource.get("contained"))
        self._scope = {"id": text_of(resource.get("id")), "contained": inside}
        self._observations = [one for one in inside if object_of(one).get("resourceType") == "Observation"]
        self._names = Counter(_name(object_of(one)) for one in inside)
        self._pointed = set(_references(resource))
        self._groups = self._grouped()
        self._parts = self._reached()

    def observation(self, own: Mapping[str, Any]) -> Inner:
        """A contained Observation as any other: complete as far as the container may complete it.

        `above.problem` says why it is of no use where it is not.
        """
        name = _name(own)
        part = name in self._parts
        inner = self._groups.membership((name,), own) if part else Membership()
        taken = dict(inner.time)
        if part or not self._referred(own):  # what nothing refers to is at least not of another place
            taken |= {key: self._whole[key] for key in ("bodySite",) if key in self._whole and key not in own}
        if part and "encounter" in self._whole and "encounter" not in own:
            taken["encounter"] = self._whole["encounter"]
        patient = self._patient_of(own, inner, part)
        panels = inner.panels if part or self._referred(own) else self._panels()
        problem = self._problem(name, inner, part) or ("" if part or says_who(own) else self._no_subject())
        marks = {"status": self._status(own), "meta": self._meta(own)}
        return Inner({**own, **taken, **marks, **self._scope}, patient, Membership(panels, problem=problem or None))

    def patients(self) -> Mapping[str, str]:
        """The contained Patients that a reading is of, by "#id", with the name of the patient."""
        found = {}
        of_readings = {self.observation(one).patient for one in self._observations}
        if self._whole.get("resourceType") == "Observation":
            of_readings.add(self.patient)
        for one in map(object_of, self._scope["contained"]):
            if one.get("resourceType") == "Patient" and (name := _name(one)):
                patient = self._links.subject({**self._scope, "subject": {"reference": name}})
                if patient in of_readings:
                    found[name] = patient
        return found

    def dangling(self) -> Iterator[tuple[str, str]]:
        """(element, reference) of every part that is named and is not contained; words that are no id are left out."""
        for one in (self._whole, *map(object_of, self._observations)):
            element = _PARTS.get(text_of(one.get("resourceType")), "")
            for reference in members_of(one, element) if element else ():
                if reference.startswith("#") and reference != "#" and reference not in self._names:
                    yield element, reference if _ID.fullmatch(reference) else "#"

    def _grouped(self) -> Groups:
        groups = Groups()
        if self._part:
            names = (self._scope["id"] or "the whole", "#")
            groups.add(names, self._whole, members_of(self._whole, self._part), self._above.panels)
        for one in self._observations:
            groups.add((_name(one),), {**one, **self._scope}, members_of(one))
        return groups

    def _reached(self) -> set[str]:
        """The "#id" of everything that is part of the container, at any depth."""
        members = {_name(one): members_of(one) for one in self._observations}
        waiting, found = members_of(self._whole, self._part) if self._part else [], set()
        while waiting:
            name = waiting.pop()
            if name not in found and name in members:
                found.add(name)
                waiting += members[name]
        return found

    def _referred(self, own: Mapping[str, Any]) -> bool:
        return _name(own) in self._pointed or "#" in _references(own)

    def _patient_of(self, own: Mapping[str, Any], inner: Membership, part: bool) -> str:
        if says_who(own):
            return self._links.subject({**self._scope, "subject": own["subject"]})
        if inner.whose:
            return self._links.subject(inner.whose)
        return self.patient if part else ""

    def _panels(self) -> tuple[Any, ...]:
        codings = placed_codings(self._whole) if self._part else []
        return (codings,) if panel_of(codings) else self._above.panels

    def _problem(self, name: str, inner: Membership, part: bool) -> str:
        if self._names[name] > 1 and name:
            return "several contained resources have its id: nothing says which is meant: keep the right one"
        return (part and self._above.problem) or inner.problem or ""

    def _no_subject(self) -> str:
        kind = text_of(self._whole.get("resourceType"))[:60]
        if self._part:
            how = f"the {kind} that contains it does not name it in {self._part}"
            return f"it has no subject, and {how}: add it there, or give its subject"
        return f"it has no subject of its own, and a {kind} that contains it gives it none: give its subject"

    def _status(self, own: Mapping[str, Any]) -> Any:
        """Its own, unless its container is void: then it is too, as it exists nowhere else."""
        whole = text_of(self._whole.get("status"))
        return whole if whole in REFUSED else own.get("status")

    def _meta(self, own: Mapping[str, Any]) -> Mapping[str, Any]:
        """The security labels of the container, which a contained resource has none of, and the marks of both."""
        inner, outer = object_of(own.get("meta")), object_of(self._whole.get("meta"))
        tags = [*list_of(inner.get("tag")), *list_of(outer.get("tag"))]
        return {**inner, **outer, "tag": sorted(tags, key=lambda one: refusal(mark_of_labels([one])) is None)}


def is_container(resource: Mapping[str, Any]) -> bool:
    """Whether a resource contains others, or says of a part that it is contained."""
    if "contained" in resource:
        return True
    part = _PARTS.get(resource.get("resourceType") or "", "")
    return part in resource and any(one[0] == "#" for one in members_of(resource, part))


def _name(resource: Mapping[str, Any]) -> str:
    """How a contained resource is referred to; "" without an id."""
    own = text_of(resource.get("id"))
    return f"#{own}" if own else ""


def _references(value: Any) -> Iterator[str]:
    """Every reference to something contained, or to the container, anywhere in a resource."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if (reference := text_of(one.get("reference"))).startswith("#"):
                yield reference
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
