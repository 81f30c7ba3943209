"""A folder that takes the place of an earlier one takes it only of what hemotwin wrote."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from os import PathLike
from pathlib import Path

from .errors import InputError

__all__ = ["replaceable"]

LEFT_BY_SYSTEMS = (".DS_Store", "Thumbs.db", "desktop.ini")


def replaceable(path: str | PathLike, names: Sequence[str]) -> None:
    """Raise `InputError` where `path` is a file, or a folder with anything that is not of `names` (patterns)."""
    target = Path(path)
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{target}: a folder is to be written, but there is a file of this name: give another path.")
    known = (*names, *LEFT_BY_SYSTEMS)
    others = sorted(one.name for one in target.iterdir() if not any(fnmatchcase(one.name, name) for name in known))
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise InputError(
            f"{target}: this folder would be replaced, but it holds what hemotwin did not write ({others[0]}{more}): "
            "give another path."
        )
