"""Whether an audit log is what was written: every line, its hash, its place in the chain, its signature, the head."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from .audit import BEGINNING, LINE_LIMIT, canonical, digest_of, signed_part
from .signing import PublicKey

__all__ = ["Verification", "verify"]

PROBLEM_LIMIT = 1000  # named one by one; beyond it nothing new is learnt
_EMPTY = "missing: the log is empty, so there is nothing to verify; check that it is the log that was written to"


@dataclass(frozen=True)
class Verification:
    """How many lines there are, problems as (line number, what is wrong), and what the answer rests on."""

    lines: int
    problems: tuple[tuple[int, str], ...]
    rests_on: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether there is a line and nothing is wrong, as far as it can be told."""
        return not self.problems


def verify(path: str | Path, head: str | Path | None = None, public_key: PublicKey | None = None) -> Verification:
    """Check a log line by line; `head` defaults to the file beside the log, and is optional when that is absent.

    A damaged line is named by its number, a missing one by the number that it had; of a log without any line the first
    is missing, as nothing in it vouches for anything. With a public key every line and the head must be signed by it.
    Raises `InputError` when the log is missing or cannot be read, and when a head that was named cannot.
    """
    beside = Path(head) if head is not None else Path(f"{path}.head")
    told = _read_head(beside) if head is not None or beside.is_file() else None
    check = _Check(public_key, told)
    try:
        with Path(path).open("rb") as file:
            for line in iter(lambda: file.readline(LINE_LIMIT + 1), b""):
                check.take(line)
    except OSError as error:
        gone = (
            f", though its head tells of {told['lines']} lines" if told and isinstance(error, FileNotFoundError) else ""
        )
        raise InputError(
            f"{Path(path).name}: the log cannot be read ({error.strerror}{gone}), so nothing was verified: check its "
            "path."
        ) from None
    check.against_head()
    return Verification(check.lines, tuple(check.problems[:PROBLEM_LIMIT]), _rests_on(told, head, public_key))


class _Check:
    """The walk along the chain: `previous` is None after a damaged line, whose hash nobody knows."""

    def __init__(self, public_key: PublicKey | None, head: Mapping[str, Any] | None):
        self.public_key, self.head = public_key, head
        self.lines, self.previous = 0, BEGINNING
        self.problems: list[tuple[int, str]] = []
        self.at_head: str | None = None  # hash of the line that the head is of
        self.broken = False  # the line before is damaged: its number and hash are not known

    def take(self, raw: bytes) -> None:
        number, entry = self.lines + 1, _entry(raw)
        if entry is None:
            words = "damaged: it is not as it was written" if raw.endswith(b"\n") else "cut off or damaged"
            self.problems.append((number, words))
            self.lines, self.broken = number, True
            return
        self._place(number, entry)
        if self.public_key and not self.public_key.confirms(entry.get("signature"), signed_part(entry)):
            self.problems.append((entry["line"], "not signed by this key"))
        self.lines, self.previous, self.broken = entry["line"], entry["hash"], False
        if self.head and self.lines == self.head["lines"]:
            self.at_head = entry["hash"]

    def _place(self, number: int, entry: Mapping[str, Any]) -> None:
        found = entry["line"]
        if found > number:
            self.problems += [(k, "missing") for k in range(number, min(found, number + PROBLEM_LIMIT))]
        elif found < number and not self.broken:
            self.problems.append((found, "repeated or out of order"))
        elif not self.broken and entry["previous"] != self.previous:
            self.problems.append((found, "does not follow the line before it: one of the two was replaced"))

    def against_head(self) -> None:
        """Lines that the head tells of and the log lacks, and a last line that is another one; any line at all."""
        if self.head is None:
            if self.lines == 0:
                self.problems.append((1, _EMPTY))
            return
        count = self.head["lines"]
        if self.public_key and not self.public_key.confirms(self.head.get("signature"), signed_part(self.head)):
            self.problems.append((count, "the head is not signed by this key"))
        if self.lines < count:
            last = min(count, self.lines + PROBLEM_LIMIT)
            self.problems += [(k, "missing at the end") for k in range(self.lines + 1, last + 1)]
        elif self.at_head != self.head["hash"] and not self.problems:
            self.problems.append((count, "another line than the head tells of: the log was written anew"))


def _entry(raw: bytes) -> dict[str, Any] | None:
    """The entry of a line that is byte for byte as it was written; None for any other."""
    if len(raw) > LINE_LIMIT or not raw.endswith(b"\n"):
        return None
    try:
        entry = json.loads(raw)
        whole = canonical(entry) + b"\n" == raw and digest_of(entry) == entry["hash"]
        return entry if whole and type(entry["line"]) is int and isinstance(entry["previous"], str) else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _read_head(path: Path) -> dict[str, Any]:
    try:
        head = json.loads(path.read_bytes()[:LINE_LIMIT])
        if type(head["lines"]) is int and head["lines"] > 0 and isinstance(head["hash"], str):
            return head
        reason = "it holds no count and hash"
    except OSError as error:
        reason = error.strerror or "unreadable"
    except (ValueError, KeyError, TypeError, RecursionError):
        reason = "it is damaged"
    raise InputError(f"{path.name}: the head cannot be used ({reason}); give another copy of it with --head.")


def _rests_on(told: Any, given: Any, public_key: Any) -> tuple[str, ...]:
    """What was checked, and what nobody can tell from it."""
    said = ["Every line is checked against its own hash and the line before it."]
    if told is None:
        said.append("There is no head: whether lines are missing at the end cannot be told.")
    elif given is None:
        said.append(
            f"The head beside the log tells of {told['lines']} lines: who can write both files can shorten both; "
            "compare with a head kept elsewhere (--head)."
        )
    else:
        said.append(f"The head that was given vouches for the first {told['lines']} lines.")
    said.append(
        "Every line is signed by this key; only its holder could have written the log anew."
        if public_key
        else "No signature was checked: who can write the file can write the whole chain anew (--public-key)."
    )
    return tuple(said)
