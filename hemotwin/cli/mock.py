"""`hemotwin mock`: a synthetic record with the structure and gaps of a real one, from its readiness report."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument(
        "path", metavar="PATH", help="what to write: a .csv table, FHIR as .json or .ndjson, or a folder"
    )
    parser.add_argument("--like", metavar="REPORT", required=True, help="JSON of hemotwin readiness RECORD --json")
    parser.add_argument(
        "--to", choices=("csv", "fhir", "ndjson", "omop"), help="the form (default: by the ending of PATH, none: omop)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the made-up people (default: %(default)s)")


def run(options: argparse.Namespace) -> int:
    """Write the record and say what it is."""
    from ..core.errors import InputError
    from ..records.mock import load_report, write_mock
    from ..records.own_file import apart_from
    from .terminal import say

    if not Path(options.like).is_file():
        raise InputError(
            f"--like must be the report of `hemotwin readiness RECORD --json`, but {options.like} is no file."
        )
    apart_from(options.path, options.like, "PATH")
    for path in write_mock(load_report(options.like), options.path, options.to, options.seed):
        say(str(path))
    say("Synthetic: made up, of no real person. Not for clinical use.")
    return 0
