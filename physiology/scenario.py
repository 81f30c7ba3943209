"""What is done to a patient: changes of quantities, or blood given and taken, composed in order.

A scenario is written for the steady state that it leads to: each change acts on a quantity by a factor or an amount.
`a & b` does both.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.errors import InputError, UnknownNameError
from ..core.registry import known, look_up
from ..core.units import parse_amount

__all__ = ["Change", "Inflow", "Scenario", "scenario"]


@dataclass(frozen=True)
class Change:
    """A quantity multiplied by `factor`, then raised by `amount` (in its own unit)."""

    quantity: str
    factor: float = 1.0
    amount: float = 0.0


@dataclass(frozen=True)
class Inflow:
    """Blood from outside into `site` (negative: taken): `volume` mL in `duration` s from the start."""

    site: str
    volume: float
    duration: float


@dataclass(frozen=True)
class Scenario:
    """Name, label and sentence for people; changes and inflows for the model; settings as given.

    `each_beat` holds further changes that take turns, one set per beat, as in breathing: no single beat is then steady.
    """

    name: str
    label: str
    description: str
    changes: tuple[Change, ...] = ()
    inflows: tuple[Inflow, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict, hash=False)
    each_beat: tuple[tuple[Change, ...], ...] = ()

    def applied(self, names: tuple[str, ...], rows: np.ndarray) -> np.ndarray:
        """Parameter rows [P, B] after the scenario, from those before.

        An unknown quantity raises, and so does a scenario whose beats differ: see `in_turn`.
        """
        if self.each_beat:
            raise InputError(
                f"`{self.name}` must lead to one steady beat to be predicted, but its beats differ; simulate it: "
                "ht.simulate(model, scenario)."
            )
        return self.in_turn(names, rows)[0]

    def in_turn(self, names: tuple[str, ...], rows: np.ndarray) -> np.ndarray:
        """Parameter rows [n, P, B] of the n beats that take turns after the scenario; n = 1 where all are alike."""
        total = sum(inflow.volume for inflow in self.inflows)
        changes = [*self.changes, *([Change("stressed_volume", amount=total)] if self.inflows else [])]
        sets = [[*changes, *one] for one in self.each_beat or ((),)]
        return np.stack([self._changed(names, rows, one) for one in sets])

    def _changed(self, names: tuple[str, ...], rows: np.ndarray, changes: list[Change]) -> np.ndarray:
        rows = np.array(rows, dtype=float, copy=True)
        for change in changes:
            if change.quantity not in names:
                raise InputError(
                    f"`{self.name}` must change a quantity of the circulation; {change.quantity!r} is none."
                )
            row = names.index(change.quantity)
            rows[row] = rows[row] * change.factor + change.amount
        return rows

    def __and__(self, other: Scenario) -> Scenario:
        if self.each_beat and other.each_beat:
            raise InputError(f"`{other.name}` must not be added to `{self.name}`: the beats of both differ in turn.")
        return Scenario(
            f"{self.name} and {other.name}", f"{self.label}; {other.label}", f"{self.description} {other.description}",
            self.changes + other.changes, self.inflows + other.inflows, {**self.settings, **other.settings},
            self.each_beat or other.each_beat,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"Scenario({self.name!r}: {self.label})"


def scenario(name: str, **settings: Any) -> Scenario:
    """A registered scenario with settings; quantities with a unit may be written as text ("500 mL", "10 min").

    Raises `UnknownNameError` with the known names, of scenarios or of settings, and `InputError` for a setting out of
    range.
    """
    make = look_up("scenario", name)
    takes = inspect.signature(make).parameters
    for setting in settings if all(one.kind is not one.VAR_KEYWORD for one in takes.values()) else ():
        if setting not in takes:
            raise UnknownNameError(f"`{name}`: setting", setting, takes)
    try:
        return make(**settings)
    except TypeError as error:
        raise InputError(f"`{name}` must be given settings it knows, but got {settings}: {error}.") from None


def amount(name: str, value: Any, unit: str, low: float, high: float) -> float:
    """A setting as a number in `unit`, from a number or a text with a unit, checked against its range."""
    number = parse_amount(value, unit, name)
    if not low <= number <= high:
        shown = "" if unit == "1" else f" {unit}"
        raise InputError(f"`{name}` must lie between {low:g} and {high:g}{shown}, but got {number:g}{shown}.")
    return number


def all_scenarios() -> dict[str, Any]:
    """Registered scenarios by name."""
    return known("scenario")
