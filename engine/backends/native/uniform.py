"""What is the same for every patient of a step: values that follow from its number alone, such as how far the beat is.

A vector holds the same number in all lanes then, at the price of as many different ones. So they are made for as many
steps at a time as a vector has lanes, and read from a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..straight_line import Operand, Operation, Piece, StraightLine

__all__ = ["Uniform", "uniform"]

LEAST, READING = 8, 1  # instructions saved per step from which on a table is worth its lines; those of a reading


@dataclass(frozen=True)
class Uniform:
    """Operations that make the `values` of a table, and the body that reads them."""

    operations: tuple[Operation, ...]
    values: tuple[int, ...]
    body: tuple[Piece, ...]


def uniform(line: StraightLine, counts: frozenset[int], dtype: str, costs: Mapping[str, int]) -> Uniform:
    """The line's body without what follows from the inputs `counts` (number of steps, of the step) alone.

    Of what others read, numbers of type `dtype` stand in the table; anything else is made of them in the body. Without
    values where that would not pay (`costs`: instructions of an operation, where they are not one).
    """
    same = set[Operand](counts)
    for piece in (*line.prologue, *line.body):
        if isinstance(piece, Operation) and all(not isinstance(i, int) or i in same for i in piece.inputs):
            same.add(piece.output)
    found = [piece for piece in line.body if isinstance(piece, Operation) and piece.output in same]
    inside = {o.output for o in found}
    read = set[Operand](line.outputs)
    read.update(i for piece in line.body if not piece.makes <= inside for i in piece.reads)
    stays = set[int]()
    for operation in reversed(found):
        if operation.output in read and operation.dtype != dtype:
            stays.add(operation.output)
            read |= operation.reads
    values = tuple(o.output for o in found if o.output in read and o.output not in stays)
    gone = inside - stays
    saved = sum(costs.get(o.name, 1) for o in found if o.output in gone) - READING * len(values)
    if saved < LEAST:
        return Uniform((), (), line.body)
    wanted = set[Operand](values)
    for operation in reversed(found):
        if operation.output in wanted:
            wanted |= operation.reads
    body = tuple(piece for piece in line.body if not piece.makes <= gone)
    return Uniform(tuple(o for o in found if o.output in wanted), values, body)
