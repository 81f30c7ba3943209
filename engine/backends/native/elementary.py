"""Elementary functions on vectors as LLVM IR: series after a reduction of the argument, accurate to the last few bits.

A vector's exponential or cosine from a C library is computed lane by lane, with branches that no beat ever takes. Here:
exp x = 2^n e^r with |r| <= ln 2 / 2; log x = n ln 2 + 2 artanh s with s = (m - 1) / (m + 1), m in [sqrt 1/2, sqrt 2);
cos and sin from r = x - n pi, |r| <= pi / 2 (`series`). A whole number n is what adding 1.5 2^(bits of the mantissa)
leaves in the lowest bits. Subnormal arguments of a logarithm, and results of an exponential below four times the least
normal number, count as 0.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from ..series import LN2, PI, series

__all__ = ["definitions", "literal"]

EXP_RANGE = {"float64": (-707.0, 710.0), "float32": (-86.2, 89.0)}  # below it 0; e to the last is infinity
MANTISSA = {"float64": 52, "float32": 23}
BIAS = {"float64": 1023, "float32": 127}
SIGN = {"float64": 63, "float32": 31}  # its bit
SHORT = {"float64": ("double", "i64"), "float32": ("float", "i32")}


def literal(value: float, dtype: str) -> str:
    """A number as LLVM writes it: the bits of the double that holds it exactly."""
    if dtype == "float32":
        value = struct.unpack("f", struct.pack("f", value))[0] if abs(value) < 3.5e38 else value
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


class Writer:
    """Appends instructions on vectors of `width` numbers and names their results."""

    def __init__(self, dtype: str, width: int) -> None:
        self.dtype, self.width = dtype, width
        self.scalar, self.integer = SHORT[dtype]
        self.vector, self.integers = f"<{width} x {self.scalar}>", f"<{width} x {self.integer}>"
        self.masks = f"<{width} x i1>"
        self.lines: list[str] = []
        self.count = 0

    def put(self, text: str) -> str:
        """Append an instruction; the name of its result."""
        self.count += 1
        self.lines.append(f"  %v{self.count} = {text}")
        return f"%v{self.count}"

    def number(self, value: float) -> str:
        """A constant in every lane."""
        return f"splat ({self.scalar} {literal(value, self.dtype)})"

    def whole(self, value: int) -> str:
        """An integer constant in every lane."""
        return f"splat ({self.integer} {value})"

    def two(self, name: str, a: str, b: str) -> str:
        """fadd, fsub, fmul or fdiv; products may join with sums."""
        return self.put(f"{name} contract {self.vector} {a}, {b}")

    def fma(self, a: str, b: str, c: str) -> str:
        """a b + c, rounded once where the processor can."""
        v = self.vector
        return self.put(f"call {v} @llvm.fma.v{self.width}{_suffix(self.dtype)}({v} {a}, {v} {b}, {v} {c})")

    def one(self, name: str, a: str) -> str:
        """A function of LLVM's own of one argument."""
        return self.put(f"call {self.vector} @llvm.{name}.v{self.width}{_suffix(self.dtype)}({self.vector} {a})")

    def chosen(self, mask: str, yes: str, no: str) -> str:
        """yes where the mask holds, else no."""
        return self.put(f"select {self.masks} {mask}, {self.vector} {yes}, {self.vector} {no}")

    def compared(self, how: str, a: str, b: str) -> str:
        """A mask: fcmp."""
        return self.put(f"fcmp {how} {self.vector} {a}, {b}")

    def series(self, square: str, coefficients: Sequence[float]) -> str:
        """Horner's scheme, lowest coefficient first."""
        value = self.number(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            value = self.fma(value, square, self.number(coefficient))
        return value


def _suffix(dtype: str) -> str:
    return "f64" if dtype == "float64" else "f32"


def _whole(w: Writer, x: str, unit: float, offset: int = 0) -> tuple[str, str]:
    """The whole number n nearest to x / unit, and bits of which the lowest are n + offset."""
    magic = 1.5 * 2.0 ** MANTISSA[w.dtype] + offset
    moved = w.fma(x, w.number(1.0 / unit), w.number(magic))
    return w.two("fsub", moved, w.number(magic)), w.put(f"bitcast {w.vector} {moved} to {w.integers}")


def _exp(w: Writer) -> str:
    low, high = EXP_RANGE[w.dtype]
    x = w.chosen(w.compared("ogt", "%x", w.number(high)), w.number(high), "%x")  # NaN stays
    x = w.chosen(w.compared("olt", x, w.number(low)), w.number(low), x)
    n, power = _whole(w, x, math.log(2.0), -1)  # half of the power of 2: the whole may be beyond what bits can say
    r = x
    for part in LN2[w.dtype]:
        r = w.fma(n, w.number(-part), r)
    value = w.series(r, series("exp", w.dtype))
    shifted = w.put(f"shl {w.integers} {power}, {w.whole(MANTISSA[w.dtype])}")
    bits = w.put(f"bitcast {w.vector} {value} to {w.integers}")
    half = w.put(f"bitcast {w.integers} {w.put(f'add {w.integers} {bits}, {shifted}')} to {w.vector}")
    return w.chosen(w.compared("uge", "%x", w.number(low)), w.two("fadd", half, half), w.number(0.0))


def _log(w: Writer) -> str:
    shift = w.whole(MANTISSA[w.dtype])
    bits = w.put(f"bitcast {w.vector} %x to {w.integers}")
    root = struct.unpack("<q", struct.pack("<d", math.sqrt(0.5)))[0]
    if w.dtype == "float32":
        root = struct.unpack("<i", struct.pack("<f", math.sqrt(0.5)))[0]
    above = w.put(f"sub {w.integers} {bits}, {w.whole(root)}")
    power = w.put(f"ashr {w.integers} {above}, {shift}")
    scaled = w.put(f"shl {w.integers} {power}, {shift}")
    m = w.put(f"bitcast {w.integers} {w.put(f'sub {w.integers} {bits}, {scaled}')} to {w.vector}")
    n = w.put(f"sitofp {w.integers} {power} to {w.vector}")
    s = w.two("fdiv", w.two("fsub", m, w.number(1.0)), w.two("fadd", m, w.number(1.0)))
    tail = w.series(w.two("fmul", s, s), [2.0 * c for c in series("log", w.dtype)])
    value = w.fma(n, w.number(LN2[w.dtype][1]), w.two("fmul", s, tail))
    value = w.fma(n, w.number(LN2[w.dtype][0]), value)
    smallest = 2.0 ** (1 - BIAS[w.dtype])
    nothing = w.chosen(w.compared("olt", "%x", w.number(0.0)), w.number(math.nan), w.number(-math.inf))
    value = w.chosen(w.compared("olt", "%x", w.number(smallest)), nothing, value)
    return w.chosen(w.compared("uge", "%x", w.number(math.inf)), "%x", value)  # infinity and NaN


def _turned(w: Writer, name: str) -> str:
    turns, odd = _whole(w, "%x", math.pi)
    r = "%x"
    for part in PI[w.dtype]:
        r = w.fma(turns, w.number(-part), r)
    value = w.series(w.two("fmul", r, r), series(name, w.dtype))
    value = value if name == "cos" else w.two("fmul", value, r)
    sign = w.put(f"shl {w.integers} {odd}, {w.whole(SIGN[w.dtype])}")
    bits = w.put(f"bitcast {w.vector} {value} to {w.integers}")
    return w.put(f"bitcast {w.integers} {w.put(f'xor {w.integers} {bits}, {sign}')} to {w.vector}")


def _tanh(w: Writer) -> str:
    size = w.one("fabs", "%x")
    grown = w.put(f"call {w.vector} @exp({w.vector} {w.two('fmul', size, w.number(2.0))})")
    share = w.two("fdiv", w.number(2.0), w.two("fadd", grown, w.number(1.0)))
    value = w.two("fsub", w.number(1.0), share)
    v = w.vector
    return w.put(f"call {v} @llvm.copysign.v{w.width}{_suffix(w.dtype)}({v} {value}, {v} %x)")


def _logistic(w: Writer) -> str:
    fallen = w.put(f"call {w.vector} @exp({w.vector} {w.put(f'fneg {w.vector} %x')})")
    return w.two("fdiv", w.number(1.0), w.two("fadd", fallen, w.number(1.0)))


FUNCTIONS = {
    "exp": _exp,
    "log": _log,
    "cos": lambda w: _turned(w, "cos"),
    "sin": lambda w: _turned(w, "sin"),
    "tanh": _tanh,
    "logistic": _logistic,
}


def definitions(dtype: str, width: int) -> str:
    """The functions exp, log, cos, sin, tanh, logistic and pow of vectors, and what of LLVM's own they use."""
    first = Writer(dtype, width)
    v, suffix = first.vector, f"v{width}{_suffix(dtype)}"
    text = [f"declare {v} @llvm.fma.{suffix}({v}, {v}, {v})", f"declare {v} @llvm.copysign.{suffix}({v}, {v})"]
    text += [f"declare {v} @llvm.{name}.{suffix}({v})" for name in ("rint", "fabs", "sqrt", "floor", "ceil")]
    for name, build in FUNCTIONS.items():
        w = Writer(dtype, width)
        end = build(w)
        text.append(f"define internal {v} @{name}({v} %x) alwaysinline nounwind {{")
        text += [*w.lines, f"  ret {v} {end}", "}"]
    w = Writer(dtype, width)
    power = w.two("fmul", "%y", w.put(f"call {v} @log({v} %x)"))
    end = w.put(f"call {v} @exp({v} {power})")
    end = w.chosen(w.compared("oeq", "%y", w.number(0.0)), w.number(1.0), end)
    text.append(f"define internal {v} @pow({v} %x, {v} %y) alwaysinline nounwind {{")
    return "\n".join([*text, *w.lines, f"  ret {v} {end}", "}"])
