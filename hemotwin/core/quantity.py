"""A physical quantity: a dataclass field that carries its unit, bounds, meaning and source.

Everything that hemotwin prints, scales or tests about a parameter is generated from this declaration.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from .errors import InputError

__all__ = ["Quantity", "declared", "quantity"]


@dataclasses.dataclass(frozen=True)
class Quantity:
    """The description of one quantity: name, value, unit, bounds, meaning, source.

    `shape` marks a dimensionless constant of a formula (an exponent, a fixed ratio) that folds into the compiled
    program; all others become rows of the parameter array and may differ between patients.
    """

    name: str
    value: float
    unit: str
    doc: str
    bounds: tuple[float, float]
    source: str
    shape: bool = False
    free: bool = False

    def check(self, value: float) -> float:
        """Return `value` as a float, or raise `InputError` naming the quantity, the value and the allowed range."""
        unit, unit_too = ("", "") if self.unit == "1" else (f" {self.unit}", ", in this unit")
        try:
            number = float(value)
        except (TypeError, ValueError):
            of = unit and f" in{unit}"
            raise InputError(f"`{self.name}` must be a number{of}, but got {value!r}.") from None
        low, high = self.bounds
        if not math.isfinite(number) or not low <= number <= high:
            raise InputError(
                f"`{self.name}` must lie between {low:g} and {high:g}{unit}, but got {number:g}{unit}; "
                f"give a value inside the range{unit_too}."
            )
        return number


def quantity(
    default: float, unit: str, *, doc: str, bounds: tuple[float, float], source: str, shape: bool = False
) -> Any:
    """Declare a dataclass field with its unit, bounds, meaning and source."""
    if not unit or not doc or not source:
        raise InputError('`quantity` must be given a unit ("1" when dimensionless), a doc and a source.')
    low, high = bounds
    if not low <= default <= high:
        raise InputError(f"`quantity` default {default} must lie inside its bounds {bounds}.")
    about = {"unit": unit, "doc": doc, "bounds": (float(low), float(high)), "source": source, "shape": shape}
    return dataclasses.field(default=default, metadata={"quantity": about})


def declared(component: Any) -> tuple[Quantity, ...]:
    """The quantities that a component class or instance declares, in order, with the instance's own values."""
    found = []
    for field in dataclasses.fields(component):
        about = field.metadata.get("quantity")
        if about is not None:
            value: Any = field.default if isinstance(component, type) else getattr(component, field.name)
            found.append(Quantity(field.name, value, **about))
    return tuple(found)
