"""One evaluation of the posterior with derivatives: a single beat serves the steady beat and the objective."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ..engine.periodic import equal_pressure_state, newton_correction, volume_residual
from .problem import LaneData, Problem

__all__ = ["Point", "empty_point", "evaluate_at", "start_state"]

FIRST_BEATS = 5  # plain beats from the relaxed state before tangents are worth carrying


class Point(NamedTuple):
    """Objective and all its derivatives at z [N, B].

    objective [B] = |data residual|^2/2 + |z|^2/2 (nats); hessian [N, N, B] (Gauss-Newton, prior included); gradient
    [N, B]; state [S, B] at beat onset, corrected by one Newton step; state_slope [S, N, B] = d state/d z by the
    implicit function theorem; reading [C, B]; slope [C, N, B] = d reading/d z over the noise sd; ridge [N, N, B] is
    added to the hessian for steps only.
    """

    z: Any
    objective: Any
    hessian: Any
    gradient: Any
    state: Any
    state_slope: Any
    reading: Any
    slope: Any
    ridge: Any


def start_state(problem: Problem, data: LaneData, z: jax.Array, steps: Any) -> jax.Array:
    """A state [S, B] near the steady beat: relaxed at one pressure, then a few plain beats."""
    parameters = problem.parameters(data, z)
    relaxed = equal_pressure_state(problem.system, parameters)
    beat = problem.beat
    rows, relaxed = parameters.astype(problem.precision), relaxed.astype(problem.precision)
    return lax.fori_loop(0, FIRST_BEATS, lambda _, x: beat(rows, x, steps).state, relaxed).astype(z.dtype)


def empty_point(problem: Problem, z: jax.Array, state: jax.Array) -> Point:
    """A point not evaluated yet: objective inf, Hessian that of the prior."""
    count, lanes = z.shape
    zeros = lambda *shape: jnp.zeros((*shape, lanes), z.dtype)  # noqa: E731
    eye = jnp.broadcast_to(jnp.eye(count, dtype=z.dtype)[..., None], (count, count, lanes))
    channels = len(problem.observables)
    return Point(
        z, zeros() + jnp.inf, eye, zeros(count), state, zeros(len(problem.system.state), count), zeros(channels),
        zeros(channels, count), zeros(count, count),
    )  # fmt: skip


def evaluate_at(
    problem: Problem, data: LaneData, z: jax.Array, state: jax.Array, steps: Any
) -> tuple[Point, jax.Array, jax.Array, jax.Array]:
    """(point, off, sound, plain): one beat from `state` with tangents of states and free parameters.

    off [B]: the Newton correction of the state (mL); readings and derivatives are those of the corrected state, with
    an error of second order in it. sound [B]: everything is finite. plain [S, B]: the state after the beat.
    """
    size = len(problem.system.state)
    parameters = problem.parameters(data, z)
    out = problem.linearised(parameters, state, steps)
    right = jnp.concatenate([(out.state - state)[:, None], out.state_jacobian[:, size:]], axis=1)
    solved = newton_correction(out.state_jacobian[:, :size], right)
    correction, by_row = solved[:, 0], solved[:, 1:]
    off = volume_residual(problem.system, correction)
    sound = jnp.all(jnp.isfinite(solved), axis=(0, 1)) & jnp.isfinite(off)
    by_state = out.values_jacobian[:, :size]
    values = out.values + jnp.einsum("rsb,sb->rb", by_state, correction)
    slopes = out.values_jacobian[:, size:] + jnp.einsum("rsb,sfb->rfb", by_state, by_row)
    e = problem.evaluate(data, z, parameters, values, slopes)
    state_slope = jnp.einsum("sfb,fmb->smb", by_row * problem.chain(parameters)[None], data.factor[: len(problem.free)])
    objective = 0.5 * jnp.sum(e.residual**2, axis=0) + 0.5 * jnp.sum(z**2, axis=0)
    gradient = jnp.einsum("cnb,cb->nb", e.slope, e.push) + z
    hessian = jnp.einsum("cnb,cmb->nmb", e.slope, e.slope) + jnp.eye(z.shape[0], dtype=z.dtype)[..., None]
    point = Point(z, objective, hessian, gradient, state + correction, state_slope, e.reading, e.reading_slope,
                  e.ridge)  # fmt: skip
    return point, off, sound, out.state
