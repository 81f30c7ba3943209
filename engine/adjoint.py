"""The steady beat as a function that JAX can differentiate backwards: readings of parameters, for any loss of both.

With x* = Phi(x*; p) and readings v(x*; p), a cotangent w of the readings gives

    dp = w dv/dp + l dPhi/dp,    l = w dv/dx + l dPhi/dx  (at x*),

so only one beat is ever differentiated, and memory does not depend on how many beats led to x*. l is found by the
stationary iteration that the inverse of I - dPhi/dx from the last Newton step preconditions. The beat itself keeps its
state at every root-th step and is run again between them (Griewank and Walther 2000, doi 10.1145/347837.347846).

The other way to the same gradient carries forward sensitivities of every parameter (`BeatMap.linearised`): one beat per
parameter, but each so much cheaper in native code or a GPU kernel than a differentiated beat of XLA that for the 60
parameters of `adult` it needs a twentieth of the time. It is taken where such code runs the beat.

Source: implicit function theorem; Christianson 1994, Optim Methods Softw 3:311-326, doi 10.1080/10556789408805572.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ..core.errors import InputError
from ..core.status import Status
from .beat import BeatMap
from .periodic import equal_pressure_state, newton_correction, newton_iteration

__all__ = ["steady_readings"]

SWEEPS = 12  # of the adjoint iteration at most; the preconditioned residual falls by orders of magnitude in each
RELATIVE = 1e-12  # of the largest cotangent, where the iteration ends in float64
RELATIVE_SINGLE = 1e-6  # the same in float32


def steady_readings(
    beat: BeatMap, steps: int, *, guess: Any = None, warm_up: int = 3, tolerance: float | None = None,
    reverse: bool | None = None,
) -> Callable[[Any], jax.Array]:  # fmt: skip
    """A function of parameters [P, B] that gives the reductions [R, B] of the steady beat, with a reverse derivative.

    It can stand in any `jax.grad`, `jax.vjp`, `jax.vmap` or `jax.jit`; its derivative by the parameters is that of the
    steady beat itself, to be taken once: second derivatives are differences of gradients, as those of JAX leave out how
    the instant of an extreme moves (`core/smooth.py`). `steps` per beat are fixed; `guess` [S, B] is where Newton's
    method starts (None: all stores at one pressure), `tolerance` the largest volume residual (mL) of a beat that counts
    as steady (None: what the precision can reach). `reverse`: differentiate one beat of XLA backwards (True), or carry
    sensitivities of all parameters forward (False); None chooses by what runs the beat. A lane without a steady beat
    reads NaN, and so does its gradient. Raises `InputError` for fewer than 2 steps, a beat without reductions, or a
    tolerance out of reach.
    """
    if steps < 2:
        raise InputError(f"`steps` must be 2 or more, but got {steps}; the circulation's own number is `model.steps`.")
    if not beat.reductions:
        raise InputError(
            "`beat` must hold reductions to read, but has none; take `Observer(system, names).reductions`."
        )
    solve = newton_iteration(beat.bare(), tolerance)
    backwards = not (beat.native or beat.kernel) if reverse is None else reverse
    gradient_of = _adjoint if backwards else _sensitivities

    def solved(parameters: jax.Array) -> tuple[jax.Array, Any]:
        start = equal_pressure_state(beat.system, parameters) if guess is None else jnp.asarray(guess)
        found = solve(parameters, start, steps, warm_up)
        sound = found.status == int(Status.OK)
        values = jnp.where(sound, beat(parameters, found.state, steps).values, jnp.nan)
        return values, (parameters, found.state, found.inverse, sound)

    @jax.custom_vjp
    def readings(parameters: jax.Array) -> jax.Array:
        return solved(parameters)[0]

    def backward(kept: Any, cotangent: jax.Array) -> tuple[jax.Array]:
        parameters, state, inverse, sound = kept
        gradient = gradient_of(beat, parameters, state, inverse, steps, jnp.where(sound, cotangent, 0.0))
        return (jnp.where(sound, gradient, jnp.nan),)

    readings.defvjp(solved, backward)
    return readings


def _sensitivities(
    beat: BeatMap, parameters: jax.Array, state: jax.Array, inverse: jax.Array, steps: int, cotangent: jax.Array
) -> jax.Array:
    """Gradient [P, B] of the cotangent [R, B] from one beat with tangents of every state and parameter."""
    del inverse  # of the last Newton step; the tangents here are those of the steady beat itself
    out, size = beat.linearised(parameters, state, steps, tuple(range(len(parameters)))), len(state)
    by_all = jnp.einsum("rb,rkb->kb", cotangent, out.values_jacobian)
    adjoint = newton_correction(jnp.swapaxes(out.state_jacobian[:, :size], 0, 1), by_all[:size])
    return by_all[size:] + jnp.einsum("sb,spb->pb", adjoint, out.state_jacobian[:, size:])


def _adjoint(
    beat: BeatMap, parameters: jax.Array, state: jax.Array, inverse: jax.Array, steps: int, cotangent: jax.Array
) -> jax.Array:
    """The same by the iteration l <- l + (w dv/dx + l dPhi/dx - l) inverse, each sweep one beat backwards."""
    reference = dataclasses.replace(beat, backend="xla")  # the one that can be differentiated
    pull = jax.vjp(lambda p, x: _beat_kept_by_roots(reference, p, x, steps), parameters, state)[1]
    limit = RELATIVE if state.dtype == jnp.float64 else RELATIVE_SINGLE

    def unfinished(carry: Any) -> Any:
        _, _, off, size, sweep = carry
        return (sweep < SWEEPS) & jnp.any(off > limit * size)

    def sweep(carry: Any) -> Any:
        adjoint, _, _, _, count = carry
        by_parameters, by_state = pull((adjoint, cotangent))
        missing = by_state - adjoint
        moved = adjoint + jnp.einsum("ijb,ib->jb", inverse, missing)
        size = jnp.maximum(jnp.max(jnp.abs(moved), axis=0), jnp.max(jnp.abs(cotangent), axis=0))
        return moved, by_parameters, jnp.max(jnp.abs(missing), axis=0), size, count + 1

    lanes = jnp.zeros(state.shape[1:], state.dtype)
    begin = (jnp.zeros_like(state), jnp.zeros_like(parameters), lanes + jnp.inf, lanes + 1.0, jnp.int32(0))
    return lax.while_loop(unfinished, sweep, begin)[1]


def _beat_kept_by_roots(beat: BeatMap, parameters: jax.Array, state: jax.Array, steps: int) -> Any:
    """(state at the end, reductions) of one beat, in stretches of about the root of the steps, each run again when it
    is differentiated."""
    p, c, carry = beat._begin(tuple(parameters), tuple(state), steps)
    length = max(d for d in range(1, math.isqrt(steps) + 1) if steps % d == 0)

    def step(kept: Any, k: Any) -> Any:
        return beat._step(p, c, k, steps, kept), None

    @functools.partial(jax.checkpoint, prevent_cse=False)
    def stretch(kept: Any, first: Any) -> Any:
        return lax.scan(step, kept, first + jnp.arange(length))[0], None

    (node, kept), _ = lax.scan(stretch, carry, jnp.arange(0, steps, length))
    return jnp.stack(beat.solver.state(beat.system, node)), beat._stack(kept, state)
