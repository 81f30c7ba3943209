"""From the words and codes of a hospital to our observables; the tables are data in configs/codes/observables.yaml.

The panel's code says where a pressure was taken, so a systolic code that is also used for the systemic circulation
never becomes a cuff pressure inside a pulmonary, atrial or ventricular panel.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from ..core.configs import config_path, load_yaml
from ..core.errors import nearest

__all__ = [
    "ObservableInfo", "Target", "codings_of", "find_code", "find_field", "find_modality", "find_name", "generic_part",
    "info", "modalities", "nearest_names", "normalise", "observables", "panel_label", "panel_of", "panel_of_target",
    "panel_target", "part_of_target", "sex_of", "system_of", "target",
]  # fmt: skip

Coding = tuple[str, str]  # system (loinc, snomed, mdc) and code
_SYSTEMS = (
    ("loinc", re.compile(r"loinc", re.IGNORECASE)),
    ("snomed", re.compile(r"snomed", re.IGNORECASE)),
    ("mdc", re.compile(r"11073")),
)


@dataclass(frozen=True)
class ObservableInfo:
    """An observable or covariate as the records know it: label, unit inside, plausible range, usual modality."""

    name: str
    label: str
    unit: str
    low: float | None
    high: float | None
    source: str
    modality: str

    @property
    def limits(self) -> tuple[float, float]:
        """Between which such readings lie at all: a share from 0 to 100 %, a pressure (it is one against the air's)
        anywhere, all others on the side of 0 on which what is plausible lies."""
        low, high = (-math.inf if self.low is None else self.low), (math.inf if self.high is None else self.high)
        if self.unit == "%" and low >= 0.0 and high <= 100.0:
            return 0.0, 100.0
        if self.unit == "mmHg" or low < 0.0 < high:
            return -math.inf, math.inf
        return (0.0, math.inf) if low >= 0.0 else (-math.inf, 0.0)


@dataclass(frozen=True)
class Target:
    """What a field, word or code stands for: `role` is "observable", "covariate" or "recognised" (no twin uses it).

    `unit` is what a recognised reading must be convertible to, `narrows` names the wider readings that it is one of.
    """

    role: str
    name: str
    label: str
    modality: str | None = None
    derived_from: str | None = None
    unit: str | None = None
    narrows: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Codes:
    targets: dict[str, Target]
    names: dict[str, Target]
    codes: dict[Coding, Target]
    panels: dict[Coding, str]
    panel_parts: dict[str, dict[str, str]]
    generic: dict[Coding, str]
    modalities: tuple[tuple[str, str, re.Pattern[str]], ...]
    sexes: dict[str, str]
    observables: dict[str, ObservableInfo]
    covariates: dict[str, ObservableInfo]


def observables() -> dict[str, ObservableInfo]:
    """All observables by name, in the order of the data file."""
    return _codes().observables


@lru_cache(maxsize=256)
def info(name: str) -> ObservableInfo:
    """The entry of an observable or covariate."""
    codes = _codes()
    return codes.observables.get(name) or codes.covariates[name]


def target(name: str) -> Target:
    """The target of one of our own names."""
    return _codes().targets[name]


@lru_cache(maxsize=4096)
def find_name(text: str) -> Target | None:
    """What a name, alias, label or bare LOINC code stands for; None when it is not known."""
    codes = _codes()
    found = codes.names.get(normalise(text))
    return found or codes.codes.get(("loinc", text.strip().lower()))


def find_field(field: str) -> Target | None:
    """What a row's field is, from its name or its first word (a code before its display, a name before its unit)."""
    words = field.split()
    return find_name(field) or (find_name(words[0]) if words else None)


def find_code(coding: Coding) -> Target | None:
    """What a (system, code) pair stands for; None when it is not known."""
    return _codes().codes.get((coding[0], coding[1].lower()))


def codings_of(name: str, modality: str | None = None) -> list[Coding]:
    """The (system, code) pairs of an observable or covariate: the first of each system that says nothing of a method,
    or that of the modality where there is one."""
    found: dict[str, Coding] = {}
    for (system, code), one in _codes().codes.items():
        if one.name == name and one.modality in (None, modality) and (system not in found or one.modality):
            found[system] = system, code.upper() if system == "loinc" else code
    return list(found.values())


def system_of(text: str) -> str:
    """Short name of a coding system from its address: loinc, snomed, mdc, or "" for any other."""
    return next((name for name, pattern in _SYSTEMS if pattern.search(text)), "")


def panel_of(codings: Iterable[Coding]) -> str | None:
    """The pressure panel that one of the codings names; None when there is none."""
    panels = _codes().panels
    return next((panels[coding] for coding in codings if coding in panels), None)


def panel_target(panel: str, part: str) -> Target:
    """The target of the systolic, diastolic or mean part of a panel."""
    codes = _codes()
    return codes.targets[codes.panel_parts[panel][part]]


def panel_label(panel: str) -> str:
    """The panel in words."""
    return _codes().panel_parts[panel]["label"]


def panel_of_target(name: str) -> str | None:
    """The panel whose systolic, diastolic or mean part this observable is."""
    parts = _codes().panel_parts
    return next(
        (panel for panel, part in parts.items() if name in (part["systolic"], part["diastolic"], part["mean"])), None
    )


def part_of_target(panel: str, name: str) -> str | None:
    """Which part of a panel (systolic, diastolic, mean) this observable is; None when it is none."""
    parts = _codes().panel_parts[panel]
    return next((part for part in ("systolic", "diastolic", "mean") if parts[part] == name), None)


def generic_part(coding: Coding) -> str | None:
    """Which part of a pressure a generic code names (systolic, diastolic, mean); None for a specific code."""
    return _codes().generic.get(coding)


@lru_cache(maxsize=4096)
def nearest_names(text: str, count: int = 3) -> tuple[str, ...]:
    """The known names and aliases closest to a word."""
    codes = _codes()
    found = [codes.names[match].name for match in nearest(normalise(text), codes.names, count * 2, 0.7)]
    return tuple(dict.fromkeys(found))[:count]


def modalities() -> dict[str, str]:
    """Every modality with its label."""
    return {name: label for name, label, _ in _codes().modalities}


@lru_cache(maxsize=4096)
def find_modality(text: str) -> str | None:
    """The modality that a method text names; None when no word of it is known."""
    if text.strip().lower() in modalities():
        return text.strip().lower()
    return next((name for name, _, words in _codes().modalities if words.search(text)), None)


def sex_of(text: str) -> str | None:
    """ "male" or "female" from the ways of writing it; None for anything else."""
    return _codes().sexes.get(text.strip().lower())


@lru_cache(maxsize=65536)
def normalise(text: str) -> str:
    """Lower case, with blanks, hyphens and underscores as one underscore."""
    return re.sub(r"[\s_\-]+", "_", text.strip().lower()[:120]).strip("_")


@lru_cache(maxsize=1)
def _codes() -> _Codes:
    data = load_yaml(config_path("codes", "observables.yaml"))
    codes = _Codes({}, {}, {}, {}, {}, {}, _modality_words(data["modalities"]), {}, {}, {})
    for role, section in (("observable", "observables"), ("covariate", "covariates"), ("recognised", "recognised")):
        for name, entry in data[section].items():
            unit = entry.get("unit") if role == "recognised" else None
            one = Target(role, name, entry["label"], None, entry.get("derived"), unit, tuple(entry.get("narrows", ())))
            codes.targets[name] = one
            for word in (name, entry["label"], *entry.get("aliases", ())):
                codes.names.setdefault(normalise(str(word)), one)
            _enter_codes(codes.codes, one, entry)
            if role != "recognised":
                known = codes.observables if role == "observable" else codes.covariates
                known[name] = _info(name, entry, data["sources"])
    for panel, entry in data["panels"].items():
        codes.panel_parts[panel] = {key: entry[key] for key in ("label", "systolic", "diastolic", "mean")}
        codes.panels.update({coding: panel for coding in _codings(entry)})  # noqa: C420 (typed by its values)
    for part, entry in data["generic"].items():
        codes.generic.update({coding: part for coding in _codings(entry)})  # noqa: C420
    for sex, words in data["covariates"]["sex"]["values"].items():
        codes.sexes.update({str(word): sex for word in words})
    return codes


def _info(name: str, entry: dict[str, Any], sources: dict[str, str]) -> ObservableInfo:
    low, high = entry.get("plausible", (None, None))
    source = sources.get(entry.get("source", ""), "")
    return ObservableInfo(name, entry["label"], entry["unit"], low, high, source, entry.get("modality", "unspecified"))


def _codings(entry: dict[str, Any]) -> list[Coding]:
    return [(system, str(code)) for system in ("loinc", "snomed", "mdc") for code in entry.get(system, ())]


def _enter_codes(codes: dict[Coding, Target], one: Target, entry: dict[str, Any]) -> None:
    for system in ("loinc", "snomed", "mdc"):
        for written in entry.get(system, ()):
            code, modality = (written["code"], written["modality"]) if isinstance(written, dict) else (written, None)
            codes[system, str(code).lower()] = replace(one, modality=modality)


def _modality_words(data: dict[str, Any]) -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    def pattern(words: list[str]) -> re.Pattern[str]:
        # a short word must stand alone ("us", "mr"), a longer one may begin a word ("oscillometr...")
        parts = [rf"\b{re.escape(word)}\b" if len(word) < 4 else rf"\b{re.escape(word)}" for word in words]
        return re.compile("|".join(parts), re.IGNORECASE)

    return tuple((name, entry["label"], pattern(entry["words"])) for name, entry in data.items())
