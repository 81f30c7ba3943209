"""What is wanted of a beat: one number per `Reduction`; the engine carries it, observables combine it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["KINDS", "Reduction"]

KINDS = ("maximum", "minimum", "mean", "onset", "volume", "open_time", "work", "peak_rate")


@dataclass(frozen=True)
class Reduction:
    """One number per beat.

    kind: an extreme, the mean, the value at the beat's onset, the volume passed (of a flow), the time a valve is
    open (s), the work of a pressure-volume loop (mmHg mL, positive when done on the blood) or the steepest rise (per
    s). quantity: "pressure", "volume" or "flow"; site: a reading's name. `window` = (start, stop) limits an extreme
    to a part of the cycle: fractions of the period or names of the System's windows; a stop above 1 wraps into the
    beat's beginning.
    """

    kind: str
    quantity: str
    site: str
    window: tuple[Any, Any] | None = None
