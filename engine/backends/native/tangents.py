"""A kernel that carries tangents: local derivatives are computed once per step, then meet all directions.

Tangents stand in memory as [chunk][carried row][way]: `WAYS` directions are pushed together through the step's local
Jacobian, so that each derivative is read once for all of them. Rows that are idle in all lanes are passed by.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence

from ..jacobian import Jacobian
from ..straight_line import Constant, Operand, Piece
from .chunk import WAYS, Chunk, Places
from .elementary import definitions
from .idle import Idle, idle_rows
from .kernel import BYTES, Kernel
from .piece_order import ordered_body
from .program import NativeProgram
from .row_order import ordered

__all__ = ["WAYS", "TangentKernel", "kernel", "results"]

NONE = Constant(0.0, "")  # the seed of a row that a parameter does not enter


def kernel(program: NativeProgram, name: str) -> tuple[str, int]:
    """LLVM IR of `void name(rows, start, counts, state, values[, waves][, d_state, d_values], scratch, patients,
    first)`, which runs the beats of the group of patients that begins with `first`, and the bytes of scratch that it
    needs."""
    writer = (TangentKernel if program.directions else Kernel)(program)
    body = writer.written()
    ends = "".join(f", ptr noalias %{part}" for part in (*results(program), "scratch"))
    head = f"define void @{name}(ptr noalias %rows, ptr noalias %start, ptr noalias %counts{ends}"
    head = f"{head}, i64 %patients, i64 %first)"
    text = "\n".join([definitions(program.dtype, program.width), *writer.tables(), f"{head} nounwind {{", *body, "}"])
    return text, writer.scratch


def results(program: NativeProgram) -> list[str]:
    """Names of what the function writes, before its scratch."""
    recorded = [] if program.samples is None else ["waves"]
    return ["state", "values", *recorded] + (["d_state", "d_values"] if program.directions else [])


class TangentKernel(Kernel):
    """Writes the body of a kernel with tangents."""

    def __init__(self, program: NativeProgram) -> None:
        super().__init__(program)
        self.chunks = -(-program.directions // WAYS)
        self.first = program.state // WAYS if program.free else self.chunks  # chunks in which no parameter has its own
        self.where: dict[int, str] = {}
        self.jacobian = ordered(_known(program.step.jacobian))
        self.rows = Places(self.jacobian)
        found = idle_rows(program.step.line, self.jacobian)
        self.idle = {v: idle for v, idle in found.items() if idle.kept is None or v in self.rows.direct}
        line = program.step.line
        kept, given = set(line.kept()), range(line.invariants, line.inputs)
        seeds = dict.fromkeys(operand for row in self.jacobian.rows for _, operand in row.seeds)
        self.fixed = [NONE, *(o for o in seeds if isinstance(o, Constant) or o in kept)]  # the same in every step
        self.given = [o for o in seeds if o in given]  # carried values, which lie elsewhere from step to step
        self.line_of: dict[Operand, int] = {}  # seed -> where it lies in the scratch memory, in bytes

    def tables(self) -> list[str]:
        """For each chunk with parameters, row and way the place of its seed; a line of zeros where it has none."""
        rows, state = self.rows.seeded, self.program.state
        places = [self.line_of[NONE]] * ((self.chunks - self.first) * len(rows) * WAYS)
        for row in self.jacobian.rows:
            for parameter, operand in row.seeds:
                chunk, way = divmod(state + parameter, WAYS)
                places[((chunk - self.first) * len(rows) + rows[row.vertex]) * WAYS + way] = self.line_of[operand]
        numbers = ", ".join(f"i32 {place}" for place in places)
        return [f"@seeds = private unnamed_addr constant [{len(places)} x i32] [{numbers}]"]

    def _body(self) -> Iterable[Piece]:
        """All of a step: where there are tangents, what follows from its number alone is the smallest part."""
        return ordered_body(self.program.step.line)

    def _tangent_buffers(self) -> None:
        self._buffer("tangent", self.chunks * WAYS * len(self.rows.carried))
        lines = [*self.fixed, *self.given]
        self.line_of |= {seed: self.scratch + place * self.line for place, seed in enumerate(lines)}
        self._buffer("fixed", len(lines))
        self._buffer("between", WAYS * len(self.rows.between))

    def _slots(self, operands: tuple[Operand, ...], sinks: dict[int, list[str]]) -> None:
        """Where each derivative of the step is found: in memory, or as a constant."""
        fresh = [o for o in dict.fromkeys(operands) if isinstance(o, int) and o not in self.kept]
        self.line_of |= {operand: self.scratch + i * self.line for i, operand in enumerate(fresh)}
        space = self._buffer("local", len(fresh))
        self.where = {o: self.kept[o][0] for o in operands if isinstance(o, int) and o in self.kept}
        for i, operand in enumerate(fresh):
            self.where[operand] = self.at(space, i)
            sinks.setdefault(operand, []).append(self.where[operand])

    def _seeded(self) -> None:
        """Tangents at onset: zero but for the derivatives of what is carried by its seeds."""
        jacobian = _known(self.program.onset.jacobian)
        self._cleared("tangent", self.chunks * WAYS * len(self.rows.carried))
        for i, seed in enumerate(self.fixed):
            known = isinstance(seed, Constant)
            value = self.number(float(seed.value)) if known else self.load(self.places["step"][seed][0])
            self.store(value, self.at("%fixed", i))
        rows = {row.vertex: row for row in jacobian.rows}
        for i, vertex in enumerate(jacobian.outputs):
            if vertex is None or i not in self.rows.carried:
                continue
            seeds = rows[vertex].seeds if vertex in rows else ((vertex, Constant(1.0, self.dtype)),)
            for direction, operand in seeds:
                self.store(self.read(operand), self.at("%tangent", self._slot(direction, i)))

    def _cleared(self, name: str, vectors: int) -> None:
        self.lines.append(f"  br label %{name}.cleared")
        inside = lambda i: self.store("zeroinitializer", self.at(f"%{name}", i))  # noqa: E731
        self._counted(f"{name}.cleared", str(vectors), 1, inside, "i64")

    def _slot(self, direction: int, row: int) -> int:
        """Place of a direction's tangent of a carried row."""
        chunk, way = divmod(direction, WAYS)
        return (chunk * len(self.rows.carried) + self.rows.carried[row]) * WAYS + way

    def derivative(self, operand: Operand) -> str:
        """A derivative, anew from memory where the step keeps it."""
        if isinstance(operand, Constant) or operand not in self.where:
            return self.read(operand)
        return self.load(self.where[operand])

    def _pushed(self) -> None:
        for i, operand in enumerate(self.given, start=len(self.fixed)):
            self.store(self.read(operand), self.at("%fixed", i))
        moving = {vertex: self._moving(idle) for vertex, idle in self.idle.items()}
        areas = (("states", 0, self.first, False), ("seeds", self.first, self.chunks, True))
        for name, first, end, seeds in areas:
            if end > first:
                inside = lambda chunk, f=first, s=seeds: Chunk(self, chunk, f, s, moving).pushed()  # noqa: E731
                self.lines.append(f"  br label %{name}")
                self._counted(name, str(end - first), 1, inside, "i64")

    def _moving(self, idle: Idle) -> str:
        """Whether a row is not idle in some lane (i1)."""
        kind = f"i{8 * BYTES[self.dtype]}"
        whole = f"<{self.width} x {kind}>"
        bits = [self.put(f"bitcast {self.vector} {self.derivative(o)} to {whole}") for o in idle.zero]
        some = functools.reduce(lambda a, b: self.put(f"or {whole} {a}, {b}"), bits)
        some = self.put(f"shl {whole} {some}, splat ({kind} 1)")  # without signs: -0 is 0, too
        moves = self.put(f"icmp ne {whole} {some}, zeroinitializer")
        if idle.kept is not None:
            other = self.compared("une", self.derivative(idle.kept), self.number(1.0))
            moves = self.put(f"or {self.masks} {moves}, {other}")
        return self.any(moves)

    def row_of(
        self, edges: Iterable[tuple[int, Operand]], start: Sequence[str | None], read: Callable[[int, int], str]
    ) -> list[str]:
        """What a row starts from (None: nothing) with its products added, one per way."""
        sums = list(start)
        for vertex, operand in edges:
            unit = operand.value if isinstance(operand, Constant) else None
            factor = None if unit in (1.0, -1.0) else self.derivative(operand)
            for w in range(len(sums)):
                tangent, so_far = read(vertex, w), sums[w]
                if factor is not None:
                    sums[w] = self.two("fmul", factor, tangent) if so_far is None else self.fma(factor, tangent, so_far)
                elif so_far is None and unit == 1.0:
                    sums[w] = tangent
                else:
                    sums[w] = self.two("fadd" if unit == 1.0 else "fsub", so_far or self.number(0.0), tangent)
        return ["zeroinitializer" if value is None else value for value in sums]

    def _tangents_out(self, first: str) -> None:
        """Tangents of state rows and reductions to memory: [row, direction, patient]."""
        program, jacobian = self.program, _known(self.program.end.jacobian)
        rows = {row.vertex: row for row in jacobian.rows}
        for i, vertex in enumerate(jacobian.outputs):
            results, row = ("%d_state", i) if i < program.state else ("%d_values", i - program.state)
            for direction in range(program.directions):
                edges = () if vertex is None else ((vertex, Constant(1.0, self.dtype)),)
                if vertex is not None and vertex >= jacobian.sources:
                    edges = rows[vertex].edges
                edges = [edge for edge in edges if edge[0] in self.rows.carried]  # the others have no tangent
                read = lambda v, _, d=direction: self.load(self.at("%tangent", self._slot(d, v)))  # noqa: E731
                value = self.row_of(edges, [None], read)[0]
                self.store(value, self._row(results, str(row * program.directions + direction), first), align=8)


def _known(jacobian: Jacobian | None) -> Jacobian:
    assert jacobian is not None  # a program with directions has the Jacobians of all its lines
    return jacobian
