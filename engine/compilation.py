"""How programs are compiled: one place for the options that depend on the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

__all__ = ["compiled_for_device"]

# LLVM's expensive passes double the compile time of the beat with tangents (33 s against 14 s, two busy cores) and gain
# nothing at run time: its loop bodies are straight-line arithmetic that XLA has fused already.
CPU_OPTIONS = {"xla_llvm_disable_expensive_passes": True}


def compiled_for_device(function: Callable[..., Any]) -> Any:
    """`jax.jit` with the options that suit the default device."""
    options = CPU_OPTIONS if jax.default_backend() == "cpu" else None
    return jax.jit(function, compiler_options=options)
