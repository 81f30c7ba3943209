"""The steady beat without tangents: Broyden's method from what the patients solved so far let expect.

The beat maps of a cohort resemble each other so much that the state and the inverse of I - dPhi/dx that a regression on
some patients solved by Newton predicts serve as the first guess; each beat then mends the inverse by what the last step
has shown (Broyden 1965, Math Comp 19:577, first method, by the Sherman-Morrison formula). A dozen plain beats replace
some hundred beats' worth of tangents. Lanes that do not converge are left to Newton.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .beat import BeatMap
from .blocks import block_width, in_rounds
from .compilation import compiled_for_device
from .periodic import SMALLEST_VOLUME, Steady, status_of, volume_residual
from .precision import double

__all__ = ["nearest", "predicted", "quasi_newton", "typical"]

LIMIT, NEAR, PER_DECADE = 12, 1e-6, 2.0  # beats to 1e-6 mL before a lane is left to Newton; more per decade below it
COARSE, MOST_COARSE = 1e-2, 12  # mL, beats: until then in float32, whose rounding changes a volume by some 1e-4 mL
FIRST, AGAIN = 4, 1  # beats before the first regrouping of a phase, and later: of 3 to 5 and 1 to 2 the fastest
WIDTH, NARROW = 256, 16  # lanes per block (of 128 to 512 the fastest), and where few are left
SMALLEST_SCALE = 1.0  # mL or mL/s: rows smaller than this are compared with it
STRAY, FEW = 12.0, 16  # robust standard deviations within which a parameter is believed; few are one lane in so many
MADS = 1.4826  # standard deviations of a normal quantity per median absolute deviation


def typical(bank: np.ndarray) -> np.ndarray:
    """Which lanes [K] of the parameters [P, K] are no stray ones.

    A lane strays in a row in which it lies farther from the median than `STRAY` robust standard deviations, or is not
    positive where the others are, if few do so in that row. The regressions take the others alone: a lane that is out
    of its mind moves no neighbour, even if it finds a steady beat.
    """
    count = bank.shape[1]
    few = min(max(1, count // FEW), (count - 1) // 2)  # never most of them
    positive = np.sum(bank > 0.0, axis=1, keepdims=True) >= count - few
    middle = np.median(bank, axis=1, keepdims=True)
    away = np.abs(
        np.where(positive, np.log(np.where(bank > 0.0, bank, 1.0) / np.where(positive, middle, 1.0)), bank - middle)
    )
    scale = MADS * np.median(away, axis=1, keepdims=True)
    alike = scale == 0.0  # one number in most lanes
    away, scale = np.where(alike, np.abs(bank - middle), away), np.where(alike, np.abs(middle), scale)
    far = (positive & ~(bank > 0.0)) | ((away > STRAY * scale) & (scale > 0.0))
    return ~np.any(far & (np.sum(far, axis=1, keepdims=True) <= few), axis=0)


def _in_spreads(parameters: np.ndarray, bank: np.ndarray, *, logarithms: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the bank's parameters [P, K] and of parameters [P, B] in units of their spread, from their mean.

    Mean and spread are the bank's, so that no lane enters another's numbers; rows that are alike in the whole bank are
    left out. With `logarithms` of rows that are positive in the bank; a lane that is not stands at the bank's least.
    Whatever a lane has is finite here, at most `STRAY` from the mean.
    """
    positive = np.all(bank > 0.0, axis=1, keepdims=True) & logarithms
    least = np.where(positive, bank.min(axis=1, keepdims=True), 1.0)
    log = lambda rows: np.log(np.where(rows > 0.0, rows, least), out=rows.copy(), where=positive)  # noqa: E731
    known, asked = log(bank), log(parameters)
    centre, spread = known.mean(axis=1, keepdims=True), known.std(axis=1, keepdims=True)
    kept = spread[:, 0] > 0.0

    def scaled(rows: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.clip(np.nan_to_num((rows[kept] - centre[kept]) / spread[kept]), -STRAY, STRAY)

    return scaled(known), scaled(asked)


def nearest(parameters: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Index [B] of the bank lane [P, K] nearest to each lane of parameters [P, B], in the bank's standard deviations of
    each row; rows that are alike in the whole bank do not count."""
    kept, lanes = _in_spreads(parameters, bank, logarithms=False)
    square = np.sum(lanes**2, axis=0)[:, None] + np.sum(kept**2, axis=0) - 2.0 * _product(lanes.T, kept)
    return np.argmin(square, axis=1)


def predicted(parameters: np.ndarray, bank: np.ndarray, values: np.ndarray, ridge: float) -> np.ndarray:
    """Values [..., B] for parameters [P, B] from those [..., K] of the bank's parameters [P, K], by ridge regression.

    Linear in the logarithms of the rows (in the rows themselves where one of the bank's is not positive), each in units
    of its spread; `ridge` is the penalty per bank lane on the squared coefficients, none on the constant.
    """
    known, asked = (
        np.vstack([np.ones(rows.shape[1]), rows]) for rows in _in_spreads(parameters, bank, logarithms=True)
    )
    count = bank.shape[1]
    penalty = ridge * count * np.diag([0.0, *[1.0] * (len(known) - 1)])
    coefficients = np.linalg.solve(known @ known.T + penalty, known @ values.reshape(-1, count).T)
    return _product(coefficients.T, asked).reshape(*values.shape[:-1], asked.shape[1])


def _product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Matrix product by XLA: the threads of numpy's library go on spinning for a tenth of a second after a product of
    this size, on the cores that the blocks need next."""
    with double(np.result_type(left, right) == np.float64):
        return np.asarray(jax.jit(jnp.matmul)(left, right))


class _Lanes(NamedTuple):
    """Solutions under way (lanes last): state, last change and residual of a beat, inverse, last step and beats used
    (none: the last change is not known yet)."""

    x: Any
    change: Any
    residual: Any
    inverse: Any
    step: Any
    used: Any


def quasi_newton(
    beat: BeatMap, parameters: np.ndarray, guess: np.ndarray, inverse: np.ndarray, steps: int, warm_up: int,
    *, tolerance: float,
) -> Steady:  # fmt: skip
    """Steady state of every lane from a guess [S, B] and a guessed inverse [S, S, B] of I - dPhi/dx (numpy in and out).

    `warm_up` plain beats come first. Lanes move on beats of float32 until rounding comes near, then of float64; those
    that are done leave at every regrouping. A lane whose residual is not finite, or that needs more than the limit of
    beats, keeps what it has with its status.
    """
    count = guess.shape[1]
    inf, used = np.full(count, np.inf), np.zeros(count, np.int32)
    change, step = np.zeros_like(guess), np.zeros_like(guess)
    lanes = _Lanes(guess.copy(), change, inf, inverse.astype(np.float32), step, used)

    width = block_width(WIDTH, count)

    def until_near(lanes: _Lanes, precision: str, enough: float, most: int, first: int) -> _Lanes:
        """Until each lane changes by no more than `enough` (mL) or has had `most` beats; each has one at least."""
        lanes, program = lanes._replace(residual=np.full(count, np.inf)), _program(beat.bare(), precision)

        def further(mine: Any, own: _Lanes) -> _Lanes:
            beats = FIRST if np.isinf(np.asarray(own.residual)).any() else AGAIN
            return program(parameters[:, mine], own, steps, first, enough, beats)

        return in_rounds(further, lanes, lambda held: _moves(held, enough, most), width, program, NARROW)

    lanes = until_near(lanes, "float32", COARSE, MOST_COARSE, warm_up)
    lanes = until_near(lanes, str(jnp.zeros(()).dtype), tolerance, _limit(tolerance), 0)
    status = status_of(jnp.asarray(lanes.x), jnp.asarray(lanes.residual), tolerance)
    return Steady(lanes.x, lanes.residual, np.asarray(status), lanes.used, lanes.inverse.astype(guess.dtype))


def _limit(tolerance: float) -> int:
    """Beats that a lane may need: 98 % of draws of the widest prior need fewer, others are quicker by Newton."""
    return LIMIT + round(PER_DECADE * max(0.0, float(np.log10(NEAR / tolerance))))


def _moves(lanes: _Lanes, enough: float, most: int) -> np.ndarray:
    return (lanes.residual > enough) & (lanes.used < most) & np.all(np.isfinite(lanes.x), axis=0)


@functools.lru_cache(maxsize=16)
def _program(beat: BeatMap, precision: str) -> Any:
    system = beat.system
    volumes = len(system.free_stores)

    def run(parameters: jax.Array, lanes: _Lanes, steps: Any, warm_up: Any, enough: Any, beats: Any) -> _Lanes:
        rows, wide = parameters.astype(precision), parameters.dtype

        def flow(x: jax.Array) -> tuple[jax.Array, jax.Array]:
            """The state as it is beaten, and after it."""
            narrow = x.astype(precision)
            return narrow.astype(wide), beat(rows, narrow, steps).state.astype(wide)

        def unfinished(carry: tuple[Any, _Lanes]) -> Any:
            return (carry[0] < beats) & jnp.any(carry[1].residual > enough)

        def improve(carry: tuple[Any, _Lanes]) -> tuple[Any, _Lanes]:
            held = carry[1]
            live = held.residual > enough
            x, after = flow(held.x)
            found = after - x
            mended = _mended(held.inverse, x, held.step, held.change, found)
            inverse = jnp.where((live & (held.used > 0))[None, None], mended, held.inverse)
            change = jnp.where(live, found, held.change)
            residual = jnp.where(live, volume_residual(system, found), held.residual)
            step = _times(inverse, change)
            sound = jnp.all(jnp.isfinite(step), axis=0)
            sound &= jnp.all(x[:volumes] + step[:volumes] > SMALLEST_VOLUME, axis=0)
            # a lane that is done ends as its last beat left it: a shut valve carries no flow, not 1e-10 mL/s of a step
            step = jnp.where((residual > enough) & sound, step, change)
            # a valve found shut is shut in the next beat, not open with 1e-10 mL/s: that would be another beat
            moved = jnp.where(live, jnp.where(after == 0.0, after, x + step), held.x)
            used = held.used + live.astype(jnp.int32)
            return carry[0] + 1, _Lanes(moved, change, residual, inverse, step, used)

        first = jnp.where(jnp.any(lanes.used > 0), 0, warm_up)  # before the first round no lane has moved
        start = lax.fori_loop(0, first, lambda _, x: flow(x)[1], lanes.x)
        return lax.while_loop(unfinished, improve, (jnp.int32(0), lanes._replace(x=start)))[1]

    return compiled_for_device(run, ("Broyden", beat, precision))


def _times(matrix: Any, vector: Any) -> Any:
    """Matrix [S, S, B] times vector [S, B], of the vector's type."""
    narrow = vector.astype(matrix.dtype)
    return _summed(lambda k: matrix[:, k] * narrow[k][None], len(vector), matrix).astype(vector.dtype)


def _summed(term: Callable[[Any], Any], count: int, like: Any) -> Any:
    """Sum over k of the terms [S, B]. On a CPU in a loop, term by term along the lanes: XLA's own sum over an axis that
    is not the last takes ten times as long."""
    if jax.default_backend() != "cpu":
        return jnp.sum(jnp.stack([term(k) for k in range(count)]), axis=0)
    return lax.fori_loop(0, count, lambda k, total: total + term(k), jnp.zeros_like(like[0]))


def _mended(inverse: Any, x: Any, step: Any, before: Any, after: Any) -> Any:
    """The inverse that maps the last change of the residual to the last step, nearest to the one before (scaled)."""
    weight = 1.0 / jnp.maximum(jnp.abs(x), SMALLEST_SCALE) ** 2
    seen = _times(inverse, before - after)
    narrow = lambda of: of.astype(inverse.dtype)  # noqa: E731
    weighted = narrow(weight * step)
    row = _summed(lambda k: weighted[k][None] * inverse[k], len(x), inverse)
    along = jnp.sum(weight * step * seen, axis=0)
    mended = inverse + narrow(step - seen)[:, None] * (row / narrow(jnp.where(along == 0.0, 1.0, along))[None])[None]
    return jnp.where((along != 0.0)[None, None] & jnp.isfinite(mended), mended, inverse)
