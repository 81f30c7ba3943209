"""Cheaper forms of the same arithmetic for a kernel: what a compiler may not do because the last bit may change.

`rewrite` resolves sums with 0 and products with 0 or 1, divides by multiplying with a reciprocal (that of an invariant
is formed once, before the loop) and gathers the invariant factors of a product. `joined` makes a product and the sums
that read it one operation each (one rounding in place of two). `with_rare` finds what only few lanes need: the flow in
the step in which a valve opens or closes, the vertex where a curve turns. A warp none of whose lanes needs it can pass
it by.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from .straight_line import ISSUED, Builder, Constant, Operand, Operation, Rare, StraightLine

__all__ = ["joined", "rewrite", "with_rare"]

SMALLEST_RARE = 10  # instructions; fewer are not worth a vote of the warp and a branch
FOLDED = ("add", "sub", "mul", "neg")


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
    inner = builder.product(b)
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


def with_rare(line: StraightLine) -> StraightLine:
    """The line with what is read only where a predicate holds (the second choice of a select) set apart."""
    body = list(line.body)
    seen = dict.fromkeys(p.inputs[0] for p in body if isinstance(p, Operation) and _guards(p, p.inputs[0]))
    kept = line.kept()
    for predicate in seen:
        if isinstance(predicate, int) and predicate not in kept:
            body = _set_apart(body, predicate, line.outputs)
    return dataclasses.replace(line, body=tuple(body))


def _guards(operation: Operation, predicate: Operand) -> bool:
    return operation.name == "select_n" and len(operation.inputs) == 3 and operation.inputs[0] == predicate


def _inside(piece: Operation | Rare) -> tuple[Operation, ...]:
    return piece.operations if isinstance(piece, Rare) else (piece,)


def _members(body: list[Operation | Rare], predicate: int, outputs: Iterable[Operand]) -> set[int]:
    """Outputs of the operations that only lanes with the predicate need."""
    needed, members = {i for i in outputs if isinstance(i, int)} | {predicate}, set()
    for piece in reversed(body):
        if isinstance(piece, Operation) and piece.output not in needed:
            members.add(piece.output)
            continue
        for operation in _inside(piece):
            reads = operation.inputs[:2] if _guards(operation, predicate) else operation.inputs
            needed.update(i for i in reads if isinstance(i, int))
    return members


def _set_apart(body: list[Operation | Rare], predicate: int, outputs: Iterable[Operand]) -> list[Operation | Rare]:
    """The body with one rare part for this predicate, unchanged where that would be too small.

    A member that reads what depends on the part's own outputs stays outside, so that the part runs at one place: after
    the last piece that it reads; what depends on it and stood before is put off until then.
    """
    members = _members(body, predicate, outputs)
    if len(members) < 2:
        return body
    early: dict[int, Operation] = {}
    after: set[Operand] = set()
    for piece in body:
        depends = any(i in after for o in _inside(piece) for i in o.inputs)
        if isinstance(piece, Operation) and piece.output in members and not depends:
            early[piece.output] = piece
        elif depends or any(i in early for o in _inside(piece) for i in o.inputs):
            after.update(o.output for o in _inside(piece))
    if sum(ISSUED.get(o.name, 1) for o in early.values()) < SMALLEST_RARE:
        return body
    rest = [piece for piece in body if not (isinstance(piece, Operation) and piece.output in early)]
    read = {i for piece in rest for o in _inside(piece) for i in o.inputs}
    rare = Rare(predicate, tuple(early.values()), tuple(i for i in early if i in read))
    reads = {i for o in rare.operations for i in o.inputs} | {predicate}
    last = max(n for n, piece in enumerate(rest) if reads & {o.output for o in _inside(piece)}) + 1
    waits = [any(o.output in after for o in _inside(piece)) for piece in rest[:last]]
    head = [piece for piece, wait in zip(rest, waits, strict=False) if not wait]
    put_off = [piece for piece, wait in zip(rest, waits, strict=False) if wait]
    return [*head, rare, *put_off, *rest[last:]]
