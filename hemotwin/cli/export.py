"""`hemotwin export`: saved twins and what-ifs leave as FHIR, CSV, Parquet or RO-Crate, if their policy permits."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .inputs import add_reflex, add_scenario, add_twins, read_twins, reflex_of, scenarios, what_first

__all__ = ["add_arguments", "run"]

CRATE = ("ro-crate-metadata.json", "twins.csv", "twin-*.json")
BUNDLES = ("twin-*.fhir.json",)
_ENDINGS = {"fhir": ".fhir.json", "csv": ".csv", "parquet": ".parquet", "rocrate": ".crate"}
_SEVERAL = ".fhir"  # of the folder that holds a bundle of each of several twins
_OF_FILES = {".json", ".ndjson", ".jsonl", ".csv", ".parquet", ".xml", ".html", ".htm", ".txt", ".zip"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    what_first(parser, "TWIN", "--to {fhir,csv,parquet,rocrate} ")
    add_twins(parser)
    parser.add_argument("--to", required=True, choices=tuple(_ENDINGS), help="the form")
    parser.add_argument("--out", metavar="PATH", help="a file; a folder for rocrate, and for fhir of several twins "
                        "(default: the twin's name with an ending)")  # fmt: skip
    add_scenario(parser, required=False, usual="none")
    add_reflex(parser)
    parser.add_argument("--policy", metavar="NAME", help="a policy in configs/policies/ or a YAML file (default: the "
                        "one under which the record was read)")  # fmt: skip
    parser.add_argument("--governance", metavar="FILE", help="the present consent register and policy of the record")
    parser.add_argument("--key-file", metavar="FILE", help="the key of the pseudonyms, to find them in the register")
    parser.add_argument("--audit", metavar="FILE", help="audit log to append to (default: HEMOTWIN_AUDIT)")


def run(options: argparse.Namespace) -> int:
    """Ask the policy, predict what was asked for, write, note it in the audit log."""
    from ..core.errors import HemotwinError
    from .journal import note
    from .terminal import say, sentence

    try:
        twins, policies = _released(options)
    except HemotwinError as error:
        note(options, "export refused", form=options.to, reason=type(error).__name__)
        raise
    policy = ", ".join(one.name for one in policies) or None
    target = _target(options, len(twins))  # told before minutes are spent
    predictions = _predictions(options, twins)
    evidence = sorted({str(twin.provenance.get("evidence_sha256")) for twin in twins})
    note(options, "export", form=options.to, policy=policy, twins=len(twins), predictions=len(predictions),
         evidence_sha256=evidence)  # fmt: skip
    written = _write(options.to, twins, predictions, target)
    note(options, "exported", files=_digests(written))
    for path in written:
        say(str(path))
    count = "1 twin" if len(twins) == 1 else f"{len(twins)} twins"
    say(f"{count}, every value marked as measured or predicted. Not for clinical use.")
    if policy is None:
        sentence(_unchecked(twins))
    elif any(one.k > 1 for one in policies):
        sentence(
            "k counts every twin as a person: whether two patients of the record are one person, a twin does not tell."
        )
    return 0


def _released(options: argparse.Namespace) -> tuple[list[Any], list[Any]]:
    """The twins that the policies let go, as they let them go, and these; without any policy all twins."""
    from ..records.governance import load_governance
    from ..records.policy import load_policy

    twins = read_twins(options)
    governance = load_governance(Path(), options.governance or {})
    known = {twin.provenance.get("policy") for twin in twins} - {None}
    policy = load_policy(options.policy) if options.policy else governance.policy
    policies = [policy] if policy else [load_policy(name) for name in sorted(known)]
    if not policies:
        return twins, []
    from ..reports.release import released

    for one in policies:
        twins = released(twins, options.to, one, governance.register, _pseudonyms(options))
    return twins, policies


def _unchecked(twins: list[Any]) -> str:
    """What nobody asked of an export without a policy, and how far it singles people out."""
    from ..reports.release import smallest_crowd

    k = smallest_crowd(twins)
    alone = "at least one of them is alone" if k == 1 else f"the rarest are {k} people alike"
    return (
        "No policy: neither consent, pseudonyms, licence nor k-anonymity was asked for. In sex, age, body size and "
        f"site {alone}. Before it leaves your hands choose one with --policy care, research or open."
    )


def _pseudonyms(options: argparse.Namespace) -> Any:
    if options.key_file is None:
        return None
    from ..records.deidentify import Deidentifier
    from ..records.secret import load_secret

    return Deidentifier(load_secret(options.key_file)).pseudonym


def _predictions(options: argparse.Namespace, twins: list[Any]) -> list[Any]:
    asked = scenarios(options.scenario) if options.scenario else []
    reflex = reflex_of(options, asked)
    if not asked:
        return []
    from ..prediction.predict import predict

    return [predict(twin, scenario, **reflex)[twin.patient] for twin in twins for scenario in asked]


def _names(form: str, count: int) -> tuple[str, ...]:
    """What the folder of this form holds, as patterns; none where the form is one file."""
    if form == "rocrate":
        return CRATE
    return BUNDLES if form == "fhir" and count > 1 else ()


def _target(options: argparse.Namespace, count: int) -> Path:
    """Where the export goes; raises `InputError` where a folder is named like a file or may not be replaced, and where
    a folder stands in the place of a file."""
    from ..core.errors import InputError
    from ..core.own_folder import replaceable
    from .targets import folder_instead, writable_file, written_beside

    names = _names(options.to, count)
    ending = _SEVERAL if names == BUNDLES else _ENDINGS[options.to]
    usual = f"{Path(options.twin).resolve().name.removesuffix('.zarr')}{ending}"
    target = Path(options.out or usual)
    if not names:
        writable_file("--out", str(target), usual)
        return target
    written_beside("--out", target, usual)
    if target.suffix.lower() in _OF_FILES and not target.is_dir():
        what = f"{count} twins make {count} bundles" if names == BUNDLES else "an RO-Crate is several files"
        alone = ", or one patient with --patient ID" if names == BUNDLES else ""
        raise InputError(
            f"--out must be a folder, as {what}, but got {target}: give a folder, as in --out "
            f"{folder_instead(target)}{alone}."
        )
    replaceable(target, names)
    return target


def _write(form: str, twins: list[Any], predictions: list[Any], target: Path) -> list[Path]:
    from ..reports import export_table

    target.parent.mkdir(parents=True, exist_ok=True)
    if form == "csv":
        return [export_table.write_csv(export_table.export_rows(twins, predictions), target)]
    if form == "parquet":
        return [export_table.write_parquet(export_table.export_rows(twins, predictions), target)]
    names = _names(form, len(twins))
    if not names:
        return [_bundle(twins[0], predictions, target)]
    from ..core.whole_folder import whole_folder

    with whole_folder(target, names) as draft:  # bundles of an earlier export would pass as some of this one
        if form == "rocrate":
            from ..reports.ro_crate import write_crate

            write_crate(twins, draft, predictions)
        else:
            for number, twin in enumerate(twins, 1):
                _bundle(twin, predictions, draft / f"twin-{number}.fhir.json")
    return sorted(target.iterdir())


def _bundle(twin: Any, predictions: list[Any], path: Path) -> Path:
    """Write one twin as a FHIR bundle, whole or not at all."""
    import json

    from ..core.whole_file import write_whole
    from ..reports.fhir_bundle import fhir_bundle

    return write_whole(path, json.dumps(fhir_bundle(twin, predictions), indent=1, allow_nan=False))


def _digests(paths: list[Path]) -> list[str]:
    from ..core.provenance import sha256_of

    return [sha256_of(path) for path in paths]
