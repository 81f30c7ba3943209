"""The steady beat without tangents: Broyden's method from the derivative of a patient nearby.

The beat maps of a cohort resemble each other so much that the inverse of I - dPhi/dx of the nearest patient who was
solved by Newton serves as the first guess; each beat then mends it by what the last step has shown (Broyden 1965, Math
Comp 19:577, first method, by the Sherman-Morrison formula). A dozen plain beats replace some hundred beats' worth of
tangents. Lanes that do not converge are left to Newton.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .beat import BeatMap
from .compilation import compiled_for_device
from .periodic import SMALLEST_VOLUME, TOLERANCE, Steady, status_of, volume_residual

__all__ = ["nearest", "quasi_newton"]

LIMIT = 20  # plain beats before a lane is left to Newton; of the wide prior the median needs 13, 1 % more than 20
SMALLEST_SCALE = 1.0  # mL or mL/s: rows smaller than this are compared with it


def nearest(parameters: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Index [B] of the bank lane [P, K] nearest to each lane of parameters [P, B], in standard deviations of each row.

    Rows that are alike in all lanes do not count.
    """
    spread = np.std(parameters, axis=1)
    rows = spread > 0.0
    lanes, kept = (part[rows] / spread[rows, None] for part in (parameters, bank))
    square = np.sum(lanes**2, axis=0)[:, None] + np.sum(kept**2, axis=0) - 2.0 * lanes.T @ kept
    return np.argmin(square, axis=1)


def quasi_newton(
    beat: BeatMap, parameters: jax.Array, guess: jax.Array, inverse: jax.Array, steps: Any, warm_up: Any
) -> Steady:
    """Steady state of every lane from a guess [S, B] and a guessed inverse [S, S, B] of I - dPhi/dx.

    `warm_up` plain beats come first. A lane whose residual is not finite, or that needs more than the limit of beats,
    keeps what it has with its status.
    """
    return _program(beat.bare())(parameters, guess, inverse, steps, warm_up)


@functools.lru_cache(maxsize=16)
def _program(beat: BeatMap) -> Any:
    system = beat.system
    volumes = len(system.free_stores)

    def run(parameters: jax.Array, guess: jax.Array, inverse: jax.Array, steps: Any, warm_up: Any) -> Steady:
        flow = lambda x: beat(parameters, x, steps).state  # noqa: E731
        start = lax.fori_loop(0, warm_up, lambda _, x: flow(x), guess)
        change = jnp.zeros_like(start)
        residual = jnp.full(start.shape[1:], jnp.inf, start.dtype)
        used = jnp.zeros(start.shape[1:], jnp.int32)

        def unfinished(carry: Any) -> Any:
            _, _, residual, _, count, _, _ = carry
            return (count == 0) | jnp.any(residual > TOLERANCE) & (count < LIMIT)

        def improve(carry: Any) -> Any:
            x, change, residual, inverse, count, used, step = carry
            live = residual > TOLERANCE
            found = flow(x) - x
            inverse = jnp.where((live & (count > 0))[None, None], _mended(inverse, x, step, change, found), inverse)
            change = jnp.where(live, found, change)
            residual = jnp.where(live, volume_residual(system, found), residual)
            step = _times(inverse, change)
            sound = jnp.all(jnp.isfinite(step), axis=0)
            sound &= jnp.all(x[:volumes] + step[:volumes] > SMALLEST_VOLUME, axis=0)
            # a lane that is done ends as its last beat left it: a shut valve carries no flow, not 1e-10 mL/s of a step
            last = jnp.where(live, change, 0.0)
            step = jnp.where(residual > TOLERANCE, jnp.where(sound, step, change), last)
            return x + step, change, residual, inverse, count + 1, used + live.astype(jnp.int32), step

        begin = (start, change, residual, inverse, jnp.int32(0), used, change)
        x, _, residual, inverse, _, used, _ = lax.while_loop(unfinished, improve, begin)
        return Steady(x, residual, status_of(x, residual, TOLERANCE), used, inverse)

    return compiled_for_device(run)


def _times(matrix: Any, vector: Any) -> Any:
    """Matrix [S, S, B] times vector [S, B]: sums with the lanes last, no library call in the loop."""
    return jnp.sum(matrix * vector[None], axis=1)


def _mended(inverse: Any, x: Any, step: Any, before: Any, after: Any) -> Any:
    """The inverse that maps the last change of the residual to the last step, nearest to the one before (scaled)."""
    weight = 1.0 / jnp.maximum(jnp.abs(x), SMALLEST_SCALE) ** 2
    seen = _times(inverse, before - after)
    row = jnp.sum((weight * step)[:, None] * inverse, axis=0)
    along = jnp.sum(weight * step * seen, axis=0)
    mended = inverse + (step - seen)[:, None] * (row / jnp.where(along == 0.0, 1.0, along)[None])[None]
    return jnp.where((along != 0.0)[None, None] & jnp.isfinite(mended), mended, inverse)
