"""`hemotwin twin`: a record becomes calibrated twins, two what-ifs and a page each, written whole or not at all."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.own_folder import replaceable
from ..core.whole_folder import whole_folder
from .inputs import (
    USUAL,
    add_fit,
    add_record,
    add_reflex,
    add_scenario,
    calibrated,
    check_fit,
    read_record,
    reflex_of,
    scenarios,
    what_first,
)

__all__ = ["add_arguments", "apart", "file_name", "run", "write"]

WRITTEN = ("twin.zarr", "waves.zarr", "report.html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    what_first(parser, "RECORD")
    add_record(parser)
    parser.add_argument("--out", metavar="DIR", default=".", help="where twin-<patient>/ is written (default: here)")
    add_fit(parser)
    add_scenario(parser, required=False, usual=USUAL)
    add_reflex(parser)


def run(options: argparse.Namespace) -> int:
    """Read, check, calibrate, predict and write every patient; 1 when nobody has a usable twin."""
    from .outcome import all_failed, exit_code, explain, show_cohort
    from .terminal import Progress, at_a_glance, bullets, say

    progress = Progress()
    check_fit(options)
    asked = scenarios(options.scenario)  # a wrong setting is told before minutes are spent
    reflex = reflex_of(options, asked)
    records = read_record(options)
    progress(f"read {records!r}")
    apart([one.patient for one in records])  # told before minutes are spent, as is the next
    for one in records:
        replaceable(_folder(Path(options.out), one.patient), WRITTEN)
    bullets("Rows that could not be used", _unused(records))
    twins = calibrated(options, records, progress)
    lost = explain(twins)
    if all_failed(twins):
        return 1
    out, brief = Path(options.out), at_a_glance(len(twins))
    for twin in twins:
        if twin.patient not in lost:
            _one(twin, asked, reflex, out, progress, brief)
    if brief:
        show_cohort(twins, f"hemotwin show {out / 'twin-ID'}, or the page in that folder")
    progress(f"done{_seconds(twins)}")
    say("\nNot for clinical use.")
    return exit_code(twins)


def _one(twin: Any, asked: list[Any], reflex: dict[str, Any], out: Path, progress: Any, brief: bool) -> None:
    from ..prediction.predict import predict
    from .terminal import say, show_twin, show_what_if

    if not brief:
        show_twin(twin)
    predictions = []
    for scenario in asked:
        predictions.append(predict(twin, scenario, **reflex)[twin.patient])
        progress(f"{twin.patient}: predicted {predictions[-1].label}")
        if not brief:
            show_what_if(predictions[-1])
    folder = _folder(out, twin.patient)
    write(twin, predictions, folder)
    progress(f"wrote {folder}")
    if not brief:
        say(f"\nThe page: {folder / 'report.html'}")


def _folder(out: Path, patient: str) -> Path:
    return out / f"twin-{file_name(patient)}"


def write(twin: Any, predictions: list[Any], folder: Path) -> None:
    """twin.zarr, waves.zarr and report.html in `folder`, which appears whole or not at all."""
    from ..reports.report import report

    with whole_folder(folder, WRITTEN) as draft:
        twin.save(draft / "twin.zarr")
        _with_plain_names(twin.waves).to_zarr(draft / "waves.zarr", mode="w", consolidated=False)
        report(twin, *predictions, path=draft / "report.html")


def _with_plain_names(waves: Any) -> Any:
    """Names of places as strings of any length: those of fixed length have no settled place in the file format."""
    names = {name: c.astype(object) for name, c in waves.coords.items() if c.dtype.kind == "U"}
    return waves.assign_coords(names)


def file_name(patient: str) -> str:
    """A patient's name as part of a file name: letters, digits, dots, dashes; anything else becomes an underscore."""
    return re.sub(r"[^\w.-]", "_", patient).lstrip(".") or "unnamed"


def apart(patients: Sequence[str]) -> None:
    """Raise `InputError` where two patients would have one file name, so that one result would replace the other."""
    taken: dict[str, str] = {}
    for patient in patients:
        former = taken.setdefault(file_name(patient), patient)
        if former != patient:
            raise InputError(
                f"patients {former!r} and {patient!r} would both be written as {file_name(patient)}: rename one, "
                "or take them one by one with --patient and --out."
            )


def _unused(records: Any, shown: int = 10) -> list[str]:
    """The rows that were quarantined, each with its reason; after ten only how many more."""
    messages, total = [], 0
    for row in records.rows:
        if row.fate == "quarantined":
            total += 1
            if len(messages) < shown:
                messages.append(row.message)
    if total > shown:
        messages.append(f"and {total - shown} more: hemotwin check {records.source.name} --fate quarantined")
    return messages


def _seconds(twins: Any) -> str:
    """The seconds of each stage, compiling apart where it was timed."""
    stages = (getattr(twins, "provenance", None) or {}).get("seconds") or {}
    words = [f"{name.replace('_', ' ')} {value:.1f} s" for name, value in stages.items()]
    return f" ({', '.join(words)})" if words else ""
