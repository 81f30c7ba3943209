"""JAX's persistent compilation cache in the user's cache folder: the second run of a job does not compile."""

from __future__ import annotations

import os
from pathlib import Path

import jax

__all__ = ["enable"]


def enable(folder: str | Path | None = None) -> Path | None:
    """Switch the cache on unless the user has chosen a folder for JAX already; returns the folder in use.

    The default is $XDG_CACHE_HOME/hemotwin (or ~/.cache/hemotwin). A folder that cannot be made leaves the cache off.
    """
    chosen = getattr(jax.config, "jax_compilation_cache_dir", None)
    if chosen and folder is None:
        return Path(chosen)
    root = Path(folder) if folder else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hemotwin"
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    jax.config.update("jax_compilation_cache_dir", str(root))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return root
