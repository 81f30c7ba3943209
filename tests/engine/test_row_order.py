"""Rows of tangents in another order are the same rows, each after those it reads, and more of them need no memory."""

from __future__ import annotations

import numpy as np

from hemotwin.engine.backends.jacobian import Jacobian, Row
from hemotwin.engine.backends.native.row_order import ordered
from hemotwin.engine.backends.straight_line import Constant

D = Constant(2.0, "float64")


def rows_of(jacobian: Jacobian) -> list[int]:
    return [row.vertex for row in jacobian.rows]


def test_each_row_stands_once_and_after_those_that_it_reads():
    rng = np.random.default_rng(5)
    for _ in range(20):
        rows = []
        for vertex in range(6, 30):
            parents = rng.choice(vertex, size=rng.integers(1, 4), replace=False)
            rows.append(Row(vertex, tuple((int(v), D) for v in parents), ()))
        found = ordered(Jacobian(6, tuple(rows), tuple(int(v) for v in rng.choice(range(6, 30), 6, replace=False))))
        assert sorted(found.rows, key=lambda row: row.vertex) == rows
        for n, row in enumerate(found.rows):
            assert all(v < 6 or v in rows_of(found)[:n] for v, _ in row.edges)


def test_a_row_waits_until_nobody_reads_what_it_replaces():
    """Row 2 replaces source 0, which row 3 reads as well: 3 first, and neither needs a copy."""
    rows = (Row(2, ((0, D),), ()), Row(3, ((0, D), (1, D)), ()))
    assert rows_of(ordered(Jacobian(2, rows, (2, 3)))) == [3, 2]


def test_a_row_between_is_made_where_it_is_read():
    """Rows 2 and 3 are read by one row each: each is followed by its reader, so that one stands between at a time."""
    rows = (Row(2, ((0, D),), ()), Row(3, ((1, D),), ()), Row(4, ((0, D), (2, D)), ()), Row(5, ((1, D), (3, D)), ()))
    assert rows_of(ordered(Jacobian(2, rows, (4, 5)))) == [2, 4, 3, 5]


def test_rows_that_replace_what_the_other_reads_stay_as_they_are():
    """One of them is copied at the end, whatever the order."""
    rows = (Row(2, ((1, D),), ()), Row(3, ((0, D),), ()))
    assert rows_of(ordered(Jacobian(2, rows, (2, 3)))) == [2, 3]
