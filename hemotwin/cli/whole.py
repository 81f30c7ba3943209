"""Results appear whole or not at all: built under a dot-prefixed name beside their place, then renamed into it.

A killed run leaves at most such a dot-prefixed leftover, which the next run to the same place removes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..core.own_folder import replaceable

__all__ = ["whole_folder"]


@contextmanager
def whole_folder(path: str | os.PathLike, names: Sequence[str] = ("*",)) -> Iterator[Path]:
    """Yield a temporary sibling folder to fill; on success it is synced and takes the place of `path`.

    An earlier folder is replaced only where all that it holds is of `names` (patterns), else `InputError` is raised.
    A folder cannot be renamed over a full one, so an earlier result is first moved aside under a dot-prefixed name;
    were the run killed between the two renames, the next run would find it there and put it back.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    replaceable(target, names)
    draft, former = _beside(target, "partial"), _beside(target, "former")
    draft.mkdir()
    try:
        yield draft
        for entry in sorted(draft.rglob("*"), reverse=True):
            _sync(entry)
        _sync(draft)
        if target.exists():
            os.rename(target, former)
        os.rename(draft, target)
        _sync(target.parent)
    finally:
        if former.exists() and not target.exists():
            os.rename(former, target)
        _remove(draft)
        _remove(former)


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.{suffix}")


def _sweep(target: Path) -> None:
    """Remove what killed runs left beside `target`; put back an earlier result that one of them had moved aside."""
    for leftover in target.parent.glob(f".{target.name}.*"):
        number, _, suffix = leftover.name[len(target.name) + 2 :].partition(".")
        if suffix not in {"partial", "former"} or not number.isdigit() or _alive(int(number)):
            continue
        if suffix == "former" and not target.exists():
            os.rename(leftover, target)
        _remove(leftover)


def _alive(process: int) -> bool:
    if process == os.getpid():
        return False
    if os.name == "nt":  # there signal 0 is Ctrl-C: leave the leftover alone
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows cannot open a folder to sync it
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
