"""The order of a step's tangents: each written over the row that it replaces, and read soon after it is made."""

from __future__ import annotations

import dataclasses

from ..jacobian import Jacobian, Row

__all__ = ["ordered"]

LATE = 2  # rows between that a row costs which is not written over the one it replaces, but copied there in the end


def ordered(jacobian: Jacobian) -> Jacobian:
    """The same rows in an order in which few of them need memory of their own.

    Of the rows whose edges are known, next is the one that takes the place of what no other row still reads, or after
    which most rows between are done with; the earlier one where there are several.
    """
    left = {row.vertex: row for row in jacobian.rows}
    readers: dict[int, set[int]] = {}
    for row in jacobian.rows:
        for vertex, _ in row.edges:
            readers.setdefault(vertex, set()).add(row.vertex)
    replaces: dict[int, int] = {}
    for i, vertex in enumerate(jacobian.outputs):
        if vertex is not None and vertex != i:
            replaces.setdefault(vertex, i)

    def cost(row: Row) -> int:
        """Rows between that there will be more, or in place of a row that others still read."""
        gone = sum(readers[v] == {row.vertex} for v, _ in row.edges if v >= jacobian.sources and v not in replaces)
        place = replaces.get(row.vertex)
        if place is None:
            return 1 - gone
        return (LATE if readers.get(place, set()) - {row.vertex} else 0) - gone

    order: list[Row] = []
    while left:
        ready = [row for row in left.values() if not any(v in left for v, _ in row.edges)]
        row = min(ready, key=cost)
        order.append(left.pop(row.vertex))
        for vertex, _ in row.edges:
            readers[vertex].discard(row.vertex)
    return dataclasses.replace(jacobian, rows=tuple(order))
