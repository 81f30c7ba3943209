"""Which backend "auto" means: what the environment asks for, else what the device runs fastest."""

from __future__ import annotations

import functools
import importlib
import os
import warnings

import jax

from ...core.errors import HemotwinError, InputError
from ...core.install import command

__all__ = [
    "BACKENDS", "SETTING", "chosen", "lanes_last", "no_compiler", "no_kernel", "on_nvidia", "takes_kernel",
    "warn_of_xla",
]  # fmt: skip

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


@functools.cache
def no_kernel() -> str:
    """Why no kernel runs on this NVIDIA GPU, or "" where one does: a compiler is there, and a test kernel answers."""
    if reason := no_compiler():
        return reason
    from .kernel_trial import obstacle  # it needs this module

    return obstacle()


@functools.cache
def warn_of_xla(slower: str, reason: str) -> None:
    """Warn that beats run through XLA, and why; once in a process, whatever filters are set."""
    text = f"beats run through XLA, {slower}: {reason.removesuffix('.')}"
    warnings.warn(f"{text} ({SETTING}=xla asks for XLA, without this warning).", RuntimeWarning, stacklevel=3)


def takes_kernel(backend: str) -> bool:
    """Whether a beat whose backend is `backend` runs as one GPU kernel here: "auto" does on an NVIDIA GPU, unless the
    environment chooses otherwise or no kernel runs there, of which a warning says why, once.

    Raises `HemotwinError` for "pallas" where there is no such GPU or no kernel runs on it.
    """
    backend = chosen() if backend == "auto" else backend
    if backend not in ("auto", "pallas"):
        return False
    if backend == "pallas" and not on_nvidia():
        raise HemotwinError(
            f"backend 'pallas' must have an NVIDIA GPU, but JAX sees only {jax.default_backend()}: take backend 'xla', "
            f"or, where there is one, run `{command('gpu')}`. Launch(interpret=True) checks a kernel without one."
        )
    reason = no_kernel() if on_nvidia() else ""
    if reason and backend == "pallas":
        raise HemotwinError(f"backend 'pallas' must run kernels, but {reason.removesuffix('.')}: take backend 'xla'.")
    if reason:
        warn_of_xla("many times slower than in one kernel", reason)
    return on_nvidia() and not reason


def lanes_last(parameters: jax.Array, state: jax.Array) -> bool:
    """Whether rows [P, B] and [S, B] are what generated code takes: one batch axis, one type of float."""
    one = str(state.dtype) in ("float32", "float64") and parameters.dtype == state.dtype
    return one and state.ndim == parameters.ndim == 2
