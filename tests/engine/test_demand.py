"""What readers demand of a value: choices made already, roots of what is not negative, work that only rare parts read.

The lines as traced are the reference: what `decided` and `sunk` make of them must give the same in every lane.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from hemotwin.core.smooth import safe_divide, safe_sqrt
from hemotwin.engine.backends.demand import decided, demands, sunk
from hemotwin.engine.backends.rare import gathered_rare, with_rare
from hemotwin.engine.backends.straight_line import Operation, Rare, StraightLine
from tests.engine.test_straight_line import WIDTH, computed, traced

C, A, B = (np.linspace(-1.0, 2.0, WIDTH) + i for i in (0.25, 0.0, -1.5))  # of both signs; A and B are 0 in no lane


def equal_in_every_lane(line: StraightLine, other: StraightLine) -> None:
    for found, expected in zip(computed(line, C, A, B), computed(other, C, A, B), strict=True):
        assert np.all(np.isfinite(expected))
        np.testing.assert_allclose(found, expected, rtol=4e-16)  # compiled, a product and a sum may be rounded once


def selects(line: StraightLine) -> int:
    return line.always["select_n"]


def guarded(c: Any, v: Any) -> list[Any]:
    """A quotient whose divisor is guarded inside and whose result is chosen outside."""
    apart = v[0] < 0.0
    return [jnp.where(apart, safe_divide(v[1], v[0] - jnp.abs(v[0]), apart), v[0] + c[0])]


def test_a_guard_behind_a_select_of_the_same_predicate_decides_nothing():
    line = traced(guarded)
    short = decided(line)
    assert selects(line) == 3 and selects(short) == 1
    equal_in_every_lane(short, line)


def test_what_holds_both_holds_each():
    """Inside `a and b` a choice by a is made; inside `not (a or b)` one by b; where only one is known it is not."""

    def both(c, v):
        one, two = v[0] > 0.0, v[1] > 0.0
        inside = jnp.where(one, v[0] * v[1], c[0])
        outside = jnp.where(two, c[0], v[0] - v[1])
        return [jnp.where(one & two, inside, v[0]), jnp.where(one | two, v[1], outside), jnp.where(one, outside, v[1])]

    line = traced(both)
    short = decided(line)
    assert selects(line) == 5 and selects(short) == 4  # `outside` is read by the third result too, where two is open
    equal_in_every_lane(short, line)


def test_a_value_that_is_read_elsewhere_keeps_its_choice():
    line = traced(lambda c, v: [*guarded(c, v), safe_divide(v[1], v[0] - jnp.abs(v[0]), v[0] < 0.0)])
    assert selects(line) == 3 and selects(decided(line)) == 2  # the divisor's alone is gone
    equal_in_every_lane(decided(line), line)


def test_a_guarded_root_is_that_of_the_larger_of_its_argument_and_nothing():
    line = traced(lambda c, v: [safe_sqrt(v[0] * c[0])])
    short = decided(line)
    assert line.always == {"mul": 1, "gt": 1, "select_n": 2, "sqrt": 1}
    assert short.always == {"mul": 1, "max": 1, "sqrt": 1}
    equal_in_every_lane(short, line)


def test_a_root_that_others_read_stays_as_it_is():
    def two(c, v):
        positive = v[0] > 0.0
        root = jnp.sqrt(jnp.where(positive, v[0], 1.0))
        return [jnp.where(positive, root, 0.0), root]

    assert decided(traced(two)).always == traced(two).always


def test_demands_are_those_of_all_readers():
    line = traced(guarded)
    demand = demands([o for o in line.body if isinstance(o, Operation)], line.outputs)
    predicate = next(o.output for o in line.body if isinstance(o, Operation) and o.name == "lt")
    quotient, result = (next(o for o in line.body if isinstance(o, Operation) and o.name == n) for n in ("abs", "add"))
    assert (predicate, True) in demand[quotient.output] and demand[result.output] == {(predicate, False)}
    assert demand[predicate] == frozenset(), "a predicate is needed wherever its choice is"


def test_work_that_only_rare_parts_read_moves_into_each_of_them():
    """A long root that two events read, and nothing else."""

    def shared(c, v):
        root = safe_sqrt(v[0] * v[0] + c[0] * v[1] + 9.0) * jnp.exp(v[1]) + v[0]
        high = jnp.exp(root) / (root + 3.0) * jnp.exp(v[0]) + safe_sqrt(root)
        low = jnp.exp(-root) / (root + 5.0) * jnp.exp(v[1]) - safe_sqrt(root + 1.0)
        return [jnp.where(v[0] > 1.5, high, v[1]), jnp.where(v[1] < -1.0, low, v[0])]

    line = decided(traced(shared))
    apart = with_rare(line)
    moved = sunk(apart)
    assert sum(isinstance(p, Rare) for p in moved.body) == sum(isinstance(p, Rare) for p in apart.body)
    assert apart.always["sqrt"] == 1 and not {"sqrt", "exp"} & set(moved.always)
    equal_in_every_lane(moved, line)
    equal_in_every_lane(gathered_rare(moved), line)
