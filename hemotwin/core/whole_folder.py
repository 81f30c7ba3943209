"""A folder appears whole or not at all: built as a draft beside its place, then renamed into it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from .drafts import discard, draft_of, restore, sweep
from .own_folder import owned, replaceable

__all__ = ["whole_folder"]

TAKEN = (errno.ENOTEMPTY, errno.EEXIST)  # what a rename says where a folder with something in it stands


@contextmanager
def whole_folder(path: str | os.PathLike, names: Sequence[str] = ("*",), *, synced: bool = True) -> Iterator[Path]:
    """Yield a temporary sibling folder to fill; on success it takes the place of `path`.

    An earlier folder is replaced only where all that it holds is of `names` (patterns), else `InputError` is raised.
    Any number of writers may be at work on one place: each has a draft of its own, and the last to finish wins. With
    `synced` the folder is on the disk before it appears, so that it is whole even if the power fails.
    """
    target = Path(path)
    replaceable(target, names)
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target)
    draft = draft_of(target)
    try:
        draft.mkdir()
        yield draft
        if synced:
            for entry in sorted(draft.rglob("*"), reverse=True):
                _sync(entry)
            _sync(draft)
        _publish(draft, target, names)
        if synced:
            _sync(target.parent)
    finally:
        discard(draft)


def _publish(draft: Path, target: Path, names: Sequence[str]) -> None:
    """Rename a finished draft to its place.

    A folder cannot be renamed over a full one, so an earlier result is first moved aside; were the run killed between
    the two renames, the next one would put it back. A writer who fills the place between them is the earlier one.
    """
    while True:
        former = draft_of(target, "former")
        try:
            if os.path.lexists(target):
                owned(target, names)
                with suppress(FileNotFoundError):  # another writer has just moved it aside
                    os.rename(target, former)
            os.rename(draft, target)
            return
        except OSError as error:
            if error.errno not in TAKEN:
                raise
        finally:
            restore(former, target)


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows cannot open a folder to sync it
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
