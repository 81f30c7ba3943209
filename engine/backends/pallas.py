"""One GPU kernel for any System: a thread per patient, state and reductions in registers, whole beats in one launch.

Written in Pallas and compiled by Triton, from the same `System` and `BeatMap` that XLA runs. A program instance holds a
block of `width` patients (32: one warp) with parameters [P, B] and state [S, B] read once and the results written once.
Tangents are carried a few at a time, because all of them would not fit in registers: the grid's second axis runs over
the directions, each pass beside its own beat.
"""

from __future__ import annotations

import functools
import math
import warnings
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from ...core.errors import HemotwinError, InputError, UnknownNameError
from ...core.system import System
from ..beat import Beat, BeatMap, Linearised
from ..shapes import together
from .choice import BACKENDS, lanes_last, takes_kernel
from .kernel_program import Program, program

__all__ = ["Launch", "PallasBeat", "compiled_kernel", "kernel_beat", "launched", "on_backend"]

WARP = 32  # threads that a GPU of NVIDIA's runs in step
LONGEST = 2**31 - 1  # elements of one array that a kernel's 32-bit offsets reach


@dataclass(frozen=True)
class Launch:
    """How a kernel is laid out and computed.

    width: patients per program instance, a power of 2; warps: warps that share them; tangents: directions carried
    beside one beat (on an H100 one is fastest: more spill registers to memory). arithmetic: "fused" (products joined
    with sums, reciprocals) or, for plain beats, "exact" (every operation as XLA's step has it). rare: how blocks of
    plain beats pass by what none of their patients needs in a step ("apart", "gathered" or "always", as
    `kernel_program.program` says). interpret: run as an XLA program on any device, slowly, to check a kernel without a
    GPU.
    """

    width: int = WARP
    warps: int = 1
    tangents: int = 1
    arithmetic: str = "fused"
    rare: str = "gathered"
    interpret: bool = False

    def __post_init__(self) -> None:
        for name in ("width", "warps", "tangents"):
            value = getattr(self, name)
            if value < 1 or value & (value - 1):
                raise InputError(f"`{name}` must be a power of 2, but got {value}.")
        for name, choices in (("arithmetic", ("fused", "exact")), ("rare", ("apart", "gathered", "always"))):
            if getattr(self, name) not in choices:
                raise InputError(f"`{name}` must be one of {', '.join(choices)}, but got {getattr(self, name)!r}.")


