"""Reach the steady beat: Newton on the beat map, one volume eliminated by the conserved total.

x* = Phi(x*; p). Each iteration runs one beat with the tangents of the state rows and solves (I - dPhi/dx) d = Phi - x.
Where a Newton step makes no sense (not finite, or the residual grew fourfold) the lane takes the plain beat instead;
lanes that have converged are frozen. Never a loop without end: what is left carries a status.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ..core.errors import InputError
from ..core.status import Status
from ..core.system import System
from .beat import BeatMap
from .compilation import compiled_for_device
from .linear import solve
from .shapes import together

__all__ = [
    "TOLERANCE",
    "Steady",
    "equal_pressure_state",
    "newton_correction",
    "newton_iteration",
    "status_of",
    "steady_beat",
    "tolerance_of",
]

TOLERANCE = 1e-9  # mL, largest volume residual of a steady beat in float64
SINGLE = 3e-4  # mL, the same in float32: its beats end within 0.01 mL of float64's
REACHED = {"float64": 1e-12, "float32": 1e-4}  # mL, the least that rounding leaves within reach of some 1,000 mL
LIMIT = 40  # beats with tangents before a lane is given up
SMALLEST_VOLUME = 1e-3  # mL; a chamber emptied below this has left the model


class Steady(NamedTuple):
    """State at onset [S, B], largest volume residual [B] (mL), status code [B], beats used [B] (with tangents here),
    inverse [S, S, B] of I - dPhi/dx where it was taken last."""

    state: Any
    residual: Any
    status: Any
    beats: Any
    inverse: Any


def equal_pressure_state(system: System, parameters: jax.Array) -> jax.Array:
    """A starting state [S, B]: all stores relaxed at one pressure whose volumes add up to the total, no flow, shut.

    The pressure (the mean filling pressure of the resting heart) is found by bisection between 0 and 100 mmHg.
    """
    p = system.read(tuple(parameters))
    like = jnp.zeros_like(parameters[0])

    def volume_at(index: int, pressure: Any) -> Any:
        law = system.stores[index].pressure
        relaxed = None if system.stores[index].activation is None else like

        def halve(_: Any, ends: Any) -> Any:
            low, high = ends
            middle = 0.5 * (low + high)
            below = law(p, middle, relaxed) < pressure
            return jnp.where(below, middle, low), jnp.where(below, high, middle)

        return lax.fori_loop(0, 40, halve, (like, like + system.total(p)))[0]

    def filled(_: Any, ends: Any) -> Any:
        low, high = ends
        middle = 0.5 * (low + high)
        inside = sum(volume_at(i, middle) for i in range(len(system.stores)))
        too_low = inside < system.total(p)
        return jnp.where(too_low, middle, low), jnp.where(too_low, high, middle)

    low, high = lax.fori_loop(0, 25, filled, (like, like + 100.0))
    volumes = [volume_at(i, 0.5 * (low + high)) for i in system.free_stores]
    return jnp.stack(volumes + [like] * (len(system.state) - len(volumes)))


def newton_correction(jacobian: jax.Array, residual: jax.Array) -> jax.Array:
    """Solve (I - J) d = r for every lane: J [S, S, B], r [S, B] or [S, K, B] -> d of r's shape."""
    matrix = jnp.eye(jacobian.shape[0], dtype=jacobian.dtype)[..., None] - jacobian
    return solve(matrix, residual[:, None])[:, 0] if residual.ndim == 2 else solve(matrix, residual)


def volume_residual(system: System, change: jax.Array) -> jax.Array:
    """Largest volume change [B] among the state rows [S, B], mL."""
    return jnp.max(jnp.abs(change[: len(system.free_stores)]), axis=0)


def status_of(state: jax.Array, residual: jax.Array, tolerance: float) -> jax.Array:
    """Status code [B] of a state [S, B] whose beat changes a volume by `residual` [B] (mL)."""
    finite = jnp.isfinite(residual) & jnp.all(jnp.isfinite(state), axis=0)
    code = jnp.where(residual <= tolerance, int(Status.OK), int(Status.NOT_PERIODIC))
    return jnp.where(finite, code, int(Status.NONFINITE))


