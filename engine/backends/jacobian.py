"""The derivative of a straight line with many directions: local Jacobians first, tangents last.

Forward mode pushes every tangent through every operation. Here the partial derivatives of the operations are first
multiplied together, as values of the line, wherever that makes the whole cheaper (vertex elimination on the linearised
graph: Griewank & Walther 2008, Evaluating Derivatives, ch. 10, doi:10.1137/1.9780898717761). Only what is left meets
the tangents: some hundred products per direction instead of thousands.
"""

from __future__ import annotations

import functools
import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .derivative import Partial, number, partials, plus, times
from .straight_line import Builder, Constant, Operand, Operation

__all__ = ["Jacobian", "Row", "eliminated"]


@dataclass(frozen=True)
class Row:
    """Tangent of a vertex: the sum of its edges (vertex it reads, derivative), and in the direction of each seed
    (direction, derivative) that derivative more."""

    vertex: int
    edges: tuple[tuple[int, Operand], ...]
    seeds: tuple[tuple[int, Operand], ...]


@dataclass(frozen=True)
class Jacobian:
    """Rows in an order in which each reads only sources and earlier rows; `outputs` has per output its vertex or None.

    Vertices 0, 1, ... are the sources whose tangents are carried.
    """

    sources: int
    rows: tuple[Row, ...]
    outputs: tuple[int | None, ...]

    def read(self) -> set[int]:
        """Sources that some row or output reads."""
        by_rows = {v for row in self.rows for v, _ in row.edges}
        return {v for v in by_rows | set(self.outputs) if v is not None and v < self.sources}

    @property
    def products(self) -> int:
        """Multiplications per direction."""
        return sum(len(row.edges) for row in self.rows)

    def pushed(
        self, builder: Builder, tangent: Sequence[Operand], seed: Sequence[Operand], dtype: str
    ) -> list[Operand]:
        """The outputs' tangents in one direction, from those of the sources and of the seeds."""
        held = dict(enumerate(tangent))
        for row in self.rows:
            terms = [(d, held[u]) for u, d in row.edges] + [(d, seed[s]) for s, d in row.seeds]
            products = [builder.add("mul", list(term), dtype) for term in terms]
            held[row.vertex] = functools.reduce(lambda a, b: builder.add("add", [a, b], dtype), products)
        return [Constant(0.0, dtype) if v is None else held[v] for v in self.outputs]


class Graph:
    """The linearised line: vertices are tangents, edges are partial derivatives.

    `carried` vertices have a tangent in every direction, so an edge from one costs `directions` products; a seed is a
    parameter with a direction of its own, whose edges cost one sum each. Products stay behind their masks with `masked`
    (see `times`).
    """

    def __init__(self, builder: Builder, dtype: str, directions: int, *, masked: bool) -> None:
        self.builder, self.dtype, self.directions, self.masked = builder, dtype, directions, masked
        self.into: dict[int, dict[int, Partial]] = {}
        self.out: dict[int, set[int]] = {}
        self.carried: set[int] = set()
        self.sources: set[int] = set()

    def source(self, carried: bool) -> int:
        """A vertex whose tangent is given."""
        index = len(self.into)
        self.into[index], self.out[index] = {}, set()
        self.sources.add(index)
        if carried:
            self.carried.add(index)
        return index

    def vertex(self, edges: Iterable[tuple[int, Partial]]) -> int | None:
        """The vertex of a sum of parents' tangents times a derivative each; None when there is none."""
        parents: dict[int, Partial] = {}
        for parent, value in edges:
            parents[parent] = self._sum(parents[parent], value) if parent in parents else value
        if not parents:
            return None
        index = len(self.into)
        self.into[index], self.out[index] = parents, set()
        if any(parent in self.carried for parent in parents):
            self.carried.add(index)
        for parent in parents:
            self.out[parent].add(index)
        return index

    def reduce(self, kept: set[int]) -> None:
        """Drop what reaches no output, then eliminate vertices as long as that saves work."""
        for v in sorted(self.into, reverse=True):
            if not self.out[v] and v not in kept and v not in self.sources:
                self._remove(v)
        inner = {v for v in self.into if v not in kept and v not in self.sources}
        for v in sorted(inner - self.carried):
            self.eliminate(v)
        inner &= self.carried
        gain = {v: self.gain(v) for v in inner}
        cheapest = [(work, v) for v, work in gain.items()]
        heapq.heapify(cheapest)
        while cheapest:
            work, v = heapq.heappop(cheapest)
            if v not in inner or work != gain[v]:
                continue  # its work has changed since
            if work > SLACK * self.directions:
                break
            near = (self.into[v].keys() | self.out[v]) & inner
            around = {w for u in self.into[v] for w in self.out[u]} | {u for w in self.out[v] for u in self.into[w]}
            self.eliminate(v)
            inner.discard(v)
            for w in (near | (around & inner)) - {v}:
                gain[w] = self.gain(w)
                heapq.heappush(cheapest, (gain[w], w))

    def flatten(self) -> None:
        """Write every vertex by sources alone; kept vertices stay."""
        for v in sorted(self.into):
            for u in [u for u in self.into[v] if u not in self.sources]:
                through = self.into[v].pop(u)
                for s, value in self.into[u].items():
                    new = self._product(value, through)
                    self.into[v][s] = self._sum(self.into[v][s], new) if s in self.into[v] else new

    def feeding(self, ends: Sequence[int | None], read: set[int]) -> set[int]:
        """Outputs that are read, or become sources of outputs that are read."""
        live, todo = set(read), list(read)
        while todo:
            end = ends[todo.pop()]
            new = set() if end is None else self._sources_of(end) - live
            live |= new
            todo += new
        return live

    def _sources_of(self, v: int) -> set[int]:
        seen, todo = {v}, [v]
        while todo:
            new = self.into[todo.pop()].keys() - seen
            seen |= new
            todo += new
        return seen & self.sources & self.carried

    def gain(self, v: int) -> int:
        """Work added (or, negative, saved) by eliminating a vertex; an edge from one costs its directions a step."""
        cost = {u: self.directions if u in self.carried else 1 for u in (*self.into[v], v)}
        own, readers, into = cost.pop(v), self.out[v], self.into
        new = sum(cost[u] for w in readers for u in cost if u not in into[w])
        return new - sum(cost.values()) - own * len(readers) + len(cost) * len(readers)

    def eliminate(self, v: int) -> None:
        """Pass the edges of a vertex on to those that read it."""
        for w in sorted(self.out[v]):
            through = self.into[w].pop(v)
            for u, value in self.into[v].items():
                new = self._product(value, through)
                self.into[w][u] = self._sum(self.into[w][u], new) if u in self.into[w] else new
                self.out[u].add(w)
        self.out[v] = set()
        self._remove(v)

    def _product(self, one: Partial, two: Partial) -> Partial:
        return times(self.builder, one, two, self.dtype, masked=self.masked)

    def _sum(self, one: Partial, two: Partial) -> Partial:
        return plus(self.builder, one, two, self.dtype)

    def _remove(self, v: int) -> None:
        for u in self.into.pop(v):
            self.out[u].discard(v)
        del self.out[v]


