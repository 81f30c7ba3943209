"""A function as straight-line arithmetic: its operations in order, each once, those that a loop need not repeat apart.

A kernel keeps every patient in registers, so it pays for each operation of each step. `trace` follows a function of
elementwise operations once, inlines its calls and gives a `StraightLine`: a prologue of what depends on the loop's
invariants alone, and a body. Its counts are those of the roofline.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jax.extend import core

from ...core.errors import HemotwinError

__all__ = [
    "ISSUED",
    "Compute",
    "Constant",
    "Operand",
    "Operation",
    "Piece",
    "Rare",
    "StraightLine",
    "Votes",
    "needed",
    "operations_of",
    "run",
    "trace",
]

CALLS = ("jit", "pjit", "closed_call", "core_call", "eval_jaxpr", "custom_jvp_call", "custom_vjp_call", "remat")
COPIES = ("stop_gradient", "copy", "copy_p", "broadcast_in_dim", "reshape", "squeeze")
# Instructions that a GPU of compute capability 9.0 issues for an operation, where they are not one: counted in the
# machine code of kernels (ptxas 13.5), so that a roofline of them is the kernel's own. Those of float64 are in units of
# one float64 instruction, which takes two places of issue.
ISSUED = {
    "float32": {"cos": 6, "sin": 6, "exp": 2, "log": 2, "div": 8, "tanh": 15, "pow": 30, "stop_gradient": 0},
    "float64": {"cos": 18, "sin": 18, "exp": 20, "log": 30, "sqrt": 13, "reciprocal": 5, "div": 20, "tanh": 60,
                "pow": 80, "stop_gradient": 0},
}  # fmt: skip


@dataclass(frozen=True)
class Constant:
    """A number known when the kernel is built, with the type it takes part in."""

    value: Any
    dtype: str


Operand = int | Constant


@dataclass(frozen=True)
class Operation:
    """One elementwise operation: `output` = name(inputs). Values are numbered; `primitive` is None for our own."""

    name: str
    inputs: tuple[Operand, ...]
    output: int
    dtype: str
    primitive: Any = field(default=None, compare=False, repr=False)
    params: tuple[tuple[str, Any], ...] = field(default=(), compare=False, repr=False)

    @functools.cached_property
    def reads(self) -> frozenset[Operand]:
        """What it needs."""
        return frozenset(self.inputs)

    @functools.cached_property
    def makes(self) -> frozenset[int]:
        """What is known after it."""
        return frozenset((self.output,))


@dataclass(frozen=True)
class Rare:
    """Operations whose `outputs` matter only to lanes for which `predicate` holds; they may run for those alone.

    `otherwise` says of some outputs what they are where nobody runs the operations; the others are then not read.
    """

    predicate: int
    operations: tuple[Operation, ...]
    outputs: tuple[int, ...]
    otherwise: tuple[tuple[int, Operand], ...] = ()

    @functools.cached_property
    def reads(self) -> frozenset[Operand]:
        """What its predicate and its operations need from outside."""
        within = {o.output for o in self.operations}
        return frozenset((self.predicate, *(i for o in self.operations for i in o.inputs if i not in within)))

    @functools.cached_property
    def makes(self) -> frozenset[int]:
        """What is known after it."""
        return frozenset(self.outputs)


@dataclass(frozen=True)
class Votes:
    """Rare parts at one place, each of which runs if some lane needs it; one vote tells of all of them.

    Of their outputs, `outputs` are read elsewhere; `otherwise` says what these are where no part runs.
    """

    parts: tuple[Rare, ...]
    outputs: tuple[int, ...]
    otherwise: tuple[tuple[int, Operand], ...]

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Those of all parts."""
        return tuple(o for part in self.parts for o in part.operations)

    @functools.cached_property
    def reads(self) -> frozenset[Operand]:
        """What its parts need from outside."""
        return frozenset(i for part in self.parts for i in part.reads) - self.makes

    @functools.cached_property
    def makes(self) -> frozenset[int]:
        """What is known after it."""
        return frozenset(self.outputs)


Piece = Operation | Rare | Votes
Compute = Callable[[Operation, list[Any]], Any]


