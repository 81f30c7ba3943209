"""The order of a step's operations: those that are done with most values first, so that few wait in registers.

A step with its local derivatives makes a thousand values, and registers are 32: what is made long before it is read is
written to memory and read again, which costs more than the operation itself. Traced, all of the step comes before its
derivatives.
"""

from __future__ import annotations

import heapq

from ....core.errors import HemotwinError
from ..straight_line import Piece, StraightLine

__all__ = ["ordered_body"]


def ordered_body(line: StraightLine) -> tuple[Piece, ...]:
    """The line's body with, of the pieces whose inputs are made, always that one next which leaves fewest values to
    wait; of several the one that reads what was made last, then the earlier."""
    body = line.body
    maker = {value: n for n, piece in enumerate(body) for value in piece.makes}
    inputs = [{value for value in piece.reads if isinstance(value, int) and value in maker} for piece in body]
    readers: dict[int, set[int]] = {value: set() for value in maker}
    for n, read in enumerate(inputs):
        for value in read:
            readers[value].add(n)
    missing = [len({maker[value] for value in read}) for read in inputs]
    waiting = [sum(bool(readers[value]) for value in piece.makes) for piece in body]
    for read in readers.values():
        if len(read) == 1:
            waiting[next(iter(read))] -= 1
    newest = [0] * len(body)  # place of the piece that made the last of its inputs
    ready = [(waiting[n], 0, n) for n, left in enumerate(missing) if not left]
    heapq.heapify(ready)
    order: list[Piece] = []
    placed = set[int]()
    while ready:
        waits, _, n = heapq.heappop(ready)
        if n in placed or waits != waiting[n]:
            continue  # it leaves fewer to wait since, and stands in the heap again
        placed.add(n)
        order.append(body[n])
        for value in inputs[n]:
            readers[value].discard(n)
            if len(readers[value]) == 1:
                last = next(iter(readers[value]))
                waiting[last] -= 1
                if not missing[last]:
                    heapq.heappush(ready, (waiting[last], -newest[last], last))
        for after in {reader for value in body[n].makes for reader in readers.get(value, ())}:
            missing[after] -= 1
            newest[after] = len(order)
            if not missing[after]:
                heapq.heappush(ready, (waiting[after], -len(order), after))
    if len(order) < len(body):
        raise HemotwinError(f"no piece of a step must wait for itself, but {len(body) - len(order)} do.")
    return tuple(order)
