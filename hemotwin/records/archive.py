"""A zip archive opened for reading, within limits: a small file must not fill the disk or write where it likes."""

from __future__ import annotations

import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ..core.errors import InputError

__all__ = ["unpacked"]

BYTES_LIMIT = 4 << 30  # unpacked, all members together
RATIO_LIMIT = 200  # text of a table shrinks 5 to 50 times
RATIO_FREE = 16 << 20  # a small member may shrink as it likes
MEMBERS_LIMIT = 10_000
_BLOCK = 1 << 20


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The members of a zip archive in a folder that is removed afterwards.

    Raises `InputError` for a damaged or encrypted archive, a member that would lie outside the folder or is a link, and
    for one that grows beyond 200 times its packed size, beyond 4 GiB in all, or has more than 10,000 members.
    """
    with tempfile.TemporaryDirectory(prefix="hemotwin-") as folder:
        inside = Path(folder) / (path.stem or "archive")
        inside.mkdir()
        try:
            with zipfile.ZipFile(path) as archive:
                _extract(archive, path.name, inside)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            why = "it is encrypted" if "encrypted" in str(error) else f"damaged: {str(error)[:80]}"
            raise InputError(f"{path.name}: the archive cannot be read ({why}): make it again.") from None
        yield inside


def _extract(archive: zipfile.ZipFile, name: str, inside: Path) -> None:
    members = [one for one in archive.infolist() if not one.is_dir() and not _of_system(one.filename)]
    if len(members) > MEMBERS_LIMIT:
        raise InputError(f"{name}: more than {MEMBERS_LIMIT:,} members; unpack it and read the folder.")
    total = 0
    for member in members:
        where = inside / _safe(member, name)
        where.parent.mkdir(parents=True, exist_ok=True)
        allowed = min(BYTES_LIMIT - total, max(RATIO_FREE, RATIO_LIMIT * member.compress_size))
        written = 0
        with archive.open(member) as packed, where.open("xb") as file:
            while block := packed.read(_BLOCK):
                written += len(block)
                if written > allowed:
                    raise InputError(
                        f"{name}: a member grows to more than {allowed >> 20:,} MiB from {member.compress_size:,} "
                        "bytes: this is no record; unpack it by hand if you trust it."
                    )
                file.write(block)
        total += written


def _safe(member: zipfile.ZipInfo, name: str) -> PurePosixPath:
    written = member.filename.replace("\\", "/")
    path = PurePosixPath(written)
    bad = path.is_absolute() or ".." in path.parts or ":" in written or not path.parts or not written.isprintable()
    if bad or len(written) > 240 or stat.S_ISLNK(member.external_attr >> 16):
        shown = "".join(c if c.isprintable() else "?" for c in member.filename[:60])
        raise InputError(f"{name}: member `{shown}` would lie outside the folder or is a link: make the archive again.")
    return path


def _of_system(name: str) -> bool:
    """Folders and files that an operating system adds, which hold no data."""
    parts = name.replace("\\", "/").split("/")
    return "__MACOSX" in parts or parts[-1] in (".DS_Store", "Thumbs.db", "desktop.ini")
