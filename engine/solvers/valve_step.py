"""One valve over one step: predicted flow, and the areas of opening and closing inside the step.

L dq/dt = dp - R q - B q^2 while q >= 0; a is the flow at the step's start, h the step (s).
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ...core.smooth import safe_divide, safe_sqrt

__all__ = ["finish_valve", "opening_valve", "predict_valve"]


def predict_valve(a: Any, dp: Any, r: Any, loss: Any, inertance: Any, h: Any) -> Any:
    """Mean flow over the step from the pressure difference at its start."""
    push = jnp.where(a > 0.0, dp, jnp.maximum(dp, 0.0))
    k = (a * inertance + h * push - 0.5 * h * r * a) / (inertance + h * (0.5 * r + loss * a))
    shutting = k < 0.0
    return jnp.where(shutting, safe_divide(a * a, 2.0 * (a - k), shutting), 0.5 * (a + k))


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
    shut, opening = a <= 0.0, (a <= 0.0) & (dp0 < 0.0) & (dp1 > 0.0)
    crossing, late, opened_share = opening_valve(dp0, rise, dp1, opening)
    whole, late = 0.5 * h * (dp0 + dp1), h * late
    # decay by R + 2 B a under a linear dp, to fifth order in the share of the step: in a root it is not small
    hr, decay = h * r, h * (r + 2.0 * loss * a)
    stiff = decay * decay / (12.0 * inertance)
    whole = whole + (dp1 - dp0) * h * decay / (12.0 * inertance)
    impulse = jnp.where(shut, jnp.where(dp0 < 0.0, 0.0, jnp.maximum(whole, 0.0)), whole)
    end = (a * (inertance - 0.5 * hr + stiff) + impulse) / (inertance + 0.5 * hr + stiff + h * loss * a)
    # the flow grows with the square of time from the opening on: R and B see a third and a fifth of its end
    lost = crossing * hr / 3.0 + (crossing * hr) ** 2 / (36.0 * inertance)
    free_end = late / (inertance + lost)
    end = jnp.where(opening, late / (inertance + lost + 0.2 * h * crossing * loss * free_end), end)
    start = h * (dp0 - r * a - loss * a * a) / inertance
    closing = (a > 0.0) & (end < 0.0)
    curve = 2.0 * (end - a - start)
    root = safe_sqrt(start * start - 2.0 * a * curve) - start
    share = jnp.where(closing, jnp.minimum(1.0, safe_divide(2.0 * a, root, closing & (root > 0.0), 1.0)), 1.0)
    closed_area = a * share + start * share**2 / 2.0 + curve * share**3 / 6.0
    opened_area = end * opened_share
    open_area = (2.0 * a + end + 0.5 * start) / 3.0
    mean = jnp.where(closing, closed_area, jnp.where(opening, opened_area, open_area))
    idle = shut & (end <= 0.0)
    open_share = jnp.where(idle, 0.0, jnp.where(closing, share, jnp.where(opening, crossing, 1.0)))
    return jnp.where(idle, 0.0, mean), jnp.maximum(end, 0.0), open_share
