"""What a kernel does for one block of patients: the beats of a System, with or without tangents, on rows in registers.

The formulas are those that XLA runs, a `BeatMap`'s; here the step is traced once, rewritten into straight-line
arithmetic and computed in a loop. A tangent program carries a few directions beside the beat and pushes them through
the step's local Jacobian.
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
from ..precision import double
from ..reduction import Signals, Signs
from .arithmetic import Arithmetic
from .demand import decided, sunk
from .jacobian import eliminated
from .rare import SMALLEST_PLACE, chosen, gathered_rare, with_rare
from .rewriting import joined, recomputed, rewrite
from .straight_line import Builder, Constant, Operand, Operation, StraightLine, run, trace

__all__ = ["Outcome", "Program", "Tracing", "program", "tracing"]


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

    Directions are those of the state rows, or of the parameter rows `free` when there are any. `onset` and `line` are
    the rewritten beginning and step, None for both exactly as XLA runs them.
    """

    beat: BeatMap
    width: int
    dtype: str
    tangents: int = 0
    free: tuple[int, ...] = ()
    onset: StraightLine | None = None
    line: StraightLine | None = None

    def __call__(
        self, rows: tuple[Any, ...], state: tuple[Any, ...], counts: Sequence[Any], first: Any, *, ptx: bool
    ) -> Outcome:
        """Run on one block; with tangents, of the directions `first`, `first` + 1, ... through a single beat.

        counts: steps, beats and a 0 that no compiler can know (see `_loop`).
        """
        steps, beats, zero = counts
        seeds, pushed = self._directions(first)
        invariants = [*rows, steps, *(x for way in seeds for x in way)]
        if self.tangents:
            begun = self._begun(invariants, [*state, *(x for way in pushed for x in way)], ptx)
            return self._outcome(self._loop(invariants, begun, steps, zero, ptx))

        def one(_: Any, held: tuple[Any, ...]) -> tuple[Any, ...]:
            begun = self._begun(invariants, held[: len(state)], ptx)
            done = self._outcome(self._loop(invariants, begun, steps, zero, ptx))
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

    def _begun(self, invariants: Sequence[Any], state: Sequence[Any], ptx: bool) -> list[Any]:
        """What is carried into the first step, tangents included."""
        if self.onset is None:
            return _tracing(self).onset([*invariants, *state], [])
        values = dict(enumerate([*invariants, *state]))
        run(self.onset.prologue, Arithmetic(self.width, ptx), values)
        return self._wide(self.onset, values)

    def _loop(self, invariants: Sequence[Any], carried: Sequence[Any], steps: Any, zero: Any, ptx: bool) -> list[Any]:
        """The carried rows after all steps.

        With tangents, in every step the invariants are added `zero` times its number: compilers would else move what
        is computed from them out of the loop, and keep hundreds of numbers in too few registers.
        """
        if self.line is None:
            step = lambda k, kept: tuple(_tracing(self).plain(invariants[:-1], steps, list(kept), k))  # noqa: E731
            return list(lax.fori_loop(0, steps, step, tuple(carried)))
        line, compute = self.line, Arithmetic(self.width, ptx)
        before = dict(enumerate(invariants))
        run(line.prologue, compute, before)
        hoisted = {i: before[i] for i in line.kept()}

        def body(k: Any, kept: tuple[Any, ...]) -> tuple[Any, ...]:
            moved = (zero * k).astype(self.dtype) if self.tangents else None
            loose = lambda x: x if moved is None or x.dtype != moved.dtype else x + moved  # noqa: E731
            fixed = {i: loose(x) for i, x in hoisted.items()}
            values = {**fixed, **dict(enumerate([*kept, k], start=line.invariants))}
            compute.run(line.body, values)
            return tuple(self._wide(line, values))

        return list(lax.fori_loop(0, steps, body, tuple(carried)))

    def _wide(self, line: StraightLine, values: dict[int, Any]) -> list[Any]:
        ends = [o.value if isinstance(o, Constant) else values[o] for o in line.outputs]
        return [jnp.broadcast_to(jnp.asarray(x, self.dtype), (self.width,)) for x in ends]

    def _outcome(self, carried: Sequence[Any]) -> Outcome:
        size = _tracing(self).size
        parts = [carried[i * size : (i + 1) * size] for i in range(self.tangents + 1)]
        state, values = zip(*(_tracing(self).ends(part) for part in parts), strict=True)
        return Outcome(state[0], values[0], state[1:], values[1:])


