"""Batched Levenberg-Marquardt on the posterior, one compiled program for all lanes.

No library that we found fits: optimistix and jaxopt run one problem (or a vmap in which every lane pays for every
inner solve), and none can share its Jacobian with the Newton solve of the steady beat. Here each iteration is one
beat with tangents of states and parameters; it serves both. Lanes are asynchronous: one whose state is not yet steady
takes a Newton step on the beat map, one that is steady takes a step in the parameters, and starts from the state that
the implicit function theorem predicts there. A lane that is done is frozen.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ...core.registry import register
from ...core.status import Status
from ...engine.compilation import compiled_for_device
from ...engine.linear import solve
from ...engine.periodic import SMALLEST_VOLUME
from ..point import Point, empty_point, evaluate_at, start_state
from ..problem import LaneData, Problem

__all__ = ["Fit", "gauss_newton"]

TRACKED = 0.5  # mL; below this correction the linearised steady state is good enough to judge a step
STEADY = 1e-4  # mL; the correction at which a lane may call itself done (its error in the values is second order)
LONGEST = 3.0  # prior sds per step and quantity
PULL = (0.001, 0.03, 0.3)  # share of the data in the first steps from a start that the prior itself finds far
TOLERANCE = 3e-3  # nats; predicted decrease at which a lane is done, far below what tells modes apart
DAMPING, LEAST_DAMPING, MOST_DAMPING = 0.1, 0.02, 1e5  # added to a Hessian whose eigenvalues are 1 (prior) or more
BEATS = 90  # beats with tangents per lane before it is given up
TRIES = 8  # Newton steps towards the steady beat of one trial


class Fit(NamedTuple):
    """End of every lane.

    z [N, B] whitened parameters; objective [B] = |data residual|^2/2 + |z|^2/2 (nats); hessian [N, N, B] of the
    objective (Gauss-Newton, prior included); state [S, B]; state_slope [S, N, B] d state / d z; reading [C, B];
    slope [C, N, B] (d reading / d z over the noise sd, masked or not); iterations and beats [B]; status [B].
    """

    z: Any
    objective: Any
    hessian: Any
    state: Any
    state_slope: Any
    reading: Any
    slope: Any
    iterations: Any
    beats: Any
    status: Any


class _Lanes(NamedTuple):
    best: Point
    z: Any  # the trial
    state: Any
    damping: Any
    predicted: Any
    tries: Any
    iterations: Any
    beats: Any
    done: Any
    failed: Any


@register("method", "gauss_newton")
def gauss_newton(problem: Problem, data: LaneData, z: Any, steps: Any, hold: bool = False) -> Fit:
    """Minimise every lane's objective from its start z [N, B]; `steps` per beat is a run-time number.

    With `hold` nothing moves: the steady beat, the readings and their derivatives at z itself (for the certificate).
    """
    return program(problem)(data, z, steps, hold)


@functools.lru_cache(maxsize=16)
def program(problem: Problem) -> Any:
    """The compiled fit of a problem's structure: (data, z, steps, hold) -> Fit."""
    return compiled_for_device(functools.partial(_fit, problem))


def _fit(problem: Problem, data: LaneData, z: jax.Array, steps: Any, hold: Any) -> Fit:
    lanes, dtype = z.shape[1], z.dtype
    start = start_state(problem, data, z, steps)
    zero, ints = jnp.zeros((lanes,), dtype), jnp.zeros((lanes,), jnp.int32)
    best = empty_point(problem, z, start)
    no = jnp.zeros((lanes,), bool)
    far = 0.5 * jnp.sum(z**2, axis=0) > z.shape[0]  # half of it is what draws of the prior have on average
    carry = _Lanes(best, z, start, zero + DAMPING, zero, ints, ints, ints, no, no)
    live = lambda c: jnp.any(~(c.done | c.failed)) & (jnp.max(c.beats) < BEATS)  # noqa: E731
    end = lax.while_loop(live, functools.partial(_iterate, problem, data, steps, hold, far), carry)
    b = end.best
    finite = jnp.isfinite(b.objective)
    status = jnp.where(end.done, int(Status.OK), int(Status.NOT_CONVERGED))
    status = jnp.where(finite, status, int(Status.NOT_PERIODIC))
    return Fit(
        b.z, b.objective, b.hessian, b.state, b.state_slope, b.reading, b.slope, end.iterations, end.beats, status
    )


