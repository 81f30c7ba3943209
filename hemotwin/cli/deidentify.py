"""`hemotwin deidentify`: a record becomes a table without names, with moved dates, that may be handed on."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from ..core.disclaimer import DISCLAIMER

__all__ = ["add_arguments", "run"]

MADE_BY = "de-identified: keyed pseudonyms, moved dates."  # by this an earlier table is known as one of ours


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    from .inputs import add_choice

    parser.add_argument("record", nargs="?", metavar="RECORD", help="CSV table, FHIR R4 bundle, or folder")
    out = "the table, which replaces an earlier one of its kind alone (default: %(default)s)"
    parser.add_argument("--out", metavar="FILE", default="deidentified.csv", help=out)
    parser.add_argument("--mapping", metavar="FILE", help="mapping of a wide table's columns (YAML)")
    parser.add_argument("--governance", metavar="FILE", help="steward, licence, policy and consent register (YAML)")
    parser.add_argument("--audit", metavar="FILE", help="audit log to append to (default: HEMOTWIN_AUDIT)")
    add_choice(parser)
    parser.add_argument("--key-file", metavar="FILE", help="the key (default: the file in HEMOTWIN_KEY_FILE)")
    parser.add_argument("--new-key", metavar="FILE", help="make a key, and nothing else")
    shared = (
        "distinct people, not visits, who must share sex, age, body size and pattern of times (default: the policy's, "
        "or 5; 1: not checked); patients whom the source does not name count as one"
    )
    parser.add_argument("--k", type=int, metavar="K", help=shared)
    coarser = (
        "round age (a), height (cm), weight (kg), bsa (m2) or time (d: time=1 keeps the day); NAME=none leaves it out"
    )
    parser.add_argument("--round", action="append", default=[], metavar="NAME=STEP", help=coarser)


def run(options: argparse.Namespace) -> int:
    """Read, replace, check k-anonymity, write the table, say what left; no message holds a word of the record."""
    from ..core.errors import InputError
    from ..records.secret import load_secret, new_secret
    from .inputs import note_read
    from .journal import note
    from .terminal import say

    if options.new_key:
        new_secret(options.new_key)
        say("The key is written. Keep it apart from the records; without it pseudonyms cannot be made again.")
        return 0
    if options.record is None:
        raise InputError("RECORD must be given, or --new-key FILE to make a key first.")
    key, steps = load_secret(options.key_file), _steps(options.round)
    _check(options)
    records = _read(options)
    note_read(options, records)
    counts, written, again = _write(records, key, steps, options)
    note(options, "de-identified", counts=counts, files=written)
    say(
        f"{counts['patients']} patients, {counts['rows']} rows: {counts['used']} used, {counts['derived']} derived "
        f"(left out: functions of others), {counts['duplicate']} duplicate, {counts['quarantined']} withheld."
    )
    if again:
        say(again)
    say("Written are readings of one visit of each patient; withheld is what is of another (--visit, --window), not")
    say("usable or not permitted.")
    say("Dates are moved: no Safe Harbor dates. Not for clinical use.")
    return 0


def _check(options: argparse.Namespace) -> None:
    """Raise `InputError` for a k below 1, a file that is missing, or a table that would replace what is not ours.

    Told before the record is read; a path that was given for reading is not repeated, as it may name a person.
    """
    from ..core.errors import InputError
    from ..records.own_file import apart_from, own_file

    if options.k is not None and options.k < 1:
        raise InputError(f"--k must be a whole number of people of at least 1 (1: not checked), but got {options.k}.")
    given = {"RECORD": options.record, "--mapping": options.mapping, "--governance": options.governance}
    for option, path in given.items():
        if path and "://" not in path and not os.path.exists(path):
            what = "file or folder" if option == "RECORD" else "file"
            raise InputError(f"{option} is not there: no {what} has the path that was given; check its spelling.")
        if path:
            apart_from(options.out, path, "--out")
    own_file(options.out, (MADE_BY,), "--out")


def _read(options: argparse.Namespace) -> Any:
    """The records; a failure is told without its words, which may quote the record."""
    from ..core.errors import HemotwinError, InputError
    from ..records.read import read
    from .inputs import asked_of

    try:
        return read(options.record, **asked_of(options))
    except (HemotwinError, OSError) as error:
        reason = type(error).__name__
    raise InputError(
        f"the record cannot be read ({reason}); what is wrong may name a person, so only `hemotwin check` at the "
        "source tells it."
    )


def _write(
    records: Any, key: Any, steps: dict[str, float | None], options: argparse.Namespace
) -> tuple[dict[str, int], list[str], str]:
    """The table as the policy lets it go, and whose it is beside it; counts of rows, hashes, who is there twice."""
    from ..core.errors import InputError
    from ..core.provenance import sha256_of
    from ..records.anonymity import as_shown, check_anonymity, shown_of
    from ..records.deidentify import deidentify
    from ..records.persons import persons_of
    from ..records.write import write_csv

    safe = deidentify(records, key)
    policy, licence = (safe.governance.policy, safe.governance.licence) if safe.governance else (None, "")
    if policy and "csv" not in policy.formats:
        raise InputError(f"policy {policy.name} permits {', '.join(policy.formats)}, but no table (csv).")
    if policy and policy.licences is not None and licence not in policy.licences:
        raise InputError(
            f"policy {policy.name} permits the licences {', '.join(policy.licences)}; this is another one."
        )
    coarser = {**(policy.rounding if policy else {}), **steps}
    sets = [as_shown(one, coarser) for one in safe]
    leaving = [one for one in sets if one.counted or one.covariates]
    k = options.k if options.k is not None else policy.k if policy else 5
    persons = persons_of(list(safe))  # by the values in full: rounding would make strangers alike
    shown = [shown_of(one, person=persons[one.patient]) for one in leaving]
    check_anonymity(shown, max(k, policy.k if policy else 1))
    told = safe.governance if safe.governance and safe.governance.facts() else None
    beside = _beside(options)
    _withdraw(beside, replaced=told is not None)  # first: beside another table it would permit what nobody permitted
    written = [write_csv(leaving, options.out, f"{MADE_BY} {DISCLAIMER}")]
    if told:
        written.append(_governance(told, [one.patient for one in leaving], beside))
    return safe.summary(), [sha256_of(path) for path in written], _again([persons[one.patient] for one in leaving])


def _again(persons: list[str]) -> str:
    """How many patients of the table are further visits of others, which the table itself cannot tell; "" for none."""
    known = [person for person in persons if person]
    if not (more := len(known) - len(set(known))):
        return ""
    what = "is a further visit" if more == 1 else "are further visits"
    return (
        f"{more} of the {len(persons)} patients written {what} of another (by an identifier, a link, or values to the "
        "digit).\nIt counts once for k here; the table does not tell, so that what reads it counts every patient."
    )


def _beside(options: argparse.Namespace) -> Path:
    """Where the governance of the table is looked for; raises `InputError` where one is there that is not ours."""
    from ..records.own_file import apart_from, own_file

    out = Path(options.out)
    target, option = out.with_name(f"{out.stem}_governance.yaml"), "what is said of governance beside --out"
    record = Path(options.record)
    for path in (options.governance, record.with_name(f"{record.stem}_governance.yaml"), record):
        if path:
            apart_from(target, path, option)
    own_file(target, (MADE_BY,), option)
    return target


def _withdraw(beside: Path, replaced: bool) -> None:
    """Remove what an earlier run said of governance, and say so where nothing takes its place."""
    from .terminal import say

    if not beside.is_file():
        return
    beside.unlink()
    if not replaced:
        say(f"{beside.name} of an earlier run is removed: nothing is known of the governance of this record.")


def _governance(governance: Any, patients: list[str], target: Path) -> Path:
    """Steward, licence, policy and the permission under which each patient was read, beside the table."""
    import yaml

    data = {"steward": governance.steward, "licence": governance.licence}
    data = {name: value for name, value in data.items() if value}
    if governance.policy:
        data["policy"] = governance.policy.name
        data["consent"] = [{"patient": patient, "purpose": governance.policy.purpose, "decision": "permit"}
                           for patient in patients]  # fmt: skip
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    target.write_text(f"# {MADE_BY} {DISCLAIMER}\n{text}", encoding="utf-8")
    return target


def _steps(given: list[str]) -> dict[str, float | None]:
    from ..core.errors import InputError
    from ..records.anonymity import ROUNDED, check_steps

    steps: dict[str, float | None] = {}
    for word in given:
        name, _, step = word.partition("=")
        try:
            steps[name] = None if step == "none" else float(step)
        except ValueError:
            raise InputError(f"--round must be written as NAME=STEP with one of {', '.join(ROUNDED)} and a number or "
                             "none, as in --round age=10.") from None  # fmt: skip
    check_steps(steps, "--round")
    return steps
