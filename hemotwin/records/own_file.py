"""A file that takes the place of an earlier one takes it only of what hemotwin wrote, and never of what it reads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..core.errors import InputError

__all__ = ["apart_from", "own_file"]

_BEGINNING, _END = 4096, 1 << 16  # bytes in which a mark is looked for: Parquet files carry it in their last part


def apart_from(path: str | Path, source: str | Path, option: str) -> None:
    """Raise `InputError` where `path` is the file `source`, or one in the folder `source`, however it is written.

    The message names no file: the name of a record may be that of a person.
    """
    target, origin = Path(path), Path(source)
    if not target.exists() or not origin.exists():
        return
    same = os.path.samefile(target, origin)  # also by a link, or another spelling of the path
    if same or (origin.is_dir() and target.resolve().is_relative_to(origin.resolve())):
        what = "the input" if same else "a file of the input"
        raise InputError(f"{option} must be another file than {what}, which it would replace: give another path.")


def own_file(path: str | Path, marks: Sequence[str], option: str) -> None:
    """Raise `InputError` where `path` exists and is no file with one of `marks`, by which hemotwin knows its own.

    An empty file has nothing to lose and may be replaced.
    """
    target = Path(path)
    if not os.path.lexists(target):
        return
    if target.is_dir():
        raise InputError(f"{option}: {target} is a folder, but a file is to be written: give the path of a file.")
    if not _made_here(target, marks):
        raise InputError(
            f"{option}: {target} would be replaced, but hemotwin did not write it as such a file: give another path, "
            "or move that file away."
        )


def _made_here(target: Path, marks: Sequence[str]) -> bool:
    if not target.is_file():
        return False  # a link that leads nowhere, a pipe
    try:
        with target.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            seen = file.read(_BEGINNING)
            file.seek(max(0, size - _END))
            seen += b"\n" + file.read(_END) if target.suffix == ".parquet" else b""
    except OSError:
        return False  # what cannot be read may be anything
    return size == 0 or any(mark.encode() in seen for mark in marks)