SLACK = 1  # edges that a step of the elimination may add, because a later one may take more away


def eliminated(
    builder: Builder,
    operations: Sequence[Operation],
    carried: Sequence[Operand],
    seeds: Sequence[Operand],
    outputs: Sequence[Operand],
    directions: int,
    dtype: str,
    *,
    flat: bool = False,
    read: Sequence[int] | None = None,
    masked: bool = True,
) -> Jacobian:
    """The Jacobian of `outputs` by the values `carried`, and by `seeds`, each of which has a direction of its own.

    With `flat`, rows read sources only. `read` names the outputs whose tangents somebody reads, where output i becomes
    source i of the next step (None: all); those that feed no such output, however late, have none. `masked` leaves
    products behind their masks, for rare parts to make. The derivatives are appended to the builder. Raises
    `HemotwinError` for an operation whose derivative is unknown.
    """
    graph = Graph(builder, dtype, directions, masked=masked)
    node: dict[Operand, int | None] = {}
    for operand in carried:
        node[operand] = graph.source(True)
    seeded: dict[int, int] = {}
    for place, operand in enumerate(seeds):
        node[operand] = vertex = graph.source(False)
        seeded[vertex] = place
    for operation in operations:
        parents = [node.get(i) if isinstance(i, int) else None for i in operation.inputs]
        if any(p is not None for p in parents):
            found = partials(builder, operation)
            edges = [(p, d) for p, d in zip(parents, found, strict=True) if p is not None and d is not None]
            node[operation.output] = graph.vertex(edges)
    ends = [None if isinstance(o, Constant) else node.get(o) for o in outputs]
    if carried:  # a result that is a seed itself, or what was carried elsewhere, gets a row of its own
        one = Constant(1.0, dtype)
        for i, v in enumerate(ends):
            if v is not None and v in graph.sources and v != i:
                ends[i] = graph.vertex([(v, one)])
    if read is not None:
        live = graph.feeding(ends, set(read))
        ends = [v if i in live else None for i, v in enumerate(ends)]
    graph.reduce({v for v in ends if v is not None})
    if flat:
        graph.flatten()
    rows = []
    for v in sorted(graph.into):
        if v in graph.sources:
            continue
        edges = [(u, number(builder, d, dtype)) for u, d in graph.into[v].items() if u not in seeded]
        own = [(seeded[u], number(builder, d, dtype)) for u, d in graph.into[v].items() if u in seeded]
        rows.append(Row(v, tuple(edges), tuple(own)))
    return Jacobian(len(carried), tuple(rows), tuple(ends))
