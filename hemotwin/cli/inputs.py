"""What the verbs take: a record, saved twins, a what-if."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = [
    "WHAT_IFS", "add_fit", "add_record", "add_reflex", "add_scenario", "add_twins", "calibrated", "check_fit",
    "read_cohort", "read_record", "read_twins", "reflex_of", "scenarios", "there", "what_first",
]  # fmt: skip

AT_THE_SOURCE = ("check", "map")

# What every twin is asked unless the caller says otherwise.
WHAT_IFS = (["inhaled_nitric_oxide"], ["fluid_bolus", "volume=500 mL", "over=10 min"])
USUAL = "inhaled_nitric_oxide, and fluid_bolus of 500 mL over 10 min"


def add_record(parser: argparse.ArgumentParser) -> None:
    """RECORD and which of its patients."""
    what = "table, FHIR bundle or export, OMOP tables or database, waveform, folder or zip archive"
    parser.add_argument("record", metavar="RECORD", help=what)
    _add_patient(parser)
    parser.add_argument("--mapping", metavar="FILE", help="mapping of a wide table's columns (YAML)")
    parser.add_argument("--governance", metavar="FILE", help="steward, licence, policy and consent register (YAML)")
    parser.add_argument("--audit", metavar="FILE", help="audit log to append to (default: HEMOTWIN_AUDIT)")
    add_choice(parser)


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Which visit and condition of each patient."""
    parser.add_argument(
        "--visit", metavar="WHEN", help="latest, fullest, a date, or an encounter as id:123 (default: latest)"
    )
    parser.add_argument("--window", metavar="SPAN", help='readings that belong to it: "24 h", or two dates as FROM/TO')
    parser.add_argument("--condition", metavar="STATE", help="which condition, such as exercise (default: rest)")


def add_twins(parser: argparse.ArgumentParser) -> None:
    """TWIN and which of its patients."""
    parser.add_argument("twin", metavar="TWIN", help="a folder twin-<patient>, or a .zarr that calibrate saved")
    _add_patient(parser)


