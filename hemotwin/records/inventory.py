"""What a source holds of each patient, whether or not a twin uses it: the facts that readiness is judged by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Fact", "Inventory"]


class Fact(NamedTuple):
    """One observable or covariate of one patient on one day.

    `measured`: its value, unit and range are sound. `moment` is when, in seconds (None without a time), `method`
    whether the record says how it was taken, `condition` its state, `exact` whether it is one number.
    """

    name: str
    measured: bool
    moment: float | None = None
    method: bool = False
    condition: str = "rest"
    exact: bool = True


class Inventory:
    """Facts by patient; what is said twice is held once, so that a monitor's minutes count as a day.

    Only facts about single rows enter, none about how rows fit together, so that a further row never takes one away.
    """

    def __init__(self) -> None:
        self._facts: dict[str, dict[tuple, Fact]] = {}

    def add(self, patient: str, fact: Fact) -> None:
        """A fact about a patient; of the moments of one day the latest stays."""
        mine = self._facts.setdefault(patient, {})
        day = None if fact.moment is None else fact.moment // 86400.0
        key = (fact.name, fact.measured, day, fact.method, fact.condition, fact.exact)
        old = mine.get(key)
        if old is None or (fact.moment is not None and old.moment is not None and fact.moment > old.moment):
            mine[key] = fact

    def of(self, patient: str) -> Iterable[Fact]:
        """The facts about one patient."""
        return self._facts.get(patient, {}).values()
