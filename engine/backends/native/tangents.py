"""A kernel that carries tangents: local derivatives are computed once per step, then meet all directions.

Tangents stand in memory as [chunk][carried row][way]: `WAYS` directions are pushed together through the step's local
Jacobian, so that each derivative is read once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..straight_line import Constant, Operand
from .elementary import definitions
from .jacobian import Jacobian
from .kernel import Kernel
from .program import NativeProgram

__all__ = ["WAYS", "TangentKernel", "kernel", "results"]

WAYS = 4  # directions pushed together: one load of a derivative serves so many products


def kernel(program: NativeProgram, name: str) -> tuple[str, int]:
    """LLVM IR of `void name(rows, start, counts, state, values[, d_state, d_values], scratch, patients)`, and the
    bytes of scratch that it needs."""
    writer = (TangentKernel if program.directions else Kernel)(program)
    body = writer.written()
    ends = "".join(f", ptr noalias %{part}" for part in (*results(program), "scratch"))
    head = f"define void @{name}(ptr noalias %rows, ptr noalias %start, ptr noalias %counts{ends}, i64 %patients)"
    text = "\n".join([definitions(program.dtype, program.width), f"{head} nounwind {{", *body, "}"])
    return text, writer.scratch


def results(program: NativeProgram) -> list[str]:
    """Names of what the function writes, before its scratch."""
    return ["state", "values"] + (["d_state", "d_values"] if program.directions else [])


class TangentKernel(Kernel):
    """Writes the body of a kernel with tangents."""

    def __init__(self, program: NativeProgram) -> None:
        super().__init__(program)
        self.chunks = -(-program.directions // WAYS)
        self.where: dict[int, str] = {}
        self.extra: dict[int, int] = {}
        self.jacobian = _known(program.step.jacobian)

    def _tangent_buffers(self) -> None:
        for part in ("pushed", "moved"):
            self._buffer(part, self.chunks * WAYS * self.program.carried)

    def _tangent_turns(self, begun: str, last: str) -> str:
        return (
            f"\n  %tangent = phi ptr [ %pushed, %{begun} ], [ %tangent.after, %{last} ]"
            f"\n  %tangent.after = phi ptr [ %moved, %{begun} ], [ %tangent, %{last} ]"
        )

    def _tangents_ended(self) -> None:
        self.store("%tangent", "%ended.tangent", "ptr")

    def _slots(self, operands: tuple[Operand, ...], sinks: dict[int, list[str]]) -> None:
        """Where each derivative of the step is found: in memory, or as a constant."""
        fresh = [o for o in dict.fromkeys(operands) if isinstance(o, int) and o not in self.kept]
        space = self._buffer("local", len(fresh))
        self.where = {o: self.kept[o][0] for o in operands if isinstance(o, int) and o in self.kept}
        for i, operand in enumerate(fresh):
            self.where[operand] = self.at(space, i)
            sinks.setdefault(operand, []).append(self.where[operand])

    def _seeded(self) -> None:
        """Tangents at onset: zero but for the derivatives of what is carried by its seeds."""
        program, jacobian = self.program, _known(self.program.onset.jacobian)
        zero = "zeroinitializer"
        total = self.chunks * WAYS * program.carried
        self.lines.append("  br label %cleared")
        self._counted("cleared", str(total), 1, lambda i: self.store(zero, self.at("%pushed", i)), "i64")
        rows = {row.vertex: row for row in jacobian.rows}
        for i, vertex in enumerate(jacobian.outputs):
            if vertex is None:
                continue
            seeds = rows[vertex].seeds if vertex in rows else ((vertex, Constant(1.0, self.dtype)),)
            for direction, operand in seeds:
                self.store(self.read(operand), self.at("%pushed", self._slot(direction, i, program.carried)))
        self._clear_extra()

    def _slot(self, direction: int, row: int, rows: int) -> int:
        return (direction // WAYS * rows + row) * WAYS + direction % WAYS

    def _clear_extra(self) -> None:
        """Sums of seeds: zero wherever no parameter enters a row directly."""
        jacobian = self.jacobian
        self.extra = {row.vertex: i for i, row in enumerate(row for row in jacobian.rows if row.seeds)}
        space, total = self._buffer("extra", self.chunks * WAYS * len(self.extra)), self.chunks * WAYS * len(self.extra)
        self.lines.append("  br label %blank")
        self._counted("blank", str(total), 1, lambda i: self.store("zeroinitializer", self.at(space, i)), "i64")

    def _derivative(self, operand: Operand) -> str:
        """A derivative, anew from memory where the step keeps it."""
        if isinstance(operand, Constant) or operand not in self.where:
            return self.read(operand)
        return self.load(self.where[operand])

    def _pushed(self) -> None:
        program, jacobian = self.program, self.jacobian
        count = len(self.extra)
        for row in jacobian.rows:
            for direction, operand in row.seeds:
                place = self._slot(program.state + direction, self.extra[row.vertex], count)
                self.store(self._derivative(operand), self.at("%extra", place))
        between = [r.vertex for r in jacobian.rows if r.vertex not in jacobian.outputs]
        self._buffer("between", WAYS * len(between))
        inner = {v: i for i, v in enumerate(between)}
        self.lines.append("  br label %chunks")
        self._counted("chunks", str(self.chunks), 1, lambda i: self._chunk(i, inner), "i64")

    def _chunk(self, chunk: str, inner: dict[int, int]) -> None:
        """Push the tangents of one chunk of directions through the step."""
        program, jacobian = self.program, self.jacobian
        size = self.put(f"mul i64 {chunk}, {program.carried * WAYS}")
        source, target = self.at("%tangent", size), self.at("%tangent.after", size)
        extra = self.at("%extra", self.put(f"mul i64 {chunk}, {len(self.extra) * WAYS}"))
        made: dict[int, int] = {}
        outputs = jacobian.outputs
        for i, vertex in enumerate(outputs):
            if vertex is not None and vertex >= jacobian.sources:
                made.setdefault(vertex, i)

        def place(vertex: int, way: int) -> str:
            if vertex < jacobian.sources:
                return self.at(source, vertex * WAYS + way)
            if vertex in made:
                return self.at(target, made[vertex] * WAYS + way)
            return self.at("%between", inner[vertex] * WAYS + way)

        for row in jacobian.rows:
            sums: list[str | None] = [None] * WAYS
            if row.vertex in self.extra:
                sums = [self.load(self.at(extra, self.extra[row.vertex] * WAYS + w)) for w in range(WAYS)]
            for w, value in enumerate(self._row_of(row.edges, sums, place)):
                self.store(value, place(row.vertex, w))
        for i, vertex in enumerate(outputs):
            if vertex is not None and made.get(vertex) == i:
                continue
            for w in range(WAYS):
                value = "zeroinitializer" if vertex is None else self.load(place(vertex, w))
                self.store(value, self.at(target, i * WAYS + w))

    def _row_of(
        self, edges: Iterable[tuple[int, Operand]], sums: list[str | None], place: Callable[[int, int], str]
    ) -> list[str]:
        """The sums of a row with its products added, one per way."""
        for vertex, operand in edges:
            unit = operand.value if isinstance(operand, Constant) else None
            factor = None if unit in (1.0, -1.0) else self._derivative(operand)
            for w in range(len(sums)):
                tangent, so_far = self.load(place(vertex, w)), sums[w]
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
        tangent = self.load("%ended.tangent", "ptr")
        for i, vertex in enumerate(jacobian.outputs):
            results, row = ("%d_state", i) if i < program.state else ("%d_values", i - program.state)
            for direction in range(program.directions):
                edges = () if vertex is None else ((vertex, Constant(1.0, self.dtype)),)
                if vertex is not None and vertex >= jacobian.sources:
                    edges = rows[vertex].edges
                place = lambda v, _, d=direction: self.at(tangent, self._slot(d, v, program.carried))  # noqa: E731
                value = self._row_of(edges, [None], place)[0]
                self.store(value, self._row(results, str(row * program.directions + direction), first), align=8)


def _known(jacobian: Jacobian | None) -> Jacobian:
    assert jacobian is not None  # a program with directions has the Jacobians of all its lines
    return jacobian
