"""float64 is the reference and float32 the fast path; the choice is local and leaves the caller's settings alone."""

from __future__ import annotations

from contextlib import AbstractContextManager

import jax

__all__ = ["double"]


def double(on: bool = True) -> AbstractContextManager[None]:
    """Context in which arrays are float64 (or float32 when `on` is False), whatever the caller has configured."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(on)
    from jax.experimental import enable_x64  # type: ignore[attr-defined]

    return enable_x64(on)
