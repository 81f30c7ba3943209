"""The rules that every part of a circulation follows."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, TypeVar, dataclass_transform

from .quantity import Quantity, declared, quantity

__all__ = ["Component"]

Self = TypeVar("Self", bound="Component")


@dataclass_transform(frozen_default=True, field_specifiers=(quantity, dataclasses.field))
class Component:
    """A small frozen class with declared quantities and one pure, elementwise formula.

    Subclasses become frozen dataclasses by themselves. A formula may use only elementwise operations on its inputs
    and on its own quantities, so that one source serves one patient, a batch and a GPU kernel.
    """

    kind: ClassVar[str] = ""
    registered_name: ClassVar[str] = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclasses.dataclass(frozen=True, repr=False)(cls)

    def __repr__(self) -> str:
        inside = ", ".join(f"{q.name}={q.value:g} {q.unit}" for q in self.quantities)
        return f"{type(self).__name__}({inside})"

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Every declared quantity with this instance's value."""
        return declared(self)

    def bound_to(self: Self, values: dict[str, Any]) -> Self:
        """The same part with some of its quantities replaced (by numbers or by traced arrays, unchecked)."""
        return dataclasses.replace(self, **values)  # type: ignore[type-var]
