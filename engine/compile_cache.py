"""JAX's persistent compilation cache in the user's cache folder: the second process does not compile.

It is switched on before the first program of this package is compiled, for all that the process compiles from then on;
JAX's own settings choose another folder or none.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import zlib
from pathlib import Path

import jax

from .machine import instructions

__all__ = ["default_folder", "enable", "faulty", "folder_in_use", "keep", "kept_in"]

WORTH = 0.02  # s of compiling from which a program is kept: reading it again takes some 5 ms
OF_JAX, ZLIB = "-cache", b"\x78"  # how JAX's programs are named, and how what zlib packs begins


def default_folder() -> Path | None:
    """Where compiled programs are kept unless the user chooses: $XDG_CACHE_HOME/hemotwin, or ~/.cache/hemotwin, and
    there a folder for each kind of processor, as the machines of a cluster may share a home but not all instructions.

    None where there is no home folder, as in a container whose user has no name.
    """
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    return root / "hemotwin" / instructions()


def enable() -> Path | None:
    """Switch the cache on in `default_folder()`, unless the user has chosen a folder for JAX; returns the one in use.

    A folder that is not there and cannot be made leaves the cache off, and so does JAX's setting
    `jax_enable_compilation_cache` (JAX_ENABLE_COMPILATION_CACHE=false).
    """
    if not _wanted():
        return None
    chosen = getattr(jax.config, "jax_compilation_cache_dir", None)
    if chosen:
        return Path(chosen)
    root = default_folder()
    if root is None:
        return None
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    jax.config.update("jax_compilation_cache_dir", str(root))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", WORTH)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return root


def _wanted() -> bool:
    return bool(getattr(jax.config, "jax_enable_compilation_cache", True))


def kept_in(name: str) -> Path | None:
    """Where the cache in use keeps a file of ours, None while no cache is in use."""
    folder = folder_in_use()
    return None if folder is None else folder / name


def folder_in_use() -> Path | None:
    """The cache's folder, None while it is off or not a folder of this machine (JAX can keep it in a bucket)."""
    folder = getattr(jax.config, "jax_compilation_cache_dir", None)
    return Path(folder) if folder and _wanted() and "://" not in str(folder) else None


def faulty(folder: Path) -> tuple[list[Path], list[Path]]:
    """(files of a cache that this process may not read, programs of JAX's there that are not whole), each sorted.

    JAX replaces neither: each process warns and compiles what they should hold. A damaged file of ours is replaced.
    """
    unread, damaged = [], []
    try:
        files = sorted(entry for entry in folder.iterdir() if entry.is_file())
    except OSError:
        return [], []
    for file in files:
        try:
            with open(file, "rb") as held:
                content = held.read() if file.name.endswith(OF_JAX) else b"ours"
        except FileNotFoundError:  # deleted meanwhile
            continue
        except OSError:
            unread.append(file)
        else:
            damaged += [] if _whole(content) else [file]
    return unread, damaged


def _whole(program: bytes) -> bool:
    """Whether a program of JAX's can be unpacked; one that is not packed by zlib is taken to be whole."""
    if not program.startswith(ZLIB):
        return bool(program)
    try:
        zlib.decompress(program)
    except zlib.error:
        return False
    return True


def keep(file: Path, content: bytes) -> None:
    """Write a file into the cache, whole or not at all; a cache that cannot be written to is no error.

    Whoever shares the folder may read it, as far as the process's umask allows.
    """
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(draft, "xb") as out:
            out.write(content)
        os.replace(draft, file)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
