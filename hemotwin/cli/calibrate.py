"""`hemotwin calibrate`: records in, a twin file out."""

from __future__ import annotations

import argparse
from pathlib import Path
from shlex import quote

from .inputs import add_fit, add_record, calibrated, check_fit, read_record

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_record(parser)
    parser.add_argument("--out", metavar="PATH", help="the twin file (default: the record's name with .zarr)")
    add_fit(parser)


def run(options: argparse.Namespace) -> int:
    """Calibrate every patient, save the twins whole, print their tables, or on a terminal a line of each where they are
    many; 1 when nobody has a usable twin."""
    from ..calibration.twin import SAVED
    from ..core.own_folder import replaceable
    from .outcome import all_failed, exit_code, explain, show_cohort, tell_all
    from .targets import written_beside
    from .terminal import Progress, at_a_glance, say, sentence, show_twin

    progress = Progress()
    check_fit(options)
    usual = f"{Path(options.record).resolve().stem}.zarr"
    target = written_beside("--out", Path(options.out or usual), usual)
    records = read_record(options)
    progress(f"read {records!r}")
    replaceable(target, SAVED)  # told before minutes are spent
    twins = calibrated(options, records, progress)
    failed = explain(twins)
    if all_failed(twins):
        return 1
    if at_a_glance(len(twins)):
        twins.save(target)
        progress(f"saved {target}")
        say()
        sentence(f"{records.source.name}: {records.counts_sentence}.")
        show_cohort(twins, f"hemotwin show {quote(str(target))} --patient ID")
    else:
        for twin in twins:
            if twin.patient not in failed:
                show_twin(twin)
        twins.save(target)
        progress(f"saved {target}")
        tell_all(twins)
    say("\nNot for clinical use.")
    return exit_code(twins)
