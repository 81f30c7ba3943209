"""Where a pressure was taken, by the bodySite of a FHIR Observation; the table is configs/codes/body_sites.yaml.

A place travels among the codings of an Observation, as a coding of its own (`SYSTEM`), so that components and members
take it from the group as they take its panel.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..core.configs import config_path, load_yaml
from .codes import Coding, system_of

__all__ = ["SYSTEM", "BodySite", "body_sites", "site_codings", "sites_among"]

SYSTEM = "site"
_ELSEWHERE = ""  # a place that is not in the table: it is no other one either


@dataclass(frozen=True)
class BodySite:
    """A place: the panel with its pressures, whether codes without a site are read as its parts, and what to give
    instead where there is no panel."""

    name: str
    label: str
    panel: str | None
    read: bool
    instead: str | None


@dataclass(frozen=True)
class _Sites:
    by_name: dict[str, BodySite]
    by_code: dict[str, str]
    by_word: dict[str, str]
    whole: dict[str, str]
    words: re.Pattern[str]


def body_sites() -> dict[str, BodySite]:
    """All places by name, in the order of the data file."""
    return _sites().by_name


def site_codings(body_site: Any) -> list[Coding]:
    """The places that a bodySite names, as codings; one of no known place where it names another; none without one.

    A list of them or a bare text, which FHIR R4 does not foresee, is understood too.
    """
    found, met = [], False
    for one in body_site if isinstance(body_site, list) else [body_site]:
        concept = {"text": one} if isinstance(one, str) else one
        if not isinstance(concept, dict) or not concept:
            continue
        met = True
        found.append(_place(concept.get("text")))
        listed = concept.get("coding")
        for coding in listed if isinstance(listed, list) else ():
            if isinstance(coding, dict):
                found.append(_coded(coding.get("system"), coding.get("code")) or _place(coding.get("display")))
    named = list(dict.fromkeys(name for several in found for name in several))
    return [(SYSTEM, name) for name in named or [_ELSEWHERE] * met]


def sites_among(own: Iterable[Coding], parent: Iterable[Coding] | None) -> list[BodySite]:
    """The places among an entry's codings, or else among those of its group."""
    for codings in (own, parent or ()):
        if named := [name for system, name in codings if system == SYSTEM]:
            return [body_sites()[name] for name in named if name != _ELSEWHERE]
    return []


def _coded(system: Any, code: Any) -> tuple[str, ...]:
    if not isinstance(code, str) or (system and not (isinstance(system, str) and system_of(system) == "snomed")):
        return ()
    found = _sites().by_code.get(code.strip())
    return (found,) if found else ()


def _place(text: Any) -> tuple[str, ...]:
    """The places that a text names: more than one is for the reader of the record to mend."""
    if not isinstance(text, str):
        return ()
    sites, words = _sites(), re.sub(r"[\s_\-]+", " ", text[:400].lower()).strip()
    if words in sites.whole:
        return (sites.whole[words],)
    return tuple(dict.fromkeys(sites.by_word[word] for word in sites.words.findall(words)))


@lru_cache(maxsize=1)
def _sites() -> _Sites:
    by_name, by_code, by_word, whole = {}, {}, {}, {}
    for name, entry in load_yaml(config_path("codes", "body_sites.yaml"))["sites"].items():
        by_name[name] = BodySite(name, entry["label"], entry.get("panel"), entry["read"], entry.get("instead"))
        by_code |= dict.fromkeys(map(str, entry.get("snomed", ())), name)
        by_word |= dict.fromkeys(entry["words"], name)
        whole |= dict.fromkeys(entry.get("abbreviations", ()), name)
    longest_first = sorted(by_word, key=len, reverse=True)
    words = re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b")
    return _Sites(by_name, by_code, by_word, whole, words)
