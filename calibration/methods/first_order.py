"""First-order optimisation with optax: the second method, for comparison and for problems that Gauss-Newton dislikes.

The same evaluation as Gauss-Newton (one beat with tangents), but only the gradient is used: Adam with a learning rate
that decays along a cosine. It needs hundreds of beats where Gauss-Newton needs tens.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from ...core.registry import register
from ...core.status import Status
from ...engine.compilation import compiled_for_device
from ...engine.periodic import SMALLEST_VOLUME
from ..point import Point, empty_point, evaluate_at, start_state
from ..problem import LaneData, Problem
from .gauss_newton import STEADY, TRACKED, Fit

__all__ = ["first_order"]

RATE, BEATS = 0.1, 400  # prior sds per step at first; beats with tangents
FLAT = 0.02  # nats per prior sd: largest gradient entry of a lane that has converged


class _Lanes(NamedTuple):
    best: Point
    z: Any
    state: Any
    optimiser: Any
    tries: Any
    iterations: Any
    beats: Any
    held: Any


@register("method", "first_order")
def first_order(problem: Problem, data: LaneData, z: Any, steps: Any, hold: bool = False) -> Fit:
    """Minimise every lane's objective by Adam from its start z [N, B]; arguments as `gauss_newton`."""
    return _program(problem)(data, z, steps, hold)


@functools.lru_cache(maxsize=8)
def _program(problem: Problem) -> Any:
    return compiled_for_device(functools.partial(_fit, problem))


def _fit(problem: Problem, data: LaneData, z: jax.Array, steps: Any, hold: Any) -> Fit:
    adam = optax.adam(optax.cosine_decay_schedule(RATE, BEATS, 0.02))
    start = start_state(problem, data, z, steps)
    ints = jnp.zeros((z.shape[1],), jnp.int32)
    carry = _Lanes(empty_point(problem, z, start), z, start, adam.init(z), ints, ints, ints, ints > 0)
    live = lambda c: (jnp.max(c.beats) < BEATS) & ~jnp.all(c.held)  # noqa: E731
    end = lax.while_loop(live, functools.partial(_iterate, problem, data, steps, hold, adam), carry)
    b = end.best
    flat = jnp.max(jnp.abs(b.gradient), axis=0) < FLAT
    status = jnp.where(flat | end.held, int(Status.OK), int(Status.NOT_CONVERGED))
    status = jnp.where(jnp.isfinite(b.objective), status, int(Status.NOT_PERIODIC))
    return Fit(
        b.z, b.objective, b.hessian, b.state, b.state_slope, b.reading, b.slope, end.iterations, end.beats, status
    )


def _iterate(problem: Problem, data: LaneData, steps: Any, hold: Any, adam: Any, c: _Lanes) -> _Lanes:
    """A step along Adam's direction where the beat is steady, towards the steady beat elsewhere."""
    point, off, sound, plain = evaluate_at(problem, data, c.z, c.state, steps)
    tracked = sound & (off < TRACKED) & jnp.isfinite(point.objective)
    better = jnp.where(hold, tracked & (off < STEADY), tracked & (point.objective < c.best.objective)) & ~c.held
    best = jax.tree.map(lambda new, old: jnp.where(better, new, old), point, c.best)
    gradient = jnp.where(tracked, point.gradient, 0.0)
    update, optimiser = adam.update(gradient, c.optimiser, c.z)
    move = jnp.where(tracked & ~jnp.asarray(hold), update, 0.0)
    newton = sound & jnp.all(point.state[: len(problem.system.free_stores)] > SMALLEST_VOLUME, axis=0)
    closer = jnp.where(newton & ((c.tries < 4) | (c.tries % 3 == 0)), point.state, plain)
    ahead = point.state + jnp.einsum("snb,nb->sb", point.state_slope, move)
    return _Lanes(
        best=best,
        z=c.z + move,
        state=jnp.where(tracked, ahead, closer),
        optimiser=optimiser,
        tries=jnp.where(tracked, 0, c.tries + 1),
        iterations=c.iterations + tracked.astype(jnp.int32),
        beats=c.beats + 1,
        held=c.held | (better & jnp.asarray(hold)),
    )
