"""The steps of the work-precision study are what they are called: their orders, their elimination, their grids."""

from __future__ import annotations

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.other_steps import Explicit, GradedBeat, LinearlyImplicit, graded, sparse_lu
from hemotwin.core.layout import Layout
from hemotwin.core.system import Branch, Store, System
from hemotwin.engine.beat import BeatMap, compiled
from hemotwin.engine.precision import double


@functools.cache
def circuit() -> System:
    """Three vessels in a ring of a resistor, a path with inertance and a resistor: linear, one of them with a drive."""
    stores = (
        Store("a", lambda p, v, e: v * (1.0 + 0.5 * e), activation=0),
        Store("b", lambda p, v, e: v / 2.0),
        Store("c", lambda p, v, e: v / 3.0),
    )
    branches = (
        Branch("ab", 0, 1, "inertial", lambda p: 0.5, inertance=lambda p: 0.2),
        Branch("bc", 1, 2, "resistive", lambda p: 1.0),
        Branch("ca", 2, 0, "resistive", lambda p: 0.7),
    )
    return System(
        name="toy", version="1", stores=stores, branches=branches, parameters=Layout(("total",), ("mL",)),
        constants={}, activations=(lambda p, t: jnp.sin(jnp.pi * t) ** 2,), groups=(), slack=2,
        total=lambda p: p["total"], period=lambda p: 1.0 + 0.0 * p["total"], readings={},
    )  # fmt: skip


def end(beat: BeatMap, steps: int) -> np.ndarray:
    """State after one beat from a state out of balance."""
    with double():
        return np.asarray(compiled(beat, None)(np.array([[30.0]]), np.array([[9.0], [6.0], [1.0]]), steps).state)


STEPS = {
    "heun": (Explicit(method="heun"), 2), "rk4": (Explicit(method="rk4"), 4), "ros2": (LinearlyImplicit(), 2),
    "ros2_areas": (LinearlyImplicit(areas=True), 2),
}  # fmt: skip


@pytest.mark.parametrize(("solver", "order"), STEPS.values(), ids=STEPS.keys())
def test_a_step_converges_with_its_order_on_a_linear_circuit(solver, order):
    beat = BeatMap(circuit(), (), solver, "xla")
    exact = end(BeatMap(circuit(), (), Explicit(method="rk4"), "xla"), 1280)
    error = [np.max(np.abs(end(beat, n) - exact)) for n in (20, 40, 80)]
    assert np.log2(error[0] / error[1]) == pytest.approx(order, abs=0.35)
    assert np.log2(error[1] / error[2]) == pytest.approx(order, abs=0.25)


def test_the_linearly_implicit_step_is_stable_where_heun_is_not():
    """Time constant of the fastest vessel about 0.3 s; four steps of a beat a hundred times as long."""
    still = (lambda p, t: 0.0 * t,)
    slow = dataclasses.replace(circuit(), period=lambda p: 100.0 + 0.0 * p["total"], activations=still)
    assert np.max(np.abs(end(BeatMap(slow, (), Explicit(method="heun"), "xla"), 4))) > 1e3
    balance = np.array([[5.0], [10.0], [0.0]])
    np.testing.assert_allclose(end(BeatMap(slow, (), LinearlyImplicit(), "xla"), 4), balance, atol=0.5)


def test_elimination_with_a_fixed_pattern_solves_and_fills_little():
    """A ring's matrix has three entries a row: of 56 places off the diagonal its factors fill no more than 26."""
    rng, size = np.random.default_rng(0), 8
    ring = [[(j - i) % size in (0, 1, size - 1) for j in range(size)] for i in range(size)]
    dense = np.where(ring, rng.uniform(-1.0, 1.0, (size, size)), 0.0) + 4.0 * np.eye(size)
    factors = sparse_lu([[dense[i, j] if ring[i][j] else None for j in range(size)] for i in range(size)])
    np.testing.assert_allclose(factors.solve(list(dense.sum(axis=1))), np.ones(size), rtol=1e-13)
    assert sum(x is not None for row in factors.rows for x in row) - size <= 26


def test_a_graded_grid_spans_the_beat_and_an_even_one_changes_nothing():
    system, uneven = circuit(), graded(np.array([1.0, 4.0, 2.0, 1.0]), 0.5, 0.5)
    assert min(uneven) < 0.8 * max(uneven)
    for backend in ("xla", "native"):
        grid = GradedBeat(system, backend=backend, lengths=uneven)
        phases = [float(grid.phase(k, 16, jnp.float32)) for k in range(17)]
        assert phases[0] == 0.0 and phases[-1] == pytest.approx(1.0, abs=1e-6)
        assert np.all(np.diff(phases) > 0.0)
    even = end(GradedBeat(system, backend="xla", lengths=(1.0, 1.0)), 40)
    np.testing.assert_allclose(even, end(BeatMap(system, backend="xla"), 40), rtol=1e-12)
    fine = end(BeatMap(system, backend="xla"), 1600)
    errors = [np.max(np.abs(end(GradedBeat(system, backend="xla", lengths=uneven), n) - fine)) for n in (40, 80)]
    assert errors[0] / errors[1] == pytest.approx(4.0, abs=0.8)
