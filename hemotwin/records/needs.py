"""What twins and questions need from one visit (configs/readiness/needs.yaml), and which examination gives it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..core.configs import config_path, load_yaml
from ..core.errors import InputError
from .codes import info, observables

__all__ = [
    "Examination",
    "Served",
    "asked_for",
    "examination_of",
    "examination_taken",
    "examinations",
    "missing",
    "questions",
    "serves",
    "twins",
]

Names = frozenset[str]
_BURDENS = ("bedside", "imaging", "invasive")


@dataclass(frozen=True)
class Served:
    """A twin or a question: served by readings that hold one alternative of each need.

    `needs` maps each need to its alternatives, each a set of readings; `sharpens` are such that only narrow the result.
    """

    name: str
    label: str
    needs: Mapping[str, tuple[Names, ...]]
    sharpens: Mapping[str, tuple[Names, ...]]
    circulation: str = ""
    scenario: str = ""


@dataclass(frozen=True)
class Examination:
    """What gives a reading: its burden to the patient is bedside, imaging or invasive.

    `modality` is how its readings count as taken, `also` further modalities that belong to the same examination.
    """

    name: str
    label: str
    burden: str
    gives: Names
    modality: str = "unspecified"
    also: tuple[str, ...] = ()


def serves(one: Served, names: Collection[str]) -> bool:
    """Whether these readings of one visit serve the twin or question."""
    have = frozenset(names)
    return all(any(alternative <= have for alternative in need) for need in one.needs.values())


def missing(one: Served, names: Collection[str]) -> tuple[str, ...]:
    """The fewest further readings that serve it, in the order of the needs; of equally many those with less burden."""
    have, wanted = frozenset(names), dict[str, None]()
    for alternatives in one.needs.values():
        gaps = [alternative - have - wanted.keys() for alternative in alternatives]
        best = min(gaps, key=lambda gap: (len(gap), _burden(gap)))  # of equals the first in the data file
        wanted |= dict.fromkeys(sorted(best))
    return tuple(wanted)


def twins() -> dict[str, Served]:
    """Every twin preset by name, from the least to the most demanding."""
    return _needs()["twins"]


def questions() -> dict[str, Served]:
    """Every question by name."""
    return _needs()["questions"]


def examinations() -> dict[str, Examination]:
    """Every examination by name, from the least to the most burden."""
    return _needs()["examinations"]


def examination_of(name: str) -> Examination:
    """The examination of least burden that gives a reading."""
    return next(one for one in examinations().values() if name in one.gives)


def examination_taken(name: str, modality: str) -> Examination | None:
    """The examination that a recorded reading came from: by how it was taken, else the one of least burden.

    None for a reading that no examination gives, such as a charted resistance.
    """
    giving = [one for one in examinations().values() if name in one.gives]
    of_its_kind = [one for one in giving if modality in (one.modality, *one.also)]
    return next(iter(of_its_kind or giving), None)


def asked_for(have: Collection[str]) -> tuple[str, ...]:
    """Readings that the twins ask for or are sharpened by; of alternatives those that lack least beside `have`."""
    wanted: dict[str, None] = {}
    for one in twins().values():
        for ways in (*one.needs.values(), *one.sharpens.values()):
            wanted |= dict.fromkeys(sorted(min(ways, key=lambda way: len(way - frozenset(have)))))
    return tuple(wanted)


def _burden(gap: Collection[str]) -> int:
    return sum(_BURDENS.index(examination_of(name).burden) for name in gap)


@lru_cache(maxsize=1)
def _needs() -> dict[str, Any]:
    data = load_yaml(config_path("readiness", "needs.yaml"))
    groups = data["groups"]
    found: dict[str, Any] = {"examinations": {}}
    for name, entry in data["examinations"].items():
        if entry["burden"] not in _BURDENS:
            raise InputError(f"needs.yaml {name}: `burden` must be one of {', '.join(_BURDENS)}.")
        found["examinations"][name] = Examination(
            name, entry["label"], entry["burden"], frozenset(entry["gives"]), entry["modality"],
            tuple(entry.get("also", ())),
        )  # fmt: skip
    found["examinations"] = dict(sorted(found["examinations"].items(), key=lambda e: _BURDENS.index(e[1].burden)))
    for section in ("twins", "questions"):
        found[section] = {
            name: Served(
                name, entry["label"], _expanded(entry["needs"], groups), _expanded(entry.get("sharpens", ()), groups),
                entry.get("circulation", ""), entry.get("scenario", ""),
            )
            for name, entry in data[section].items()
        }  # fmt: skip
    return found


def _expanded(needs: Collection[str], groups: Mapping[str, Any]) -> dict[str, tuple[Names, ...]]:
    """Alternatives of each need with the groups inside them written out."""
    return {need: tuple(itertools.chain.from_iterable(_alternatives(need, groups))) for need in needs}


def _alternatives(need: str, groups: Mapping[str, Any]) -> list[list[Names]]:
    if need not in groups:
        if need not in observables():
            info(need)  # raises for a name that is neither a group, an observable nor a covariate
        return [[frozenset({need})]]
    found: list[list[Names]] = []
    for alternative in groups[need]:
        parts = [list(itertools.chain.from_iterable(_alternatives(part, groups))) for part in alternative]
        found.append([frozenset().union(*choice) for choice in itertools.product(*parts)])
    return found
