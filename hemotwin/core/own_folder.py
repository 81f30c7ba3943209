"""A folder that is to be written: it can be, and takes the place only of what hemotwin wrote."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatchcase
from os import PathLike
from pathlib import Path

from .errors import InputError

__all__ = ["owned", "replaceable"]

LEFT_BY_SYSTEMS = (".DS_Store", "Thumbs.db", "desktop.ini")


def replaceable(path: str | PathLike, names: Sequence[str]) -> None:
    """Raise `InputError` where `path` is a file, a folder with anything that is not of `names` (patterns), or where no
    folder can be made beside it."""
    target = Path(path)
    _writable(target)
    owned(target, names)


def owned(target: Path, names: Sequence[str]) -> None:
    """Raise `InputError` where `target` is a file, or a folder with anything that is not of `names` (patterns)."""
    try:
        held = os.listdir(target)  # asked once: another writer may move a result of its own aside at any time
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise InputError(
            f"{target}: a folder is to be written, but there is a file of this name: give another path."
        ) from None
    known = (*names, *LEFT_BY_SYSTEMS)
    others = sorted(one for one in held if not any(fnmatchcase(one, name) for name in known))
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise InputError(
            f"{target}: this folder would be replaced, but it holds what hemotwin did not write ({others[0]}{more}): "
            "give another path."
        )


def _writable(target: Path) -> None:
    """Raise `InputError` where the nearest folder above `target` that exists takes no folder."""
    above = next(one for one in (target.absolute().parent, *target.absolute().parents) if one.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".hemotwin-", dir=above):
            pass
    except OSError as error:
        reason = "it is a file" if above.is_file() else error.strerror
        raise InputError(
            f"{target}: cannot be written, because {above} takes no folder ({reason}): give another path."
        ) from error
