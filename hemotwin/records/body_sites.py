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
from .values import is_missing

__all__ = ["SYSTEM", "BodySite", "body_sites", "site_codings", "sites_among"]

SYSTEM = "site"
_UNKNOWN = "?"  # begins the name of a place that is not in the table: it is no other one either
_NOT_SAID = re.compile(
    r"null-?flavor|data-absent-reason", re.IGNORECASE
)  # systems whose codes say that nothing is said
_IDENTIFIER = re.compile(r"\d{6,18}")  # of SNOMED CT
_PARTS = ("systolic", "diastolic", "mean")


@dataclass(frozen=True)
class BodySite:
    """A place: the panel with its pressures, the parts (systolic, diastolic, mean) that codes without a site are read
    as there, what to give instead where there is no panel, and the places that its name leaves open.

    Of a place that is not in the table (`known` is False) the label is what may be said of it.
    """

    name: str
    label: str
    panel: str | None = None
    read: tuple[str, ...] = ()
    instead: str | None = None
    one_of: tuple[str, ...] = ()
    known: bool = True

    @property
    def panels(self) -> tuple[str, ...]:
        """The panels that the place agrees with."""
        open_to = tuple(body_sites()[name].panel or "" for name in self.one_of)
        return (*open_to, *((self.panel,) if self.panel else ()))


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

    A list of them or a bare text, which FHIR R4 does not foresee, is understood too. What says only that nothing is
    known (an empty text, "unknown", a null flavour) is no place.
    """
    found, unknown = [], []
    for one in body_site if isinstance(body_site, list) else [body_site]:
        concept = {"text": one} if isinstance(one, str) else one
        if not isinstance(concept, dict):
            unknown += [_UNKNOWN] if concept else []
            continue
        text, listed = concept.get("text"), concept.get("coding")
        found += _place(text)
        unknown += [_UNKNOWN] if _says(text) else []
        if listed and not isinstance(listed, list):
            unknown.append(_UNKNOWN)
        for coding in listed if isinstance(listed, list) else ():
            named, other = _of_coding(coding)
            found += named
            unknown += other
    named = list(dict.fromkeys(found))
    named = [name for name in named if not set(named) & set(body_sites()[name].one_of)]
    longest = max(unknown, key=len, default="")  # the one with most to say of the place
    return [(SYSTEM, name) for name in named or ([longest] if unknown else [])]


def sites_among(own: Iterable[Coding], parent: Iterable[Coding] | None) -> list[BodySite]:
    """The places among an entry's codings, or else among those of its group."""
    for codings in (own, parent or ()):
        if named := [name for system, name in codings if system == SYSTEM]:
            return [body_sites().get(name) or BodySite(name, name[1:], known=False) for name in named]
    return []


def _says(text: Any) -> bool:
    """Whether something is written that may be a place, be it not readable."""
    return not (text is None or text == "" or (isinstance(text, str) and (not text.strip() or is_missing(text))))


def _of_coding(coding: Any) -> tuple[tuple[str, ...], list[str]]:
    """(places that a coding names, its name as an unknown one where it names none)."""
    if not isinstance(coding, dict):
        return (), [_UNKNOWN] if coding else []
    system, code = coding.get("system"), coding.get("code")
    if isinstance(system, str) and _NOT_SAID.search(system):
        return (), []
    if found := _coded(system, code) or _place(coding.get("display")):
        return found, []
    if isinstance(system, str) and system_of(system) == "snomed" and _IDENTIFIER.fullmatch(str(code)):
        return (), [f"{_UNKNOWN}SNOMED CT {code}"]
    return (), [_UNKNOWN] if _says(code) or _says(coding.get("display")) else []


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
        read = entry["read"] if isinstance(entry["read"], list) else _PARTS if entry["read"] else ()
        by_name[name] = BodySite(
            name, entry["label"], entry.get("panel"), tuple(read), entry.get("instead"), tuple(entry.get("one_of", ()))
        )
        by_code |= dict.fromkeys(map(str, entry.get("snomed", ())), name)
        by_word |= dict.fromkeys(entry["words"], name)
        whole |= dict.fromkeys(entry.get("abbreviations", ()), name)
    longest_first = sorted(by_word, key=len, reverse=True)
    words = re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b")
    return _Sites(by_name, by_code, by_word, whole, words)
