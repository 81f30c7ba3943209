"""Elementary functions on vectors as LLVM IR: series after a reduction of the argument, accurate to the last few bits.

A vector's exponential or cosine from a C library is computed lane by lane, with branches that no beat ever takes. Here:
exp x = 2^n e^r with |r| <= ln 2 / 2; log x = n ln 2 + 2 artanh s with s = (m - 1) / (m + 1), m in [sqrt 1/2, sqrt 2);
cos and sin from r = x - n pi, |r| <= pi / 2. Subnormal arguments of a logarithm count as 0.
"""

from __future__ import annotations

import math
import struct

__all__ = ["definitions", "literal"]

EXP_TERMS = {"float64": 14, "float32": 8}  # Taylor terms in r up to .35: the next is below half an ulp of 1
LOG_TERMS = {"float64": 11, "float32": 5}  # of artanh s / s in s^2 up to .0295
TURN_TERMS = {"float64": 12, "float32": 7}  # of the cosine or sine in r^2 up to 2.47
EXP_RANGE = {"float64": (-708.0, 709.0), "float32": (-87.0, 88.0)}  # beyond them 0 or infinity
MANTISSA = {"float64": 52, "float32": 23}
BIAS = {"float64": 1023, "float32": 127}
SHORT = {"float64": ("double", "i64"), "float32": ("float", "i32")}


def _parts(value: float, bits: int, parts: int) -> tuple[float, ...]:
    """A number in parts of so many bits, the last whole: a small integer times all but the last is exact."""
    left, found = value, []
    exponent = math.frexp(value)[1]
    for part in range(1, parts):
        scale = 2.0 ** (bits * part - exponent)
        found.append(round(left * scale) / scale)
        left -= found[-1]
    return (*found, left)


LN2 = {"float64": _parts(math.log(2.0), 32, 2), "float32": _parts(math.log(2.0), 14, 2)}
PI_TAIL = math.sin(math.pi)  # pi minus the double nearest to it
PI = {"float64": (*_parts(math.pi, 26, 2), PI_TAIL), "float32": _parts(math.pi, 12, 3)}


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
        """a b + c, rounded once."""
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

    def series(self, square: str, coefficients: list[float]) -> str:
        """Horner's scheme, lowest coefficient first."""
        value = self.number(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            value = self.fma(value, square, self.number(coefficient))
        return value


def _suffix(dtype: str) -> str:
    return "f64" if dtype == "float64" else "f32"


def _exp(w: Writer) -> str:
    low, high = EXP_RANGE[w.dtype]
    x = w.chosen(w.compared("olt", "%x", w.number(high)), "%x", w.number(high))
    x = w.chosen(w.compared("ogt", x, w.number(low)), x, w.number(low))
    n = w.one("rint", w.two("fmul", x, w.number(1.0 / math.log(2.0))))
    r = x
    for part in LN2[w.dtype]:
        r = w.fma(n, w.number(-part), r)
    value = w.series(r, [1.0 / math.factorial(k) for k in range(EXP_TERMS[w.dtype])])
    power = w.put(f"fptosi {w.vector} {n} to {w.integers}")
    shifted = w.put(f"shl {w.integers} {power}, {w.whole(MANTISSA[w.dtype])}")
    bits = w.put(f"bitcast {w.vector} {value} to {w.integers}")
    moved = w.put(f"add {w.integers} {bits}, {shifted}")
    found = w.put(f"bitcast {w.integers} {moved} to {w.vector}")
    found = w.chosen(w.compared("ogt", "%x", w.number(high)), w.number(math.inf), found)
    found = w.chosen(w.compared("olt", "%x", w.number(low)), w.number(0.0), found)
    return w.chosen(w.compared("uno", "%x", "%x"), "%x", found)


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
    tail = w.series(w.two("fmul", s, s), [2.0 / (2 * k + 1) for k in range(LOG_TERMS[w.dtype])])
    value = w.fma(n, w.number(LN2[w.dtype][1]), w.two("fmul", s, tail))
    value = w.fma(n, w.number(LN2[w.dtype][0]), value)
    smallest = 2.0 ** (1 - BIAS[w.dtype])
    value = w.chosen(w.compared("olt", "%x", w.number(smallest)), w.number(-math.inf), value)
    value = w.chosen(w.compared("olt", "%x", w.number(0.0)), w.number(math.nan), value)
    value = w.chosen(w.compared("oeq", "%x", w.number(math.inf)), "%x", value)
    return w.chosen(w.compared("uno", "%x", "%x"), "%x", value)


def _turned(w: Writer, first: int) -> str:
    turns = w.one("rint", w.two("fmul", "%x", w.number(1.0 / math.pi)))
    r = "%x"
    for part in PI[w.dtype]:
        r = w.fma(turns, w.number(-part), r)
    terms = [(-1.0) ** k / math.factorial(2 * k + first) for k in range(TURN_TERMS[w.dtype])]
    value = w.series(w.two("fmul", r, r), terms)
    value = value if first == 0 else w.two("fmul", value, r)
    half = w.one("rint", w.two("fmul", turns, w.number(0.5)))
    odd = w.compared("une", w.fma(half, w.number(-2.0), turns), w.number(0.0))
    return w.chosen(odd, w.put(f"fneg {w.vector} {value}"), value)


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
    "cos": lambda w: _turned(w, 0),
    "sin": lambda w: _turned(w, 1),
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
