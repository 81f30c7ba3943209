"""Many patients forward: steady beat and its reductions (`recording` has its waveforms), in blocks of fixed width.

A fixed width keeps one compiled program for cohorts of any size; the last block is padded with copies of its lanes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.counts import beat_steps, whole_number
from ..core.status import Status
from ..core.system import System
from .beat import BeatMap, compiled
from .blocks import block_width, in_blocks, rounded_up
from .compilation import compiled_for_device
from .crew import usable
from .periodic import SMALLEST_VOLUME, Steady, equal_pressure_state, steady_beat, tolerance_of
from .quasi_newton import nearest, predicted, quasi_newton, typical
from .shapes import arrays

__all__ = ["Forward", "beat_width", "forward"]

WIDTH = 64  # lanes per block of plain beats
SETTLING = 5  # plain beats from the relaxed state before tangents are worth carrying
NEWTON, BANK = 32, 64  # lanes per block of Newton's method, and how many lanes the others start from
WIDE, PER_CORE = (1024, 512, 256), 4  # lanes per block of many plain beats: the widest that leaves each core so many
ONE_CALL = 8192  # lanes that native code takes in one call: of 2,048 to 16,384 there is no faster way
KERNEL = 1 << 18  # lanes per launch of a GPU kernel: three waves of the largest cards
RIDGE_STATE, RIDGE_INVERSE = 0.01, 0.1  # penalties per bank lane: of those tried, fewest beats for both priors
MANY = 2  # banks from which on a second program is worth its compilation


class Forward(NamedTuple):
    """Steady state, volume residual (mL), status and reductions of every lane (lanes last, numpy)."""

    state: Any
    residual: Any
    status: Any
    values: Any


def beat_width(beat: BeatMap, count: int) -> int:
    """Lanes per block for plain beats of `count` lanes: each call, and in XLA each operation of a step, costs besides.

    Native code shares the lanes of one call among all cores, so that some thousands are one block, as wide as they are
    but for an eighth (few programs serve all numbers); more lanes are shared out by blocks, several for each core. XLA
    has two widths (64 and 1024 lanes: 14 and 10 us per beat of a patient of `adult` in float32 on two cores; 16 lanes
    59 us, 4096 lanes 9 us).
    """
    if beat.kernel:
        return block_width(WIDTH, count, KERNEL)
    if not beat.native:
        return WIDE[0] if count >= 2 * WIDE[0] else min(WIDTH, count)
    if count <= ONE_CALL:
        return rounded_up(count)
    return next((wide for wide in WIDE if count >= PER_CORE * wide * usable()), WIDE[-1])


def forward(
    beat: BeatMap,
    parameters: Any,
    guess: Any,
    steps: int,
    *,
    warm_up: int = 3,
    bank: int = BANK,
    tolerance: float | None = None,
) -> Forward:
    """Steady beat and reductions of parameters [P, B] from a guess [S, B] (None: all stores at one pressure).

    Lanes are solved by Newton. Where there are many, only the first `bank` are: the others start from their derivatives
    (see `quasi_newton`), and Newton takes the lanes that this leaves. No lane depends on another, but for those behind
    the bank on its sound lanes, from which they start: what an unsound or stray lane has enters none. A lane is steady
    where no volume changes by more than `tolerance` (mL; None: what the precision can reach, see `tolerance_of`).

    Parameters and guess are arrays, or what numpy makes one of: float32 parameters are solved in float32, all other
    numbers in float64 where JAX has it. Raises `InputError` for other rows or lanes than the beat's, or numbers of
    steps and lanes that cannot be.
    """
    parameters, guess = arrays(beat.system, parameters, guess, name="guess")
    steps, warm_up, bank = beat_steps(steps), whole_number("warm_up", warm_up, 0), whole_number("bank", bank, 1)
    count, tolerance = parameters.shape[-1], tolerance_of(jnp.result_type(parameters, float), tolerance)

    def solve(which: np.ndarray, start: np.ndarray | None = None, first: int = max(warm_up, SETTLING)) -> Steady:
        """Newton of some lanes from a start [S, lanes] (None: relaxed), `first` plain beats before."""

        def newton(lanes: Any) -> Steady:
            p = jnp.asarray(parameters[:, which[lanes]])
            x = equal_start(beat.system, p) if start is None else jnp.asarray(start[:, lanes])
            return steady_beat(beat, p, x, steps, warm_up=first, tolerance=tolerance)

        return in_blocks(newton, len(which), NEWTON, ("newton", beat.bare(), tolerance, start is None))

    def reduced(lanes: Any) -> Any:
        return compiled(beat, None)(parameters[:, lanes], found.state[:, lanes], steps).values

    many = count > MANY * bank
    some = np.arange(bank if many else count)
    found = solve(some) if guess is None else solve(some, guess[:, some], warm_up)
    if many:
        found = _others(beat, parameters, guess, steps, warm_up, found, solve, tolerance)
    if not beat.reductions:  # nothing to read: no beat for it
        return Forward(found.state, found.residual, found.status, np.zeros((0, count), found.state.dtype))
    values = in_blocks(reduced, count, beat_width(beat, count), ("beat", beat))
    return Forward(found.state, found.residual, found.status, values)


def _others(
    beat: BeatMap, parameters: np.ndarray, guess: np.ndarray | None, steps: int, warm_up: int, bank: Steady,
    solve: Callable[..., Steady], tolerance: float,
) -> Steady:  # fmt: skip
    """All lanes, those behind the bank by Broyden's method from what regressions on it let expect."""
    sound = np.flatnonzero(bank.status == int(Status.OK))
    sound = sound[typical(parameters[:, sound])] if len(sound) else sound
    rest = np.arange(len(bank.status), parameters.shape[-1])
    if not len(sound):
        return _joined(bank, solve(rest))
    here, there = parameters[:, rest], parameters[:, sound]
    if guess is None:  # what solved neighbours let expect needs no beats to settle
        start, warm_up = _expected(beat.system, here, there, bank.state[:, sound]), 0
    else:
        start = guess[:, rest]
    inverse = predicted(here, there, bank.inverse[..., sound], RIDGE_INVERSE)
    others = quasi_newton(beat, parameters[:, rest], start, inverse, steps, warm_up, tolerance=tolerance)
    found = _joined(bank, others)
    # one beat first, so that a valve that is shut carries no flow, not 1e-10 mL/s of a step
    onwards = lambda left: solve(left, _reached(beat.system, found.state[:, left], start[:, left - rest[0]]), 1)  # noqa: E731
    for again in (onwards, solve):
        left = rest[found.status[rest] != int(Status.OK)]
        if len(left):
            for leaf, new in zip(found, again(left), strict=True):
                leaf[..., left] = new
    return found


