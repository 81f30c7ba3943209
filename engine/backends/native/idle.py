"""Rows of a step's tangents that have nothing to do in most steps: a valve is shut, an extreme is not reached.

Their derivatives are choices, and the same for all directions: where no lane of a group has one that is not 0, the
products of the row are left out for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..demand import Literal, chooses
from ..jacobian import Jacobian
from ..straight_line import Constant, Operand, Operation, StraightLine, operations_of

__all__ = ["Idle", "idle_rows"]

LEAST = 3  # products of a row that are worth a look at their derivatives and a branch
MOST = 16  # ways to be 0 that are followed: a valve shut before and after, an extreme out of reach
Ways = tuple[frozenset[Literal], ...]  # in any of them a value is 0: predicates of the line that hold, or do not


@dataclass(frozen=True)
class Idle:
    """When a row is idle: all derivatives `zero` are 0, and that of what it replaces, `kept`, is 1.

    With `kept` the carried row is then left as it is; without, the row is 0 but for its seeds.
    """

    zero: tuple[int, ...]
    kept: Operand | None = None


def idle_rows(line: StraightLine, jacobian: Jacobian) -> dict[int, Idle]:
    """By its vertex, each row that may be idle. The line makes carried rows, of which the i-th is its input
    invariants + i, then the derivatives of the Jacobian's rows."""
    vanishing = _Vanishing(line)
    read = {vertex for row in jacobian.rows for vertex, _ in row.edges}
    replaces = {vertex: i for i, vertex in enumerate(jacobian.outputs) if jacobian.outputs.count(vertex) == 1}
    found: dict[int, Idle] = {}
    for row in jacobian.rows:
        place = replaces.get(row.vertex)
        zero, kept = [operand for _, operand in row.edges], None
        if place is not None and row.vertex not in read and vanishing.keeps(place):
            kept = next((operand for vertex, operand in row.edges if vertex == place), None)
            others = [operand for vertex, operand in row.edges if vertex != place]
            zero = [*others, *(operand for _, operand in row.seeds)]
        looked_at = tuple(dict.fromkeys(o for o in zero if isinstance(o, int)))  # the others are 0 in every step
        if len(row.edges) >= LEAST and looked_at and vanishing.together(zero):
            found[row.vertex] = Idle(looked_at, kept)
    return found


class _Vanishing:
    """Which values of a line are 0 by choice: per value, the ways in which predicates make it so."""

    def __init__(self, line: StraightLine) -> None:
        self.line = line
        self.made: dict[Operand, Operation] = {operation.output: operation for operation in operations_of(line)}
        self.known: dict[Operand, Ways] = {}

    def keeps(self, place: int) -> bool:
        """Whether a carried row is what it was, or something else, by choice."""
        end = self.made.get(self.line.outputs[place])
        return end is not None and chooses(end) and self.line.invariants + place in end.inputs[1:]

    def together(self, operands: Iterable[Operand]) -> Ways:
        """The ways in which all operands are 0 at the same time."""
        found: Ways = (frozenset(),)
        for operand in operands:
            both = dict.fromkeys(one | two for one in found for two in self.ways(operand))
            found = tuple(way for way in both if not any((p, not holds) in way for p, holds in way))[:MOST]
        return found

    def ways(self, operand: Operand) -> Ways:
        """The ways in which a value is 0."""
        if isinstance(operand, Constant):
            return (frozenset(),) if operand.value == 0.0 else ()
        if operand not in self.known:
            self.known[operand] = self._ways_of(self.made.get(operand))
        return self.known[operand]

    def _ways_of(self, operation: Operation | None) -> Ways:
        if operation is None:
            return ()
        if chooses(operation):
            predicate, *values = operation.inputs
            found: list[frozenset[Literal]] = []
            for holds, value in enumerate(values):
                mine = frozenset({self._literal(predicate, bool(holds))}) if isinstance(predicate, int) else frozenset()
                found += [way | mine for way in self.ways(value)]
            return tuple(dict.fromkeys((*found, *self.together(values))))[:MOST]
        if operation.name in ("mul", "neg"):
            return tuple(dict.fromkeys(way for i in operation.inputs for way in self.ways(i)))[:MOST]
        return self.together(operation.inputs) if operation.name in ("add", "sub") else ()

    def _literal(self, predicate: int, holds: bool) -> Literal:
        """The same of what a predicate negates."""
        inner = self.made.get(predicate)
        while inner is not None and inner.name == "not" and isinstance(inner.inputs[0], int):
            predicate, holds = inner.inputs[0], not holds
            inner = self.made.get(predicate)
        return predicate, holds
