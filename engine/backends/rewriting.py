"""Cheaper forms of the same arithmetic for a kernel: what a compiler may not do because the last bit may change.

`rewrite` resolves sums with 0 and products with 0 or 1, divides by multiplying with a reciprocal (that of an invariant
is formed once, before the loop) and gathers the invariant factors of a product. `joined` makes a product and the sums
that read it one operation each (one rounding in place of two). `recomputed` makes anew in every step what costs more to
keep.
"""

from __future__ import annotations

import dataclasses

from .straight_line import ISSUED, Builder, Constant, Operand, Operation, StraightLine

__all__ = ["joined", "recomputed", "rewrite"]

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
        return _met(builder, name, read, dtype)
    return _gathered(builder, read, dtype) if name == "mul" else None


def _met(builder: Builder, name: str, read: list[Operand], dtype: str) -> Operand | None:
    """x - (x - y) = y, (x - y) + (y - z) = x - z, and s (x - y) + s y = s x: what was taken away and put back."""
    first, second = (_difference(builder, i) for i in read)
    if name == "sub":
        return second[1] if second is not None and second[0] == read[0] else None
    for one, a, b in ((read[0], first, second), (read[1], second, first)):
        if b is not None and b[1] == one:
            return b[0]
        if a is not None and b is not None and a[1] == b[0]:
            return builder.add("sub", [a[0], b[1]], dtype)
    left, right = (builder.product(i) for i in read)
    if left is None or right is None:
        return None
    for s, x in (left, left[::-1]):
        for t, y in (right, right[::-1]):
            whole = _met(builder, "add", [x, y], dtype) if s == t else None
            if whole is not None:
                return builder.add("mul", [s, whole], dtype)
    return None


def _difference(builder: Builder, operand: Operand) -> tuple[Operand, Operand] | None:
    """x and y of an operand that is x - y."""
    made = None if isinstance(operand, Constant) else builder.made.get(operand)
    return (made.inputs[0], made.inputs[1]) if made is not None and made.name == "sub" else None


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
    if name == "sub" and read[0] == read[1]:
        return Constant(0.0, dtype)
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


def _inverted(builder: Builder, operand: Operand) -> Operand | None:
    """x of an operand that is 1 / x."""
    made = None if isinstance(operand, Constant) else builder.made.get(operand)
    return made.inputs[0] if made is not None and made.name == "reciprocal" else None


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
    """c1 (c2 x) = (c1 c2) x, the invariant factors first and their product formed before the loop; a sign goes into
    an invariant factor, or before the product, where a sum may take it; x (1 / x) is 1."""
    if any(_inverted(builder, one) == other for one, other in (read, read[::-1])):
        return Constant(1.0, dtype)
    a, b = read if builder.is_fixed(read[0]) else read[::-1]
    if not builder.is_fixed(a):
        for one, other in (read, read[::-1]):
            opposite = _opposite(builder, one)
            if opposite is not None:
                return builder.add("neg", [builder.add("mul", [opposite, other], dtype)], dtype)
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