@dataclass(frozen=True)
class StraightLine:
    """Inputs 0 .. invariants - 1 do not change in the loop, the later ones do; `outputs` follow the function's."""

    invariants: int
    inputs: int
    prologue: tuple[Operation, ...]
    body: tuple[Piece, ...]
    outputs: tuple[Operand, ...]

    @property
    def always(self) -> Counter[str]:
        """How often one pass through the body does each operation, whatever the lanes hold."""
        return Counter(piece.name for piece in self.body if isinstance(piece, Operation))

    @property
    def rare(self) -> Counter[str]:
        """How many operations of each name stand in rare parts."""
        return Counter(o.name for piece in self.body if not isinstance(piece, Operation) for o in piece.operations)

    def kept(self) -> tuple[int, ...]:
        """Values of the prologue, or invariant inputs, that the body or the outputs read."""
        made, read = set(range(self.invariants, self.inputs)), set(self.outputs)
        for piece in self.body:
            for operation in (piece,) if isinstance(piece, Operation) else piece.operations:
                read.update(operation.inputs)
                made.add(operation.output)
        return tuple(sorted(i for i in read if isinstance(i, int) and i not in made))


def run(operations: Iterable[Operation], compute: Compute, values: dict[int, Any]) -> None:
    """Compute operations in order, adding every output to `values` (number -> array)."""
    for operation in operations:
        inputs = [i if isinstance(i, Constant) else values[i] for i in operation.inputs]
        values[operation.output] = compute(operation, inputs)


def operations_of(line: StraightLine) -> Iterator[Operation]:
    """Every operation of a line, those of rare parts too."""
    yield from line.prologue
    for piece in line.body:
        yield from (piece,) if isinstance(piece, Operation) else piece.operations


Rewrite = Callable[["Builder", str, list[Operand], str], Operand | None]
More = Callable[["Builder", Sequence[Operation], Sequence[Operand]], Iterable[Operand]]


def trace(
    function: Callable[..., Any],
    invariant: Sequence[Any],
    varying: Sequence[Any],
    rewrite: Rewrite | None = None,
    more: More | None = None,
) -> StraightLine:
    """The straight line of `function(invariant, varying)`, both sequences of shapes (`jax.ShapeDtypeStruct`).

    `rewrite(builder, name, inputs, dtype)` may give an operand in place of an operation; `more(builder, operations,
    outputs)` may append operations and returns further outputs. Raises `HemotwinError` for a loop or branch inside the
    function, and for an array that it captured.
    """
    closed = jax.make_jaxpr(lambda a, b: jax.tree.leaves(function(a, b)))(list(invariant), list(varying))
    builder = Builder(len(invariant), len(invariant) + len(varying), rewrite, stops=more is not None)
    outputs = tuple(builder.inline(closed, list(range(builder.inputs))))
    if more is not None:
        outputs = (*outputs, *more(builder, needed(builder.operations, outputs), outputs))
    operations = needed(builder.operations, outputs)
    body = tuple(o for o in operations if not builder.fixed[o.output])
    prologue = tuple(o for o in operations if builder.fixed[o.output])
    return StraightLine(builder.invariants, builder.inputs, prologue, body, outputs)


