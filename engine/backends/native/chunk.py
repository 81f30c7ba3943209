"""One chunk of directions on its way through a step: row after row, each over the one that it replaces where it can.

`WAYS` directions are pushed together, so that each derivative is read once for all of them. Rows that are idle in all
lanes are passed by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..jacobian import Jacobian, Row

if TYPE_CHECKING:
    from .tangents import TangentKernel

__all__ = ["WAYS", "Chunk", "Places"]

NEAR = 12  # rows for which a tangent that was made or read is kept in a register
WAYS = 2  # directions pushed together: one load of a derivative serves so many products


class Places:
    """Where the rows of a step's tangents stand.

    direct: rows written over the carried row that they replace, because no later row reads it; passing: those read so
    soon that they stay in registers; between: all other rows, in memory of their own; late: (carried row, vertex) of
    those copied at the end; ended: carried rows whose tangent the step ends, though something reads it before; seeded:
    rows in which parameters enter directly; carried: carried rows that have tangents. The last two and `between` give
    the place of each.
    """

    def __init__(self, jacobian: Jacobian) -> None:
        last = {v: n for n, row in enumerate(jacobian.rows) for v, _ in row.edges}
        made = {row.vertex: n for n, row in enumerate(jacobian.rows)}
        self.direct: dict[int, int] = {}
        self.late: list[tuple[int, int]] = []
        for i, vertex in enumerate(jacobian.outputs):
            if vertex is None or vertex == i:
                continue
            if vertex in made and vertex not in self.direct and last.get(i, -1) <= made[vertex]:
                self.direct[vertex] = i
            else:
                self.late.append((i, vertex))
        own = [v for v in made if v not in self.direct]
        self.passing = {v for v in own if last.get(v, 0) - made[v] < NEAR} - {v for _, v in self.late}
        own = [v for v in own if v not in self.passing]
        self.between = {v: n for n, v in enumerate(own)}
        self.seeded = {row.vertex: n for n, row in enumerate(r for r in jacobian.rows if r.seeds)}
        carried = {i for i, vertex in enumerate(jacobian.outputs) if vertex is not None} | jacobian.read()
        self.ended = [i for i in sorted(carried) if jacobian.outputs[i] is None]
        self.carried = {row: n for n, row in enumerate(sorted(carried))}


class Chunk:
    """Writes the push of the chunk that is `chunk` chunks behind `first`; `seeds`: a parameter has its direction there,
    and enters rows directly. `moving` says of rows that may be idle whether they are not (i1)."""

    def __init__(self, kernel: TangentKernel, chunk: str, first: int, seeds: bool, moving: Mapping[int, str]) -> None:
        self.kernel, self.places, self.seeds, self.moving = kernel, kernel.rows, seeds, moving
        size = len(self.places.carried) * WAYS
        self.here = kernel.at(kernel.at("%tangent", first * size), kernel.put(f"mul i64 {chunk}, {size}"))
        seeded = len(self.places.seeded) * WAYS
        self.table = kernel.at("@seeds", kernel.put(f"mul i64 {chunk}, {seeded}"), "i32") if seeds else ""
        self.recent: dict[tuple[int, int], tuple[int, str]] = {}  # tangent -> row that used it last, register
        self.row = 0

    def pushed(self) -> None:
        """All rows, in their order."""
        for row in self.kernel.jacobian.rows:
            idle = self.kernel.idle.get(row.vertex)
            if idle is None:
                self._made(row.vertex, self._sums(row, self._seeds(row.vertex)))
            elif idle.kept is None:
                self._without_products(row)
            else:
                self._as_it_was(row)
            self.row += 1
        for i, vertex in self.places.late:
            for w in range(WAYS):
                self.kernel.store(self.kernel.load(self._place(vertex, w)), self._place(i, w))
        for i in self.places.ended:
            for w in range(WAYS):
                self.kernel.store("zeroinitializer", self._place(i, w))

    def _sums(self, row: Row, start: list[str | None]) -> list[str]:
        return self.kernel.row_of(row.edges, start, self._tangent)

    def _made(self, vertex: int, values: list[str]) -> None:
        for w, value in enumerate(values):
            self.recent[vertex, w] = self.row, value
        if vertex not in self.places.passing:
            self._stored(vertex, values)

    def _stored(self, vertex: int, values: list[str]) -> None:
        for w, value in enumerate(values):
            self.kernel.store(value, self._place(vertex, w))

    def _without_products(self, row: Row) -> None:
        """A row of which only the seeds are left where it is idle."""
        kernel, start = self.kernel, self._seeds(row.vertex)
        (before, moved), values = self._branch(row, lambda: self._sums(row, start))
        passed = ["zeroinitializer" if value is None else value for value in start]
        pairs = zip(passed, values, strict=True)
        merged = [kernel.put(f"phi {kernel.vector} [ {a}, %{before} ], [ {b}, %{moved} ]") for a, b in pairs]
        self._made(row.vertex, merged)

    def _as_it_was(self, row: Row) -> None:
        """A row that stays in memory what it was where it is idle."""
        self._branch(row, lambda: self._stored(row.vertex, self._sums(row, self._seeds(row.vertex))))

    def _branch(self, row: Row, inside: Callable[[], Any]) -> tuple[tuple[str, str], Any]:
        """Write `inside` for groups in which the row is not idle: (blocks before and at the end of it), its result."""
        kernel, name, recent = self.kernel, self.kernel.fresh(), dict(self.recent)
        kernel.lines.append(f"  br label %look{name}")
        kernel.label(f"look{name}")
        kernel.lines.append(f"  br i1 {self.moving[row.vertex]}, label %moves{name}, label %idle{name}")
        kernel.label(f"moves{name}")
        found = inside()
        kernel.lines.append(f"  br label %moved{name}")
        kernel.label(f"moved{name}")
        kernel.lines.append(f"  br label %idle{name}")
        kernel.label(f"idle{name}")
        self.recent = recent  # what was read inside is not known after it
        return (f"look{name}", f"moved{name}"), found

    def _place(self, vertex: int, way: int) -> str:
        kernel, places = self.kernel, self.places
        if vertex in places.between:
            return kernel.at("%between", places.between[vertex] * WAYS + way)
        row = places.carried[places.direct.get(vertex, vertex)]
        return kernel.at(self.here, row * WAYS + way)

    def _tangent(self, vertex: int, way: int) -> str:
        """A tangent: in its register for some rows after its last use, else read from memory."""
        at, name = self.recent.get((vertex, way), (-NEAR, ""))
        if self.row - at >= NEAR:
            name = self.kernel.load(self._place(vertex, way))
            self.recent[vertex, way] = self.row, name
        return name

    def _seeds(self, vertex: int) -> list[str | None]:
        """What parameters add to a row directly."""
        if not self.seeds or vertex not in self.places.seeded:
            return [None] * WAYS
        return [self._seed(self.places.seeded[vertex] * WAYS + w) for w in range(WAYS)]

    def _seed(self, place: int) -> str:
        """What the table says; most say zeros, whose one line stays in the cache where one for each would not."""
        kernel = self.kernel
        offset = kernel.load(kernel.at(self.table, place, "i32"), "i32")
        return kernel.load(kernel.at("%scratch", kernel.put(f"zext i32 {offset} to i64"), "i8"))
