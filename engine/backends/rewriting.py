"""Cheaper forms of the same arithmetic for a kernel: what a compiler may not do because the last bit may change.

`rewrite` resolves sums with 0 and products with 0 or 1, divides by multiplying with a reciprocal (that of an invariant
is formed once, before the loop) and gathers the invariant factors of a product. `joined` makes a product and the sums
that read it one operation each (one rounding in place of two). `with_rare` finds what only few lanes need: the flow in
the step in which a valve opens or closes, the vertex where a curve turns. A warp none of whose lanes needs it can pass
it by. `gathered_rare` puts such parts together that need not wait for each other: one vote of the warp serves them all,
and what runs then runs side by side.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .demand import demands
from .straight_line import ISSUED, Builder, Constant, Operand, Operation, Rare, StraightLine, operations_of

__all__ = ["gathered_rare", "joined", "recomputed", "rewrite", "with_rare"]

SMALLEST_RARE = 6  # instructions of a GPU; fewer are not worth a vote of the warp and a branch
FOLDED = ("add", "sub", "mul", "neg")
Costs = Mapping[str, Mapping[str, int]]  # type -> operation -> instructions


def rewrite(builder: Builder, name: str, read: list[Operand], dtype: str) -> Operand | None:
    """The operand in place of name(read), or None when the operation stands as it is."""
    if not dtype.startswith("float"):
        return None
    short = _identity(name, read, dtype)
    if short is not None:
        return short
    if name == "div":
        return builder.add("mul", [read[0], _reciprocal(builder, read[1], dtype)], dtype)
    if name == "sub" and _is(read[0], 0.0):
        return builder.add("neg", [read[1]], dtype)
    if name == "neg":
        factors = builder.product(read[0])
        if factors is not None and builder.is_fixed(factors[0]):
            return builder.add("mul", [builder.add("neg", [factors[0]], dtype), factors[1]], dtype)
        return _opposite(builder, read[0])
    if name in ("add", "sub"):
        for place, other in ((1, 0), (0, 1)):
            inner = _opposite(builder, read[place])
            if inner is not None and (name == "add" or place == 1):
                return builder.add("sub" if name == "add" else "add", [read[other], inner], dtype)
        return None
    return _gathered(builder, read, dtype) if name == "mul" else None


def _is(operand: Operand, value: float) -> bool:
    return isinstance(operand, Constant) and operand.value == value


def _identity(name: str, read: list[Operand], dtype: str) -> Operand | None:
    """What an operation with 0 or 1, or on constants alone, comes to; None when it is a real operation.

    Products with 0 are 0 also for infinite factors: a lane that blew up is found by its other operations.
    """
    if name in FOLDED and all(isinstance(i, Constant) for i in read):
        a, b = (i.value for i in (read[0], read[-1]) if isinstance(i, Constant))
        return Constant({"add": a + b, "sub": a - b, "mul": a * b, "neg": -a}[name], dtype)
    if name == "select_n" and len(read) == 3 and read[1] == read[2]:
        return read[1]
    if name == "mul" and (_is(read[0], 0.0) or _is(read[1], 0.0)):
        return Constant(0.0, dtype)
    for neutral, names, place in (
        (0.0, ("add",), 0),
        (0.0, ("add", "sub"), 1),
        (1.0, ("mul",), 0),
        (1.0, ("mul", "div"), 1),
    ):
        if name in names and _is(read[place], neutral):
            return read[1 - place]
    return None


def _opposite(builder: Builder, operand: Operand) -> Operand | None:
    """x of an operand that is -x."""
    made = None if isinstance(operand, Constant) else builder.made.get(operand)
    return made.inputs[0] if made is not None and made.name == "neg" else None


def _reciprocal(builder: Builder, operand: Operand, dtype: str) -> Operand:
    if isinstance(operand, Constant):
        return Constant(1.0 / operand.value, dtype)
    made = builder.made.get(operand)
    choices = made.inputs[1:] if made is not None and made.name == "select_n" else ()
    if made is not None and choices and all(isinstance(i, Constant) and i.value != 0.0 for i in choices):
        inverse = [_reciprocal(builder, i, dtype) for i in choices]
        return builder.add("select_n", [made.inputs[0], *inverse], dtype, made.primitive, made.params)
    return builder.add("reciprocal", [operand], dtype)


def _gathered(builder: Builder, read: list[Operand], dtype: str) -> Operand | None:
    """c1 (c2 x) = (c1 c2) x, the invariant factors first and their product formed before the loop."""
    a, b = read if builder.is_fixed(read[0]) else read[::-1]
    if not builder.is_fixed(a):
        return None
    inner, opposite = builder.product(b), _opposite(builder, b)
    if opposite is not None and not builder.is_fixed(b):
        return builder.add("mul", [builder.add("neg", [a], dtype), opposite], dtype)
    if builder.is_fixed(b) or inner is None or not builder.is_fixed(inner[0]) or builder.is_fixed(inner[1]):
        return None if a is read[0] else builder.add("mul", [a, b], dtype)
    return builder.add("mul", [builder.add("mul", [a, inner[0]], dtype), inner[1]], dtype)


def joined(line: StraightLine) -> StraightLine:
    """The line with every product that only sums and differences read joined with them: fma(a, b, c) = a b + c.

    fms is a b - c, fnma is c - a b. Comparisons and extremes need the product itself, so it stays where they read it.
    """
    body = [piece for piece in line.body if isinstance(piece, Operation)]
    readers: dict[int, list[Operation]] = {}
    for operation in body:
        for i in operation.inputs:
            if isinstance(i, int):
                readers.setdefault(i, []).append(operation)
    taken: dict[int, Operation] = {}
    gone: set[int] = set()
    for product in body:
        reading = readers.get(product.output, [])
        ready = product.name == "mul" and product.dtype.startswith("float") and product.output not in line.outputs
        if ready and all(r.name in ("add", "sub") and r.output not in taken for r in reading):
            if any(set(r.inputs) == {product.output} for r in reading):
                continue
            gone.add(product.output)
            taken |= {r.output: _with_product(r, product) for r in reading}
    body = [taken.get(o.output, o) for o in body if o.output not in gone]
    return dataclasses.replace(line, body=tuple(body))


def _with_product(operation: Operation, product: Operation) -> Operation:
    place = operation.inputs.index(product.output)
    name = "fma" if operation.name == "add" else ("fms" if place == 0 else "fnma")
    return Operation(name, (*product.inputs, operation.inputs[1 - place]), operation.output, operation.dtype)


def _size(operations: Iterable[Operation], costs: Costs) -> int:
    return sum(costs.get(o.dtype, {}).get(o.name, 1) for o in operations)


class _Piece(NamedTuple):
    """An operation or a rare part of the body with the values that it reads and makes."""

    content: Operation | Rare
    reads: frozenset[Operand]
    makes: frozenset[int]


def with_rare(line: StraightLine, least: int = SMALLEST_RARE, costs: Costs = ISSUED) -> StraightLine:
    """The line with what is read only where a predicate holds (the second choice of a select) set apart, in parts of
    `least` instructions or more; `costs` says of how many an operation is, where it is not one."""
    body = [piece for piece in line.body if isinstance(piece, Operation)]
    members: dict[int, dict[int, Operation]] = {}
    demand = demands(body, line.outputs, implied=False)
    for operation in body:
        for predicate, holds in demand.get(operation.output, ()):
            if holds:
                members.setdefault(predicate, {})[operation.output] = operation
    pieces = [_Piece(o, frozenset(o.inputs), frozenset((o.output,))) for o in body]
    fixed, placed = frozenset(line.kept()), set[int]()
    for predicate, found in members.items():
        left = {i: o for i, o in found.items() if i not in placed}
        if predicate not in fixed and _size(left.values(), costs) >= least:
            pieces, chosen = _set_apart(pieces, predicate, left, least, costs)
            placed |= chosen
    return dataclasses.replace(line, body=tuple(piece.content for piece in pieces))


def _set_apart(
    pieces: list[_Piece], predicate: int, members: dict[int, Operation], least: int, costs: Costs
) -> tuple[list[_Piece], frozenset[int]]:
    """The body with one rare part for this predicate, and what went there; nothing where that would be too small.

    A member that reads what depends on the part's own outputs stays outside, so that the part runs at one place: after
    the last piece that it reads; what depends on it and stood before is put off until then.
    """
    early: dict[int, Operation] = {}
    after: set[int] = set()
    for piece in pieces:
        depends = not piece.reads.isdisjoint(after)
        if not depends and isinstance(piece.content, Operation) and piece.content.output in members:
            early[piece.content.output] = piece.content
        elif depends or not piece.reads.isdisjoint(early):
            after |= piece.makes
    if _size(early.values(), costs) < least:
        return pieces, frozenset()
    rest = [piece for piece in pieces if piece.makes.isdisjoint(early)]
    read = frozenset[Operand]().union(*(piece.reads for piece in rest))
    reads = frozenset(i for o in early.values() for i in o.inputs) | {predicate}
    rare = Rare(predicate, tuple(early.values()), tuple(i for i in early if i in read))
    last = max(n for n, piece in enumerate(rest) if not piece.makes.isdisjoint(reads)) + 1
    head = [piece for piece in rest[:last] if piece.makes.isdisjoint(after)]
    put_off = [piece for piece in rest[:last] if not piece.makes.isdisjoint(after)]
    return [*head, _Piece(rare, reads, frozenset(early)), *put_off, *rest[last:]], frozenset(early)


def recomputed(line: StraightLine) -> StraightLine:
    """The line with what one instruction makes of its invariants made in every step, instead of kept from before the
    loop: an instruction is cheaper than a register that others then lack."""
    costly = [o for o in line.prologue if ISSUED.get(o.dtype, {}).get(o.name, 1) > 1 or o.dtype not in ISSUED]
    outside = {i for o in costly for i in (o.output, *o.inputs)}
    before = [o for o in reversed(line.prologue) if o.output in outside and not outside.update(o.inputs)][::-1]
    kept = {o.output for o in costly}
    read, again = set(line.kept()), list[Operation]()
    for operation in reversed(line.prologue):
        if operation.output in read and operation.output not in kept:
            again.append(operation)
            read.update(i for i in operation.inputs if isinstance(i, int))
    return dataclasses.replace(line, prologue=tuple(before), body=(*again[::-1], *line.body))


def gathered_rare(line: StraightLine) -> StraightLine:
    """The line with all rare parts of one depth in one part, which runs for lanes that need any of them.

    The depth of a value is the largest number of rare parts on a way to it, so that parts of one depth never wait for
    each other. What the others make in a lane that does not need them is not read.
    """
    depth: dict[Operand, int] = {}
    deep = lambda read: max((depth.get(i, 0) for i in read), default=0)  # noqa: E731
    plain: dict[int, list[Operation]] = {}
    parts: dict[int, list[Rare]] = {}
    for piece in line.body:
        if isinstance(piece, Rare):
            inside = {o.output for o in piece.operations}
            level = deep([piece.predicate, *(i for o in piece.operations for i in o.inputs if i not in inside)])
            parts.setdefault(level, []).append(piece)
            depth |= dict.fromkeys(piece.outputs, level + 1)
        else:
            depth[piece.output] = deep(piece.inputs)
            plain.setdefault(depth[piece.output], []).append(piece)
    number = max(o.output for o in operations_of(line)) + 1
    body: list[Operation | Rare] = []
    for level in range(max((*plain, *parts), default=-1) + 1):
        body += plain.get(level, [])
        here = parts.get(level, [])
        votes = list(dict.fromkeys(part.predicate for part in here))
        for vote in votes[1:]:
            body.append(Operation("or", (votes[0], vote), number, "bool"))
            votes[0], number = number, number + 1
        if here:
            operations = {o.output: o for part in here for o in part.operations}
            outputs = dict.fromkeys(i for part in here for i in part.outputs)
            body.append(Rare(votes[0], tuple(operations.values()), tuple(outputs)))
    return dataclasses.replace(line, body=tuple(body))
