"""A usable reading on its way from a reader to a `MeasurementSet`, and where it stood."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from .codes import info

__all__ = ["Place", "Reading", "plausible_range", "show", "show_range", "with_range"]


class Place(NamedTuple):
    """Where a value stood: `prefix number suffix`, as in "ph9.csv line 3 column sbp"."""

    prefix: str
    number: int
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.prefix}{self.number}{self.suffix}"


@dataclass(slots=True)
class Reading:
    """One usable reading on its way into a `MeasurementSet`; `resolution` is the size of its last written digit.

    An exact reading has a `value`; of the kinds interval, censored and ordinal `value` is None and `lower` and `upper`
    bound it, None where a bound is not known. `when` is `time` in seconds, `visit` the identifier of the encounter that
    the record names, `more` further rows that the reading was made of. `signal`: it was averaged from a recorded signal
    or trend, so that its mean is a measurement beside its extremes and no function of them.
    """

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
    kind: str = "exact"
    lower: float | None = None
    upper: float | None = None
    visit: str = ""
    more: tuple[int, ...] = ()
    signal: bool = False

    @property
    def exact(self) -> bool:
        """Whether it is one number (or word), and not a range."""
        return self.kind == "exact"

    @property
    def least(self) -> float:
        """The smallest number that the reading allows; minus infinity where nothing bounds it."""
        return self.value if self.exact else -math.inf if self.lower is None else self.lower

    @property
    def most(self) -> float:
        """The largest number that the reading allows; infinity where nothing bounds it."""
        return self.value if self.exact else math.inf if self.upper is None else self.upper

    def same_as(self, other: Reading) -> bool:
        """Whether both say the same: the same kind with the same number, word or bounds."""
        if self.kind != other.kind or isinstance(self.value, str) or isinstance(other.value, str):
            return self.kind == other.kind and self.value == other.value
        pairs = ((self.least, other.least), (self.most, other.most))
        return all(a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in pairs)

    def __str__(self) -> str:
        about = info(self.name)
        value = show(self.value) if self.exact else show_range(self.lower, self.upper)
        return f"{about.label} {value} {about.unit}".strip()


def show(value: Any) -> str:
    """A number with four significant figures, a word as it is."""
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)


def show_range(lower: float | None, upper: float | None) -> str:
    """Bounds in words: "55 to 60", "below 10", "above 60"."""
    if lower is None:
        return f"below {show(upper)}"
    return f"above {show(lower)}" if upper is None else f"{show(lower)} to {show(upper)}"


def plausible_range(name: str) -> str:
    """The plausible range of an observable or covariate with its unit, "40 to 300 mmHg"; empty where none is known."""
    about = info(name)
    return "" if about.low is None or about.high is None else f"{show_range(about.low, about.high)} {about.unit}"


def with_range(reason: str, name: str) -> str:
    """Why a value is set aside, followed by its plausible range where the reason does not tell yet what is allowed."""
    allowed = plausible_range(name)
    told = allowed in reason or "; allowed: " in reason
    return reason if told else f"{reason}; allowed: {allowed}"
