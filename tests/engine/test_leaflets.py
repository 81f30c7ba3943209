"""Valves whose leaflets move: their exact opening, the flow through them, and the general form beside the step."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from hemotwin.core.layout import Layout
from hemotwin.core.system import Branch, Leaflets, Store, System
from hemotwin.engine.backends.diffrax import derivative
from hemotwin.engine.beat import BeatMap
from hemotwin.engine.precision import double
from hemotwin.engine.solvers.leaflet_step import Orifice, flow_after, moved

SHUT = 1e-3
ORIFICE = Orifice(open_area=4.0, shut_area=SHUT, column=8e-4, head=4e-4, opening=20.0, closing=30.0)


def test_leaflets_under_a_steady_push_open_and_shut_exponentially():
    with double():
        opened = moved(ORIFICE, jnp.asarray(0.2), 3.0, 3.0, 0.01)
        shut = moved(ORIFICE, jnp.asarray(0.2), -3.0, -3.0, 0.01)
    assert float(opened) == pytest.approx(1.0 - 0.8 * np.exp(-20.0 * 0.03), rel=1e-14)
    assert float(shut) == pytest.approx(0.2 * np.exp(-30.0 * 0.03), rel=1e-14)


@pytest.mark.parametrize(("before", "after"), [(-2.0, 5.0), (5.0, -2.0), (0.0, 4.0), (-3.0, 0.0)])
def test_a_push_that_changes_sign_acts_in_its_order(before: float, after: float):
    """Against the equation itself, solved tightly with the pressure difference linear in time."""
    h = 0.02

    def rate(t: float, z: np.ndarray) -> np.ndarray:
        push = before + (after - before) * t / h
        return 20.0 * (1.0 - z) * push if push > 0.0 else 30.0 * z * push

    exact = solve_ivp(rate, (0.0, h), [0.3], rtol=1e-10, atol=1e-12, max_step=h / 50).y[0, -1]
    with double():
        assert float(moved(ORIFICE, jnp.asarray(0.3), before, after, h)) == pytest.approx(exact, rel=1e-6)


def test_openings_have_finite_gradients_where_the_push_vanishes():
    with double():
        for before, after in ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (-1.0, 0.0)):
            slope = jax.grad(lambda x, b=before, a=after: moved(ORIFICE, x[0], x[1] + b, x[2] + a, 0.01))(
                jnp.asarray([0.5, 0.0, 0.0])
            )
            assert np.all(np.isfinite(slope)), (before, after)


def test_a_backward_flow_stops_as_its_valve_shuts():
    """However long the step, the shut valve lets no more through than its leak: sqrt(D / B)."""
    with double():
        q = jnp.asarray(-200.0)
        for _ in range(60):
            q = flow_after(ORIFICE, q, SHUT, -100.0, 0.0, 0.005)
    assert float(q) == pytest.approx(-SHUT * np.sqrt(100.0 / ORIFICE.head), rel=1e-3)


def toy() -> System:
    """A chamber that beats between two vessels behind valves with leaflets, the second with an impedance in series."""
    leaflets = Leaflets(*((lambda p, x=x: x) for x in ORIFICE))
    stores = (
        Store("heart", lambda p, v, e: (0.1 + 2.0 * e) * (v - 5.0), activation=0),
        Store("arteries", lambda p, v, e: v / 1.2, series=lambda p: 0.2),
        Store("middle", lambda p, v, e: v / 3.0, series=lambda p: 0.1),
        Store("veins", lambda p, v, e: v / 30.0),
    )
    valve = lambda name, up, down: Branch(name, up, down, "leaflet", lambda p: 0.0, leaflets=leaflets)  # noqa: E731
    resistor = lambda name, up, down, r: Branch(name, up, down, "resistive", lambda p: r)  # noqa: E731
    return System(
        name="toy", version="1", stores=stores,
        branches=(
            valve("inlet", 3, 0), valve("outlet", 0, 1), resistor("first", 1, 2, 0.5), resistor("last", 2, 3, 0.5),
        ),
        parameters=Layout(("total",), ("mL",)), constants={},
        activations=(lambda p, t: 0.5 - 0.5 * jnp.cos(2.0 * jnp.pi * t),), groups=(), slack=3,
        total=lambda p: p["total"], period=lambda p: 1.0 + 0.0 * p["total"], readings={},
    )  # fmt: skip


def test_the_step_converges_to_the_general_form_at_second_order():
    """One beat, the leaflets shut at first, against scipy on `derivative`; volumes in mL. The leaflets of this loop
    shut within 0.3 ms, so that the order shows from about 2,000 steps on."""
    system = toy()
    start = np.array([100.0, 80.0, 60.0, 20.0, 0.0, 0.6, 0.1])
    assert system.resistor_groups == ((2, 3),)
    assert system.state.names[-2:] == ("opening.inlet", "opening.outlet")
    with double():
        p = system.read(jnp.asarray([500.0]))
        rate = jax.jit(lambda t, y: derivative(system, p, t, y))
        beat = jax.jit(lambda n: BeatMap(system)(jnp.full((1, 1), 500.0), jnp.asarray(start[:, None]), n).state[:, 0])
        exact = solve_ivp(lambda t, y: np.asarray(rate(t, y)), (0.0, 1.0), start, method="LSODA", rtol=1e-9,
                          atol=1e-9, max_step=0.01).y[:3, -1]  # fmt: skip
        coarse, fine = (np.abs(np.asarray(beat(n))[:3] - exact) for n in (2000, 4000))
    assert np.all(fine < 0.02)
    assert np.all(coarse / fine > 3.4)