@dataclass(frozen=True)
class PallasBeat(BeatMap):
    """A `BeatMap` whose beats run in one kernel, for use wherever a BeatMap serves; equal ones share programs."""

    launch: Launch = Launch()

    def __call__(self, parameters: jax.Array, state: jax.Array, steps: Any, beats: Any = 1) -> Beat:
        """Run `beats` beats in one launch: parameters [P, B], state [S, B]; the reductions are the last beat's."""
        parameters, state = together(self.system, parameters, state)
        ends = self._launched(self.program(str(state.dtype)), (parameters, state), steps, beats, 1)
        return Beat(*(rows[:, : state.shape[1]] for rows in ends))

    def linearised(self, parameters: jax.Array, state: jax.Array, steps: Any, free: tuple[int, ...]) -> Linearised:
        """One beat with its derivatives by the state rows, then the parameter rows `free`, as `BeatMap.linearised`."""
        parameters, state = together(self.system, parameters, state)
        size, lanes = len(self.system.state), state.shape[1]
        found = []
        for rows, count in (((), size), (free, len(free))):
            if count:
                body = self.program(str(state.dtype), self.launch.tangents, rows)
                passes = -(-count // self.launch.tangents)
                found.append((count, self._launched(body, (parameters, state), steps, 1, passes)))
        ends = found[0][1]
        jacobians = (jnp.concatenate([f[i][:, :n, :lanes] for n, f in found], axis=1) for i in (2, 3))
        return Linearised(ends[0][:, :lanes], ends[1][:, :lanes], *jacobians)

    def program(self, dtype: str, tangents: int = 0, free: tuple[int, ...] = ()) -> Program:
        """What one block computes, with its counts of operations."""
        how, beat = self.launch, BeatMap(self.system, self.reductions, self.solver)
        return program(beat, how.width, dtype, tangents, free, arithmetic=how.arithmetic, rare=how.rare)

    def _launched(self, body: Program, inputs: tuple[Any, Any], steps: Any, beats: Any, passes: int) -> list[jax.Array]:
        sizes = len(self.system.state), len(self.reductions)
        return launched(body, self.launch, inputs, sizes, (steps, beats), passes)


def launched(
    body: Any, launch: Launch, inputs: tuple[Any, Any], sizes: tuple[int, int], counts: tuple[Any, Any], passes: int = 1
) -> list[jax.Array]:
    """What a body (a `Program`, or one with its call, type and tangents) gives of all patients, in one launch.

    inputs: rows of parameters and of the state; sizes: rows of the new state and of the readings; counts: steps, beats.
    """
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton

    width, lanes = launch.width, inputs[1].shape[1]
    padded = -(-lanes // width) * width
    rows = [x if padded == lanes else jnp.pad(x, ((0, 0), (0, padded - lanes)), mode="edge") for x in inputs]
    held = (sizes[0], max(1, sizes[1]))
    shapes = [(size, padded) for size in held]
    blocks = [pl.BlockSpec((size, width), lambda i, j: (0, i)) for size in held]
    if body.tangents:
        shapes += [(size, passes * body.tangents, padded) for size in held]
        blocks += [pl.BlockSpec((size, body.tangents, width), lambda i, j: (0, j, i)) for size in held]
    _check_reach(shapes)
    run = pl.pallas_call(
        functools.partial(_kernel, body, not launch.interpret),
        grid=(padded // width, passes),
        in_specs=[pl.BlockSpec((x.shape[0], width), lambda i, j: (0, i)) for x in rows]
        + [pl.BlockSpec((4,), lambda i, j: (0,))],
        out_specs=blocks,
        out_shape=[jax.ShapeDtypeStruct(shape, body.dtype) for shape in shapes],
        compiler_params=triton.CompilerParams(num_warps=launch.warps, num_stages=1),
        interpret=launch.interpret,
        name="beat" if not body.tangents else "beat_with_tangents",
    )
    found = run(*rows, jnp.stack([jnp.asarray(x, jnp.int32) for x in (*counts, 0, 0)]))  # as many as a power of 2
    return [x[: sizes[1]] if i % 2 else x for i, x in enumerate(found)]


def _kernel(body: Any, ptx: bool, parameters: Any, state: Any, counts: Any, *ends: Any) -> None:
    """One block: read its rows, run, write the results. Passes beyond the first write the same beat once more."""
    from jax.experimental import pallas as pl

    first = pl.program_id(1) * max(1, body.tangents)
    found = body(_read(parameters), _read(state), [counts[i] for i in range(3)], first, ptx=ptx)
    for reference, values in zip(ends, (found.state, found.values), strict=False):
        _write(reference, values)
    for reference, ways in zip(ends[2:], (found.state_tangents, found.values_tangents), strict=False):
        for t, values in enumerate(ways):
            _write(reference, values, t)


# Rows are read and written by one instruction in a loop over the rows, which picks the register by selects: Triton
# searches all that depends on a memory operation once for each of them (with 76 of them 30 s, with six 4 s).


def _read(reference: Any) -> tuple[Any, ...]:
    """All rows of a block, as a tuple."""
    count = reference.shape[0]

    def one(i: Any, rows: tuple[Any, ...]) -> tuple[Any, ...]:
        row = reference[i, :]
        return tuple(jnp.where(i == j, row, kept) for j, kept in enumerate(rows))

    nothing = jnp.zeros(reference.shape[1:], reference.dtype)
    return jax.lax.fori_loop(0, count, one, (nothing,) * count)


def _write(reference: Any, values: tuple[Any, ...], *place: int) -> None:
    """Write values to the rows of a block."""

    def one(i: Any, done: Any) -> Any:
        value = values[0]
        for j, other in enumerate(values[1:], start=1):
            value = jnp.where(i == j, other, value)
        reference[(i, *place, slice(None))] = value
        return done

    if values:
        jax.lax.fori_loop(0, len(values), one, jnp.int32(0))


def _check_reach(shapes: list[tuple[int, ...]]) -> None:
    for shape in shapes:
        if math.prod(shape) > LONGEST:
            raise InputError(
                f"a kernel's results must have at most {LONGEST} numbers, but {' x '.join(map(str, shape))} have more: "
                f"run at most {shape[-1] * LONGEST // math.prod(shape)} patients at a time."
            )


def on_backend(beat: BeatMap, backend: str = "auto", launch: Launch | None = None) -> BeatMap:
    """The beat as the backend runs it: "native" (a CPU's own code), "xla" (any device), "pallas" (one kernel on an
    NVIDIA GPU) or "auto" (the fastest of them that the device runs).

    Raises `UnknownNameError` for another name, and `HemotwinError` for "pallas" where JAX sees no GPU, unless the
    launch is interpreted.
    """
    if backend not in BACKENDS:
        raise UnknownNameError("backend", backend, BACKENDS)
    if backend != "pallas":
        return BeatMap(beat.system, beat.reductions, beat.solver, backend)
    launch = launch or Launch()
    if not launch.interpret:
        takes_kernel(backend)
    return PallasBeat(beat.system, beat.reductions, beat.solver, launch=launch)


def kernel_beat(
    beat: BeatMap, parameters: jax.Array, state: jax.Array, steps: Any, free: tuple[int, ...] | None
) -> Beat | Linearised | None:
    """What `BeatMap` gives, by one kernel, or by one for the state and one for the parameter rows `free`.

    None where the beat cannot be a kernel (another shape of batch, an operation that it does not know): XLA serves.
    """
    if not lanes_last(parameters, state) or not _writable(beat, str(state.dtype)):
        return None
    kernel = PallasBeat(beat.system, beat.reductions, beat.solver)
    return kernel(parameters, state, steps) if free is None else kernel.linearised(parameters, state, steps, free)


@functools.lru_cache(maxsize=64)
def _writable(beat: BeatMap, dtype: str) -> bool:
    """Whether the beat can be written as a kernel; warns where not."""
    try:
        PallasBeat(beat.system, beat.reductions, beat.solver).program(dtype)
    except HemotwinError as error:
        warnings.warn(f"this circulation runs on XLA, many times slower: {error}", RuntimeWarning, stacklevel=2)
        return False
    return True


@functools.lru_cache(maxsize=64)
def compiled_kernel(beat: BeatMap, free: tuple[int, ...] | None = None, launch: Launch | None = None) -> Any:
    """The jitted kernel (free None) or its linearisation, called as `engine.beat.compiled`'s programs are.

    Lanes are spread over all GPUs of this host. Raises as `on_backend` does.
    """
    kernel = on_backend(beat, "pallas", launch)
    run = kernel.__call__ if free is None else functools.partial(kernel.linearised, free=free)
    devices = jax.local_devices()
    return jax.jit(run if len(devices) == 1 else _spread(kernel.system, run, devices))


def _spread(system: System, run: Any, devices: list[Any]) -> Any:
    """`run` with the lanes divided among the devices, padded so that each gets as many."""
    kind, spec = (jax.sharding.AxisType.Auto,), jax.sharding.PartitionSpec
    mesh = jax.make_mesh((len(devices),), ("patients",), devices=devices, axis_types=kind)
    lanes, everywhere = spec(None, "patients"), spec()

    def spread(parameters: jax.Array, state: jax.Array, steps: Any) -> Any:
        parameters, state = together(system, parameters, state)
        count = state.shape[-1]
        missing = -count % len(devices)
        rows = [jnp.pad(x, ((0, 0), (0, missing)), mode="edge") for x in (parameters, state)]
        ends = jax.eval_shape(run, *rows, steps)
        out = jax.tree.map(lambda x: spec(*([None] * (x.ndim - 1)), "patients"), ends)
        each = jax.shard_map(run, mesh=mesh, in_specs=(lanes, lanes, everywhere), out_specs=out, check_vma=False)
        return jax.tree.map(lambda x: x[..., :count], each(*rows, jnp.asarray(steps, jnp.int32)))

    return spread
