"""`hemotwin report`: the page of saved twins."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .inputs import USUAL, add_reflex, add_scenario, add_twins, read_twins, reflex_of, scenarios, what_first

__all__ = ["add_arguments", "run"]

_PAGE = (".html", ".htm")


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
    _check_out(options, len(twins))  # told before minutes are spent
    if asked:
        progress("predicting; the first run on a machine compiles, later ones do not")
    for twin in twins:
        predictions = [predict(twin, scenario, **reflex)[twin.patient] for scenario in asked]
        path = report(twin, *predictions, path=_target(options, twin, len(twins)))
        progress(f"wrote {path}")
        say(str(path))
    say("Not for clinical use.")
    return 0


def _check_out(options: argparse.Namespace, count: int) -> None:
    """Raise `InputError` where --out names a page or a file, and there are several pages to write, or names a file that
    is no page, in whose place a folder would have to stand."""
    from ..core.errors import InputError
    from .targets import folder_instead

    if options.out is None:
        return
    given = Path(options.out)
    if count == 1:
        if given.is_file() and given.suffix not in _PAGE:
            raise InputError(
                f"--out must be a page or a folder, but got {options.out}, a file that is no page: give a page, as in "
                f"--out {given.with_suffix(_PAGE[0])}."
            )
        return
    if given.is_file() or (given.suffix in _PAGE and not given.is_dir()):
        raise InputError(
            f"--out must be a folder, as {count} patients make {count} pages, but got {options.out}: give a folder, as "
            f"in --out {folder_instead(given)}, or one patient with --patient ID."
        )


def _target(options: argparse.Namespace, twin: Any, count: int) -> Path:
    """report.html in the folder of one patient, otherwise a page by the patient's name beside the twin file."""
    from .twin import file_name

    saved = Path(options.twin)
    home = saved if (saved / "twin.zarr").is_dir() else saved.parent
    usual = "report.html" if home == saved else f"{file_name(twin.patient)}.html"
    if options.out is None:
        return home / usual
    given = Path(options.out)
    alone = count == 1 and given.suffix in _PAGE and not given.is_dir()
    return given if alone else given / f"{file_name(twin.patient)}.html"
