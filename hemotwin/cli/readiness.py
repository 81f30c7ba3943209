"""`hemotwin readiness`: what a record or an export is good for, before anything is computed."""

from __future__ import annotations

import argparse

from .inputs import add_record, read_record

__all__ = ["add_arguments", "run"]

SHOWN = 20  # lines of the worklist on a terminal; all are in the JSON and HTML files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_record(parser)
    parser.add_argument("--costs", metavar="FILE", help="your own cost of each examination (YAML), to price the gaps")
    parser.add_argument("--json", metavar="FILE", help="write everything as JSON")
    parser.add_argument("--html", metavar="FILE", help="write a page with the picture of what is missing")


def run(options: argparse.Namespace) -> int:
    """Print level, evidence, twins, questions, gaps and worklist; write JSON and page when asked for."""
    from ..records.readiness import assess, load_costs
    from ..records.readiness_tables import lead, tables
    from .terminal import say, show

    readiness = assess(read_record(options), load_costs(options.costs) if options.costs else None)
    say(f"{readiness.source}: {readiness.records.counts_sentence}")
    say(lead(readiness))
    for table in tables(readiness, limit=SHOWN):
        say()
        show(table)
    if options.json:
        from ..records.readiness_tables import write_json

        say(f"\nJSON: {write_json(readiness, options.json)}")
    if options.html:
        from ..reports.readiness_page import write_page

        say(f"Page: {write_page(readiness, options.html)}")
    say("\nNot for clinical use.")
    return 0
