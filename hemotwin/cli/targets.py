"""Where results may go: told before anything is computed, each refusal with a path that works."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from ..core.errors import InputError

__all__ = ["folder_instead", "writable_file", "written_beside"]


def writable_file(option: str, given: str, example: str, *, in_place: bool = False) -> None:
    """Raise `InputError` where `given` cannot become a file: a folder is there, or nothing can be written beside it.

    in_place: what is there already (a file, /dev/stdout) is written itself, whatever may be written beside it.
    """
    target = Path(given)
    if os.path.isdir(target):  # unlike the methods of `Path`, never raises below a folder that may not be searched
        raise InputError(
            f"{option} must be a file, but {target} is a folder: give a file, as in {option} {target / example}."
        )
    if in_place and os.path.exists(target):
        if not os.access(target, os.W_OK):
            raise InputError(
                f"{option} {target} cannot be written, because it may not be written to: give another path."
            )
        return
    above = next(one for one in target.absolute().parents if os.path.exists(one))
    if not os.path.isdir(above) or not os.access(above, os.W_OK | os.X_OK):
        reason = "may not be written to" if os.path.isdir(above) else "is a file"
        raise InputError(f"{option} {target} cannot be written, because {above} {reason}: give another path.")


def written_beside(option: str, target: Path, example: str) -> Path:
    """The path of a folder that is put in place under its own name; raises `InputError` where it has none, as "."."""
    if target.name in ("", ".."):
        raise InputError(
            f"{option} must name what is written, but {target} is a folder that is there: give a name in it, as in "
            f"{option} {target / example}."
        )
    return target


def folder_instead(path: str | os.PathLike) -> Path:
    """A folder that can be made in place of the file `path`: its name without ending, numbered where that is taken."""
    bare = Path(path).with_suffix("")
    numbered = (bare.with_name(f"{bare.name}-{number}") for number in itertools.count(2))
    return next(one for one in itertools.chain([bare], numbered) if not one.exists())
