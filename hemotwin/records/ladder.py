"""The readiness ladder (configs/readiness/ladder.yaml): which rung a patient's readings reach."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache

from ..core.configs import config_path, load_yaml
from .codes import observables
from .inventory import DAY, Fact
from .needs import serves, twins
from .visit import Selection, is_slow, reach_of

__all__ = ["GRADES", "Rung", "Standing", "ladder", "left_without", "standing", "visits"]

GRADES: dict[str, Callable[[Fact], bool]] = {
    "unit": lambda fact: fact.measured,
    "time": lambda fact: fact.day is not None,
    "method": lambda fact: fact.method,
    "consent": lambda fact: fact.permitted,
}


@dataclass(frozen=True)
class Rung:
    """A level of the ladder: what its readings must have, and the twins one of which they must serve (none: any)."""

    level: int
    name: str
    label: str
    asks: tuple[str, ...]
    twins: tuple[str, ...]


@dataclass(frozen=True)
class Standing:
    """Where a patient stands: the level, and the readings, day and condition of the visit that shows it."""

    level: int
    names: frozenset[str]
    day: int | None
    condition: str


@lru_cache(maxsize=1)
def ladder() -> tuple[Rung, ...]:
    """The rungs from the lowest to the highest."""
    data = load_yaml(config_path("readiness", "ladder.yaml"))
    return tuple(
        Rung(one["level"], one["name"], one["label"], tuple(one["asks"]), tuple(one.get("twins", ())))
        for one in data["levels"]
    )


def left_without() -> dict[str, int]:
    """The level that is left when unit, time, method or consent is taken from a data set on the top rung."""
    return dict(load_yaml(config_path("readiness", "ladder.yaml"))["without"])


def standing(facts: Collection[Fact], governed: bool, assume: Collection[str] = ()) -> Standing:
    """The rung that these facts reach; `governed` is whether steward and licence are known.

    `assume` names what every reading is taken to have, to see what its lack costs.
    """
    reached = Standing(0, frozenset(), None, "rest")
    readings = [fact for fact in facts if fact.name in observables()]
    for rung in ladder()[1:]:
        asked = [ask for ask in rung.asks if ask not in assume]
        if "consent" in rung.asks and not governed and "consent" not in assume:
            break
        graded = [fact for fact in readings if _meets(fact, asked, assume)]
        if not graded:
            break
        body = {fact.name for fact in facts if fact.measured and fact.name not in observables()}
        best = max(visits(graded), key=lambda visit: (_rank(visit, rung, body), *_order(visit)))
        if rung.twins and not _serving(best, rung, body):
            break
        reached = Standing(rung.level, best.names | body, best.day, best.condition)
    return reached


def visits(readings: Iterable[Fact]) -> list[Standing]:
    """Every set of readings that one day can be a visit of, in each condition; without times all are one visit.

    A reading without a time belongs to every visit.
    """
    found: list[Standing] = []
    by_condition: dict[str, list[Fact]] = {}
    for fact in readings:
        by_condition.setdefault(fact.condition, []).append(fact)
    for condition, facts in by_condition.items():
        undated = frozenset(fact.name for fact in facts if fact.day is None)
        on: dict[int, set[str]] = {}  # day: what changes within hours
        slow = [fact for fact in facts if fact.day is not None and is_slow(fact.name)]
        for fact in facts:
            if fact.day is not None:
                on.setdefault(fact.day, set()).update(() if is_slow(fact.name) else (fact.name,))
        if undated and not on:
            found.append(Standing(0, undated, None, condition))
        for day in on:
            names = undated.union(*(on.get(day - back, ()) for back in range(_days("sbp") + 1)))
            near = frozenset(fact.name for fact in slow if abs((fact.day or 0) - day) <= _days(fact.name))
            found.append(Standing(0, names | near, day, condition))
    return found


def _meets(fact: Fact, asked: Collection[str], assume: Collection[str]) -> bool:
    """Whether a fact has what is asked; one whose unit is taken for granted still needs a value that could be read."""
    if "unit" in assume and not fact.measured and fact.unit:
        return False
    return all(GRADES[ask](fact) for ask in asked)


@lru_cache(maxsize=256)
def _days(name: str) -> int:
    """Whole days from a visit that a reading of this observable may lie."""
    return math.ceil(reach_of(name, Selection()) / DAY)


def _serving(visit: Standing, rung: Rung, body: set[str]) -> bool:
    return any(serves(twins()[name], visit.names | body) for name in rung.twins)


def _rank(visit: Standing, rung: Rung, body: set[str]) -> int:
    return sum(serves(twins()[name], visit.names | body) for name in rung.twins)


def _order(visit: Standing) -> tuple[int, int]:
    return len(visit.names), -1 if visit.day is None else visit.day
