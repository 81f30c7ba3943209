"""The general form and its adaptive solution, on loops whose answers are known."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.errors import HemotwinError, InputError
from hemotwin.core.layout import Layout
from hemotwin.core.system import Branch, Store, System
from hemotwin.engine.backends.diffrax import derivative, reference_beat
from hemotwin.engine.precision import double
from tests.engine.kernels import patients, small_loop
from tests.problems import solved


def vessel(name: str, compliance: float, **ports) -> Store:
    return Store(name, lambda p, volume, activation: volume / compliance, **ports)


def loop(stores: tuple[Store, ...], branches: tuple[Branch, ...]) -> System:
    return System(
        name="toy", version="1", stores=stores, branches=branches, parameters=Layout(("total",), ("mL",)),
        constants={}, activations=(), groups=(), slack=len(stores) - 1, total=lambda p: p["total"],
        period=lambda p: 1.0 + 0.0 * p["total"], readings={},
    )  # fmt: skip


def resistor(name: str, up: int, down: int, resistance: float) -> Branch:
    return Branch(name, up, down, "resistive", lambda p: resistance)


def test_a_resistor_drains_a_vessel_with_its_time_constant():
    """Two vessels of 1 and 3 mL/mmHg share 8 mL through 2 mmHg s/mL: tau = R C1 C2/(C1 + C2) = 1.5 s."""
    system = loop((vessel("a", 1.0), vessel("b", 3.0)), (resistor("ab", 0, 1, 2.0),))
    found = reference_beat(system, np.array([[8.0]]), np.array([[5.0]]), beats=1, rtol=1e-10)
    expected = 2.0 + 3.0 * np.exp(-found.waves.time[:, 0] / 1.5)
    np.testing.assert_allclose(found.waves.volume[0, :, 0], expected, atol=1e-8)
    np.testing.assert_allclose(found.waves.flow[0, :, 0], (expected - 2.0) / 1.5, atol=1e-8)


def test_a_shut_valve_stays_shut_and_passes_nothing():
    valve = Branch("ba", 1, 0, "valve", lambda p: 0.1, inertance=lambda p: 0.01, loss=lambda p: 1e-4)
    system = loop((vessel("a", 1.0), vessel("b", 1.0)), (valve,))
    found = reference_beat(system, np.array([[8.0]]), np.array([[6.0, 0.0]]).T, beats=1)
    assert found.residual[0] == 0.0
    assert np.all(found.waves.flow == 0.0)


def test_an_open_valve_settles_where_pressure_equals_its_losses():
    """Between large vessels dp is all but constant: q solves dp = R q + B q^2."""
    valve = Branch("ab", 0, 1, "valve", lambda p: 0.1, inertance=lambda p: 1e-3, loss=lambda p: 1e-3)
    system = loop((vessel("a", 1e7), vessel("b", 1e7)), (valve,))
    found = reference_beat(system, np.array([[1.2e8]]), np.array([[1.1e8, 0.0]]).T, beats=1)
    assert found.waves.flow[0, -1, 0] == pytest.approx((-0.1 + np.sqrt(0.01 + 4e-3 * 10.0)) / 2e-3, rel=1e-5)


def test_an_impedance_in_series_drops_pressure_by_the_net_inflow():
    """At steady flow through, the port pressure is the capacity's: Z sees inflow minus outflow."""
    stores = (vessel("a", 1.0), vessel("m", 1.0, series=lambda p: 0.5), vessel("b", 1.0))
    path = Branch("mb", 1, 2, "inertial", lambda p: 1.0, inertance=lambda p: 0.1)
    system = loop(stores, (resistor("am", 0, 1, 1.0), path))
    with double():
        rate = derivative(system, system.read(jnp.asarray([20.0])), 0.0, jnp.asarray([10.0, 4.0, 2.0]))
    into = (10.0 - 4.0 + 0.5 * 2.0) / 1.5  # (P_a - P_m + Z q_out) / (R + Z)
    out = (4.0 - 6.0 + 0.5 * into - 1.5 * 2.0) / 0.1
    np.testing.assert_allclose(rate, [-into, into - 2.0, out], rtol=1e-12)


