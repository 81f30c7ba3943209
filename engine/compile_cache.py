"""JAX's persistent compilation cache in the user's cache folder: the second run of a job does not compile."""

from __future__ import annotations

import os
from pathlib import Path

import jax

__all__ = ["default_folder", "enable"]


def default_folder() -> Path:
    """Where compiled programs are kept unless the user chooses: $XDG_CACHE_HOME/hemotwin, or ~/.cache/hemotwin."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hemotwin"


def enable(folder: str | Path | None = None) -> Path | None:
    """Switch the cache on unless the user has chosen a folder for JAX already; returns the folder in use.

    The default is `default_folder()`. A folder that cannot be made leaves the cache off.
    """
    chosen = getattr(jax.config, "jax_compilation_cache_dir", None)
    if chosen and folder is None:
        return Path(chosen)
    root = Path(folder) if folder else default_folder()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    jax.config.update("jax_compilation_cache_dir", str(root))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return root
