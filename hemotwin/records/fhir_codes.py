"""What an Observation's codes mean together: the panel first, then the most specific code, and no guess after that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from .codes import (
    Target,
    find_code,
    find_name,
    generic_part,
    panel_label,
    panel_of,
    panel_of_target,
    panel_target,
    system_of,
)

__all__ = ["Coding", "Meaning", "codings", "resolve"]

Coding = tuple[str, str]
_LOINC = re.compile(r"\d{1,5}-\d")


@dataclass(frozen=True)
class Meaning:
    """A target, or the problem that leaves none; both are None for codes that are simply not known."""

    target: Target | None = None
    problem: str | None = None


def codings(concept: Any) -> list[Coding]:
    """(system, code) pairs of a CodeableConcept; a code without a system that looks like LOINC is taken as one."""
    found = []
    listed = concept.get("coding") if isinstance(concept, dict) else None
    for one in listed if isinstance(listed, list) else ():
        code = one.get("code") if isinstance(one, dict) else None
        if not isinstance(code, str) or not code.strip():
            continue
        address = one.get("system")
        system = system_of(address) if isinstance(address, str) else ""
        if not address and _LOINC.fullmatch(code.strip()):
            system = "loinc"
        if system:
            found.append((system, code.strip().lower()))
    return found


def resolve(own: Sequence[Coding], parent: Sequence[Coding] | None = None, text: str = "") -> Meaning:
    """The meaning of a value's codes; `parent` holds those of the Observation when the value is a component of it.

    A specific code wins over a generic one, and a narrower reading over the wider one that it is of. A generic
    systolic, diastolic or mean code takes its site from the panel; inside a panel that is not known it means nothing.
    Codes that contradict each other or the panel are a problem.
    """
    return _resolve(tuple(own), None if parent is None else tuple(parent), text)


@lru_cache(maxsize=4096)
def _resolve(own: tuple[Coding, ...], parent: tuple[Coding, ...] | None, text: str) -> Meaning:
    panel = panel_of(own) or (panel_of(parent) if parent else None)
    specific = [found for coding in own if generic_part(coding) is None and (found := find_code(coding))]
    if specific:
        return _specific(specific, panel)
    parts = list(dict.fromkeys(part for coding in own if (part := generic_part(coding))))
    if len(parts) > 1:
        return Meaning(problem=f"its codes name {' and '.join(parts)} at once: keep the right one")
    if parts and panel:
        return Meaning(panel_target(panel, parts[0]))
    if parts and parent is not None:
        return Meaning(
            problem=f"a generic {parts[0]} code inside a group whose site is not known: add the code of the site, "
            "for example 8440-0 for the pulmonary artery or 85354-9 on the group for the arm"
        )
    if parts:
        return Meaning(find_code(next(coding for coding in own if generic_part(coding))))
    if panel and parent is None:
        return Meaning(
            problem=f"{panel_label(panel)} without saying systolic, diastolic or mean: add the code of the part"
        )
    return Meaning(find_name(text) if text and not own else None)


def _specific(found: Sequence[Target], panel: str | None) -> Meaning:
    wider = {name for one in found for name in one.narrows}
    found = [one for one in found if one.name not in wider]
    names = list(dict.fromkeys(one.name for one in found))
    if len(names) > 1:
        labels = " and ".join(dict.fromkeys(one.label for one in found))
        return Meaning(problem=f"its codes contradict each other ({labels}): keep the right one")
    site = panel_of_target(names[0])
    if panel and site and site != panel:
        return Meaning(problem=f"its code says {found[0].label}, but the group is {panel_label(panel)}: correct one")
    modality = next((one.modality for one in found if one.modality), None)
    return Meaning(replace(found[0], modality=modality))
