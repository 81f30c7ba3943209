"""Batched Levenberg-Marquardt on the posterior, one compiled program for all lanes.

No library that we found fits: optimistix and jaxopt run one problem (or a vmap in which every lane pays for every
inner solve), and none can share its Jacobian with the Newton solve of the steady beat. Here each iteration is one
beat with tangents of states and parameters; it serves both. Lanes are asynchronous: one whose state is not yet steady
takes a Newton step on the beat map, one that is steady takes a step in the parameters, and starts from the state that
the implicit function theorem predicts there. A lane that is done is frozen, and a fit can be interrupted after some
beats, so that many lanes are regrouped without those that are done (`calibration/rounds.py`).
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...core.registry import register
from ...core.status import Status
from ...engine.compilation import compiled_for_device
from ...engine.linear import solve
from ...engine.periodic import SMALLEST_VOLUME
from ..point import Point, empty_point, evaluate_at, start_state
from ..problem import LaneData, Problem

__all__ = ["BEATS", "Fit", "GaussNewton", "Lanes", "ended", "gauss_newton", "refloated", "running", "stuck"]

TRACKED = 0.5  # mL; below this correction the linearised steady state is good enough to judge a step
JUDGED = 1.0  # mL per nat^1/2: the smaller what a step promises, the steadier the beat that judges it, whose objective
# is off by some .3 nat per mL2 of that correction (measured); else a point judged too low is never bettered
STEADY = 1e-4  # mL; the correction at which a lane may call itself done (its error in the values is second order)
LONGEST = 3.0  # prior sds per step and quantity
PULL = (0.001, 0.03, 0.3)  # share of the data in the first steps from a start that the prior itself finds far
TOLERANCE = 3e-3  # nats; predicted decrease at which a lane is done, far below what tells modes apart
COARSE_TOLERANCE, COARSE = 0.1, 1e-2  # nats, mL: the same where the beat is of float32, whose rounding is near them
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


class Lanes(NamedTuple):
    """Fits under way (lanes last): the best point, the trial z and state, and how each lane got there."""

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
    far: Any  # whether the prior itself finds the start far


class GaussNewton:
    """Minimise every lane's objective from its start z [N, B]; `steps` per beat is a run-time number.

    With `hold` nothing moves: the steady beat, the readings and their derivatives at z itself (for the certificate).
    """

    def __call__(self, problem: Problem, data: LaneData, z: Any, steps: Any, hold: bool = False) -> Fit:
        """The fits of one block of lanes, to their ends."""
        lanes = self.advance(problem, data, self.begin(problem, data, z, steps), steps, hold, BEATS)
        if np.any(again := stuck(lanes)):
            lanes = self.advance(problem, data, refloated(lanes, again), steps, hold, BEATS)
        return ended(lanes)

    def begin(self, problem: Problem, data: LaneData, z: Any, steps: Any) -> Lanes:
        """Lanes at their starts."""
        return _beginning(problem)(data, z, steps)

    def advance(self, problem: Problem, data: LaneData, lanes: Lanes, steps: Any, hold: bool, beats: int) -> Lanes:
        """The lanes after at most so many more beats each."""
        return _advancing(problem)(data, lanes, steps, hold, beats)


gauss_newton = register("method", "gauss_newton")(GaussNewton())


@functools.lru_cache(maxsize=16)
def _beginning(problem: Problem) -> Any:
    return compiled_for_device(functools.partial(_begun, problem), ("begin fits", problem))


@functools.lru_cache(maxsize=16)
def _advancing(problem: Problem) -> Any:
    return compiled_for_device(functools.partial(_advanced, problem), ("advance fits", problem))


def _begun(problem: Problem, data: LaneData, z: jax.Array, steps: Any) -> Lanes:
    lanes, dtype = z.shape[1], z.dtype
    start = start_state(problem, data, z, steps)
    zero, ints = jnp.zeros((lanes,), dtype), jnp.zeros((lanes,), jnp.int32)
    no = jnp.zeros((lanes,), bool)
    far = 0.5 * jnp.sum(z**2, axis=0) > z.shape[0]  # half of it is what draws of the prior have on average
    best = empty_point(problem, z, start)
    return Lanes(best, z, start, zero + DAMPING, zero, ints, ints, ints, no, no, far)


def _advanced(problem: Problem, data: LaneData, lanes: Lanes, steps: Any, hold: Any, beats: Any) -> Lanes:
    def live(carry: tuple[Any, Lanes]) -> Any:
        spent, c = carry
        return jnp.any(running(c)) & (spent < beats)

    def iterate(carry: tuple[Any, Lanes]) -> tuple[Any, Lanes]:
        return carry[0] + 1, _iterate(problem, data, steps, hold, carry[1])

    return lax.while_loop(live, iterate, (jnp.int32(0), lanes))[1]


def running(lanes: Lanes) -> Any:
    """Which lanes [B] still move."""
    return ~(lanes.done | lanes.failed) & (lanes.beats < BEATS)


def ended(lanes: Lanes) -> Fit:
    """What the fits have come to."""
    b = lanes.best
    finite = np.isfinite(b.objective)
    status = np.where(lanes.done, int(Status.OK), int(Status.NOT_CONVERGED))
    status = np.where(finite, status, int(Status.NOT_PERIODIC))
    return Fit(
        b.z, b.objective, b.hessian, b.state, b.state_slope, b.reading, b.slope, lanes.iterations, lanes.beats, status
    )


def stuck(lanes: Lanes) -> Any:
    """Which lanes [B] gave up at a point from which no step led down, with beats left.

    Its state was perhaps not quite steady, and the point judged too low for any step to better it: judged anew (see
    `refloated`), most go on and end.
    """
    return np.asarray(lanes.failed & np.isfinite(lanes.best.objective) & (lanes.beats < BEATS))


def refloated(lanes: Lanes, which: Any) -> Lanes:
    """The lanes with `which` [B] of them at their best points, to be judged anew by an exact beat."""
    best, which = lanes.best, np.asarray(which)
    found = np.isfinite(best.objective)
    kept = lambda new, old: np.where(which, np.asarray(new, old.dtype), old)  # noqa: E731
    return lanes._replace(
        best=best._replace(objective=kept(np.inf, best.objective)), z=kept(best.z, lanes.z),
        state=kept(np.where(found, best.state, lanes.state), lanes.state),
        damping=kept(np.minimum(lanes.damping, DAMPING), lanes.damping), predicted=kept(0.0, lanes.predicted),
        tries=kept(0, lanes.tries), done=kept(False, lanes.done), failed=kept(False, lanes.failed),
    )  # fmt: skip


def _iterate(problem: Problem, data: LaneData, steps: Any, hold: Any, c: Lanes) -> Lanes:
    """One beat with tangents for every lane, then each lane's own next move."""
    tolerance, steady = (COARSE_TOLERANCE, COARSE) if problem.precision == "float32" else (TOLERANCE, STEADY)
    trial, off, sound, plain = evaluate_at(problem, data, c.z, c.state, steps)
    live = running(c)
    first = ~jnp.isfinite(c.best.objective)
    at_stake = jnp.where(first, jnp.inf, jnp.maximum(c.predicted, tolerance))
    tracked = sound & (off < jnp.minimum(TRACKED, JUDGED * jnp.sqrt(at_stake)))
    pulled = jnp.isinf(c.predicted)
    lower = (trial.objective < c.best.objective) | pulled
    accepted = live & tracked & ~jnp.asarray(hold) & lower & jnp.isfinite(trial.objective)
    near = jnp.abs(trial.objective - c.best.objective) <= tolerance
    at_end = live & tracked & (c.predicted < tolerance) & ~first & near
    settled = jnp.where(hold, live & tracked, at_end) & (off < steady)
    tracked &= ~jnp.asarray(hold)
    lost = live & ~(tracked & ~at_end) & (c.tries >= TRIES)
    nearly = at_end & ~lost  # a steadier beat is all that it lacks
    rejected = live & ~accepted & ((tracked & ~settled & ~nearly) | (lost & ~first))
    best = jax.tree.map(lambda new, old: jnp.where(accepted | settled, new, old), trial, c.best)
    ratio = (c.best.objective - trial.objective) / jnp.maximum(c.predicted, 1e-30)
    eased = c.damping * jnp.where(ratio > 0.75, 0.25, jnp.where(ratio < 0.25, 3.0, 1.0))
    eased = jnp.maximum(jnp.where(first | pulled, c.damping, eased), LEAST_DAMPING)
    damping = jnp.where(accepted, eased, jnp.where(rejected, 5.0 * jnp.maximum(c.damping, DAMPING), c.damping))
    judged = accepted | rejected
    iterations = c.iterations + ((judged | settled) & ~first).astype(jnp.int32)
    weight = jnp.where(c.far, jnp.select([iterations == k for k in range(len(PULL))], PULL, 1.0), 1.0)
    move, predicted = _propose(best, damping, weight)
    next_z = best.z + move
    next_state = best.state + jnp.einsum("snb,nb->sb", best.state_slope, move)
    newton = sound & jnp.all(trial.state[: len(problem.system.free_stores)] > SMALLEST_VOLUME, axis=0)
    closer = jnp.where(newton & ((c.tries < 4) | (c.tries % 3 == 0)), trial.state, plain)
    keep = ~live | settled
    return Lanes(
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
        far=c.far,
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
