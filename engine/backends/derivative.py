"""Partial derivatives of elementary operations, written as further operations of the same straight line."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ...core.errors import HemotwinError
from .straight_line import Builder, Constant, Operand, Operation

__all__ = ["Mask", "Partial", "number", "partials", "plus", "times"]


class Mask(NamedTuple):
    """A derivative that is `value` where all boolean operands `on` hold, and 0 elsewhere.

    What multiplies it multiplies its value: so all of a product is needed only where the mask holds, and a rare part
    may make it.
    """

    on: tuple[Operand, ...]
    value: Operand


Partial = Operand | Mask  # a derivative: a number, a value of the line, or one behind a mask

FLAT = ("floor", "ceil", "round", "sign", "stop_gradient", "convert_element_type")  # derivative 0 where there is one
Rule = Callable[[Builder, tuple[Operand, ...], Operation], list[Partial]]


def partials(builder: Builder, operation: Operation) -> list[Partial | None]:
    """d output / d input of every input of an operation; None for 0. Raises `HemotwinError` for one without a rule."""
    name, dtype = operation.name, operation.dtype
    if name in FLAT or not dtype.startswith("float"):
        return [None] * len(operation.inputs)
    if name == "select_n":
        predicate, one = operation.inputs[0], Constant(1.0, dtype)
        return [None, Mask((builder.add("not", [predicate], "bool"),), one), Mask((predicate,), one)]
    if name not in RULES:
        raise HemotwinError(
            f"a step in a kernel must be made of operations with known derivatives, but holds `{name}`."
        )
    return list(RULES[name](builder, operation.inputs, operation))


def number(builder: Builder, partial: Partial, dtype: str) -> Operand:
    """A derivative as a value of the line: a choice for each of its masks, the first inside."""
    if not isinstance(partial, Mask):
        return partial
    found = partial.value
    for predicate in partial.on:
        found = builder.add("select_n", [predicate, Constant(0.0, dtype), found], dtype)
    return found


def times(builder: Builder, one: Partial, two: Partial, dtype: str, *, masked: bool = True) -> Partial:
    """Product of two derivatives; a mask hides also what is not finite.

    masked: the product stays behind its masks, for a rare part to make. Where everything runs it is cheaper without:
    one choice then serves all that it is multiplied with.
    """
    value = _product(builder, _value(one), _value(two), dtype)
    masks = tuple(dict.fromkeys((*_masks(one), *_masks(two))))
    found = Mask(masks, value) if masks else value
    return found if masked or value == Constant(1.0, dtype) else number(builder, found, dtype)


def plus(builder: Builder, one: Partial, two: Partial, dtype: str) -> Partial:
    """Sum of two derivatives, behind the masks that both have."""
    shared = tuple(predicate for predicate in _masks(one) if predicate in _masks(two))
    values = [number(builder, _without(shared, part), dtype) for part in (one, two)]
    total = builder.add("add", values, dtype)
    return Mask(shared, total) if shared else total


def _masks(partial: Partial) -> tuple[Operand, ...]:
    return partial.on if isinstance(partial, Mask) else ()


def _value(partial: Partial) -> Operand:
    return partial.value if isinstance(partial, Mask) else partial


def _without(shared: tuple[Operand, ...], partial: Partial) -> Partial:
    """The derivative without some of its masks."""
    return Mask(tuple(i for i in _masks(partial) if i not in shared), _value(partial))


def _product(builder: Builder, one: Operand, two: Operand, dtype: str) -> Operand:
    for a, b in ((one, two), (two, one)):
        if isinstance(a, Constant) and a.value == 1.0:
            return b
    return builder.add("mul", [one, two], dtype)


def _larger(builder: Builder, inputs: tuple[Operand, ...], operation: Operation) -> list[Partial]:
    """Derivatives of the larger or smaller of two; a tie is shared, as JAX does."""
    a, b = inputs
    dtype = operation.dtype
    half, one, none = (Constant(x, dtype) for x in (0.5, 1.0, 0.0))
    first = builder.add("gt" if operation.name == "max" else "lt", [a, b], "bool")
    tie = builder.add("eq", [a, b], "bool")
    chosen = builder.add("select_n", [first, none, one], dtype)
    to_a = builder.add("select_n", [tie, chosen, half], dtype)
    return [to_a, builder.add("sub", [one, to_a], dtype)]


def _power(builder: Builder, inputs: tuple[Operand, ...], operation: Operation) -> list[Partial]:
    power = dict(operation.params)["y"]
    lower = builder.add("integer_pow", [inputs[0]], operation.dtype, None, (("y", power - 1),))
    return [builder.add("mul", [Constant(float(power), operation.dtype), lower], operation.dtype)]


def _of_abs(builder: Builder, inputs: tuple[Operand, ...], operation: Operation) -> list[Partial]:
    dtype = operation.dtype
    zero, one, less = (Constant(x, dtype) for x in (0.0, 1.0, -1.0))
    up = builder.add("select_n", [builder.add("gt", [inputs[0], zero], "bool"), zero, one], dtype)
    return [builder.add("select_n", [builder.add("lt", [inputs[0], zero], "bool"), up, less], dtype)]


def _reciprocal(builder: Builder, inputs: tuple[Operand, ...], o: Operation) -> list[Partial]:
    square = builder.add("mul", [o.output, o.output], o.dtype)
    return [builder.add("neg", [square], o.dtype)]


def _quotient(builder: Builder, inputs: tuple[Operand, ...], o: Operation) -> list[Partial]:
    inverse = builder.add("reciprocal", [inputs[1]], o.dtype)
    return [inverse, builder.add("neg", [builder.add("mul", [o.output, inverse], o.dtype)], o.dtype)]


def _raised(builder: Builder, inputs: tuple[Operand, ...], o: Operation) -> list[Partial]:
    base, exponent = inputs
    less = builder.add("sub", [exponent, Constant(1.0, o.dtype)], o.dtype)
    by_base = builder.add("mul", [exponent, builder.add("pow", [base, less], o.dtype)], o.dtype)
    return [by_base, builder.add("mul", [o.output, builder.add("log", [base], o.dtype)], o.dtype)]


def _square_root(builder: Builder, inputs: tuple[Operand, ...], o: Operation) -> list[Partial]:
    inverse = builder.add("reciprocal", [o.output], o.dtype)
    return [builder.add("mul", [Constant(0.5, o.dtype), inverse], o.dtype)]


def _bell(builder: Builder, inputs: tuple[Operand, ...], o: Operation) -> list[Partial]:
    square = builder.add("mul", [o.output, o.output], o.dtype)
    if o.name == "tanh":
        return [builder.add("sub", [Constant(1.0, o.dtype), square], o.dtype)]
    return [builder.add("sub", [o.output, square], o.dtype)]


RULES: dict[str, Rule] = {
    "add": lambda b, i, o: [Constant(1.0, o.dtype), Constant(1.0, o.dtype)],
    "sub": lambda b, i, o: [Constant(1.0, o.dtype), Constant(-1.0, o.dtype)],
    "neg": lambda b, i, o: [Constant(-1.0, o.dtype)],
    "mul": lambda b, i, o: [i[1], i[0]],
    "div": _quotient,
    "reciprocal": _reciprocal,
    "max": _larger,
    "min": _larger,
    "abs": _of_abs,
    "integer_pow": _power,
    "pow": _raised,
    "sqrt": _square_root,
    "square": lambda b, i, o: [b.add("add", [i[0], i[0]], o.dtype)],
    "exp": lambda b, i, o: [o.output],
    "log": lambda b, i, o: [b.add("reciprocal", [i[0]], o.dtype)],
    "tanh": _bell,
    "logistic": _bell,
    "sin": lambda b, i, o: [b.add("cos", [i[0]], o.dtype)],
    "cos": lambda b, i, o: [b.add("neg", [b.add("sin", [i[0]], o.dtype)], o.dtype)],
}
