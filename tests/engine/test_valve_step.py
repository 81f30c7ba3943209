"""One valve over one step, against closed forms: the opening under a curved pressure, the decay in a stiff root."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from hemotwin.engine.precision import double
from hemotwin.engine.solvers.valve_step import finish_valve, opening_valve

H, INERTANCE, RESISTANCE, LOSS = (
    0.0025,
    2.1e-4,
    0.06,
    2.75e-5,
)  # s, mmHg s2/mL, mmHg s/mL, mmHg s2/mL2: a pulmonary root


def finish(a: float, dp0: float, rise: float, dp1: float, r: float = RESISTANCE, loss: float = LOSS) -> list[float]:
    """(mean flow, flow at the end, open share) of one step."""
    with double():
        given = [jnp.asarray(x) for x in (a, dp0, rise, dp1, r, loss, INERTANCE, H)]
        return [float(x) for x in finish_valve(*given)]


def solved(a: float, dp: np.polynomial.Polynomial, first: float) -> tuple[float, float]:
    """(volume, flow) at the end of the step from share `first` on by an adaptive solver, dp over the share x."""
    push = lambda x, y: [H * y[1], H * (dp(x) - RESISTANCE * y[1] - LOSS * y[1] ** 2) / INERTANCE]  # noqa: E731
    end = solve_ivp(push, (first, 1.0), [0.0, a], rtol=1e-11, atol=1e-13, method="DOP853").y[:, -1]
    return float(end[0]), float(end[1])


def test_a_valve_opens_where_the_curved_pressure_difference_crosses_zero():
    """dp = -1 + 1.2 x + 1.5 x^2 crosses at x = (-1.2 + sqrt(7.44)) / 3; a chord would say 0.588."""
    with double():
        left, impulse, share = opening_valve(*[jnp.asarray(x) for x in (-1.0, 1.2, 1.7)], jnp.asarray(True))
    moment = (-1.2 + np.sqrt(7.44)) / 3.0
    dp = np.polynomial.Polynomial([-1.0, 1.2, 1.5])
    flow = dp.integ() - dp.integ()(moment)
    assert float(left) == pytest.approx(1.0 - moment, rel=1e-12)
    assert float(impulse) == pytest.approx(flow(1.0), rel=1e-12)
    assert float(share) == pytest.approx((flow.integ()(1.0) - flow.integ()(moment)) / flow(1.0), rel=1e-12)


def test_the_moment_of_opening_moves_with_the_pressure_as_the_curve_says():
    """d moment / d dp0 = -1 / (slope there), for a shift of the whole curve."""
    with double():
        moved = jax.grad(lambda up: opening_valve(-1.0 + up, jnp.asarray(1.2), 1.7 + up, jnp.asarray(True))[0])(0.0)
    moment = (-1.2 + np.sqrt(7.44)) / 3.0
    assert float(moved) == pytest.approx(1.0 / (1.2 + 3.0 * moment), rel=1e-10)


def test_the_opening_step_passes_what_the_equation_passes():
    """Flow within 1 %, volume within 3 % (of a step's 5 uL), though h R / L is 0.7."""
    dp = np.polynomial.Polynomial([-0.4, 0.7, 0.1])
    mean, end, share = finish(0.0, -0.4, 0.7, 0.4)
    volume, flow = solved(0.0, dp, 1.0 - share)
    assert end == pytest.approx(flow, rel=0.01)
    assert H * mean == pytest.approx(volume, rel=0.03)


def test_flow_decays_in_a_stiff_root_as_the_exponential_says():
    """Without loss, a step of a linear dp is the closed form to 2e-4 of the change (the midpoint rule: 4 %)."""
    k = H * RESISTANCE / INERTANCE
    quasi = lambda x: (4.0 + 2.0 * x - 2.0 / k) / RESISTANCE  # the particular solution  # noqa: E731
    exact = quasi(1.0) + (10.0 - quasi(0.0)) * np.exp(-k)
    end = finish(10.0, 4.0, 2.0, 6.0, loss=0.0)[1]
    assert abs(end - exact) <= 2e-4 * abs(exact - 10.0)


def test_an_open_step_follows_the_loss_of_the_orifice():
    """From a steady 400 mL/s with the pressure difference falling: flow to 0.02 mL/s, volume to 1e-4 mL."""
    dp0 = RESISTANCE * 400.0 + LOSS * 400.0**2
    mean, end, _ = finish(400.0, dp0, -0.3, dp0 - 0.3)
    volume, flow = solved(400.0, np.polynomial.Polynomial([dp0, -0.3]), 0.0)
    assert abs(end - flow) <= 0.02
    assert abs(H * mean - volume) <= 1e-4
