"""Which backend "auto" means: what the environment asks for, else what the device runs fastest."""

from __future__ import annotations

import functools
import importlib
import os

import jax

from ...core.errors import HemotwinError, InputError
from ...core.install import command

__all__ = ["BACKENDS", "SETTING", "chosen", "lanes_last", "no_compiler", "on_nvidia", "takes_kernel"]

SETTING = "HEMOTWIN_BACKEND"  # environment variable: what "auto" means; "xla" keeps to XLA on every device
COMPILER = "jax.experimental.pallas.triton"
BACKENDS = ("auto", "native", "xla", "pallas")


def chosen() -> str:
    """What the environment asks for; raises `InputError` where that is none of the backends."""
    asked = os.environ.get(SETTING, "auto")
    if asked not in BACKENDS:
        raise InputError(
            f"{SETTING} must be one of {', '.join(BACKENDS)}, but is {asked!r}: set it to one, or unset it."
        )
    return asked


@functools.cache
def on_nvidia() -> bool:
    """Whether JAX's default device is a GPU of NVIDIA's, whose instructions the kernel is written in."""
    return jax.default_backend() == "gpu" and jax.devices()[0].device_kind.startswith("NVIDIA")


@functools.cache
def no_compiler() -> str:
    """Why this JAX compiles no kernel, or "" where it does: it says that it will drop Pallas's Triton compiler."""
    try:
        importlib.import_module(COMPILER)
    except ImportError:
        return f"JAX {jax.__version__} has no Triton compiler for Pallas (0.12 has one)"
    return ""


def takes_kernel(backend: str) -> bool:
    """Whether a beat whose backend is `backend` runs as one GPU kernel here: "auto" does on an NVIDIA GPU, unless the
    environment chooses otherwise or this JAX compiles no kernel.

    Raises `HemotwinError` for "pallas" where there is no such GPU or no such compiler.
    """
    backend = chosen() if backend == "auto" else backend
    if backend not in ("auto", "pallas"):
        return False
    if backend == "pallas" and not on_nvidia():
        raise HemotwinError(
            f"backend 'pallas' must have an NVIDIA GPU, but JAX sees only {jax.default_backend()}: take backend 'xla', "
            f"or, where there is one, run `{command('gpu')}`. Launch(interpret=True) checks a kernel without one."
        )
    if on_nvidia() and no_compiler():
        if backend == "pallas":
            raise HemotwinError(f"backend 'pallas' must have a compiler, but {no_compiler()}: take backend 'xla'.")
        return False
    return on_nvidia()


def lanes_last(parameters: jax.Array, state: jax.Array) -> bool:
    """Whether rows [P, B] and [S, B] are what generated code takes: one batch axis, one type of float."""
    one = str(state.dtype) in ("float32", "float64") and parameters.dtype == state.dtype
    return one and state.ndim == parameters.ndim == 2
