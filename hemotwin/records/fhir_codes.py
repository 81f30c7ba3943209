"""What an Observation's codes mean together: the panel first, then the most specific code, and no guess after that."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from .body_sites import SYSTEM, BodySite, site_codings, sites_among
from .codes import (
    Target,
    codings_of,
    find_code,
    find_name,
    generic_part,
    panel_label,
    panel_of,
    panel_of_target,
    panel_target,
    part_of_target,
    system_of,
    target,
)

__all__ = ["Coding", "Meaning", "codings", "placed_codings", "resolve"]

Coding = tuple[str, str]
_ARM = "arterial_pressure"
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


def placed_codings(resource: Mapping[str, Any]) -> list[Coding]:
    """The codings of an Observation's code, and after them the places that its bodySite names."""
    return codings(resource.get("code")) + site_codings(resource.get("bodySite"))


def resolve(own: Sequence[Coding], parent: Sequence[Coding] | None = None, text: str = "") -> Meaning:
    """The meaning of a value's codes; `parent` holds those of the Observation when the value is a component of it.

    A specific code wins over a generic one, and a narrower reading over the wider one that it is of. A generic
    systolic, diastolic or mean code takes its site from the panel; inside a panel that is not known it means nothing.
    At a place that a bodySite names (`placed_codings`) the codes of an arm's pressure are generic too, and at one that
    is not known they mean nothing. Codes that contradict each other, the panel or the place are a problem.
    """
    return _resolve(tuple(own), None if parent is None else tuple(parent), text)


@lru_cache(maxsize=4096)
def _resolve(own: tuple[Coding, ...], parent: tuple[Coding, ...] | None, text: str) -> Meaning:
    sites = sites_among(own, parent)
    own = tuple(coding for coding in own if coding[0] != SYSTEM)
    panel = panel_of(own) or (panel_of(parent) if parent else None)
    if panel not in (None, _ARM):  # the panel says where; an arm or a place that is not known does not gainsay it
        sites = [one for one in sites if one.known and one.panel != _ARM]
    part_by_code = {coding: part for coding in own if (part := _part(coding, sites))}
    specific = [found for coding in own if coding not in part_by_code and (found := find_code(coding))]
    if specific:
        placed = panel == _ARM and len(sites) == 1 and sites[0].known
        return _specific(specific, sites[0].panel if placed else panel)
    parts = list(dict.fromkeys(part_by_code.values()))
    if len(parts) > 1:
        return Meaning(problem=f"its codes name {' and '.join(parts)} at once: keep the right one")
    if parts and sites:
        return _placed(parts[0], f"code {next(iter(part_by_code))[1]}", panel, sites)
    if parts and panel:
        return Meaning(panel_target(panel, parts[0]))
    if parts and parent is not None:
        return Meaning(
            problem=f"a generic {parts[0]} code inside a group whose site is not known: add the code of the site, "
            "for example 8440-0 for the pulmonary artery or 85354-9 on the group for the arm"
        )
    if parts:
        return Meaning(find_code(next(iter(part_by_code))))
    if panel and parent is None:
        return Meaning(
            problem=f"{panel_label(panel)} without saying systolic, diastolic or mean: add the code of the part"
        )
    named = find_name(text) if text and not own else None
    if named and sites and (part := part_of_target(_ARM, named.name)):
        return _placed(part, "name", panel, sites)
    return Meaning(named)


def _part(coding: Coding, sites: Sequence[BodySite]) -> str | None:
    """Which part of a pressure a code names that leaves the site open: with a place beside it, an arm's code too."""
    found = find_code(coding) if sites else None
    return generic_part(coding) or (part_of_target(_ARM, found.name) if found else None)


def _placed(part: str, given: str, panel: str | None, sites: Sequence[BodySite]) -> Meaning:
    """The part of a pressure at the place of a bodySite; `given` is what said which part, in words."""
    site = sites[0]
    if len(sites) > 1:
        labels = " and the ".join(one.label for one in sites)
        return Meaning(problem=f"its bodySite names the {labels} at once: keep the right one")
    if not site.known:
        named = (
            f" ({site.label})" if site.label else ", which is told in other words or codes than those that are known,"
        )
        return Meaning(
            problem=f"its {given} is that of a {part} arterial pressure, but its bodySite{named} is not among the "
            "known places (configs/codes/body_sites.yaml): give the code of that pressure, or a bodySite from there"
        )
    if panel not in (None, _ARM, *site.panels):
        return Meaning(problem=f"its bodySite is the {site.label}, but the group is {panel_label(panel)}: correct one")
    if panel in site.panels:
        return Meaning(panel_target(panel, part))
    if site.panel and part in site.read:
        return Meaning(panel_target(site.panel, part))
    meant = [panel_target(one, part) for one in site.panels] or ([target(site.instead)] if site.instead else [])
    codes = " or ".join(f"{codings_of(one.name)[0][1]} ({one.label})" for one in meant)
    fix = (
        f"give the code of that pressure, {codes}"
        if codes
        else "no reading is known there: correct the bodySite, or leave it out"
    )
    return Meaning(
        problem=f"its {given} is that of a {part} arterial pressure, but its bodySite is the {site.label}: {fix}"
    )


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
