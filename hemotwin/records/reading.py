"""A usable reading on its way from a reader to a `MeasurementSet`, and where it stood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from .codes import info

__all__ = ["Place", "Reading", "show"]


class Place(NamedTuple):
    """Where a value stood: `prefix number suffix`, as in "ph9.csv line 3 column sbp"."""

    prefix: str
    number: int
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.prefix}{self.number}{self.suffix}"


@dataclass(slots=True)
class Reading:
    """One usable reading on its way into a `MeasurementSet`; `resolution` is the size of its last written digit."""

    patient: str
    name: str
    value: Any
    sd: float | None
    modality: str
    time: str | None
    when: float | None
    condition: str | None
    resolution: float
    row: int

    def __str__(self) -> str:
        about = info(self.name)
        return f"{about.label} {show(self.value)} {about.unit}".strip()


def show(value: Any) -> str:
    """A number with four significant figures, a word as it is."""
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)
