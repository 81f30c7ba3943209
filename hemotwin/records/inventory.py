"""What a source holds of each patient, whether or not a twin uses it: the facts that readiness is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["DAY", "Fact", "Inventory"]

DAY = 86400.0  # s


class Fact(NamedTuple):
    """One observable or covariate of one patient on one day.

    `measured`: its value, unit and range are sound; `unit`: that it has a unit which can be read. `day` counts from
    1970 (None without a time), `method` is whether the record says how it was taken, `permitted` whether a consent to
    any purpose is recorded for it, `condition` the state it was taken in.
    """

    name: str
    measured: bool
    unit: bool = True
    day: int | None = None
    method: bool = False
    permitted: bool = False
    condition: str = "rest"


class Inventory:
    """Facts by patient; what is said twice in a day is held once, so that a monitor's minutes count as a day.

    Only facts about single rows enter, none about how rows fit together, so that a further row never takes one away.
    """

    def __init__(self) -> None:
        self._facts: dict[str, set[Fact]] = {}
        self._refused: dict[str, dict[str, str]] = {}

    def add(self, patient: str, fact: Fact) -> None:
        """A fact about a patient."""
        self._facts.setdefault(patient, set()).add(fact)

    def refuse(self, patient: str, name: str, by: str) -> None:
        """A reading that was recorded and cannot be used, by the quality rule that its first row fell under."""
        self._refused.setdefault(patient, {}).setdefault(name, by)

    def refused(self, patient: str) -> Mapping[str, str]:
        """The rule by reading of all that was recorded of a patient and could not be used."""
        return self._refused.get(patient, {})

    def of(self, patient: str) -> list[Fact]:
        """The facts about one patient, by name and day: what is said of them is the same in every run."""
        return sorted(self._facts.get(patient, ()), key=_order)


def _order(fact: Fact) -> tuple[object, ...]:
    return fact.name, fact.day is not None, fact.day or 0, *fact[6:], *fact[1:3], *fact[4:6]
