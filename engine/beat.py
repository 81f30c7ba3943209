"""One beat: the map from the state at its onset to the state at its end, with reductions and exact tangents.

The batch stands last in every array. The number of steps is a run-time argument: one compiled program serves every
resolution, so a certificate costs no second compilation.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ..core.reduction import Reduction
from ..core.system import System
from .compilation import compiled_for_device
from .reduction import Reducer
from .shapes import together
from .solvers.impulse import Impulse

__all__ = ["Beat", "BeatMap", "Linearised"]


class Beat(NamedTuple):
    """End state [state, batch] and reductions [reduction, batch]."""

    state: jax.Array
    values: jax.Array


class Linearised(NamedTuple):
    """A beat with its derivatives: columns are the state rows, then the chosen parameter rows.

    state [S, B], values [R, B], state_jacobian [S, S + P, B], values_jacobian [R, S + P, B].
    """

    state: jax.Array
    values: jax.Array
    state_jacobian: jax.Array
    values_jacobian: jax.Array


@dataclass(frozen=True)
class BeatMap:
    """The beat of a System with a fixed list of reductions; equal ones share compiled programs.

    backend: "auto" takes native code on a CPU where it can be made (`backends/native`), one kernel on an NVIDIA GPU
    (`backends/pallas`), and XLA elsewhere; "native", "pallas" and "xla" insist. XLA's program is the reference and can
    be differentiated; second derivatives of an extreme leave out how its instant moves (`core/smooth.py`).
    """

    system: System
    reductions: tuple[Reduction, ...] = ()
    solver: Impulse = Impulse()
    backend: str = "auto"

    @property
    def native(self) -> bool:
        """Whether this process may run the beat as native code."""
        from .backends.native.call import usable  # it needs this module

        return usable(self.backend)

    @property
    def kernel(self) -> bool:
        """Whether this process runs the beat as one GPU kernel."""
        from .backends.choice import takes_kernel

        return takes_kernel(self.backend)

    def bare(self) -> BeatMap:
        """The same beat without reductions."""
        return dataclasses.replace(self, reductions=())

    def __call__(self, parameters: jax.Array, state: jax.Array, steps: Any) -> Beat:
        """Run one beat: parameters [P, batch], state [S, batch], steps per beat (an integer); one lane serves for all.

        Raises `InputError` for other rows or lanes.
        """
        parameters, state = together(self.system, parameters, state)
        generated = self._generated(parameters, state, steps, None)
        if generated is not None:
            return Beat(*generated)
        p, c, carry = self._begin(tuple(parameters), tuple(state), steps)
        body = lambda k, kept: self._step(p, c, k, steps, kept)  # noqa: E731
        node, kept = lax.fori_loop(0, steps, body, carry)
        return Beat(jnp.stack(self.solver.state(self.system, node)), self._stack(kept, state))

    def linearised(self, parameters: jax.Array, state: jax.Array, steps: Any, free: tuple[int, ...]) -> Linearised:
        """The same beat with tangents of the state rows and of the parameter rows `free`, carried forward."""
        parameters, state = together(self.system, parameters, state)
        generated = self._generated(parameters, state, steps, free)
        if generated is not None:
            return Linearised(*generated)
        size, batch = len(self.system.state), state.shape[1:]
        count = size + len(free)
        directions = jnp.arange(count)
        one_hot = lambda row: (directions == row).astype(state.dtype)[:, None]  # noqa: E731
        state_seed = tuple(jnp.broadcast_to(one_hot(r), (count, *batch)) for r in range(size))
        fixed = tuple(parameters)
        free_rows = tuple(parameters[i] for i in free)

        def rebuilt(rows: tuple[Any, ...]) -> tuple[Any, ...]:
            full = list(fixed)
            for i, row in zip(free, rows, strict=True):
                full[i] = row
            return tuple(full)

        def begin(rows: tuple[Any, ...], x: tuple[Any, ...]) -> Any:
            return self._begin(rebuilt(rows), x, steps)[2]

        def step(rows: tuple[Any, ...], carry: Any, k: Any) -> Any:
            p = self.system.read(rebuilt(rows))
            return self._step(p, self.solver.prepare(self.system, p, steps), k, steps, carry)

        def seeds() -> tuple[Any, ...]:
            return tuple(jnp.broadcast_to(one_hot(size + j), (count, *batch)) for j in range(len(free)))

        carry, push = jax.linearize(begin, free_rows, tuple(state))
        tangents = jax.vmap(push)(seeds(), state_seed)

        def body(k: Any, both: Any) -> Any:
            primal, tangent = both
            out, pushed = jax.linearize(lambda rows, kept: step(rows, kept, k), free_rows, primal)
            return out, jax.vmap(pushed)(seeds(), tangent)

        (node, kept), (d_node, d_kept) = lax.fori_loop(0, steps, body, (carry, tangents))
        d_state = jnp.stack(self.solver.state(self.system, d_node))
        end = jnp.stack(self.solver.state(self.system, node))
        values, push = jax.linearize(lambda carried: self._stack(carried, state), kept)
        d_values = jax.vmap(push, out_axes=1, axis_size=count)(d_kept)
        return Linearised(end, values, d_state, d_values)

    def _generated(self, parameters: Any, state: Any, steps: Any, free: tuple[int, ...] | None) -> Any:
        """What native code or a kernel gives; None where XLA serves."""
        if self.native:
            from .backends.native.call import native_beat  # it needs this module

            return native_beat(self, parameters, state, steps, 1, free)
        if self.kernel:
            from .backends.pallas import kernel_beat  # it needs this module

            return kernel_beat(self, parameters, state, steps, free)
        return None

    def _reducer(self) -> Reducer:
        return Reducer(self.system, self.reductions)

    def _begin(self, rows: tuple[Any, ...], state: tuple[Any, ...], steps: Any) -> Any:
        p = self.system.read(rows)
        c = self.solver.prepare(self.system, p, steps)
        node = self.solver.node(self.system, p, c, jnp.zeros_like(state[0]), state)
        node = jax.tree.map(lambda x: jnp.zeros_like(state[0]) + x, node)
        return p, c, (node, self._reducer().start(p, c, node))

    def _step(self, p: Any, c: Any, k: Any, steps: Any, carry: Any) -> Any:
        return self._recorded_step(p, c, k, steps, carry)[0]

    def _thin_begin(self, rows: tuple[Any, ...], state: tuple[Any, ...], steps: Any) -> Any:
        """As `_begin`, carrying only what the rest follows from."""
        node, (_, kept) = self._begin(rows, state, steps)[2]
        return self.solver.thin(node, node.volume), kept

    def _thin_step(self, p: Any, c: Any, k: Any, steps: Any, carry: Any) -> Any:
        """As `_step`, on a thin carry: the node and its samples are computed anew."""
        thin, kept = carry
        share = 1.0 / jnp.asarray(steps, thin.volume[0].dtype)
        node = self.solver.whole(self.system, p, c, jnp.asarray(k, share.dtype) * share * c.period, thin)
        node = jax.tree.map(lambda x: jnp.zeros_like(thin.volume[0]) + x, node)
        carry = (node, (self._reducer().sample(p, c, node), kept))
        (after, (_, kept)), record = self._recorded_step(p, c, k, steps, carry, seldom=True)
        return self.solver.thin(after, record.predicted), kept

    def _recorded_step(self, p: Any, c: Any, k: Any, steps: Any, carry: Any, *, seldom: bool = False) -> Any:
        """(carry after a step, what happened in it); `seldom` as for `Reducer.update`."""
        node, kept = carry
        share = 1.0 / jnp.asarray(steps, node.volume[0].dtype)
        phase = jnp.asarray(k, share.dtype) * share
        after, record = self.solver.step(self.system, p, c, (phase + share) * c.period, node)
        after = jax.tree.map(lambda x, like: jnp.zeros_like(like) + x, after, node)
        kept = self._reducer().update(p, c, phase, share, node, after, record, kept, seldom=seldom)
        return (after, kept), record

    def _stack(self, kept: Any, like: jax.Array) -> jax.Array:
        values = self._reducer().finish(kept)
        return jnp.stack(values) if values else jnp.zeros((0, *like.shape[1:]), like.dtype)


@functools.lru_cache(maxsize=64)
def compiled(beat: BeatMap, free: tuple[int, ...] | None) -> Any:
    """The jitted beat (free None) or its linearisation; the step count is traced."""
    if free is None:
        return compiled_for_device(lambda parameters, state, steps: beat(parameters, state, steps), ("beat", beat))
    run = lambda parameters, state, steps: beat.linearised(parameters, state, steps, free)  # noqa: E731
    return compiled_for_device(run, ("linearised beat", beat, free))
