"""What changes a circulation's parameters from beat to beat by what was read of the beat before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .layout import Layout
from .reduction import Reduction

__all__ = ["Feedback"]

Rows = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Feedback:
    """Controller states that are constant within a beat and move at its end, as names, units and pure functions.

    states: what is carried from beat to beat, all 0 at rest; senses: what is read of a beat; acts_on: the parameters it
    changes; weights: what a change of each state counts against 1 mL when a steady state is judged; parameters: its own
    (gains, time constants).
    act(p, states, values) -> the values of `acts_on` in force; update(p, states, sensed, rest, period) -> the states
    after a beat of `period` seconds, where `rest` is what was sensed of the resting beat. Arguments and results are
    tuples of rows, p a dictionary of its parameters; every formula is elementwise in the lanes.
    """

    name: str
    states: Layout
    weights: tuple[float, ...]
    senses: tuple[Reduction, ...]
    acts_on: tuple[str, ...]
    parameters: Layout
    act: Callable[[dict[str, Any], Rows, Rows], Rows]
    update: Callable[[dict[str, Any], Rows, Rows, Rows, Any], Rows]