class Builder:
    """Appends operations in order, each distinct one once; `fixed` says which values are invariants of the loop.

    With `stops`, operations remember where the function stops a derivative.
    """

    def __init__(self, invariants: int, inputs: int, rewrite: Rewrite | None, *, stops: bool = False) -> None:
        self.invariants, self.inputs, self.rewrite, self.stops = invariants, inputs, rewrite, stops
        self.operations: list[Operation] = []
        self.made: dict[int, Operation] = {}
        self.fixed = {i: i < invariants for i in range(inputs)}
        self._seen: dict[Any, int] = {}

    def inline(self, closed: Any, inputs: list[Operand]) -> list[Operand]:
        """Append a jaxpr's operations for these inputs; its outputs."""
        jaxpr = getattr(closed, "jaxpr", closed)
        held = dict(zip(jaxpr.invars, inputs, strict=True))
        for variable, constant in zip(jaxpr.constvars, getattr(closed, "consts", ()), strict=True):
            held[variable] = _constant(constant, str(variable.aval.dtype))
        for equation in jaxpr.eqns:
            read = [self._read(held, atom) for atom in equation.invars]
            for variable, value in zip(equation.outvars, self._equation(equation, read), strict=True):
                held[variable] = value
        return [self._read(held, atom) for atom in jaxpr.outvars]

    @staticmethod
    def _read(held: dict[Any, Operand], atom: Any) -> Operand:
        if not isinstance(atom, core.Literal):
            return held[atom]
        kind: Any = atom.aval
        return _constant(atom.val, str(kind.dtype))

    def _equation(self, equation: Any, read: list[Operand]) -> list[Operand]:
        name, dtype = equation.primitive.name, str(equation.outvars[0].aval.dtype)
        if name in CALLS:
            return self.inline(equation.params.get("jaxpr") or equation.params["call_jaxpr"], read)
        if name == "stop_gradient" and self.stops:
            return [self.add(name, read, dtype)]
        if name in COPIES or (name == "convert_element_type" and str(equation.invars[0].aval.dtype) == dtype):
            return [read[0]]
        if len(equation.outvars) != 1 or any(True for _ in core.jaxprs_in_params(equation.params)):
            raise HemotwinError(f"a step in a kernel must be elementwise, without loop or branch, but holds `{name}`.")
        if name == "add_any":
            return [self.add("add", read, dtype)]
        return [self.add(name, read, dtype, equation.primitive, tuple(equation.params.items()))]

    def add(
        self,
        name: str,
        read: list[Operand],
        dtype: str,
        primitive: Any = None,
        params: tuple[tuple[str, Any], ...] = (),
    ) -> Operand:
        """The operand that holds name(read): what `rewrite` makes of it, an earlier one, or a new operation."""
        if name == "integer_pow" and self.rewrite:  # small powers become products, which can be shared and joined
            power = dict(params)["y"]
            if power in (2, 3):
                square = self.add("mul", [read[0], read[0]], dtype)
                return square if power == 2 else self.add("mul", [square, read[0]], dtype)
            if power in (-1, -2):  # a quotient's derivative; the quotient has the reciprocal already
                inverse = self.add("div", [Constant(1.0, dtype), read[0]], dtype)
                return inverse if power == -1 else self.add("mul", [inverse, inverse], dtype)
        if name == "logistic" and self.rewrite:
            grown = self.add("exp", [self.add("neg", [read[0]], dtype)], dtype)
            return self.add("div", [Constant(1.0, dtype), self.add("add", [Constant(1.0, dtype), grown], dtype)], dtype)
        instead = self.rewrite(self, name, read, dtype) if self.rewrite else None
        if instead is not None:
            return instead
        ordered = sorted(read, key=repr) if name in ("add", "mul", "max", "min", "and", "or") else read
        told = tuple((key, value) for key, value in params if key not in ("sharding", "weak_type", "out_dtype"))
        key = (name, tuple(ordered), dtype, repr(told))
        if key not in self._seen:
            number = len(self.fixed)
            self.fixed[number] = all(self.is_fixed(i) for i in read)
            self.made[number] = Operation(name, tuple(read), number, dtype, primitive, params)
            self.operations.append(self.made[number])
            self._seen[key] = number
        return self._seen[key]

    def is_fixed(self, operand: Operand) -> bool:
        """Whether an operand is a constant or an invariant."""
        return isinstance(operand, Constant) or self.fixed[operand]

    def product(self, operand: Operand) -> tuple[Operand, Operand] | None:
        """The two factors of an operand that is a product."""
        made = None if isinstance(operand, Constant) else self.made.get(operand)
        return (made.inputs[0], made.inputs[1]) if made is not None and made.name == "mul" else None


def _constant(value: Any, dtype: str) -> Constant:
    if np.ndim(value) != 0:
        raise HemotwinError(f"a step in a kernel must not capture arrays, but holds one of shape {np.shape(value)}.")
    return Constant(np.asarray(value).item(), dtype)


def needed(operations: list[Operation], outputs: Iterable[Operand]) -> list[Operation]:
    """The operations that the outputs follow from."""
    live = {i for i in outputs if isinstance(i, int)}
    kept = []
    for operation in reversed(operations):
        if operation.output in live:
            kept.append(operation)
            live.update(i for i in operation.inputs if isinstance(i, int))
    return kept[::-1]
