"""Beats as native code inside XLA programs: a custom call with the rows of parameters and states."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ....core.errors import HemotwinError, InputError
from ....core.install import command
from ...beat import BeatMap
from ...reduction import Signs
from ..choice import chosen, lanes_last, warn_of_xla
from . import index
from .handler import Target, compiled_target, vector_bytes
from .program import native_program
from .trial import obstacle

__all__ = ["NOT_INSTALLED", "native_beat", "native_record", "usable", "why_not"]

NOT_INSTALLED = "llvmlite is not installed"  # the one reason that is the user's own choice, of which nothing is warned


NO_FURTHER = (
    "`beat` runs as native code, of which a plain beat alone can be differentiated, once: take the columns of "
    "`beat.linearised` or the gradient of `engine.adjoint.steady_readings` (for second derivatives their differences), "
    "or `dataclasses.replace(beat, backend='xla')`."
)


@functools.cache
def why_not() -> str:
    """Why this process cannot run native code, or "" where it can."""
    try:
        import llvmlite.binding  # noqa: F401
    except ModuleNotFoundError:
        return f"{NOT_INSTALLED}: {command('native')}"
    except (ImportError, OSError) as error:
        return f"llvmlite does not load ({error})"
    return obstacle()


def usable(backend: str) -> bool:
    """Whether a beat whose backend is `backend` (one of `choice.BACKENDS`) runs as native code here.

    "auto" does on a CPU, unless the environment chooses otherwise; where llvmlite is installed and it cannot, a warning
    says why, once. Raises `HemotwinError` for "native" where it cannot.
    """
    backend = chosen() if backend == "auto" else backend
    if backend not in ("auto", "native"):
        return False
    reason = "JAX runs on a GPU" if jax.default_backend() != "cpu" else why_not()
    if reason and backend == "native":
        raise HemotwinError(f"backend 'native' must have a CPU and llvmlite, but {reason}.")
    if reason and jax.default_backend() == "cpu" and not reason.startswith(NOT_INSTALLED):
        warn_of_xla("several times slower than native code", reason)
    return not reason


def native_beat(
    beat: BeatMap, parameters: jax.Array, state: jax.Array, steps: Any, beats: Any, free: tuple[int, ...] | None
) -> list[jax.Array] | None:
    """State and reductions after the beats and, with `free`, their derivatives, shaped as `BeatMap` gives them.

    None where the beat cannot be native code (another shape of batch, an operation that the generator does not know):
    XLA serves.
    """
    if not lanes_last(parameters, state):
        return None
    target = _target(beat, str(state.dtype), free)
    if target is None:
        return None
    size, kept = len(beat.system.state), len(beat.reductions)
    shapes = [(size,), (kept,)]
    if free is not None:
        shapes += [(rows, size + len(free)) for rows in (size, kept)]
    once = free is None and isinstance(beats, int) and beats == 1
    return _called(target, shapes, parameters, state, [steps, beats], beat if once else None)


def native_record(
    beat: BeatMap, parameters: jax.Array, state: jax.Array, steps: int, stride: int, signals: Signs
) -> jax.Array | None:
    """Signals [signal, 1 + steps / stride, B] of one beat at every `stride`-th node; None as for `native_beat`."""
    if not lanes_last(parameters, state):
        return None
    target = _target(beat.bare(), str(state.dtype), None, signals)
    if target is None:
        return None
    samples = 1 + steps // stride
    shapes = [(len(beat.system.state),), (0,), (len(signals), samples)]
    return _called(target, shapes, parameters, state, [steps, 1, stride, samples])[2]


def _called(
    target: Target, shapes: list[Any], parameters: jax.Array, state: jax.Array, counts: Any, beat: BeatMap | None = None
) -> list[jax.Array]:
    """What a native function gives for all lanes; `shapes` are those of one lane.

    Where it is one plain `beat` its derivatives are those of XLA's; without it there are none.
    """
    lanes = state.shape[1]
    padded = -(-lanes // target.width) * target.width
    widen = lambda x: x if padded == lanes else jnp.pad(x, ((0, 0), (0, padded - lanes)), mode="edge")  # noqa: E731
    ends = [jax.ShapeDtypeStruct((*shape, padded), state.dtype) for shape in shapes]
    ends.append(jax.ShapeDtypeStruct((target.scratch,), jnp.uint8))
    native = jax.ffi.ffi_call(target.name, ends, vmap_method="sequential")

    run = jax.custom_jvp(lambda *rows: native(*rows)[:-1])
    run.defjvp(functools.partial(_pushed, beat, counts[0] if isinstance(counts[0], int | np.integer) else None))
    numbers = jnp.stack([jnp.asarray(count, jnp.int32) for count in counts])
    return [x[..., :lanes] for x in run(widen(parameters), widen(state), numbers)]


def _pushed(beat: BeatMap | None, steps: int | None, primals: Any, tangents: Any) -> tuple[list[Any], list[Any]]:
    """What XLA's beat gives, with the derivatives along `tangents`; `steps` where they are known as it is traced, which
    a derivative backwards needs."""
    if beat is None:
        raise InputError(NO_FURTHER)
    rows, state, numbers = primals
    reference = dataclasses.replace(beat, backend="xla")
    run = lambda rows, state: list(reference(rows, state, numbers[0] if steps is None else steps))  # noqa: E731
    return jax.jvp(run, (rows, state), tangents[:2])


@functools.lru_cache(maxsize=64)
def _target(beat: BeatMap, dtype: str, free: tuple[int, ...] | None, recorded: Signs = ()) -> Target | None:
    width = vector_bytes() // jnp.dtype(dtype).itemsize
    about = ("native", beat, dtype, width, free, recorded)
    target = index.found(about)
    if target is not None:
        return target
    try:
        target = compiled_target(native_program(beat, dtype, width, free, recorded))
    except (HemotwinError, RuntimeError, OSError) as error:  # LLVM's own are the second; of files, the third
        warnings.warn(f"this circulation runs on XLA, several times slower: {error}", RuntimeWarning, stacklevel=2)
        return None
    index.note(about, target)
    return target
