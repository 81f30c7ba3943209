"""A straight line as LLVM IR: each operation one vector instruction, rows of patients in and out of memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ....core.errors import HemotwinError
from ..straight_line import Constant, Operand, Operation, Piece, Rare, Votes
from .elementary import FUNCTIONS, Writer

__all__ = ["Emitter"]

ARITHMETIC = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
ORDERED = {"gt": "ogt", "ge": "oge", "lt": "olt", "le": "ole", "eq": "oeq", "ne": "une"}
COUNTED = {"gt": "sgt", "ge": "sge", "lt": "slt", "le": "sle", "eq": "eq", "ne": "ne"}
WHOLE = {"add": "add", "sub": "sub", "mul": "mul"}
LOGIC = {"and": "and", "or": "or", "xor": "xor"}
NEAR = 16  # instructions after its last use for which a value read from memory stays in its register


class Emitter(Writer):
    """Writes operations into one function; `held` maps a value of the line to its name, `kept` to where it lies.

    What lies in memory is read there again once its last use is `NEAR` instructions behind: registers are few, and one
    taken from it for something else costs a store and a load, where this costs the load.
    """

    def __init__(self, dtype: str, width: int) -> None:
        super().__init__(dtype, width)
        self.held: dict[int, str] = {}
        self.kept: dict[int, tuple[str, str]] = {}  # value -> (pointer, type)
        self.used: dict[int, int] = {}  # value that was loaded -> number of instructions before its last use
        self.types: dict[int, str] = {}
        self.sinks: dict[int, list[str]] = {}  # values that are written to memory as soon as they are made
        self.blocks = 0

    # Memory

    def at(self, pointer: str, offset: str | int, kind: str | None = None) -> str:
        """Pointer to element `offset` (of the vector, unless another kind is named)."""
        return self.put(f"getelementptr inbounds {kind or self.vector}, ptr {pointer}, i64 {offset}")

    def load(self, pointer: str, kind: str | None = None, align: int | None = None) -> str:
        """A vector in memory."""
        return self.put(f"load {kind or self.vector}, ptr {pointer}" + (f", align {align}" if align else ""))

    def store(self, value: str, pointer: str, kind: str | None = None, align: int | None = None) -> None:
        """Write a vector to memory."""
        self.lines.append(
            f"  store {kind or self.vector} {value}, ptr {pointer}" + (f", align {align}" if align else "")
        )

    # Operations

    def keep(self, value: int, pointer: str, kind: str) -> None:
        """From now on a value of the line is read from memory: a vector of `kind`, or one number for all lanes."""
        self.held.pop(value, None)
        self.kept[value], self.types[value] = (pointer, kind), self.vector if kind == self.scalar else kind

    def hold(self, value: int, name: str, kind: str) -> None:
        """A value of the line is this register."""
        self.held[value], self.types[value] = name, kind

    def type_of(self, dtype: str) -> str:
        """The vector type of a value of the line."""
        if dtype == "bool":
            return self.masks
        if dtype.startswith(("int", "uint")):
            return f"<{self.width} x i32>"
        if dtype != self.dtype:
            raise HemotwinError(f"a step in a kernel must keep to {self.dtype}, but holds a value of type {dtype}.")
        return self.vector

    def read(self, operand: Operand) -> str:
        """The name of an operand, loaded from memory if need be."""
        if isinstance(operand, Constant):
            if operand.dtype == "bool":
                return f"splat (i1 {int(operand.value)})"
            if operand.dtype.startswith(("int", "uint")):
                return f"splat (i32 {int(operand.value)})"
            return self.number(float(operand.value))
        if operand in self.kept:
            if operand not in self.held or self.count - self.used[operand] > NEAR:
                pointer, kind = self.kept[operand]
                found = self.load(pointer, kind)
                self.held[operand] = self.spread(found) if kind == self.scalar else found
            self.used[operand] = self.count
        return self.held[operand]

    def spread(self, number: str, kind: str | None = None) -> str:
        """One number in every lane."""
        kind = kind or self.scalar
        vector = f"<{self.width} x {kind}>"
        one = self.put(f"insertelement {vector} poison, {kind} {number}, i32 0")
        return self.put(f"shufflevector {vector} {one}, {vector} poison, <{self.width} x i32> zeroinitializer")

    def run(self, body: Iterable[Piece]) -> None:
        """Write a body in order."""
        for piece in body:
            if isinstance(piece, Rare):
                self._branch(piece)
            elif isinstance(piece, Votes):
                raise TypeError("native code votes for each rare part by itself")
            else:
                self._made(piece.output, self._operation(piece), self.type_of(piece.dtype))

    def _made(self, value: int, name: str, kind: str) -> None:
        self.hold(value, name, kind)
        for pointer in self.sinks.get(value, ()):
            self.store(name, pointer, kind)

    def label(self, name: str) -> None:
        """Begin a block."""
        self.lines.append(f"{name}:")

    def fresh(self) -> str:
        """A number for the names of new blocks."""
        self.blocks += 1
        return str(self.blocks)

    def any(self, mask: str) -> str:
        """Whether a mask holds in some lane (i1)."""
        bits = self.put(f"bitcast {self.masks} {mask} to i{self.width}")
        return self.put(f"icmp ne i{self.width} {bits}, 0")

    def _branch(self, rare: Rare) -> None:
        """A rare part runs when some lane needs it; elsewhere its outputs are what they are otherwise, and nobody reads
        those that are nothing."""
        name, needed = self.fresh(), self.any(self.read(rare.predicate))
        otherwise = {output: self.read(value) for output, value in rare.otherwise}
        before, used = dict(self.held), dict(self.used)  # what is loaded inside is not there after it
        self.lines.append(f"  br label %vote{name}")
        self.label(f"vote{name}")
        self.lines.append(f"  br i1 {needed}, label %rare{name}, label %after{name}, !prof !0")
        self.label(f"rare{name}")
        sinks, self.sinks = self.sinks, {}
        self.run(rare.operations)
        self.sinks = sinks
        self.lines.append(f"  br label %end{name}")
        self.label(f"end{name}")
        self.lines.append(f"  br label %after{name}")
        self.label(f"after{name}")
        inside, self.held, self.used = self.held, before, used
        merged = []
        for output in rare.outputs:
            passed, kind = otherwise.get(output, "zeroinitializer"), self.types[output]
            merged.append(self.put(f"phi {kind} [ {passed}, %vote{name} ], [ {inside[output]}, %end{name} ]"))
        for output, value in zip(rare.outputs, merged, strict=True):
            self._made(output, value, self.types[output])

    def _operation(self, operation: Operation) -> str:
        name, kind = operation.name, self.type_of(operation.dtype)
        read = [self.read(i) for i in operation.inputs]
        if kind == self.vector:
            return self._real(name, read, operation)
        if name in ORDERED:
            return self._compared(name, read, operation)
        if name in LOGIC:
            return self.put(f"{LOGIC[name]} {kind} {read[0]}, {read[1]}")
        if name == "not":
            return self.put(f"xor {self.masks} {read[0]}, splat (i1 1)")
        if name in WHOLE:
            return self.put(f"{WHOLE[name]} {kind} {read[0]}, {read[1]}")
        raise _unknown(name)

    def _real(self, name: str, read: list[str], operation: Operation) -> str:
        v = self.vector
        if name in ARITHMETIC:
            return self.two(ARITHMETIC[name], *read)
        if name == "stop_gradient":
            return read[0]
        if name == "neg":
            return self.put(f"fneg {v} {read[0]}")
        if name == "reciprocal":
            return self.two("fdiv", self.number(1.0), read[0])
        if name in ("max", "min"):
            return self.chosen(self.compared("ogt" if name == "max" else "olt", *read), *read)
        if name == "select_n" and len(read) == 3:
            return self.chosen(read[0], read[2], read[1])
        if name in ("sqrt", "floor", "ceil"):
            return self.one(name, read[0])
        if name == "abs":
            return self.one("fabs", read[0])
        if name == "square":
            return self.two("fmul", read[0], read[0])
        if name == "integer_pow":
            return self._power(read[0], dict(operation.params)["y"])
        if name in FUNCTIONS:
            return self.put(f"call {v} @{name}({v} {read[0]})")
        if name == "pow":
            return self.put(f"call {v} @pow({v} {read[0]}, {v} {read[1]})")
        if name == "convert_element_type":
            return self._converted(operation.inputs[0], read[0])
        raise _unknown(name)

    def _converted(self, operand: Operand, value: str) -> str:
        kind = self.type_of(operand.dtype) if isinstance(operand, Constant) else self.types[operand]
        how = "uitofp" if kind == self.masks else "sitofp"
        return value if kind == self.vector else self.put(f"{how} {kind} {value} to {self.vector}")

    def _compared(self, name: str, read: list[str], operation: Operation) -> str:
        first = next(i for i in operation.inputs)
        kind = self.type_of(first.dtype) if isinstance(first, Constant) else self.types[first]
        if kind == self.vector:
            return self.compared(ORDERED[name], *read)
        return self.put(f"icmp {COUNTED[name]} {kind} {read[0]}, {read[1]}")

    def _power(self, base: str, power: int) -> str:
        found, square, left = None, base, abs(power)
        while left:
            if left & 1:
                found = square if found is None else self.two("fmul", found, square)
            left >>= 1
            square = self.two("fmul", square, square) if left else square
        found = found or self.number(1.0)
        return self.two("fdiv", self.number(1.0), found) if power < 0 else found


def _unknown(name: str) -> Any:
    return HemotwinError(f"a step in a kernel must be made of elementary operations, but holds `{name}`.")
