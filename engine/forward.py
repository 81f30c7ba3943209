"""Many patients forward: steady beat, its reductions and, on request, its waveforms, in blocks of fixed width.

A fixed width keeps one compiled program for cohorts of any size; the last block is padded with copies of its lanes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..core.status import Status
from ..core.system import System
from .beat import BeatMap, compiled
from .blocks import in_blocks
from .compilation import compiled_for_device
from .periodic import TOLERANCE, Steady, equal_pressure_state, steady_beat
from .quasi_newton import nearest, quasi_newton
from .reduction import Signals

__all__ = ["Forward", "Waves", "beat_width", "forward", "record"]

WIDTH = 64  # lanes per block of plain beats
NEWTON, BANK = 32, 64  # lanes per block of Newton's method, and how many lanes the others start from
WIDE = (
    1024,
    512,
    256,
)  # lanes per block of plain beats in native code, whose groups need no room in the cache for others
KERNEL = 1 << 18  # lanes per launch of a GPU kernel: three waves of the largest cards
MANY = 2  # banks from which on a second program is worth its compilation


class Forward(NamedTuple):
    """Steady state, volume residual (mL), status and reductions of every lane (lanes last, numpy)."""

    state: Any
    residual: Any
    status: Any
    values: Any


class Waves(NamedTuple):
    """One beat sampled at its nodes: time [N + 1, B] (s); pressure, volume [store, N + 1, B]; flow [branch, ...]."""

    time: Any
    pressure: Any
    volume: Any
    flow: Any


def beat_width(beat: BeatMap, count: int) -> int:
    """Lanes per block for plain beats of `count` lanes: each call costs some 0.2 ms besides."""
    if beat.kernel:
        return min(KERNEL, 1 << max(0, count - 1).bit_length())
    if beat.native:
        return next((wide for wide in WIDE if count >= 2 * wide), min(WIDTH, count))
    return min(WIDTH, count)


def forward(
    beat: BeatMap,
    parameters: np.ndarray,
    guess: np.ndarray | None,
    steps: int,
    *,
    warm_up: int = 3,
    bank: int = BANK,
    tolerance: float = TOLERANCE,
) -> Forward:
    """Steady beat and reductions of parameters [P, B] from a guess [S, B] (None: all stores at one pressure).

    Lanes are solved by Newton. Where there are many, only the first `bank` are: the others start from their derivatives
    (see `quasi_newton`), and Newton takes the lanes that this leaves.
    """
    count = parameters.shape[-1]

    def newton(lanes: Any) -> Steady:
        p = jnp.asarray(parameters[:, lanes])
        start = equal_start(beat.system, p) if guess is None else jnp.asarray(guess[:, lanes])
        return steady_beat(beat, p, start, steps, warm_up=warm_up if guess is not None else max(warm_up, 5),
                           tolerance=tolerance)  # fmt: skip

    def reduced(lanes: Any) -> Any:
        return compiled(beat, None)(jnp.asarray(parameters[:, lanes]), jnp.asarray(found.state[:, lanes]), steps).values

    solve = lambda which: in_blocks(  # noqa: E731
        lambda lanes: newton(which[lanes]), len(which), NEWTON, ("newton", beat.bare(), tolerance, guess is None)
    )
    many = count > MANY * bank
    found: Steady = solve(np.arange(bank if many else count))
    if many:
        found = _others(beat, parameters, guess, steps, warm_up, found, solve, tolerance)
    values = in_blocks(reduced, count, beat_width(beat, count), ("beat", beat))
    return Forward(found.state, found.residual, found.status, values)


def _others(
    beat: BeatMap, parameters: np.ndarray, guess: np.ndarray | None, steps: int, warm_up: int, bank: Steady,
    solve: Callable[[np.ndarray], Steady], tolerance: float,
) -> Steady:  # fmt: skip
    """All lanes, those behind the bank by Broyden's method from the nearest of its lanes."""
    sound = np.flatnonzero(bank.status == int(Status.OK))
    rest = np.arange(len(bank.status), parameters.shape[-1])
    if not len(sound):
        return _joined(bank, solve(rest))
    near = sound[nearest(parameters, parameters[:, sound])]
    if guess is None:  # a solved neighbour needs no beats to settle
        start, warm_up = bank.state[:, near[rest]], 0
    else:
        start = guess[:, rest]
    inverse = bank.inverse[..., near[rest]]
    others = quasi_newton(beat, parameters[:, rest], start, inverse, steps, warm_up, tolerance=tolerance)
    found = _joined(bank, others)
    left = rest[found.status[rest] != int(Status.OK)]
    if len(left):
        for leaf, new in zip(found, solve(left), strict=True):
            leaf[..., left] = new
    return found


def _joined(first: Steady, second: Steady) -> Steady:
    return Steady(*(np.concatenate(pair, axis=-1) for pair in zip(first, second, strict=True)))


def equal_start(system: System, parameters: jax.Array) -> jax.Array:
    """The relaxed starting state of `periodic.equal_pressure_state`, compiled once per system."""
    return _equal(system)(parameters)


@functools.lru_cache(maxsize=16)
def _equal(system: System) -> Any:
    return compiled_for_device(lambda parameters: equal_pressure_state(system, parameters))


def record(beat: BeatMap, parameters: np.ndarray, state: np.ndarray, steps: int, width: int = 4) -> Waves:
    """Waveforms of one beat from the state at its onset, at its own nodes."""
    program = _recorder(BeatMap(beat.system, (), beat.solver), steps)
    run = lambda lanes: program(jnp.asarray(parameters[:, lanes]), jnp.asarray(state[:, lanes]))  # noqa: E731
    return in_blocks(run, parameters.shape[-1], width)


@functools.lru_cache(maxsize=16)
def _recorder(beat: BeatMap, steps: int) -> Any:
    system, solver = beat.system, beat.solver

    def run(parameters: jax.Array, state: jax.Array) -> Waves:
        p = system.read(tuple(parameters))
        c = solver.prepare(system, p, steps)
        zero = jnp.zeros_like(state[0])
        node = jax.tree.map(lambda x: zero + x, solver.node(system, p, c, zero, tuple(state)))

        def sample(time: Any, node: Any) -> tuple[Any, ...]:
            signals = Signals(system, p, c, node)
            pressure = [zero + signals.value("pressure", i) for i in range(len(system.stores))]
            return (
                zero + time,
                jnp.stack(pressure),
                jnp.stack(node.volume),
                jnp.stack([zero + q for q in signals.flows]),
            )

        def move(node: Any, k: Any) -> Any:
            time = jnp.asarray(k + 1, c.h.dtype) * c.h
            after, _ = solver.step(system, p, c, time, node)
            after = jax.tree.map(lambda x: zero + x, after)
            return after, sample(time, after)

        _, rows = lax.scan(move, node, jnp.arange(steps))
        first = sample(zero, node)
        time, *rest = (jnp.concatenate([a[None], b], axis=0) for a, b in zip(first, rows, strict=True))
        return Waves(time, *(jnp.moveaxis(r, 0, 1) for r in rest))

    return compiled_for_device(run)
