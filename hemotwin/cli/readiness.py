"""`hemotwin readiness`: what a record or an export is good for, before anything is computed."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import Any

from .inputs import add_record, read_record

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_record(parser)
    parser.add_argument("--costs", metavar="FILE", help="your own cost of each examination (YAML), to price the gaps")
    parser.add_argument(
        "--deep", action="store_true", help="also what a calibration is expected to learn, and what to measure next"
    )
    parser.add_argument(
        "--about",
        action="append",
        metavar="NAME",
        help="with --deep: quantity or reading that the next measurement is to serve (may be repeated)",
    )
    parser.add_argument(
        "--prior", default="adult_wide", help="with --deep: prior of the quantities (default: %(default)s)"
    )
    parser.add_argument(
        "--noise", default="clinical", help="with --deep: errors of the readings (default: %(default)s)"
    )
    parser.add_argument("--json", metavar="FILE", help="write everything as JSON")
    parser.add_argument("--html", metavar="FILE", help="write a page with the picture of what is missing")


def run(options: argparse.Namespace) -> int:
    """Print level, evidence, twins, questions, gaps and worklist; with --deep what to expect; write JSON and page."""
    from ..core.errors import InputError
    from ..records.readiness import assess, load_costs
    from ..records.readiness_tables import lead, tables
    from .targets import writable_file
    from .terminal import limit, say, sentence, show

    if options.about and not options.deep:
        raise InputError("--about ranks what to measure next, which is worked out with --deep alone: add --deep.")
    for option, path in (("--json", options.json), ("--html", options.html)):
        if path and Path(path).resolve() == Path(options.record).resolve():
            raise InputError(f"{option} must be another file than the record, which it would replace: {path}.")
        if path:
            writable_file(option, path, f"readiness.{option[2:]}")
    readiness = assess(read_record(options), load_costs(options.costs) if options.costs else None)
    if options.deep:
        readiness = _deepened(readiness, options)
    sentence(f"{readiness.source}: {readiness.records.counts_sentence}")
    sentence(lead(readiness))
    for table in tables(readiness, limit=limit()):
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


def _deepened(readiness: Any, options: argparse.Namespace) -> Any:
    from ..reports.deep_readiness import deepened
    from .terminal import Progress

    progress = Progress()
    if importlib.util.find_spec("jax") is not None:
        progress("linearising the circulation; the first run on a machine compiles, later ones do not")
    return deepened(readiness, prior=options.prior, noise=options.noise, about=options.about or (), progress=progress)
