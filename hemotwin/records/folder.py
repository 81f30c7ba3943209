"""What in a folder belongs together and who reads it; nothing is opened that no reader asks for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import InputError, nearest
from ..core.registry import known

__all__ = ["ADVICE", "Plan", "kind_of", "not_there", "plan_of"]

FILES_LIMIT = 100_000
DEPTH_LIMIT = 20
_ARCHIVE = ".zip"
ADVICE = {
    ".xlsx": "a spreadsheet is not opened: save the sheet as CSV",
    ".xls": "a spreadsheet is not opened: save the sheet as CSV",
    ".dcm": "an image holds no measurement: export the measured values as a table",
    ".gz": "a compressed file is not opened: unpack it, or make a zip archive of the folder",
    ".tar": "only zip archives are opened: unpack it, or make a zip archive of the folder",
    ".dat": "a signal without its header (.hea): copy the header beside it",
}
_UNSEEN = ("__MACOSX", "Thumbs.db", "desktop.ini")  # what operating systems leave behind, beside names with a dot


class Plan(NamedTuple):
    """Sources as (reader, path, files), without a reader for an archive; files left unread, each with the reason."""

    sources: list[tuple[Any, Path, tuple[Path, ...]]]
    unread: list[tuple[Path, str]]
    endings: tuple[str, ...]


def plan_of(folder: Path) -> Plan:
    """Every file below a folder, given to the reader that takes it, in the order of their names.

    Links are not followed, and names that begin with a dot are left alone. Raises `InputError` for more than 100,000
    files.
    """
    readers = sorted((reader() for reader in known("reader").values()), key=lambda reader: not reader.together)
    endings = tuple(sorted({suffix for reader in readers for suffix in reader.suffixes} - {".txt"} | {_ARCHIVE}))
    plan = Plan([], [], endings)
    for here, folders, files in _folders(folder, plan):
        left = list(files)
        for reader in readers:
            for source in reader.sources(here, left):
                plan.sources.append((reader, source.path, source.files))
                left = [path for path in left if path not in source.files]
                folders[:] = [name for name in folders if here / name not in source.files]
        for path in left:
            if path.suffix.lower() == _ARCHIVE:
                plan.sources.append((None, path, (path,)))
            elif not _beside(path, files):
                plan.unread.append((path, _reason(path, endings)))
    plan.sources.sort(key=lambda one: (one[1].parent.parts, one[1].name))
    return plan


def _folders(folder: Path, plan: Plan) -> Iterator[tuple[Path, list[str], list[Path]]]:
    """(folder, names of its folders, its files) from the top down, by name; names taken out are not entered."""
    count = 0
    for here, folders, names in os.walk(folder):
        inside = Path(here)
        if len(inside.relative_to(folder).parts) >= DEPTH_LIMIT:
            plan.unread.extend((inside / name, f"more than {DEPTH_LIMIT} folders deep") for name in sorted(folders))
            folders.clear()
        linked = [name for name in [*folders, *names] if (inside / name).is_symlink() and not _unseen(name)]
        plan.unread.extend((inside / name, "a link is not followed: copy what it points to") for name in sorted(linked))
        folders[:] = sorted(name for name in folders if name not in linked and not _unseen(name))
        names = [name for name in sorted(names) if name not in linked and not _unseen(name)]
        count += len(names)
        if count > FILES_LIMIT:
            raise InputError(f"{folder}: more than {FILES_LIMIT:,} files; read its parts one by one.")
        yield inside, folders, [path for name in names if (path := inside / name).is_file()]


def _unseen(name: str) -> bool:
    return name.startswith(".") or name in _UNSEEN


def _beside(path: Path, files: list[Path]) -> bool:
    """Whether a file is the folder's governance or mapping, or that of a file in the same folder."""
    stem = path.stem.removesuffix("_mapping").removesuffix("_governance")
    named = stem != path.stem and any(one.stem == stem for one in files if one != path)
    return path.suffix == ".yaml" and (named or path.name in ("governance.yaml", "mapping.yaml"))


def _reason(path: Path, endings: tuple[str, ...]) -> str:
    advice = ADVICE.get(path.suffix.lower())
    if advice:
        return advice
    if path.suffix.lower() in endings:
        return "the content is no record that is known"
    return f"{kind_of(path)} hold no record that can be read: left unread"


def kind_of(path: Path) -> str:
    """Files as their endings name them."""
    return f"files ending in `{path.suffix}`" if path.suffix else "files without an ending"


def not_there(path: Path, wanted: str = "a file or folder") -> str:
    """The message for a path at which nothing is, with the nearest name beside it; the path may be a broken link."""
    if path.is_symlink():
        return f"`{path}` is a link to what is not there: give the path of {wanted}."
    close = nearest(path.name, (one.name for one in path.parent.iterdir()) if path.parent.is_dir() else ())
    hint = f" Did you mean `{path.parent / close[0]}`?" if close else ""
    return f"`{path}` is not there: give the path of {wanted}.{hint}"
