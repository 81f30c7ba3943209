"""Observations that group others (hasMember), to any depth: what a member has of the panels above it.

Source of the format: HL7 FHIR R4, https://hl7.org/fhir/R4/observation.html (hasMember, effective, subject)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...core.errors import InputError
from ..codes import panel_of
from ..fhir_codes import Coding, placed_codings
from .json_values import list_of, object_of, text_of

__all__ = ["Groups", "Membership", "effective_time", "members_of", "says_who", "tail"]

_TIMES = ("effectiveDateTime", "effectiveInstant", "effectivePeriod")
MEMBER_LIMIT = 5_000_000
_SHOWN = 8  # names of a circle


@dataclass(frozen=True)
class Membership:
    """What an Observation has of its groups: the codes of the pressure panels that it is in, and of what it lacks the
    time (as the keys of a resource) and a resource with the subject. `problem` says why they cannot be followed.
    """

    panels: tuple[list[Coding], ...] = ()
    time: Mapping[str, Any] = field(default_factory=dict)
    whose: Mapping[str, Any] | None = None
    problem: str | None = None


@dataclass
class _Lent:
    """What the members of a group may take: each kind by what tells two apart, so that more than one is seen."""

    panels: dict[str, list[Coding]] = field(default_factory=dict)
    times: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    subjects: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    circle: str = ""

    @property
    def one_of_each(self) -> bool:
        """Whether nothing is told in two ways."""
        return max(len(self.panels), len(self.times), len(self.subjects)) < 2

    def take(self, other: _Lent) -> None:
        self.panels.update(other.panels)
        self.times.update(other.times)
        self.subjects.update(other.subjects)
        self.circle = self.circle or other.circle


class _Group:
    """A group under its names, and what it lends once its own groups are known."""

    __slots__ = ("lent", "names", "own")

    def __init__(self, names: tuple[str, ...], own: _Lent):
        self.names, self.own = names, own
        self.lent: _Lent | None = None


class Groups:
    """The groups of one file, or those within one resource, by the names of their members."""

    def __init__(self) -> None:
        self._naming: dict[str, list[_Group]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(
        self,
        names: tuple[str, ...],
        resource: Mapping[str, Any],
        members: Iterable[str],
        panels: Iterable[list[Coding]] = (),
    ) -> None:
        """A group under its names; `panels` are the codes of those above it, where they are known already.

        Raises `InputError` past five million members.
        """
        group = _Group(names, _own(resource, panels))
        for member in members:
            self._count += 1
            if self._count > MEMBER_LIMIT:
                raise InputError(f"more than {MEMBER_LIMIT:,} members of groups in one source: split it by patient.")
            self._naming.setdefault(member, []).append(group)

    def membership(self, names: Iterable[str], resource: Mapping[str, Any]) -> Membership:
        """What the Observation with these names has of the groups above it; what is nearer goes before what is further.

        All groups must have been added. Two times or subjects from groups that are as near are a problem for one that
        has none itself, and so is a circle of groups, which is named.
        """
        above = self._above(names)
        if not above:
            return Membership()
        for group in above:
            self._work_out(group)
        found = self._merged(above)
        if found.circle:
            return Membership(problem=f"hasMember runs in a circle ({found.circle}): remove one of its links")
        lacking = {"time": not effective_time(resource), "subject": not says_who(resource)}
        for what, offered in (("time", found.times), ("subject", found.subjects)):
            if lacking[what] and len(offered) > 1:
                why = f"it has no {what} of its own, and its groups give {len(offered)} different ones: write it there"
                return Membership(problem=why)
        return Membership(
            tuple(found.panels.values()),
            next(iter(found.times.values()), {}) if lacking["time"] else {},
            next(iter(found.subjects.values()), None) if lacking["subject"] else None,
        )

    def _above(self, names: Iterable[str]) -> list[_Group]:
        found = {id(group): group for name in names for group in self._naming.get(name, ())}
        return list(found.values())

    def _merged(self, groups: list[_Group]) -> _Lent:
        """What groups lend together; one that groups another of them stands back where they differ."""
        merged = _together(groups)
        if merged.one_of_each or len(groups) < 2:
            return merged
        further = {id(one) for group in groups for one in self._all_above(group)}
        return _together([group for group in groups if id(group) not in further] or groups)

    def _all_above(self, group: _Group) -> list[_Group]:
        found = {id(one): one for one in self._above(group.names)}
        waiting = list(found.values())
        while waiting:
            new = [one for one in self._above(waiting.pop().names) if id(one) not in found]
            found.update({id(one): one for one in new})
            waiting += new
        return list(found.values())

    def _work_out(self, start: _Group) -> None:
        """Say what a group lends: its own, and what it lacks of the groups above it. Each is worked out once."""
        path: list[tuple[_Group, Iterator[_Group]]] = []
        places: dict[int, int] = {}
        waiting: _Group | None = start if start.lent is None else None
        while waiting is not None or path:
            if waiting is not None:
                places[id(waiting)] = len(path)
                path.append((waiting, iter(self._above(waiting.names))))
            group, above = path[-1]
            waiting = next((one for one in above if one.lent is None), None)
            if waiting is None:
                if group.lent is None:
                    group.lent = _completed(group.own, self._merged(self._above(group.names)))
                path.pop()
                del places[id(group)]
            elif (at := places.get(id(waiting))) is not None:
                _close([one for one, _ in path[at:]])
                waiting = None


def effective_time(resource: Mapping[str, Any]) -> str | None:
    """The time of an Observation: its moment, or the end of its period, or the start where there is no end."""
    period = object_of(resource.get("effectivePeriod"))
    options = (
        resource.get("effectiveDateTime"),
        resource.get("effectiveInstant"),
        period.get("end"),
        period.get("start"),
    )
    return next((text for option in options if (text := text_of(option))), None)


def _own(resource: Mapping[str, Any], panels: Iterable[list[Coding]]) -> _Lent:
    codings = placed_codings(resource)
    own = _Lent()
    for one in [codings] if panel_of(codings) else panels:
        own.panels[panel_of(one) or ""] = one
    if time := effective_time(resource):
        own.times[time] = {key: resource[key] for key in _TIMES if key in resource}
    if says_who(resource):
        subject = object_of(resource["subject"])
        reference = text_of(subject.get("reference"))
        key = tail(reference) if reference else json.dumps(subject["identifier"], sort_keys=True)
        own.subjects[key] = {"subject": subject}
        if reference.startswith("#"):
            inside = [one for one in list_of(resource.get("contained")) if object_of(one).get("id") == reference[1:]]
            stub = {"id": text_of(resource.get("id")), "subject": subject, "contained": inside}
            own.subjects = {json.dumps(stub, sort_keys=True): stub}
    return own


def says_who(resource: Mapping[str, Any]) -> bool:
    """Whether a resource names its subject, by reference or by identifier."""
    subject = object_of(resource.get("subject"))
    return bool(text_of(subject.get("reference")) or object_of(subject.get("identifier")))


def _together(groups: Iterable[_Group]) -> _Lent:
    merged = _Lent()
    for group in groups:
        merged.take(group.lent or _Lent())
    return merged


def _completed(own: _Lent, above: _Lent) -> _Lent:
    """A group's own, and what it lacks of those above it."""
    return _Lent(
        own.panels or above.panels, own.times or above.times, own.subjects or above.subjects, own.circle or above.circle
    )


def _close(circle: list[_Group]) -> None:
    """Name a circle in each of its groups; `circle` goes upwards, each a member of the next, the words downwards."""
    names = [next(iter(one.names), "?")[:40] for one in reversed(circle)]
    first = names.index(min(names))
    names = names[first:] + names[:first]
    shown = names[:_SHOWN] + (["..."] if len(names) > _SHOWN else []) + names[:1]
    for one in circle:
        one.lent = _Lent(circle=" -> ".join(shown))


def members_of(resource: Mapping[str, Any], element: str = "hasMember") -> list[str]:
    """The references of hasMember, or of another element, to Observations; an answered questionnaire is none."""
    listed = (text_of(object_of(one).get("reference")) for one in list_of(resource.get(element)))
    return [one for one in listed if one and "QuestionnaireResponse/" not in one and "MolecularSequence/" not in one]


def tail(reference: str) -> str:
    """The id at the end of an address, whatever version of it is meant."""
    return reference.partition("/_history/")[0].rstrip("/").rpartition("/")[2].rpartition(":")[2]
