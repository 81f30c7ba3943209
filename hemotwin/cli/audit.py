"""`hemotwin audit`: whether a log is what was written, line by line; and a key to sign one with."""

from __future__ import annotations

import argparse

__all__ = ["add_arguments", "run"]

SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("action", choices=("verify", "key"), help="verify a log, or make a signing key")
    parser.add_argument("file", metavar="FILE", help="the log (JSON lines), or the key to make (and FILE.pub)")
    parser.add_argument("--head", metavar="FILE", help="a head kept elsewhere (default: FILE.head, where it is there)")
    parser.add_argument("--public-key", metavar="FILE", help="every line must be signed by this key")


def run(options: argparse.Namespace) -> int:
    """Print what is wrong by line number and what the answer rests on; 1 when anything is wrong."""
    from .terminal import bullets, say

    if options.action == "key":
        from ..records.signing import new_signing_key

        private, public = new_signing_key(options.file)
        say(f"wrote {private} (keep it apart from the log) and {public}")
        return 0
    from ..records.signing import PublicKey
    from ..records.verify import verify

    found = verify(options.file, options.head, PublicKey(options.public_key) if options.public_key else None)
    for number, words in found.problems[:SHOWN]:
        say(f"line {number}: {words}")
    if len(found.problems) > SHOWN:
        say(f"and {len(found.problems) - SHOWN} more")
    if found.ok:
        say(f"{found.lines} lines, each as it was written.")
    bullets("What this rests on", found.rests_on)
    return 0 if found.ok else 1
