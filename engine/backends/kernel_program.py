"""What a kernel does for one block of patients: the beats of a System, with or without tangents, on rows in registers.

The formulas are those that XLA runs, a `BeatMap`'s; here the step is traced once, rewritten into straight-line
arithmetic and computed in a loop. A tangent program carries a few directions beside the beat and linearises the
step inside the loop.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ..beat import BeatMap
from .arithmetic import Arithmetic
from .rewriting import joined, rewrite, with_rare
from .straight_line import Constant, StraightLine, run, trace

__all__ = ["Outcome", "Program", "program"]


@dataclass(frozen=True)
class Outcome:
    """State rows and reductions after the beats, and per direction their tangents; every row is an array [width]."""

    state: tuple[Any, ...]
    values: tuple[Any, ...]
    state_tangents: tuple[tuple[Any, ...], ...] = ()
    values_tangents: tuple[tuple[Any, ...], ...] = ()


@dataclass(frozen=True)
class Program:
    """The beat of `beat` on blocks of `width` patients of type `dtype`, with `tangents` directions at a time.

    Directions are those of the state rows, or of the parameter rows `free` when there are any. `line` is the rewritten
    step, None for the step exactly as XLA runs it.
    """

    beat: BeatMap
    width: int
    dtype: str
    tangents: int = 0
    free: tuple[int, ...] = ()
    line: StraightLine | None = None

    def __call__(
        self, rows: tuple[Any, ...], state: tuple[Any, ...], steps: Any, beats: Any, first: Any, *, ptx: bool
    ) -> Outcome:
        """Run on one block; with tangents, of the directions `first`, `first` + 1, ... through a single beat."""
        seeds, pushed = self._directions(first)
        carried = _tracing(self).begin(rows, state, steps)
        if self.tangents:
            start = self._tangents_at_onset(rows, state, steps, seeds, pushed)
            carried = self._loop(rows, seeds, [*carried, *start], steps, ptx)
            return self._outcome(carried)

        def one(_: Any, held: tuple[Any, ...]) -> tuple[Any, ...]:
            begun = _tracing(self).begin(rows, held[: len(state)], steps)
            done = self._outcome(self._loop(rows, (), begun, steps, ptx))
            return (*done.state, *done.values)

        nothing = tuple(jnp.zeros_like(state[0]) for _ in self.beat.reductions)
        kept = lax.fori_loop(0, beats, one, (*state, *nothing))
        return Outcome(kept[: len(state)], kept[len(state) :])

    def _directions(self, first: Any) -> tuple[tuple[tuple[Any, ...], ...], tuple[tuple[Any, ...], ...]]:
        """Per direction the tangents of the free parameters and of the state at onset: 1 in its own row, else 0."""
        one_hot = lambda count, number: tuple((number == row).astype(self.dtype) for row in range(count))  # noqa: E731
        numbers = [first + t for t in range(self.tangents)]
        size = len(self.beat.system.state)
        if self.free:
            return tuple(one_hot(len(self.free), n) for n in numbers), tuple(() for _ in numbers)
        return tuple(() for _ in numbers), tuple(one_hot(size, n) for n in numbers)

    def _tangents_at_onset(self, rows: Any, state: Any, steps: Any, seeds: Any, pushed: Any) -> list[Any]:
        trace_of, wide = _tracing(self), lambda x: jnp.broadcast_to(x, (self.width,))
        if self.free:
            moved = tuple(rows[i] for i in self.free)
            push = jax.linearize(lambda r: trace_of.begin(trace_of.rebuilt(rows, r), state, steps), moved)[1]
            ways = seeds
        else:
            push = jax.linearize(lambda x: trace_of.begin(rows, x, steps), state)[1]
            ways = pushed
        return [leaf for way in ways for leaf in push(tuple(wide(x) for x in way))]

    def _loop(self, rows: Any, seeds: Any, carried: Sequence[Any], steps: Any, ptx: bool) -> list[Any]:
        invariants = [*rows, steps, *(x for way in seeds for x in way)]
        if self.line is None:
            step = lambda k, kept: _tracing(self).step(invariants, [*kept, k])  # noqa: E731
            return list(lax.fori_loop(0, steps, lambda k, kept: tuple(step(k, kept)), tuple(carried)))
        line, compute = self.line, Arithmetic(self.width, ptx)
        before = dict(enumerate(invariants))
        run(line.prologue, compute, before)
        hoisted = {i: before[i] for i in line.kept()}

        def body(k: Any, kept: tuple[Any, ...]) -> tuple[Any, ...]:
            values = {**hoisted, **dict(enumerate([*kept, k], start=line.invariants))}
            compute.run(line.body, values)
            ends = [o.value if isinstance(o, Constant) else values[o] for o in line.outputs]
            return tuple(jnp.broadcast_to(jnp.asarray(x, self.dtype), (self.width,)) for x in ends)

        return list(lax.fori_loop(0, steps, body, tuple(carried)))

    def _outcome(self, carried: Sequence[Any]) -> Outcome:
        size = _tracing(self).size
        parts = [carried[i * size : (i + 1) * size] for i in range(self.tangents + 1)]
        state, values = zip(*(_tracing(self).ends(part) for part in parts), strict=True)
        return Outcome(state[0], values[0], state[1:], values[1:])


class _Tracing:
    """The beat's functions on flat rows: what is carried from step to step is a list of `size` arrays [width]."""

    def __init__(self, beat: BeatMap, width: int, dtype: str, tangents: int, free: tuple[int, ...]) -> None:
        self.beat, self.tangents, self.free = beat, tangents, free
        self.row, self.count = jax.ShapeDtypeStruct((width,), dtype), jax.ShapeDtypeStruct((), jnp.int32)
        self.rows = [self.row] * len(beat.system.parameters)
        state = (self.row,) * len(beat.system.state)
        begun = jax.eval_shape(lambda r, x, n: beat._begin(tuple(r), x, n)[2], self.rows, state, self.count)
        leaves, self.tree = jax.tree.flatten(begun)
        self.size = len(leaves)

    def begin(self, rows: Any, state: Any, steps: Any) -> list[Any]:
        """What is carried before the first step."""
        return jax.tree.leaves(self.beat._begin(tuple(rows), tuple(state), steps)[2])

    def ends(self, carried: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """(state rows, reductions) of what is carried after the last step, or of its tangents."""
        node, kept = jax.tree.unflatten(self.tree, carried)
        return tuple(self.beat.solver.state(self.beat.system, node)), tuple(self.beat._reducer().finish(kept))

    def rebuilt(self, rows: Sequence[Any], free: Sequence[Any]) -> tuple[Any, ...]:
        """The parameter rows with the free ones replaced."""
        full = list(rows)
        for i, row in zip(self.free, free, strict=True):
            full[i] = row
        return tuple(full)

    def plain(self, rows: Sequence[Any], steps: Any, carried: Sequence[Any], k: Any) -> list[Any]:
        """One step of the beat."""
        beat = self.beat
        p = beat.system.read(tuple(rows))
        c = beat.solver.prepare(beat.system, p, steps)
        return jax.tree.leaves(beat._step(p, c, k, steps, jax.tree.unflatten(self.tree, carried)))

    def step(self, invariant: Sequence[Any], varying: Sequence[Any]) -> list[Any]:
        """One step of (rows, steps, seeds) and (carried, tangents, k): carried and tangents after it."""
        number, k = len(self.rows), varying[-1]
        rows, steps, seeds = invariant[:number], invariant[number], invariant[number + 1 :]
        parts = [list(varying[i * self.size : (i + 1) * self.size]) for i in range(self.tangents + 1)]
        if not self.tangents:
            return self.plain(rows, steps, parts[0], k)
        if not self.free:
            out, push = jax.linearize(lambda kept: self.plain(rows, steps, kept, k), parts[0])
            return [*out, *(leaf for part in parts[1:] for leaf in push(part))]
        moved = [rows[i] for i in self.free]
        out, push = jax.linearize(lambda r, kept: self.plain(self.rebuilt(rows, r), steps, kept, k), moved, parts[0])
        ways = [seeds[i * len(moved) : (i + 1) * len(moved)] for i in range(self.tangents)]
        wide = lambda way: [jnp.broadcast_to(x, self.row.shape) for x in way]  # noqa: E731
        return [*out, *(leaf for way, part in zip(ways, parts[1:], strict=True) for leaf in push(wide(way), part))]


@functools.lru_cache(maxsize=64)
def _traced(beat: BeatMap, width: int, dtype: str, tangents: int, free: tuple[int, ...]) -> _Tracing:
    return _Tracing(beat, width, dtype, tangents, free)


def _tracing(of: Program) -> _Tracing:
    return _traced(of.beat, of.width, of.dtype, of.tangents, of.free)


@functools.lru_cache(maxsize=64)
def program(
    beat: BeatMap, width: int, dtype: str, tangents: int = 0, free: tuple[int, ...] = (), *, arithmetic: str, rare: bool
) -> Program:
    """The program of a beat; `arithmetic` "exact" is XLA's own step, "fused" the rewritten one.

    With `rare`, blocks none of whose patients opens or closes a valve or passes an extreme in a step pass that part by.
    """
    if arithmetic == "exact":
        return Program(beat, width, dtype, tangents, free)
    about = _traced(beat, width, dtype, tangents, free)
    seeds = [jax.ShapeDtypeStruct((), dtype)] * (tangents * len(free))
    line = trace(
        about.step,
        [*about.rows, about.count, *seeds],
        [about.row] * ((tangents + 1) * about.size) + [about.count],
        rewrite,
    )
    line = joined(line)
    return Program(beat, width, dtype, tangents, free, with_rare(line) if rare else line)
