"""`hemotwin map`: the mapping of a table's columns, proposed for review and never applied."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("table", metavar="TABLE", help="a CSV or Parquet table in wide form, one patient a row")
    parser.add_argument(
        "--out", metavar="FILE", help="write the proposal here (no existing file) and not to the terminal"
    )


def run(options: argparse.Namespace) -> int:
    """Print or write the proposal; nothing is read with it until a person has deleted its line `proposed`."""
    from ..core.errors import InputError
    from ..records.proposal import propose
    from .terminal import say

    if not Path(options.table).exists():
        raise InputError(f"`{options.table}` is not there: give the path of a CSV or Parquet table.")
    proposal = propose(options.table)
    if options.out is None:
        say(proposal.text.rstrip("\n"))
        return 0
    path = Path(options.out)
    if path.exists():
        raise InputError(
            f"{path.name}: there is a file already, and a proposal must not overwrite it: give another name."
        )
    path.write_text(proposal.text, encoding="utf-8")
    found = sum(bool(one.observable) for one in proposal.columns)
    say(f"{path}: {found} of {len(proposal.columns)} columns proposed; review it before it is used.")
    return 0