def _add_patient(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--patient", action="append", metavar="ID", help="only this patient (may be repeated)")


def add_fit(parser: argparse.ArgumentParser) -> None:
    """Choices of a calibration."""
    parser.add_argument("--prior", default="adult_wide", help="prior of the quantities (default: %(default)s)")
    parser.add_argument("--noise", default="clinical", help="errors of the readings (default: %(default)s)")
    parser.add_argument("--starts", type=int, default=8, help="starting points per patient (default: %(default)s)")
    parser.add_argument(
        "--keep", type=int, default=400, metavar="N",
        help="posterior draws kept per patient; up to three times as many are solved (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="seed of starts and draws (default: %(default)s)")


def check_fit(options: argparse.Namespace) -> None:
    """Raise `InputError` where a number of `add_fit` is too small."""
    from ..core.errors import InputError

    for option, given, least in (("--starts", options.starts, 1), ("--keep", options.keep, 2)):
        if given < least:
            raise InputError(f"{option} must be at least {least}, but got {given}.")


def add_scenario(parser: argparse._ActionsContainer, *, required: bool, usual: str = "") -> None:
    """A what-if with its settings, any number of times; `usual` says what is asked without."""
    parser.add_argument(
        "--scenario", action="append", nargs="+", required=required, metavar=("NAME", "SETTING=VALUE"),
        help='a what-if, such as: --scenario fluid_bolus volume="500 mL" over="10 min" (may be repeated; hemotwin '
        f"catalog scenario lists them{usual and f'; default: {usual}'})",
    )  # fmt: skip


def what_first(parser: argparse.ArgumentParser, what: str, more: str = "") -> None:
    """Usage with RECORD or TWIN before the options: after --scenario or --reflex it would be read as a setting."""
    parser.usage = f"%(prog)s {what} {more}[options]"


def add_reflex(parser: argparse.ArgumentParser) -> None:
    """A reflex that acts in every what-if, with its gains."""
    parser.add_argument(
        "--reflex", nargs="+", metavar=("NAME", "GAIN=VALUE"),
        help="a reflex that answers to the what-if, such as baroreflex, with its published gains unless given "
        "(default: none acts)",
    )  # fmt: skip


def note_read(options: argparse.Namespace, records: Any) -> None:
    """The reading in the audit log, where one is named."""
    from .journal import note, wanted

    if wanted(options):
        from ..records.evidence import evidence_sha256

        facts = records.governance.facts() if records.governance else {}
        note(options, "read", record_sha256=records.sha256, evidence_sha256=evidence_sha256(records),
             counts=records.summary(), policy=facts.get("policy"), purpose=facts.get("purpose"))  # fmt: skip


def read_record(options: argparse.Namespace) -> Any:
    """The records at RECORD, or those of the patients asked for.

    Where the policy asks for pseudonyms a failure is told without its words, which may name a person or a file; only
    the verbs that show the record's own words to whoever holds it tell all.
    """
    from ..records.read import read

    with _failing_without_names(options):
        records = read(options.record, **asked_of(options))
    note_read(options, records)
    if options.patient is None:
        return records
    with _failing_without_names(options):
        return records.select(list(dict.fromkeys(options.patient)))


def asked_of(options: argparse.Namespace) -> dict[str, Any]:
    """What `read` is asked beside the record."""
    asked = {key: getattr(options, key, None) for key in ("mapping", "visit", "window", "condition", "governance")}
    return {key: value for key, value in asked.items() if value is not None}


@contextmanager
def _failing_without_names(options: argparse.Namespace) -> Iterator[None]:
    from ..core.errors import HemotwinError, InputError

    try:
        yield
    except (HemotwinError, OSError) as error:
        if options.verb in AT_THE_SOURCE or not _wants_pseudonyms(options):
            raise
        raise InputError(
            f"the record cannot be read ({type(error).__name__}); its policy asks for pseudonyms and what is wrong may "
            "name a person, so only `hemotwin check` at the source tells it."
        ) from None


def _wants_pseudonyms(options: argparse.Namespace) -> bool:
    """Whether the record's policy keeps names from leaving; a governance that cannot be read is told in full."""
    from ..core.errors import HemotwinError
    from ..records.governance import load_governance

    try:
        policy = load_governance(Path(options.record), getattr(options, "governance", None)).policy
    except (HemotwinError, OSError):
        return False
    return policy is not None and policy.pseudonyms == "required"


def calibrated(options: argparse.Namespace, records: Any, progress: Any) -> Any:
    """Twins of all patients with something usable; those without are named on the way."""
    from ..calibration.fit import calibrate
    from ..physiology.model import circulation
    from ..records.without_twin import where_no_twin, why_no_twin
    from .pace import tell_pace
    from .terminal import few

    why = {one.patient: why_no_twin(records, one.patient) for one in records if not one.counted}
    where = {} if _wants_pseudonyms(options) else where_no_twin(records, why)  # the name of a file may name a person
    for line in few([f"no twin of {p}: {r}" + (f" ({where[p]})" if p in where else "") for p, r in why.items()]):
        progress(line)
    tell_pace(progress)
    progress("calibrating; the first run on a machine compiles, later ones do not")
    twins = calibrate(
        circulation("adult"), records, prior=options.prior, noise=options.noise, starts=options.starts,
        seed=options.seed, draws=options.keep, progress=progress,
    )  # fmt: skip
    skipped = getattr(twins, "skipped", None) or {}
    for line in few([f"no twin of {patient}: {reason}" for patient, reason in skipped.items() if patient not in why]):
        progress(line)
    skipped |= {patient: reason for patient, reason in why.items() if patient in skipped}
    return twins


def read_twins(options: argparse.Namespace) -> list[Any]:
    """The twins saved at TWIN, or those of the patients asked for."""
    return list(read_cohort(options))


def read_cohort(options: argparse.Namespace) -> Any:
    """The same with what was saved beside them, and with the patients without a twin where all are asked for.

    Raises `InputError` with the reason for a patient without a twin.
    """
    from ..calibration.twin import CalibratedTwins, load
    from ..core.errors import InputError

    twins = load(there(options.twin))
    if options.patient is None:
        return twins
    chosen = dict.fromkeys(options.patient)
    for patient in chosen:
        if patient in twins.skipped:
            raise InputError(f"patient {patient!r} has no twin: {twins.skipped[patient].rstrip('.')}.")
    return CalibratedTwins(tuple(twins[patient] for patient in chosen), {}, twins.provenance)


def there(given: str) -> Path:
    """The path of saved twins; raises `InputError` with the nearest name where nothing is there."""
    from ..core.errors import InputError
    from ..records.folder import not_there

    path = Path(given)
    if not path.exists():
        raise InputError(not_there(path, "a .zarr that calibrate saved or a folder twin-<patient>"))
    return path


def scenarios(given: list[list[str]] | None) -> list[Any]:
    """The what-ifs that were asked for, settings checked; the usual two when none was."""
    from ..physiology.scenario import scenario

    example = '--scenario fluid_bolus volume="500 mL"'
    return [scenario(words[0], **_settings("scenario", words, example)) for words in given or WHAT_IFS]


def reflex_of(options: argparse.Namespace, asked: list[Any]) -> dict[str, Any]:
    """What `predict` is told of the reflex, name and gains checked; nothing where none is to act.

    Raises `InputError` where no what-if is asked that it could act in.
    """
    from ..core.errors import InputError
    from ..physiology.model import circulation

    if options.reflex is None:
        return {}
    if not asked:
        raise InputError("--reflex must have a what-if to act in, but none is asked; add --scenario NAME.")
    name, gains = options.reflex[0], _settings("reflex", options.reflex, "--reflex baroreflex resistance_gain=0.2")
    circulation("adult", reflex=name).with_values({f"{name}.{gain}": value for gain, value in gains.items()})
    return {"reflex": name, **({"reflex_gains": gains} if gains else {})}


def _settings(option: str, words: list[str], example: str) -> dict[str, Any]:
    """What follows the name that an option gives, as SETTING=VALUE."""
    from ..core.errors import InputError

    settings: dict[str, Any] = {}
    for word in words[1:]:
        key, sign, value = word.partition("=")
        if not sign or not key or not value:
            raise InputError(
                f"--{option} {words[0]}: settings must be written as SETTING=VALUE, but got {word!r}; "
                f"for example {example}."
            )
        settings[key] = _number_or_text(value)
    return settings


def _number_or_text(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value
