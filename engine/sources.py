"""The source files that kept programs are made of: their digest, and whether they are still what this process runs."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from .. import core
from ..core.own import ROOMS

__all__ = ["digest", "unchanged"]


def digest() -> str:
    """Digest of all source files as they lie there now, with their places in their rooms."""
    seen = hashlib.sha256()
    for name, file in _files():
        seen.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
    return seen.hexdigest()


def unchanged() -> bool:
    """Whether no source file is younger than this process.

    Where one is (an upgrade under a running job, an edit in a notebook's checkout), what was imported is not what lies
    there: a program of the old sources under the digest of the new ones would serve every later process.
    """
    try:
        return all(_touched(file) < core.BEGAN for _, file in _files())
    except OSError:  # a file is gone
        return False


def _touched(file: Path) -> float:
    """When a file was written or put in its place (s since 1970): an installer may keep the time of writing."""
    about = file.stat()
    return max(about.st_mtime, about.st_ctime)


@functools.cache
def _files() -> list[tuple[str, Path]]:
    root = Path(__file__).resolve().parents[1]
    found = []
    for room in ROOMS:
        place = next(p for p in (root / room, root / "hemotwin" / room) if p.is_dir())
        found += [(file.relative_to(place).as_posix(), file) for file in sorted(place.rglob("*.py"))]
    return found