def _reached(system: System, state: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Where lanes [S, B] have come to, or their start where that is no state."""
    sound = np.all(np.isfinite(state), axis=0) & np.all(state[: len(system.free_stores)] > SMALLEST_VOLUME, axis=0)
    return np.where(sound, state, start)


def _expected(system: System, parameters: np.ndarray, bank: np.ndarray, state: np.ndarray) -> np.ndarray:
    """A start [S, B] by regression on the bank's states [S, K]; where the nearest lane's valve is shut it is shut, and
    where a volume would be none that lane's whole state serves."""
    near = state[:, nearest(parameters, bank)]
    start = np.where(near == 0.0, 0.0, predicted(parameters, bank, state, RIDGE_STATE))
    filled = np.all(start[: len(system.free_stores)] > SMALLEST_VOLUME, axis=0)
    return np.where(filled, start, near)


def _joined(first: Steady, second: Steady) -> Steady:
    return Steady(*(np.concatenate(pair, axis=-1) for pair in zip(first, second, strict=True)))


def equal_start(system: System, parameters: jax.Array) -> jax.Array:
    """The relaxed starting state of `periodic.equal_pressure_state`, compiled once per system."""
    return _equal(system)(parameters)


@functools.lru_cache(maxsize=16)
def _equal(system: System) -> Any:
    return compiled_for_device(lambda parameters: equal_pressure_state(system, parameters), ("relaxed", system))
