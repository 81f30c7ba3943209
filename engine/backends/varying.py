"""A beat's functions on the carried rows that change: those that every step leaves as the onset made them, such as the
elastance of a vessel with a constant one, are made of the parameters anew, and what follows from them is computed once
per beat instead of once per step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from ..reduction import Signs
from .kernel_program import Tracing
from .rewriting import rewrite
from .straight_line import Constant, operations_of, trace

__all__ = ["Varying", "moving"]


class Varying:
    """As `Tracing` without tangents, with `size` carried rows: those of its rows that `moving` names."""

    def __init__(self, whole: Tracing) -> None:
        self.whole, self.row, self.rows, self.count = whole, whole.row, whole.rows, whole.count
        self.moving = moving(whole)
        self.size = len(self.moving)

    def begin(self, rows: Sequence[Any], state: Sequence[Any], steps: Any) -> list[Any]:
        """What is carried before the first step."""
        begun = self.whole.begin(rows, state, steps)
        return [begun[i] for i in self.moving]

    def plain(self, rows: Sequence[Any], steps: Any, carried: Sequence[Any], k: Any) -> list[Any]:
        """One step of the beat."""
        after = self.whole.plain(rows, steps, self._full(rows, steps, carried), k)
        return [after[i] for i in self.moving]

    def read(self, rows: Sequence[Any], steps: Any, carried: Sequence[Any], wanted: Signs) -> list[Any]:
        """Signals at the node that is carried."""
        return self.whole.read(rows, steps, self._full(rows, steps, carried), wanted)

    def _full(self, rows: Sequence[Any], steps: Any, carried: Sequence[Any]) -> list[Any]:
        """All rows that `whole` carries."""
        nothing = [jax.numpy.zeros(self.row.shape, self.row.dtype)] * len(self.whole.beat.system.state)
        full = self.whole.begin(rows, nothing, steps)  # what does not move does not depend on the state
        for i, row in zip(self.moving, carried, strict=True):
            full[i] = row
        return full

    def ends(self, carried: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """(state rows, reductions) of what is carried after the last step."""
        full = [carried[0]] * self.whole.size  # nothing is read of what does not move
        for i, row in zip(self.moving, carried, strict=True):
            full[i] = row
        return self.whole.ends(full)


def moving(whole: Tracing) -> tuple[int, ...]:
    """Carried rows that a step may change, or that the beat's end reads."""
    number, size = len(whole.rows), whole.size
    state = [whole.row] * len(whole.beat.system.state)

    def both(invariant: Sequence[Any], given: Sequence[Any]) -> list[Any]:
        rows, steps = invariant[:number], invariant[number]
        after = whole.plain(rows, steps, given[:size], given[size])
        return [*after, *whole.begin(rows, given[size + 1 :], steps)]

    line = trace(both, [*whole.rows, whole.count], [*[whole.row] * size, whole.count, *state], rewrite)
    inner = set(range(line.invariants)) | {operation.output for operation in line.prologue}
    fixed = lambda operand: isinstance(operand, Constant) or operand in inner  # noqa: E731
    after, begun = line.outputs[:size], line.outputs[size:]
    end = trace(lambda _, x: [leaf for part in whole.ends(x) for leaf in part], [], [whole.row] * size, rewrite)
    read = {*end.outputs, *(i for operation in operations_of(end) for i in operation.inputs)}
    return tuple(i for i in range(size) if after[i] != begun[i] or not fixed(after[i]) or i in read)