class Tracing:
    """The beat's functions on flat rows: what is carried from step to step is a list of `size` arrays [width]."""

    def __init__(
        self, beat: BeatMap, width: int, dtype: str, tangents: int, free: tuple[int, ...], *, thin: bool
    ) -> None:
        self.beat, self.tangents, self.free = beat, tangents, free
        self.thin = thin  # only what the rest follows from is carried: more operations, fewer rows with tangents
        self.row, self.count = jax.ShapeDtypeStruct((width,), dtype), jax.ShapeDtypeStruct((), jnp.int32)
        self.rows = [self.row] * len(beat.system.parameters)
        state = (self.row,) * len(beat.system.state)
        begun = jax.eval_shape(self._begun, self.rows, state, self.count)
        leaves, self.tree = jax.tree.flatten(begun)
        self.size = len(leaves)

    def begin(self, rows: Any, state: Any, steps: Any) -> list[Any]:
        """What is carried before the first step."""
        return jax.tree.leaves(self._begun(rows, state, steps))

    def _begun(self, rows: Any, state: Any, steps: Any) -> Any:
        begin = self.beat._thin_begin if self.thin else lambda *inputs: self.beat._begin(*inputs)[2]
        return begin(tuple(rows), tuple(state), steps)

    def onset(self, invariant: Sequence[Any], _: Sequence[Any]) -> list[Any]:
        """What is carried before the first step and its tangents, of (rows, steps, seeds, state, tangents of state)."""
        number, size, count = len(self.rows), len(self.beat.system.state), self.tangents * len(self.free)
        rows, steps, seeds = invariant[:number], invariant[number], invariant[number + 1 : number + 1 + count]
        state, pushed = invariant[number + 1 + count :][:size], invariant[number + 1 + count + size :]
        if not self.tangents:
            return self.begin(rows, state, steps)
        if self.free:
            ways, moved = seeds, [rows[i] for i in self.free]
            out, push = jax.linearize(lambda r: self.begin(self.rebuilt(rows, r), state, steps), moved)
        else:
            ways, moved = pushed, list(state)
            out, push = jax.linearize(lambda x: self.begin(rows, x, steps), moved)
        wide = [jnp.broadcast_to(x, self.row.shape) for x in ways]
        each = [wide[i * len(moved) : (i + 1) * len(moved)] for i in range(self.tangents)]
        return [*out, *(leaf for way in each for leaf in push(way))]

    def ends(self, carried: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """(state rows, reductions) of what is carried after the last step, or of its tangents."""
        node, kept = jax.tree.unflatten(self.tree, carried)
        kept = (None, kept) if self.thin else kept
        return tuple(self.beat.solver.state(self.beat.system, node)), tuple(self.beat._reducer().finish(kept))

    def read(self, rows: Sequence[Any], steps: Any, carried: Sequence[Any], wanted: Signs) -> list[Any]:
        """Signals at the node that is carried."""
        node, _ = jax.tree.unflatten(self.tree, carried)
        p = self.beat.system.read(tuple(rows))
        signals = Signals(self.beat.system, p, self.beat.solver.prepare(self.beat.system, p, steps), node)
        return [jnp.broadcast_to(signals.value(*one), self.row.shape) for one in wanted]

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
        step = beat._thin_step if self.thin else beat._step
        return jax.tree.leaves(step(p, c, k, steps, jax.tree.unflatten(self.tree, carried)))


@functools.lru_cache(maxsize=64)
def tracing(
    beat: BeatMap, width: int, dtype: str, tangents: int = 0, free: tuple[int, ...] = (), *, thin: bool = False
) -> Tracing:
    """The beat's functions on flat rows; equal calls share them."""
    return Tracing(beat, width, dtype, tangents, free, thin=thin)


def _tracing(of: Program) -> Tracing:
    return tracing(of.beat, of.width, of.dtype, of.tangents, of.free, thin=of.tangents > 0)


@functools.lru_cache(maxsize=64)
def program(
    beat: BeatMap, width: int, dtype: str, tangents: int = 0, free: tuple[int, ...] = (), *, arithmetic: str, rare: str
) -> Program:
    """The program of a beat; `arithmetic` "exact" is XLA's own step, "fused" the rewritten one.

    rare: what patients need only in a step in which a valve opens or closes or a curve turns is passed by part for part
    ("apart"), with one vote for all that may run side by side ("gathered"), or never ("always" runs everything). With
    tangents everything runs, and steps make anew what is cheap to make of the parameters: what a vote decides, and what
    is kept from before the loop, takes registers that tangents need more.
    """
    if arithmetic == "exact" and not tangents:
        return Program(beat, width, dtype)
    with double(dtype == "float64"):  # the program is kept by its type, whatever the caller's setting was
        about = tracing(beat, width, dtype, tangents, free, thin=tangents > 0)
        seed = jax.ShapeDtypeStruct((), dtype)
        invariants = [*about.rows, about.count, *[seed] * (tangents * len(free))]
        state = [about.row] * len(beat.system.state) + [seed] * (0 if free else tangents * len(beat.system.state))
        onset = trace(about.onset, [*invariants, *state], [], rewrite)
        line = joined(decided(_step(about, invariants)))
    if tangents:
        line = recomputed(line)
    elif rare != "always":
        line = sunk(chosen(with_rare(line)))
        line = gathered_rare(line, least=SMALLEST_PLACE) if rare == "gathered" else line
    return Program(beat, width, dtype, tangents, free, onset, line)


def _step(about: Tracing, invariants: Sequence[Any]) -> StraightLine:
    """One step of (rows, steps, seeds) and (carried, tangents, k): carried and tangents after it."""
    count, size, ways = len(about.rows), about.size, about.tangents
    first, dtype = len(invariants), str(about.row.dtype)
    sources = list(range(first, first + size))
    tangents = [list(range(first + size * (t + 1), first + size * (t + 2))) for t in range(ways)]
    seeds = [list(range(count + 1 + t * len(about.free), count + 1 + (t + 1) * len(about.free))) for t in range(ways)]

    def more(builder: Builder, operations: Sequence[Operation], outputs: Sequence[Operand]) -> list[Operand]:
        jacobian = eliminated(builder, operations, sources, list(about.free), outputs, ways, dtype, masked=False)
        each = zip(tangents, seeds, strict=True)
        return [end for tangent, seed in each for end in jacobian.pushed(builder, tangent, seed, dtype)]

    return trace(
        lambda r, x: about.plain(r[:count], r[count], x[:size], x[-1]),
        invariants, [*[about.row] * ((ways + 1) * size), about.count], rewrite, more if ways else None,
    )  # fmt: skip
