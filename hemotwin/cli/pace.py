"""What a run that will be slow for want of a library is told before it begins."""

from __future__ import annotations

import importlib.util
from typing import Any

__all__ = ["tell_pace"]


def tell_pace(progress: Any) -> None:
    """One line where beats run through XLA because llvmlite is not installed; of any other reason the engine warns."""
    import jax

    from ..core.install import command
    from ..engine.backends.choice import chosen

    if chosen() == "auto" and jax.default_backend() == "cpu" and importlib.util.find_spec("llvmlite") is None:
        what = "llvmlite is not installed, so that beats run through XLA, several times slower, and compile for minutes"
        progress(f"{what}: {command('native')}")
