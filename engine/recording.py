"""Waveforms of one beat: the signals that are asked for, at the nodes that are asked for, and nothing else.

Native code writes them as it goes; elsewhere XLA steps from sample to sample. What a record costs beside the beat is
the memory that it fills: see `docs/engine.md`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..core.counts import beat_steps, whole_number
from ..core.errors import InputError, UnknownNameError
from ..core.system import System
from .beat import BeatMap
from .blocks import filled, in_blocks, rounded_up
from .compilation import compiled_for_device
from .reduction import Signals, Signs
from .shapes import arrays, together

__all__ = ["Curves", "Waves", "curves", "record"]

QUANTITIES = ("pressure", "volume", "flow")
WIDE = 64  # lanes per block of XLA's: of 16, 64 and 256 the fastest
UNIT = 16  # lanes: blocks that have to be narrower are a multiple of so many
BLOCK = 1 << 26  # bytes of a block's curves at most: they stand in memory twice while they are put to their place


class Curves(NamedTuple):
    """Signals of one beat at evenly spaced nodes, from onset to end: phase [M + 1] (shares of the period), period [B]
    (s), values [signal, M + 1, B]."""

    phase: Any
    period: Any
    values: Any


class Waves(NamedTuple):
    """One beat sampled at its nodes: time [N + 1, B] (s); pressure, volume [store, N + 1, B]; flow [branch, ...]."""

    time: Any
    pressure: Any
    volume: Any
    flow: Any


def curves(
    beat: BeatMap, parameters: Any, state: Any, steps: int, signals: Sequence[tuple[str, str]],
    *, stride: int = 1, width: int | None = None,
) -> Curves:  # fmt: skip
    """Some signals of one beat of `steps` steps from the state [S, B] at its onset, at every `stride`-th node.

    signals: (quantity, site) of each, "pressure", "volume" or "flow" at a reading's name, or at that of a store or
    branch. width: lanes per block (None: what suits; the curves of a lane are the same whatever it is).
    """
    return _recorded(beat, parameters, state, steps, tuple(_row(beat.system, *one) for one in signals), stride, width)


def record(beat: BeatMap, parameters: Any, state: Any, steps: int, width: int | None = None) -> Waves:
    """All signals of one beat from the state at its onset, at its own nodes; `curves` records some."""
    stores, branches = len(beat.system.stores), len(beat.system.branches)
    signals = [("pressure", i) for i in range(stores)] + [("volume", i) for i in range(stores)]
    signals += [("flow", i) for i in range(branches)]
    found = _recorded(beat, parameters, state, steps, tuple(signals), 1, width)
    kind, steps = found.period.dtype.type, len(found.phase) - 1
    time = np.arange(steps + 1, dtype=kind)[:, None] * (found.period / kind(steps))
    return Waves(time, *np.split(found.values, [stores, 2 * stores]))


def _row(system: System, quantity: str, site: str) -> tuple[str, int]:
    """Where a signal is read: (quantity, index of its store or branch)."""
    if quantity not in QUANTITIES:
        raise UnknownNameError("quantity", quantity, list(QUANTITIES))
    names = [part.name for part in (system.branches if quantity == "flow" else system.stores)]
    name = system.readings.get(site, site)
    if name not in names:
        raise UnknownNameError("site", site, sorted({*names, *(s for s, at in system.readings.items() if at in names)}))
    return quantity, names.index(name)


def _recorded(
    beat: BeatMap, parameters: Any, state: Any, steps: int, signals: Signs, stride: int,
    width: int | None,
) -> Curves:  # fmt: skip
    parameters, state = arrays(beat.system, parameters, state)
    steps, stride = beat_steps(steps), whole_number("stride", stride, 1)
    if steps % stride:
        raise InputError(
            f"`stride` must divide the {steps} steps of a beat, but got {stride}: the beat's end is the last sample."
        )
    bare, count = BeatMap(beat.system, (), beat.solver, beat.backend), parameters.shape[-1]
    program = recorder(bare, steps, stride, signals)
    run = lambda lanes: program(jnp.asarray(parameters[:, lanes]), jnp.asarray(state[:, lanes]))  # noqa: E731
    samples = 1 + steps // stride
    width = width or _width(bare, len(signals) * samples * state.dtype.itemsize)
    if count <= width:  # nothing to be put together
        width = min(width, rounded_up(count))
        lanes = slice(None) if count == width else filled(np.arange(count), width)
        period, values = (np.asarray(part)[..., :count] for part in run(lanes))
    else:
        period, values = in_blocks(run, count, width, ("curves", bare, steps, stride, signals))
    return Curves(np.arange(samples) / (samples - 1), period, values)


def _width(beat: BeatMap, size: int) -> int:
    """Lanes per block at most where each lane's curves take `size` bytes."""
    most = max(1, BLOCK // max(1, size) // UNIT) * UNIT
    return most if beat.native else min(most, WIDE)


@functools.lru_cache(maxsize=32)
def recorder(beat: BeatMap, steps: int, stride: int, signals: Signs) -> Any:
    """The compiled function of parameters [P, B] and states [S, B] that gives (period [B], curves)."""
    system = beat.system

    def run(parameters: jax.Array, state: jax.Array) -> tuple[jax.Array, jax.Array]:
        parameters, state = together(system, parameters, state)
        period = jnp.zeros_like(state[0]) + system.period(system.read(tuple(parameters)))
        if beat.native and signals:
            from .backends.native.call import native_record  # it needs `BeatMap`

            found = native_record(beat, parameters, state, steps, stride, signals)
            if found is not None:
                return period, found
        return period, _sampled(beat, parameters, state, steps, stride, signals)

    return compiled_for_device(run, ("curves", beat, steps, stride, signals))


def _sampled(beat: BeatMap, parameters: Any, state: Any, steps: int, stride: int, signals: Signs) -> jax.Array:
    """The curves as XLA makes them: each sample is written to its place in the one array there is."""
    rows = tuple(parameters)
    p, c, (node, _) = beat._begin(rows, tuple(state), steps)

    def put(curves: Any, number: Any, node: Any) -> Any:
        found = Signals(beat.system, p, c, node)
        values = jnp.stack([jnp.zeros_like(state[0]) + found.value(*one) for one in signals])
        return lax.dynamic_update_slice(curves, values[:, None], (0, number, 0))

    def step(k: Any, node: Any) -> Any:
        after, _ = beat.solver.step(beat.system, p, c, jnp.asarray(k + 1, c.h.dtype) * c.h, node)
        return jax.tree.map(lambda x, like: jnp.zeros_like(like) + x, after, node)

    def on(number: Any, carry: Any) -> Any:
        node, curves = carry
        node = lax.fori_loop(number * stride, (number + 1) * stride, step, node)
        return node, put(curves, number + 1, node)

    if not signals:
        return jnp.zeros((0, 1 + steps // stride, *state.shape[1:]), state.dtype)
    nothing = jnp.zeros((len(signals), 1 + steps // stride, *state.shape[1:]), state.dtype)
    return lax.fori_loop(0, steps // stride, on, (node, put(nothing, 0, node)))[1]
