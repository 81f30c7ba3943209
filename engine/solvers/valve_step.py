"""One valve over one step: predicted flow, and the areas of opening and closing inside the step.

L dq/dt = dp - R q - B q^2 while q >= 0; a is the flow at the step's start, h the step (s).
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ...core.smooth import safe_divide, safe_sqrt

__all__ = ["finish_valve", "opening_valve", "predict_valve"]


def predict_valve(a: Any, dp: Any, r: Any, loss: Any, inertance: Any, h: Any) -> tuple[Any, Any]:
    """(mean flow over the step, flow at its end) from the pressure difference at its start.

    L (k - a) / h = dp - R (a + k) / 2 - B a k gives the end k; where it is negative the flow has stopped before, and
    a^2 / (2 (a - k)) is the area under its line until then.
    """
    k = (a * (inertance / h - 0.5 * r) + dp) / (inertance / h + 0.5 * r + loss * a)
    shutting, half = (k < 0.0) & (a > 0.0), 0.5 * a
    mean = jnp.where(shutting, safe_divide(half * a, a - k, shutting), jnp.maximum(half + 0.5 * k, 0.0))
    return mean, jnp.maximum(k, 0.0)


def opening_valve(dp0: Any, rise: Any, dp1: Any, opening: Any) -> tuple[Any, Any, Any]:
    """Where dp0 < 0 < dp1: (share of the step left after the opening, impulse / h, mean flow / flow at the end).

    dp(x) = dp0 + rise x + bend x^2 through both nodes with the slope at the first: a chord would misplace the opening
    by a share of the step that depends on where in the step it falls, and its derivative at first order.
    """
    dp0 = jnp.where(opening, dp0, -1.0)
    dp1 = jnp.where(opening, dp1, 1.0)
    rise = jnp.where(opening, rise, 2.0)
    bend = dp1 - dp0 - rise
    moment = -2.0 * dp0 / (rise + safe_sqrt(rise * rise - 4.0 * bend * dp0))
    left = 1.0 - moment
    push, curve = 0.5 * (rise + 2.0 * bend * moment), bend * left / 3.0
    return left, left * left * (push + curve), left * (push + 0.75 * curve) / (3.0 * (push + curve))


def finish_valve(
    a: Any, dp0: Any, rise: Any, dp1: Any, r: Any, loss: Any, inertance: Any, h: Any
) -> tuple[Any, Any, Any]:
    """(mean flow, flow at the end, open share of the step) with the areas of opening and closing.

    dp0 and dp1 are the pressure differences at both ends of the step, `rise` the first's slope times h.
    """
    flowing = a > 0.0
    waiting = ~flowing & (dp0 < 0.0)
    # decay by R + 2 B a under a linear dp, to fifth order in the share of the step: in a root it is not small
    rate, decay = h / (6.0 * inertance), r + 2.0 * loss * a
    lag = decay * (0.5 * rate)
    stiff = lag * decay
    push = jnp.where(waiting, 0.0, dp0 * (0.5 - lag) + dp1 * (0.5 + lag))
    end = (a * (inertance / h - 0.5 * r + stiff) + push) / (inertance / h + 0.5 * r + loss * a + stiff)
    stopped = end <= 0.0
    # the cubic through both flows with the first's slope: (2 a + end + start / 2) / 3, start as in `_closed`
    open_area = a * ((2.0 / 3.0 - 0.5 * rate * r) - lag) + (rate * dp0 + end / 3.0)
    idle = ~flowing & stopped
    mean, flow, share = jnp.where(idle, 0.0, open_area), jnp.maximum(end, 0.0), jnp.where(idle, 0.0, 1.0)
    closing = flowing & stopped
    closed_area, closed_share = _closed(a, end, h * (dp0 - r * a - loss * a * a) / inertance, closing)
    mean, share = jnp.where(closing, closed_area, mean), jnp.where(closing, closed_share, share)
    opening = waiting & (dp1 > 0.0)
    opened_area, opened_flow, opened_share = _opened(dp0, rise, dp1, r, loss, inertance, h, opening)
    mean, share = jnp.where(opening, opened_area, mean), jnp.where(opening, opened_share, share)
    return mean, jnp.where(opening, opened_flow, flow), share


def _closed(a: Any, end: Any, start: Any, closing: Any) -> tuple[Any, Any]:
    """(area until the flow stops, share of the step before) of a + start x + curve x^2 / 2, which is `end` at x = 1."""
    curve = 2.0 * (end - a - start)
    root = safe_sqrt(start * start - 2.0 * a * curve) - start
    share = jnp.where(closing, jnp.minimum(1.0, safe_divide(2.0 * a, root, closing & (root > 0.0), 1.0)), 1.0)
    return a * share + start * share**2 / 2.0 + curve * share**3 / 6.0, share


def _opened(
    dp0: Any, rise: Any, dp1: Any, r: Any, loss: Any, inertance: Any, h: Any, opening: Any
) -> tuple[Any, Any, Any]:
    """(area since the opening, flow at the end, share of the step since the opening)."""
    left, late, share = opening_valve(dp0, rise, dp1, opening)
    hr, late = h * r, h * late
    # the flow grows with the square of time from the opening on: R and B see a third and a fifth of its end
    lost = left * hr / 3.0 + (left * hr) ** 2 / (36.0 * inertance)
    free = late / (inertance + lost)
    end = late / (inertance + lost + 0.2 * h * left * loss * free)
    return end * share, end, left
