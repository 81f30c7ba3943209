"""How a kernel computes one operation, in the cheapest form that a GPU has for it.

Cosines come from a series after a reduction to half a turn: the library's guards against arguments of 1e5 turns with a
branch that no beat ever takes. On an NVIDIA GPU joined products are single instructions of PTX (ISA 8.0, section 9.7),
and in float32 so are reciprocals, roots, exponentials, logarithms, sines and cosines, by the unit of special functions.
In float64 reciprocals and roots begin there and go on by Newton's iteration, and exponentials and logarithms are series
as well. Interpreted, the same program runs in the operations that its names say.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .series import LN2, PI, series
from .straight_line import Constant, Operation, Piece, Rare, Votes, run

__all__ = ["Arithmetic"]

WORD = 31  # bits of a signed number that count patients
# float64 has its approximate ones too, with errors below 2^-20, which two steps of Newton's bring to rounding; what the
# compiler itself puts for 1 / x and sqrt x calls a function for odd arguments, and around a call registers are spilled.
NEWTON = 2
RANGE = (-708.0, 709.0)  # of the exponent in float64, so that 2^n and its product with e^r are normal numbers
MANTISSA, MAGIC = 52, 1.5 * 2.0**52  # bits of float64; a number plus this has the nearest whole one in its lowest bits
# PTX instruction, and factors of its argument and of its result, that serve float32: their errors are 2^-22 of the
# result (ex2, sqrt), 2^-22 or, from half to 2, so much of 1 (lg2), and 2^-20 of 1 (cos, sin within half a turn).
APPROXIMATE: dict[str, tuple[str, float | None, float | None]] = {
    "exp": ("ex2", 1.0 / math.log(2.0), None), "log": ("lg2", None, math.log(2.0)), "sqrt": ("sqrt", None, None),
    "cos": ("cos", None, None), "sin": ("sin", None, None),
}  # fmt: skip
OWN: dict[str, Any] = {  # what rewriting and derivatives make
    "add": lax.add, "sub": lax.sub, "mul": lax.mul, "neg": lax.neg, "integer_pow": lax.integer_pow, "pow": lax.pow,
    "exp": lax.exp, "log": lax.log, "sqrt": lax.sqrt, "max": lax.max, "select_n": lax.select_n, "gt": lax.gt,
    "lt": lax.lt, "eq": lax.eq, "and": lax.bitwise_and, "or": lax.bitwise_or, "not": lax.bitwise_not,
    "stop_gradient": lambda x: x,
}  # fmt: skip


@dataclass(frozen=True)
class Arithmetic:
    """Computes operations on blocks of `width` patients; `ptx` writes NVIDIA's own instructions where they help."""

    width: int
    ptx: bool

    def run(self, body: Iterable[Piece], values: dict[int, Any]) -> None:
        """Compute a body in order, adding every output to `values` (number -> array)."""
        for piece in body:
            if isinstance(piece, Operation):
                run((piece,), self, values)
            elif isinstance(piece, Rare):
                anybody = jnp.max(self._wide(values[piece.predicate]).astype(jnp.int32)) > 0
                self._where(anybody, piece, lambda v, o=piece.operations: run(o, self, v), values)
            else:
                self._votes(piece, values)

    def _votes(self, votes: Votes, values: dict[int, Any]) -> None:
        """Every part's patients are counted in bits of their own of one number, whose sum is one instruction."""
        bits = self.width.bit_length()
        room = WORD // bits
        words: list[Any] = []
        for n, part in enumerate(votes.parts):
            needs = self._wide(values[part.predicate])
            one = jnp.where(needs, jnp.int32(1 << (n % room) * bits), jnp.int32(0))
            words = [*words, one] if n % room == 0 else [*words[:-1], words[-1] + one]
        counts = [jnp.sum(word) for word in words]

        def each(inside: dict[int, Any]) -> None:
            for n, part in enumerate(votes.parts):
                mine = (counts[n // room] >> (n % room) * bits) & ((1 << bits) - 1)
                self._where(mine > 0, part, lambda v, o=part.operations: run(o, self, v), inside)

        anybody = functools.reduce(lambda a, b: a | b, [count > 0 for count in counts])
        self._where(anybody, votes, each, values)

    def _where(
        self, anybody: Any, piece: Rare | Votes, make: Callable[[dict[int, Any]], None], values: dict[int, Any]
    ) -> None:
        """Adds a piece's outputs: what `make` adds if anybody needs it, else what they are otherwise; nobody then reads
        those that are nothing."""
        types, otherwise = {o.output: o.dtype for o in piece.operations}, dict(piece.otherwise)

        def needed() -> tuple[Any, ...]:
            inside = dict(values)
            make(inside)
            return tuple(self._wide(inside[i]) for i in piece.outputs)

        def passed_by() -> tuple[Any, ...]:
            ends = [otherwise.get(i, Constant(0, types[i])) for i in piece.outputs]
            return tuple(self._wide(x if isinstance(x, Constant) else values[x]) for x in ends)

        values.update(zip(piece.outputs, lax.cond(anybody, needed, passed_by), strict=True))

    def __call__(self, operation: Operation, inputs: list[Any]) -> Any:
        name, dtype = operation.name, operation.dtype
        if name in ("fma", "fms", "fnma"):
            a, b, c = inputs
            return self.joined(
                self._negated(a) if name == "fnma" else a, b, self._negated(c) if name == "fms" else c, dtype
            )
        if name == "reciprocal":
            return self._reciprocal(self._array(inputs[0]))
        if self._short(dtype) and name in APPROXIMATE:
            return self._approximate(name, self._array(inputs[0]))
        if name == "sqrt" and self.ptx:
            return self._root(self._array(inputs[0]))
        if name in ("cos", "sin"):
            return self._turned(self._array(inputs[0]), name)
        if name in ("exp", "log") and self.ptx:
            return (self.exponential if name == "exp" else self.logarithm)(self._array(inputs[0]))
        shaped = self._alike(inputs)
        if operation.primitive is None:
            return OWN[name](*shaped, **dict(operation.params))
        return operation.primitive.bind(*shaped, **dict(operation.params))

    def joined(self, a: Any, b: Any, c: Any, dtype: str) -> Any:
        """a b + c, rounded once where the device can."""
        if not self.ptx:
            a, b, c = self._alike([a, b, c])
            return a * b + c
        kind, letter = {"float32": ("f32", "f"), "float64": ("f64", "d")}[dtype]
        text = f"fma.rn.{kind} $0, $1, $2, $3;"
        return _instruction(text, f"={letter},{letter},{letter},{letter}", *(self._wide(x) for x in (a, b, c)))

    def _short(self, dtype: str) -> bool:
        return self.ptx and dtype == "float32"

    def _reciprocal(self, x: Any) -> Any:
        if not self.ptx:
            return 1.0 / x
        if str(x.dtype) == "float32":
            return _instruction("rcp.approx.ftz.f32 $0, $1;", "=f,f", self._wide(x))
        x, one = self._wide(x), Constant(1.0, "float64")
        y = _instruction("rcp.approx.ftz.f64 $0, $1;", "=d,d", x)
        for _ in range(NEWTON):
            y = self.joined(y, self.joined(-x, y, one, "float64"), y, "float64")
        return y

    def _root(self, x: Any) -> Any:
        """sqrt x in float64: Goldschmidt's iteration on x y and y / 2, where y is nearly 1 / sqrt x."""
        x, half = self._wide(x), Constant(0.5, "float64")
        y = _instruction("rsqrt.approx.ftz.f64 $0, $1;", "=d,d", x)
        root, inverse = x * y, 0.5 * y
        for _ in range(NEWTON):
            left = self.joined(-root, inverse, half, "float64")
            root, inverse = (self.joined(part, left, part, "float64") for part in (root, inverse))
        root = self.joined(self.joined(-root, root, x, "float64"), inverse, root, "float64")
        return jnp.where(x == 0.0, x, root)

    def _approximate(self, name: str, x: Any) -> Any:
        """The unit of special functions: powers and logarithms of base 2, sines of arguments within half a turn."""
        instruction, before, after = APPROXIMATE[name]
        if name in ("cos", "sin"):
            number = lambda value: Constant(value, "float32")  # noqa: E731
            turns = jnp.floor(self.joined(x, number(0.5 / math.pi), number(0.5), "float32"))
            for part in PI["float32"]:
                x = self.joined(turns, number(-2.0 * part), x, "float32")
        x = x if before is None else x * before
        found = _instruction(f"{instruction}.approx.ftz.f32 $0, $1;", "=f,f", self._wide(x))
        return found if after is None else found * after

    def _turned(self, x: Any, name: str) -> Any:
        """cos x or sin x: x = k pi + r, |r| <= pi/2, (-1)^k times the series in r."""
        dtype = str(x.dtype)
        number = lambda value: Constant(value, dtype)  # noqa: E731
        turns = jnp.floor(self.joined(x, number(1.0 / math.pi), number(0.5), dtype))
        r = x
        for part in PI[dtype]:
            r = self.joined(turns, number(-part), r, dtype)
        odd = turns - 2.0 * jnp.floor(0.5 * turns)
        square, coefficients = r * r, series(name, dtype)
        found: Any = number(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            found = self.joined(found, square, number(coefficient), dtype)
        value = found if name == "cos" else found * r
        return value - 2.0 * (odd * value)

    def exponential(self, x: Any) -> Any:
        """e^x in float64: 2^n e^r, |r| <= ln 2 / 2, without the branch that the library's takes for odd arguments."""
        low, high, x = *RANGE, self._wide(x)
        held = jnp.where(x < low, self._wide(_double(low)), x)
        held = jnp.where(x > high, self._wide(_double(high)), held)  # NaN stays
        moved = self.joined(held, _double(1.0 / math.log(2.0)), _double(MAGIC), "float64")
        n, r = moved - MAGIC, held
        for part in LN2["float64"]:
            r = self.joined(n, _double(-part), r, "float64")
        power = lax.shift_left(_bits(moved), jnp.int64(MANTISSA))
        return lax.bitcast_convert_type(_bits(self._sum(r, series("exp", "float64"))) + power, jnp.float64)

    def logarithm(self, x: Any) -> Any:
        """log x in float64: n ln 2 + 2 artanh s, s = (m - 1) / (m + 1), x = 2^n m, m in [sqrt 1/2, sqrt 2)."""
        x = self._wide(x)
        bits, (root, magic) = _bits(x), np.array([math.sqrt(0.5), MAGIC]).view(np.int64)
        power = lax.shift_right_arithmetic(bits - root, jnp.int64(MANTISSA))
        m = lax.bitcast_convert_type(bits - lax.shift_left(power, jnp.int64(MANTISSA)), jnp.float64)
        n = lax.bitcast_convert_type(power + magic, jnp.float64) - MAGIC
        s = (m - 1.0) * self._reciprocal(m + 1.0)
        value = 2.0 * s * self._sum(s * s, series("log", "float64"))
        for part in reversed(LN2["float64"]):
            value = self.joined(n, _double(part), value, "float64")
        smallest = jnp.finfo(jnp.float64).smallest_normal
        nothing = jnp.where(x < 0.0, *(self._wide(_double(end)) for end in (math.nan, -math.inf)))
        return jnp.where(x < smallest, nothing, jnp.where(x < math.inf, value, x))  # infinity and NaN stay

    def _sum(self, x: Any, coefficients: Sequence[float]) -> Any:
        """A polynomial in float64, lowest coefficient first."""
        found: Any = _double(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            found = self.joined(found, x, _double(coefficient), "float64")
        return found

    def _negated(self, x: Any) -> Any:
        return Constant(-x.value, x.dtype) if isinstance(x, Constant) else -x

    def _array(self, x: Any) -> Any:
        return jnp.asarray(x.value, x.dtype) if isinstance(x, Constant) else x

    def _wide(self, x: Any) -> Any:
        x = self._array(x)
        return jnp.broadcast_to(x, (self.width,)) if x.ndim == 0 else x

    def _alike(self, inputs: list[Any]) -> list[Any]:
        arrays = [self._array(x) for x in inputs]
        return [self._wide(x) for x in arrays] if any(x.ndim for x in arrays) else arrays


def _double(value: float) -> Constant:
    return Constant(value, "float64")


def _bits(x: Any) -> Any:
    return lax.bitcast_convert_type(x, jnp.int64)


def _instruction(text: str, constraints: str, *inputs: Any) -> Any:
    """One instruction on every element of equally shaped arrays."""
    shape = jax.ShapeDtypeStruct(inputs[0].shape, inputs[0].dtype)
    return _triton().elementwise_inline_asm(
        text, args=inputs, constraints=constraints, pack=1, result_shape_dtypes=[shape]
    )[0]


@functools.cache
def _triton() -> Any:
    from jax.experimental.pallas import triton

    return triton