def _iterate(problem: Problem, data: LaneData, steps: Any, hold: Any, far: Any, c: _Lanes) -> _Lanes:
    """One beat with tangents for every lane, then each lane's own next move."""
    trial, off, sound, plain = evaluate_at(problem, data, c.z, c.state, steps)
    tracked = sound & (off < TRACKED)
    live = ~(c.done | c.failed)
    first = ~jnp.isfinite(c.best.objective)
    pulled = jnp.isinf(c.predicted)
    lower = (trial.objective < c.best.objective) | pulled
    accepted = live & tracked & ~jnp.asarray(hold) & lower & jnp.isfinite(trial.objective)
    near = jnp.abs(trial.objective - c.best.objective) <= TOLERANCE
    settled = live & tracked & (c.predicted < TOLERANCE) & ~first & near & (off < STEADY)
    settled = jnp.where(hold, live & tracked & (off < STEADY), settled)
    tracked &= ~jnp.asarray(hold)
    lost = live & ~tracked & (c.tries >= TRIES)
    rejected = live & ~accepted & ((tracked & ~settled) | (lost & ~first))
    best = jax.tree.map(lambda new, old: jnp.where(accepted | settled, new, old), trial, c.best)
    ratio = (c.best.objective - trial.objective) / jnp.maximum(c.predicted, 1e-30)
    eased = c.damping * jnp.where(ratio > 0.75, 0.25, jnp.where(ratio < 0.25, 3.0, 1.0))
    eased = jnp.maximum(jnp.where(first | pulled, c.damping, eased), LEAST_DAMPING)
    damping = jnp.where(accepted, eased, jnp.where(rejected, 5.0 * jnp.maximum(c.damping, DAMPING), c.damping))
    judged = accepted | rejected
    iterations = c.iterations + ((judged | settled) & ~first).astype(jnp.int32)
    weight = jnp.where(far, jnp.select([iterations == k for k in range(len(PULL))], PULL, 1.0), 1.0)
    move, predicted = _propose(best, damping, weight)
    next_z = best.z + move
    next_state = best.state + jnp.einsum("snb,nb->sb", best.state_slope, move)
    newton = sound & jnp.all(trial.state[: len(problem.system.free_stores)] > SMALLEST_VOLUME, axis=0)
    closer = jnp.where(newton & ((c.tries < 4) | (c.tries % 3 == 0)), trial.state, plain)
    keep = ~live | settled
    return _Lanes(
        best=best,
        z=jnp.where(judged, next_z, c.z),
        state=jnp.where(keep, c.state, jnp.where(judged, next_state, closer)),
        damping=damping,
        predicted=jnp.where(judged, predicted, c.predicted),
        tries=jnp.where(judged, 0, c.tries + live.astype(jnp.int32)),
        iterations=iterations,
        beats=c.beats + live.astype(jnp.int32),
        done=c.done | settled,
        failed=c.failed | (lost & first & (c.tries >= 3 * TRIES)) | (damping > MOST_DAMPING),
    )


def _propose(best: Point, damping: Any, weight: Any) -> tuple[Any, Any]:
    """Damped Gauss-Newton step (limited in length) and the decrease that the quadratic model predicts for it.

    With a `weight` below 1 the data count by that share only. Such a step leads out of a far start towards the prior,
    past minima that no patient has (a right ventricle that does not pump); its decrease is inf: whatever it finds is
    taken.
    """
    eye = jnp.eye(best.hessian.shape[0], dtype=best.hessian.dtype)[..., None]
    hessian = eye + weight[None, None] * (best.hessian + best.ridge - eye)
    gradient = best.z + weight[None] * (best.gradient - best.z)
    step = -solve(hessian + damping[None, None] * eye, gradient[:, None])[:, 0]
    step = step * jnp.minimum(1.0, LONGEST / jnp.maximum(jnp.max(jnp.abs(step), axis=0), 1e-30))[None]
    gain = -jnp.sum(gradient * step, axis=0) - 0.5 * jnp.einsum("nb,nmb,mb->b", step, hessian, step)
    return jnp.where(jnp.isfinite(step), step, 0.0), jnp.where(weight < 1.0, jnp.inf, gain)