def tolerance_of(dtype: Any, asked: float | None = None) -> float:
    """Largest volume residual (mL) of a steady beat in a type of float: `asked`, or what suits the type.

    Raises `InputError` for one that rounding puts out of reach: some lanes would never be steady.
    """
    precision = str(dtype)
    suits = SINGLE if precision == "float32" else TOLERANCE
    least = REACHED.get(precision, 0.0)
    if asked is None:
        return suits
    if not asked >= least:
        wider = "; take float64 for less" if precision == "float32" else ""
        raise InputError(
            f"`tolerance` must be {least:g} mL or more in {precision}, whose rounding changes volumes between beats,"
            f" but got {asked:g}{wider}, or leave it out for {suits:g} mL."
        )
    return asked


def steady_beat(
    beat: BeatMap,
    parameters: jax.Array,
    guess: jax.Array,
    steps: Any,
    *,
    warm_up: Any = 3,
    tolerance: float | None = None,
) -> Steady:
    """Steady state of every lane from a guess [S, B]; `warm_up` plain beats come first (a run-time number).

    `tolerance` (mL) as for `tolerance_of`.
    """
    return _program(beat.bare(), tolerance_of(guess.dtype, tolerance))(parameters, guess, steps, warm_up)


@functools.lru_cache(maxsize=16)
def _program(beat: BeatMap, tolerance: float) -> Any:
    return compiled_for_device(newton_iteration(beat, tolerance), ("steady beat", beat, tolerance))


def newton_iteration(beat: BeatMap, asked: float | None) -> Callable[[Any, Any, Any, Any], Steady]:
    """What `steady_beat` compiles, a function of (parameters, guess, steps, warm_up): for use inside other programs.

    The tolerance that is asked for is judged as the function is traced: see `tolerance_of`.
    """
    system = beat.system
    volumes = len(system.free_stores)

    def run(parameters: jax.Array, guess: jax.Array, steps: Any, warm_up: Any) -> Steady:
        parameters, guess = together(system, parameters, guess)
        plain = lambda _, x: beat(parameters, x, steps).state  # noqa: E731
        start, tolerance = lax.fori_loop(0, warm_up, plain, guess), tolerance_of(guess.dtype, asked)
        lanes = guess.shape[1]
        big = jnp.full((lanes,), jnp.inf, guess.dtype)

        def unfinished(carry: Any) -> Any:
            _, residual, _, count, *_ = carry
            return jnp.any((residual > tolerance) & jnp.isfinite(residual) | (count == 0)) & (jnp.max(count) < LIMIT)

        def improve(carry: Any) -> Any:
            x, _, previous, count, used, _ = carry
            out = beat.linearised(parameters, x, steps, ())
            change = out.state - x
            residual = volume_residual(system, change)
            newton = newton_correction(out.state_jacobian, change)
            sound = jnp.all(jnp.isfinite(newton), axis=0) & (residual <= 4.0 * previous)
            sound &= jnp.all(x[:volumes] + newton[:volumes] > SMALLEST_VOLUME, axis=0)
            moved = jnp.where(sound, x + newton, out.state)
            live = residual > tolerance
            return (
                jnp.where(live, moved, x),
                residual,
                jnp.where(sound, residual, jnp.inf),
                count + 1,
                used + live.astype(jnp.int32),
                out.state_jacobian,
            )

        zero = jnp.zeros((lanes,), jnp.int32)
        slope = jnp.zeros((len(guess), len(guess), lanes), guess.dtype)
        begin = (start, big, big, jnp.int32(0), zero, slope)
        x, residual, _, _, used, slope = lax.while_loop(unfinished, improve, begin)
        eye = jnp.broadcast_to(jnp.eye(len(guess), dtype=guess.dtype)[..., None], slope.shape)
        return Steady(x, residual, status_of(x, residual, tolerance), used, newton_correction(slope, eye))

    return run
