"""`hemotwin lineage`: which rows of the record saved twins were made of."""

from __future__ import annotations

import argparse

from .inputs import add_twins, read_twins

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_twins(parser)
    parser.add_argument("--json", action="store_true", help="as JSON, one object a line and twin")


def run(options: argparse.Namespace) -> int:
    """Print the rows used, what each was used as, and whose they are."""
    import json

    from ..reports.lineage import lineage
    from .terminal import say, show

    for number, twin in enumerate(read_twins(options)):
        found = lineage(twin)
        if options.json:
            say(json.dumps(found.plain()))
            continue
        if number:
            say()
        show(found.table())
    return 0
