"""What of a straight line its readers demand: choices that they have made already, and work that only rare parts read.

A select guards a formula where it would not be finite; behind another select of the same predicate the guard decides
nothing. `decided` leaves such selects out, and makes the guarded root of a number one operation less dear; `sunk` puts
what only rare parts read into them. Lanes that do not need a value may then hold anything in it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable

from .straight_line import Constant, Operand, Operation, Piece, Rare, StraightLine, Votes, needed, operations_of

__all__ = ["Literal", "chooses", "decided", "demands", "sunk"]

Literal = tuple[int, bool]  # a predicate of the line and what it is
NOTHING: frozenset[Literal] = frozenset()


def demands(
    operations: Iterable[Operation], outputs: Iterable[Operand], *, implied: bool = True
) -> dict[int, frozenset[Literal]]:
    """Per value what holds in every lane that needs it, from the readers back to what they read.

    implied: also what a predicate says of those it is made of (a and b: a, b).
    """
    found: dict[int, frozenset[Literal]] = {i: NOTHING for i in outputs if isinstance(i, int)}
    operations = list(operations)
    made = {o.output: o for o in operations} if implied else {}
    for operation in reversed(operations):
        own = found.get(operation.output, NOTHING)
        for place, i in enumerate(operation.inputs):
            if not isinstance(i, int):
                continue
            mine = own
            if place and chooses(operation):
                mine = own | _implied(operation.inputs[0], place == 2, made)
            found[i] = found[i] & mine if i in found else mine
    return found


def chooses(operation: Operation) -> bool:
    """Whether an operation is a choice between two values: inputs predicate, otherwise, where it holds."""
    return operation.name == "select_n" and len(operation.inputs) == 3


def _implied(predicate: Operand, holds: bool, made: dict[int, Operation]) -> frozenset[Literal]:
    """A predicate that is `holds`, and what that says of those it is made of."""
    if not isinstance(predicate, int):
        return NOTHING
    itself, inner = frozenset({(predicate, holds)}), made.get(predicate)
    if inner is not None and inner.name == "not":
        return itself | _implied(inner.inputs[0], not holds, made)
    if inner is not None and inner.name == ("and" if holds else "or"):
        return itself.union(*(_implied(i, holds, made) for i in inner.inputs))
    return itself


def decided(line: StraightLine) -> StraightLine:
    """The line without selects whose choice is made in every lane that needs them, and with guarded roots as
    sqrt(max(x, 0)) where nothing else reads the root."""
    body = [piece for piece in line.body if isinstance(piece, Operation)]
    demand = demands([*line.prologue, *body], line.outputs)
    same: dict[Operand, Operand] = {}
    kept: list[Operation] = []
    for operation in body:
        read = tuple(same.get(i, i) for i in operation.inputs)
        known = demand.get(operation.output, NOTHING)
        if chooses(operation):
            choice = {(operation.inputs[0], holds) for holds in (False, True)} & known
            if len(choice) == 1:
                same[operation.output] = read[1 + next(iter(choice))[1]]
                continue
        kept.append(dataclasses.replace(operation, inputs=read))
    outputs = tuple(same.get(i, i) for i in line.outputs)
    first = max((o.output for o in operations_of(line)), default=line.inputs) + 1
    return dataclasses.replace(line, body=tuple(needed(_rooted(kept, outputs, first), outputs)), outputs=outputs)


def _rooted(body: list[Operation], outputs: tuple[Operand, ...], first: int) -> list[Operation]:
    """select(x > 0, 0, sqrt x) as sqrt(max(x, 0)); new values are numbered from `first`."""
    made = {o.output: o for o in body}
    reads = Counter([*(i for o in body for i in o.inputs), *outputs])
    found: list[Operation] = []
    for operation in body:
        inside = _guarded_root(operation, made)
        if inside is None or reads[operation.inputs[2]] > 1:
            found.append(operation)
            continue
        largest = Operation("max", (inside, Constant(0.0, operation.dtype)), first, operation.dtype)
        found += [largest, Operation("sqrt", (first,), operation.output, operation.dtype)]
        first += 1
    return found


def _guarded_root(operation: Operation, made: dict[int, Operation]) -> Operand | None:
    """x of select(x > 0, 0, sqrt x)."""
    if not chooses(operation):
        return None
    guard, otherwise, root = operation.inputs
    test, inner = (made.get(i) if isinstance(i, int) else None for i in (guard, root))
    if test is None or inner is None or test.name != "gt" or inner.name != "sqrt":
        return None
    zeros = all(isinstance(i, Constant) and i.value == 0.0 for i in (test.inputs[1], otherwise))
    return inner.inputs[0] if zeros and test.inputs[0] == inner.inputs[0] else None


def sunk(line: StraightLine) -> StraightLine:
    """The line with operations that only rare parts read moved into them; one that several read is made in each."""
    pieces: list[Piece] = []
    outside = {i for i in line.outputs if isinstance(i, int)}
    inside: dict[int, set[int]] = {}  # value -> places, in the reversed body, of the rare parts that read it
    for piece in reversed(line.body):
        if isinstance(piece, Votes):
            raise TypeError("what rare parts read moves into them before they are gathered")
        if isinstance(piece, Rare):
            outside.add(piece.predicate)
            outside.update(i for _, i in piece.otherwise if isinstance(i, int))
            for i in _read_from_outside(piece):
                inside.setdefault(i, set()).add(len(pieces))
        elif piece.output not in outside and piece.output in inside:
            for place in inside[piece.output]:
                part = pieces[place]
                assert isinstance(part, Rare)
                pieces[place] = dataclasses.replace(part, operations=(piece, *part.operations))
                for i in piece.inputs:
                    if isinstance(i, int):
                        inside.setdefault(i, set()).add(place)
            continue
        else:
            outside.update(i for i in piece.inputs if isinstance(i, int))
        pieces.append(piece)
    return dataclasses.replace(line, body=tuple(reversed(pieces)))


def _read_from_outside(part: Rare) -> set[int]:
    made = {o.output for o in part.operations}
    return {i for o in part.operations for i in o.inputs if isinstance(i, int) and i not in made}