def test_resistors_that_meet_at_an_impedance_are_solved_together():
    """Where they meet u = P_m + Z (q - q'), q = P_a - u, q' = u - P_b, so that u = (P_m + Z (P_a + P_b))/(1 + 2 Z)."""
    stores = (vessel("a", 1.0), vessel("m", 1.0, series=lambda p: 0.5), vessel("b", 1.0))
    system = loop(stores, (resistor("am", 0, 1, 1.0), resistor("mb", 1, 2, 1.0)))
    with double():
        rate = derivative(system, system.read(jnp.asarray([20.0])), 0.0, jnp.asarray([10.0, 4.0]))
    node = (4.0 + 0.5 * (10.0 + 6.0)) / 2.0
    np.testing.assert_allclose(rate, [node - 10.0, (10.0 - node) - (node - 6.0)], rtol=1e-12)


def test_algebraic_flows_that_meet_at_an_impedance_are_refused():
    stores = (vessel("a", 1.0), vessel("m", 1.0, series=lambda p: 0.5), vessel("b", 1.0))
    bent = Branch("mb", 1, 2, "algebraic", lambda p: 1.0, flow=lambda p, dp, r: jnp.tanh(dp) / r)
    system = loop(stores, (resistor("am", 0, 1, 1.0), bent))
    with pytest.raises(HemotwinError, match="am, mb"):
        reference_beat(system, np.array([[20.0]]), np.array([[10.0, 4.0]]).T)


def test_a_lane_that_fails_leaves_the_others_alone():
    """A lane of one that cannot be reads NaN in its residual alone, also where beats are accelerated."""
    system = loop((vessel("a", 1.0), vessel("b", 3.0)), (resistor("ab", 0, 1, 2.0),))
    choice = {"beats": 6, "rtol": 1e-6, "samples": 10, "tolerance": 1e-9}
    alone = reference_beat(system, np.array([[8.0]]), np.array([[5.0]]), **choice)
    found = reference_beat(system, np.array([[8.0, np.nan]]), np.array([[5.0, 5.0]]), **choice)
    assert np.isnan(found.residual[1]) and found.beats == alone.beats > 3
    np.testing.assert_allclose(found.state[:, 0], alone.state[:, 0], rtol=1e-12)
    np.testing.assert_allclose(found.waves.volume[..., 0], alone.waves.volume[..., 0], rtol=1e-12)


@pytest.mark.slow
def test_an_implicit_method_passes_the_shutting_of_valves():
    """Where a valve shuts its rate jumps, and no implicit step from just before has a solution."""
    with double():
        rows, state = patients(count=12)
    stiff, usual = (
        reference_beat(small_loop(), rows, state, beats=3, rtol=1e-5, samples=50, method=method)
        for method in ("kvaerno5", "tsit5")
    )
    assert np.all(np.isfinite(stiff.residual))
    np.testing.assert_allclose(stiff.waves.volume, usual.waves.volume, atol=0.01)


@pytest.mark.parametrize(
    "choice",
    [{"method": "radau"}, {"beats": 0}, {"samples": 0}, {"state": np.array([[5.0], [1.0]])}],
)
def test_what_cannot_be_run_is_refused(choice: dict):
    system, name = loop((vessel("a", 1.0), vessel("b", 3.0)), (resistor("ab", 0, 1, 2.0),)), next(iter(choice))
    with pytest.raises(InputError, match=f"`?{name}`? must"):
        reference_beat(system, np.array([[8.0]]), **choice)


def test_the_reference_agrees_with_the_default_step_on_the_adult_loop():
    """The step's own error at 400 steps is below 0.05 mmHg and 0.05 mL on every store over the whole beat."""
    adult = solved("adult")
    found = reference_beat(adult.model.system, adult.parameters, adult.steady.state, rtol=1e-9, samples=400)
    waves = adult.waves()
    assert found.residual[0] <= 1e-6
    np.testing.assert_allclose(waves.volume, found.waves.volume, atol=0.05)
    np.testing.assert_allclose(waves.pressure, found.waves.pressure, atol=0.3)
    np.testing.assert_allclose(np.mean(waves.pressure, axis=1), np.mean(found.waves.pressure, axis=1), atol=0.02)
