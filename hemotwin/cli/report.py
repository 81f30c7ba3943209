"""`hemotwin report`: the page of saved twins."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .inputs import USUAL, add_reflex, add_scenario, add_twins, read_twins, reflex_of, scenarios, what_first

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    what_first(parser, "TWIN")
    add_twins(parser)
    parser.add_argument("--out", metavar="PATH", help="the page, or a folder for several (default: beside the twin)")
    what_ifs = parser.add_mutually_exclusive_group()
    add_scenario(what_ifs, required=False, usual=USUAL)
    what_ifs.add_argument("--no-what-if", action="store_true", help="the twin alone")
    add_reflex(parser)


def run(options: argparse.Namespace) -> int:
    """Write one page per twin, with the what-ifs asked for or the usual two."""
    from ..prediction.predict import predict
    from ..reports.report import report
    from .terminal import Progress, say
    from .twin import apart

    progress = Progress()
    asked = [] if options.no_what_if else scenarios(options.scenario)
    reflex, twins = reflex_of(options, asked), read_twins(options)
    apart([twin.patient for twin in twins])
    if asked:
        progress("predicting; the first run on a machine compiles, later ones do not")
    for twin in twins:
        predictions = [predict(twin, scenario, **reflex)[twin.patient] for scenario in asked]
        path = report(twin, *predictions, path=_target(options, twin, len(twins)))
        progress(f"wrote {path}")
        say(str(path))
    say("Not for clinical use.")
    return 0


def _target(options: argparse.Namespace, twin: Any, count: int) -> Path:
    """report.html in the folder of one patient, otherwise a page by the patient's name beside the twin file."""
    from .twin import file_name

    saved = Path(options.twin)
    home = saved if (saved / "twin.zarr").is_dir() else saved.parent
    usual = "report.html" if home == saved else f"{file_name(twin.patient)}.html"
    if options.out is None:
        return home / usual
    given = Path(options.out)
    return given if count == 1 and given.suffix in {".html", ".htm"} else given / f"{file_name(twin.patient)}.html"
