"""An append-only log whose lines are chained by SHA-256: one JSON object a line, each with the hash of the one before.

What verification can tell:
- Any changed, missing, repeated or reordered line, by its number, as long as a later line or the head is intact.
- Lines missing at the end: only against a head, the count and hash after the last append. The head beside the log
  (`<log>.head`) tells of accidents. Who can write both files can shorten both: keep a copy of the head elsewhere.
- Who can rewrite the whole file can chain it anew; a signature (Ed25519) shows that, unless the signing key is theirs
  too. An old log put back together with its old signed head is whole in itself: again only a head kept elsewhere
  tells.

Sources: Haber and Stornetta 1991, doi 10.1007/BF00196791 (linking by hashes); RFC 8032 (Ed25519).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from ..core.errors import InputError
from .signing import SigningKey

__all__ = ["BEGINNING", "LINE_LIMIT", "AuditLog", "canonical", "digest_of", "signed_part"]

BEGINNING = "0" * 64  # what the first line follows
LINE_LIMIT = 1 << 20  # bytes; a longer line is no entry


class AuditLog:
    """A log file that only grows; each entry has line, time (UTC), event, facts, previous, hash and, with a signing
    key, signature. Several processes may append: each append holds a lock on the file.
    """

    def __init__(self, path: str | Path, key: SigningKey | None = None):
        self.path, self._key = Path(path), key

    @property
    def head(self) -> Path:
        """The file that tells how many lines there are and the hash of the last."""
        return self.path.with_name(f"{self.path.name}.head")

    def append(self, event: str, **facts: Any) -> int:
        """Write one entry to the disk and return its line number; facts are plain JSON values.

        Raises `InputError` for facts that JSON cannot hold, and when the last line is damaged: a broken chain is kept
        as it is, and a new log begun.
        """
        with _locked(self.path) as file:
            number, previous = _last(file, self.path)
            entry = {"line": number + 1, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event,
                     "facts": facts, "previous": previous}  # fmt: skip
            line = self._finished(entry)
            file.seek(0, os.SEEK_END)
            file.write(canonical(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())
            self._write_head(number + 1, line["hash"])
        return number + 1

    def _finished(self, entry: dict[str, Any]) -> dict[str, Any]:
        try:
            if self._key is not None:
                entry["signature"] = self._key.sign(canonical(entry))
            entry["hash"] = digest_of(entry)
        except (TypeError, ValueError) as error:
            raise InputError(f"facts of an audit entry must be plain JSON values ({error}).") from None
        if len(canonical(entry)) >= LINE_LIMIT:
            raise InputError(f"an audit entry must be shorter than {LINE_LIMIT:,} bytes: give counts and hashes.")
        return entry

    def _write_head(self, lines: int, last: str) -> None:
        head: dict[str, Any] = {"lines": lines, "hash": last}
        if self._key is not None:
            head["signature"] = self._key.sign(canonical(head))
        draft = self.head.with_name(f".{self.head.name}.partial")
        draft.write_bytes(canonical(head) + b"\n")
        draft.replace(self.head)


def canonical(entry: Mapping[str, Any]) -> bytes:
    """The one way in which an entry is written: sorted keys, no blanks, ASCII."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def digest_of(entry: Mapping[str, Any]) -> str:
    """SHA-256 of an entry without its own hash."""
    return hashlib.sha256(canonical({key: value for key, value in entry.items() if key != "hash"})).hexdigest()


def signed_part(entry: Mapping[str, Any]) -> bytes:
    """What a signature is of: the entry as it was before it was signed and hashed (of a head: lines and hash)."""
    without = ("signature",) if "event" not in entry else ("signature", "hash")
    return canonical({key: value for key, value in entry.items() if key not in without})


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if os.name == "nt":  # Windows locks a byte range, here one far beyond any content
            import msvcrt

            file.seek(1 << 40)
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _last(file: BinaryIO, path: Path) -> tuple[int, str]:
    """Number and hash of the last line; (0, zeros) of an empty log."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return 0, BEGINNING
    file.seek(max(0, size - LINE_LIMIT - 1))
    tail = file.read()
    try:
        entry = json.loads(tail[:-1].rpartition(b"\n")[2])
        if tail.endswith(b"\n") and digest_of(entry) == entry["hash"]:
            return entry["line"], entry["hash"]
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise InputError(
        f"{path.name}: the last line is damaged, so nothing is added; `hemotwin audit verify {path.name}` names it. "
        "Keep the file as evidence and begin a new log."
    )
