"""`hemotwin check`: what becomes of every row of a record, before anything is computed."""

from __future__ import annotations

import argparse

from .inputs import add_record, read_record

__all__ = ["add_arguments", "run"]

FATES = ("used", "derived", "duplicate", "quarantined")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_record(parser)
    parser.add_argument("--fate", choices=FATES, help="only rows of this fate")


def run(options: argparse.Namespace) -> int:
    """Print rows, conflicts and counts; 2 when nothing in the record could be used."""
    from ..core.errors import InputError
    from .terminal import bullets, say, sentence, show

    records = read_record(options)
    show(records.table(options.fate))
    say()
    found = records.quality()
    if len(found):
        show(found)
    else:
        sentence(f"{found.title}: no rule found anything.")
    for one in records:
        title = f"{one.patient}: {one.choice}" if one.choice else f"{one.patient}:"
        bullets(title, (*one.conflicts, *one.given_back))
    bullets("Between patients", (flag.sentence for flag in records.flags))
    empty = [one.patient for one in records if not one.counted]
    if len(empty) == len(records):
        raise InputError(
            f"{records.source.name}: {_nobody(len(records))} usable measurement; the reasons stand in the table "
            "above. Give one value that the twin can use, such as a cuff pressure in mmHg."
        )
    if empty:
        say()
        sentence(f"Nothing usable for {', '.join(empty)}: no twin will be made.")
    say()
    return 0


def _nobody(count: int) -> str:
    return "the patient has no" if count == 1 else f"none of {count} patients has a"
