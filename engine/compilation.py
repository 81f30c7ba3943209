"""How programs are compiled: one place for the options that depend on the device, and for several devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.sharding import Mesh, PartitionSpec

from . import compile_cache
from .programs import kept

__all__ = ["accelerators", "compiled_for_device", "over_devices"]

# LLVM's expensive passes double the compile time of the beat with tangents (33 s against 14 s, two busy cores) and gain
# nothing at run time: its loop bodies are straight-line arithmetic that XLA has fused already. The cores are shared out
# by blocks of patients (`blocks`): XLA's own threads would only stand in their way.
CPU_OPTIONS = {"xla_llvm_disable_expensive_passes": True, "xla_cpu_multi_thread_eigen": False}
LANES = "lanes"  # the one axis of the mesh


def compiled_for_device(function: Callable[..., Any], about: Any = None) -> Any:
    """`jax.jit` with the options that suit the default device; over all accelerators where there are several.

    Arguments and results are trees of numbers and of arrays whose last axis are the lanes. `about` says what the
    function computes (see `programs`), so that it can be kept between processes. What is compiled goes into the user's
    cache (`compile_cache`).
    """
    compile_cache.enable()
    devices = accelerators()
    if len(devices) > 1:
        return over_devices(function, devices)
    compiled = _Program(function) if jax.default_backend() == "cpu" else jax.jit(function)
    return compiled if about is None else kept(function, compiled, about)


class _Program:
    """`jax.jit` with `CPU_OPTIONS`, and its attributes; inside another `jax.jit` and where it is differentiated, where
    JAX refuses options, the function becomes a part of what calls it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function, self._compiled = function, jax.jit(function, compiler_options=CPU_OPTIONS)

    def __call__(self, *arguments: Any) -> Any:
        try:
            return self._compiled(*arguments)
        except ValueError:  # of the options or of the function itself: JAX has no class for it
            leaves = (*jax.tree.leaves(arguments), jnp.zeros(()))  # of which the last tells that a program is traced
            if not any(isinstance(leaf, Tracer) for leaf in leaves):
                raise
        return self._function(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)


def accelerators() -> Sequence[Any]:
    """The GPUs or TPUs of this process; empty where it computes on a CPU, whose cores the blocks share by threads."""
    return () if jax.default_backend() == "cpu" else tuple(jax.local_devices())


def over_devices(function: Callable[..., Any], devices: Sequence[Any]) -> Callable[..., Any]:
    """A compiled function whose lanes are shared out over devices by `jax.shard_map`; numbers go to all.

    Each device loops until its own lanes are done: nothing is sent between them. Lanes that do not divide evenly run on
    the default device alone.
    """
    mesh, alone = Mesh(np.asarray(devices), (LANES,)), jax.jit(function)
    programs: dict[Any, Any] = {}

    def call(*arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        if any(np.ndim(leaf) and np.shape(leaf)[-1] % len(devices) for leaf in leaves):
            return alone(*arguments)
        key = (structure, tuple(np.ndim(leaf) for leaf in leaves))
        if key not in programs:
            ends = jax.eval_shape(function, *arguments)
            parts = tuple(jax.tree.map(_part, each) for each in (arguments, ends))
            programs[key] = jax.jit(
                jax.shard_map(function, mesh=mesh, in_specs=parts[0], out_specs=parts[1], check_vma=False)
            )
        return programs[key](*arguments)

    return call


def _part(leaf: Any) -> PartitionSpec:
    """The last axis of an array is shared out, a number is not."""
    axes = np.ndim(leaf)
    return PartitionSpec(*(None,) * (axes - 1), LANES) if axes else PartitionSpec()
