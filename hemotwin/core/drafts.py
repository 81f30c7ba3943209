"""Drafts: a result is built under a hidden name beside its place; the name says who writes it, and so who may sweep it.

A draft of `run` is `.run.MACHINE.PROCESS.NUMBER.partial`, or `.former` for an earlier result that was moved aside. Two
writers never share one, and a killed one leaves nothing else behind: the next run to the same place on the same machine
removes what no living process is at work on, and puts back a result whose place stands empty.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Literal

__all__ = ["discard", "draft_of", "restore", "sweep"]

LONGEST = 200  # bytes of a target's name that a draft's repeats: file systems allow 255 in all

_at_work: set[str] = set()  # names of the drafts of this process, those of all its threads


def draft_of(target: Path, kind: Literal["partial", "former"] = "partial") -> Path:
    """A new name beside `target`, which nobody sweeps before this process discards it or ends."""
    number = uuid.uuid4().hex[:8]
    draft = target.with_name(f"{_begins(target)}{_machine()}.{os.getpid()}.{number}.{kind}")
    _at_work.add(draft.name)
    return draft


def discard(draft: Path) -> None:
    """Remove a draft, file or folder, if it still stands under this name."""
    doomed = draft.with_suffix(".partial")
    with suppress(OSError):  # killed half-way, a former result must not look whole to who would put it back
        os.rename(draft, doomed)
    if doomed.is_dir() and not doomed.is_symlink():
        shutil.rmtree(doomed, ignore_errors=True)
    else:
        with suppress(OSError):
            doomed.unlink(missing_ok=True)
    _at_work.discard(draft.name)


def restore(former: Path, target: Path) -> None:
    """Put an earlier result back where its place stands empty, and otherwise remove it."""
    if not os.path.lexists(target):
        with suppress(OSError):  # there was none, or another writer was faster
            os.rename(former, target)
    if os.path.lexists(target):
        discard(former)
    _at_work.discard(former.name)


def sweep(target: Path) -> None:
    """Discard or put back the drafts of `target` that killed runs left; those of other machines stay, as nobody here
    can tell whether their writers live."""
    form = re.compile(re.escape(_begins(target)) + r"([0-9a-f]{8})\.(\d+)\.[0-9a-f]{8}\.(partial|former)")
    for name in os.listdir(target.parent):
        found = form.fullmatch(name)
        if not found or name in _at_work or found[1] != _machine() or _alive(int(found[2])):
            continue
        if found[3] == "former":
            restore(target.with_name(name), target)
        else:
            discard(target.with_name(name))


def _begins(target: Path) -> str:
    """How the names of a target's drafts begin; what follows has no dot in its parts, so that those of `run.x` and of
    `run` are told apart."""
    name = target.name
    if len(os.fsencode(name)) > LONGEST:
        name = f"{name[:40]}~{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"
    return f".{name}."


def _machine() -> str:
    """A mark of where process numbers mean the same processes: the host, and the container on it."""
    space = ""
    with suppress(OSError, AttributeError):  # only Linux has it; the same on a host after a restart
        space = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:8]


def _alive(process: int) -> bool:
    """Whether a process may be at work on a draft that is not in this one's list."""
    if process == os.getpid():  # an earlier one had our number
        return False
    if os.name == "nt":  # there signal 0 is Ctrl-C: leave the leftover alone
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
