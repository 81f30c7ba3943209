"""A synthetic record with the structure and the gaps of a real one, so that work can begin before access is granted."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from ..core.disclaimer import DISCLAIMER
from ..core.errors import InputError, UnitError
from ..core.own_folder import replaceable
from ..core.units import convert
from .codes import codings_of, info, observables
from .marks import MADE_UP, MARK_COLUMN, MARK_SYSTEM, SYNTHETIC
from .mock_omop import TABLES, write_model
from .mock_person import MockPerson, MockReading
from .own_file import own_file
from .structure import CONDITIONS

__all__ = ["FORMS", "load_report", "write_mock"]

FORMS = ("csv", "fhir", "ndjson", "omop")
_ENDINGS = {".csv": "csv", ".json": "fhir", ".ndjson": "ndjson", ".jsonl": "ndjson", "": "omop"}
PEOPLE_LIMIT, READINGS_LIMIT = 100_000, 100_000
_FIRST_DAY = date(2000, 1, 1)
_COLUMNS = ("patient", "observable", "value", "unit", "time", "modality", "condition", "consent", MARK_COLUMN)
_GOVERNANCE = "steward: nobody (synthetic record)\nlicence: CC0-1.0\n"
# by these an earlier mock is known: a table of either kind, a FHIR resource's tag, the governance
_MARKS = (MADE_UP, f'"display": "{SYNTHETIC}. {DISCLAIMER}"', _GOVERNANCE.splitlines()[0])
# what a mock of any form leaves in a folder, and a run that was killed
_IN_FOLDER = ("governance.yaml", *(f"records{end}" for end in _ENDINGS if end), *(f"{name}.parquet" for name in TABLES))
_KILLED = tuple(f".{name}.partial" for name in _IN_FOLDER)
_LABELS = {
    "tag": [{"system": MARK_SYSTEM, "code": "synthetic", "display": f"{SYNTHETIC}. {DISCLAIMER}"}],
    "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}],
}
_RESEARCH = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}
_ADDRESS = {"loinc": "http://loinc.org", "snomed": "http://snomed.info/sct", "mdc": "urn:iso:std:iso:11073:10101"}
_METHODS = {"cuff": "non-invasive cuff", "fick": "Fick", "cmr": "cardiac MRI", "flow4d": "4D flow MRI"}


def load_report(path: str | Path) -> dict[str, Any]:
    """The JSON of `hemotwin readiness --json`; raises `InputError` unless it has a `structure` that can be followed."""
    name = Path(path).name
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{name}: the report cannot be read as JSON ({type(error).__name__}).") from None
    structure = report.get("structure") if isinstance(report, Mapping) else None
    if not isinstance(structure, Mapping) or not isinstance(structure.get("patients"), list):
        raise InputError(f"{name}: no `structure` in it; make it with `hemotwin readiness RECORD --json {name}`.")
    people = structure["patients"]
    if len(people) > PEOPLE_LIMIT or any(not isinstance(one, list) or len(one) > READINGS_LIMIT for one in people):
        raise InputError(f"{name}: more than {PEOPLE_LIMIT:,} patients, or more than that many readings of one.")
    for number, held in enumerate(people, 1):
        for one in held:
            if not isinstance(one, Mapping) or not _known(one.get("name")):
                raise InputError(f"{name}: patient {number} has a reading that is not known ({str(one)[:60]}).")
    return dict(report)


def write_mock(report: Mapping[str, Any], path: str | Path, form: str | None = None, seed: int = 0) -> list[Path]:
    """Write the synthetic record in a form of `FORMS` and return the files; the same seed gives the same.

    Of the report only `structure` is used, and whether it names steward and licence. Each patient of the real record
    has one here with the same readings on days about as far apart, taken the same way, in the same units, and with the
    same gaps: values that cannot be used ("NA"), no unit, no time, no method, no consent. Values are those of a
    `MockPerson`.
    `form` is "csv", "fhir" (a bundle), "ndjson" or "omop" (a folder of tables), by default what the path's ending says
    (none: omop). A path without an ending is a folder in every form; one that ends as another form is refused. FHIR has
    no field for a condition, so readings in another than rest are left to the other forms. Only an earlier mock record
    is replaced: `InputError` is raised before anything is written where another file stands in the place of one, or in
    a folder that is to be written, which is read whole. Of an earlier mock nothing stays: neither a table in the
    folder, in whatever form, nor its governance.
    """
    chosen, target, governance = _places(Path(path), form)
    rows = list(_rows(report["structure"], np.random.default_rng(seed)))
    earlier = _earlier(Path(path), target, governance)
    if chosen == "omop":
        written = write_model(rows, target, earlier)
    else:
        text = _text(chosen, rows)
        for one in earlier:
            if one != target:  # which is replaced whole
                one.unlink()
        written = [_whole(target, text)]
    if report.get("steward") and report.get("licence"):
        written.append(_whole(governance, _GOVERNANCE))
    return written


def _earlier(place: Path, target: Path, governance: Path) -> list[Path]:
    """Files of an earlier mock that would be read with this one, or as it."""
    found = [target, governance]
    if governance.parent == place:  # a folder
        replaceable(place, (*_IN_FOLDER, *_KILLED))
        for one in _KILLED:
            (place / one).unlink(missing_ok=True)
        found = [place / name for name in _IN_FOLDER]
    for one in found:
        own_file(one, _MARKS, "the mock record")
    return [one for one in found if one.exists()]


def _text(form: str, rows: list[MockReading]) -> str:
    if form == "csv":
        return _table(rows)
    if form == "ndjson":
        return "".join(f"{json.dumps(resource)}\n" for resource in _resources(rows))
    bundle = {"resourceType": "Bundle", "type": "collection", "meta": _LABELS}
    return json.dumps(bundle | {"entry": [{"resource": r} for r in _resources(rows)]}, indent=1)


def _places(target: Path, form: str | None) -> tuple[str, Path, Path]:
    """The form, where the record goes, and where its governance."""
    ending = target.suffix.lower()
    chosen = form or _ENDINGS.get(ending, "csv")
    if chosen not in FORMS:
        raise InputError(f"`form` must be one of {', '.join(FORMS)}, but got {form!r}.")
    if ending and _ENDINGS.get(ending, chosen) != chosen:
        raise InputError(f"`{target.name}` must end as the form {chosen} does, or have no ending for a folder.")
    if chosen == "omop":
        return chosen, target, target / "governance.yaml"
    if ending:
        return chosen, target, target.with_name(f"{target.stem}_governance.yaml")
    file = "records" + next(end for end, form in _ENDINGS.items() if form == chosen)
    return chosen, target / file, target / "governance.yaml"


def _rows(structure: Mapping[str, Any], random: np.random.Generator) -> Iterator[MockReading]:
    units = structure.get("units") or {}
    for number, held in enumerate(structure["patients"], 1):
        person, met = MockPerson(random), {}
        if not held:  # an empty cell lists a patient who has nothing
            yield MockReading(f"mock-{number}", "sbp", "", info("sbp").unit, "", "", "", "")
        for one in held:
            for method in one.get("methods") or [""]:
                again = met[one["name"]] = met.get(one["name"], -1) + 1
                yield _row(f"mock-{number}", one, method, person.value(one["name"], again), units)
        for extra in range(1, int(structure.get("unrecognised") or 0) + 1 if number == 1 else 1):
            yield MockReading("mock-1", f"unrecognised {extra}", "1", "", "", "", "", "")


def _row(
    patient: str, one: Mapping[str, Any], method: str, value: float | str, units: Mapping[str, str]
) -> MockReading:
    name, day, condition = one["name"], one.get("day"), one.get("condition")
    time = "" if type(day) is not int else (_FIRST_DAY + timedelta(min(max(day, 0), 36_500))).isoformat()
    text, unit = (value, "") if isinstance(value, str) else _written(value, info(name).unit, units.get(name))
    if not one.get("measured"):
        text, unit = (text, "") if not one.get("unit", True) else ("NA", unit)
    return MockReading(patient, name, text, unit, time, method if name in observables() else "",
                condition if condition in CONDITIONS and condition != "rest" else "",
                "research" if one.get("consent") else "")  # fmt: skip


def _written(value: float, inside: str, unit: str | None) -> tuple[str, str]:
    try:
        return (f"{convert(value, inside, unit):.4g}", unit) if unit else (f"{value:g}", inside)
    except UnitError:
        return f"{value:g}", inside


def _table(rows: list[MockReading]) -> str:
    text = io.StringIO()
    text.write(f"# {MADE_UP} {DISCLAIMER}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in rows:
        writer.writerow((one.patient, one.name, one.value, one.unit, one.time, one.modality, one.condition, one.consent,
                         SYNTHETIC))  # fmt: skip
    return text.getvalue()


def _resources(rows: list[MockReading]) -> list[dict[str, Any]]:
    people = dict.fromkeys(one.patient for one in rows)
    found: list[dict[str, Any]] = [{"resourceType": "Patient", "id": name, "meta": _LABELS} for name in people]
    return found + [_observation(one) for one in rows if one.value and not one.condition]


def _observation(one: MockReading) -> dict[str, Any]:
    codes = [{"system": _ADDRESS[system], "code": code} for system, code in codings_of(one.name, one.modality or None)]
    meta = _LABELS | ({"security": [*_LABELS["security"], _RESEARCH]} if one.consent else {})
    made: dict[str, Any] = {
        "resourceType": "Observation", "meta": meta, "status": "final",
        "code": {**({"coding": codes} if codes else {}), "text": one.name},
        "subject": {"reference": f"Patient/{one.patient}"}, "note": [{"text": f"{SYNTHETIC}. {DISCLAIMER}"}],
    }  # fmt: skip
    if one.time:
        made["effectiveDateTime"] = one.time
    if one.modality:
        made["method"] = {"text": _METHODS.get(one.modality, one.modality)}
    return made | _value(one)


def _value(one: MockReading) -> dict[str, Any]:
    if one.value == "NA":
        return {"dataAbsentReason": {"text": "unknown"}}
    if one.name == "sex":
        return {"valueCodeableConcept": {"coding": [{"system": "http://hl7.org/fhir/administrative-gender",
                                                      "code": one.value}], "text": one.value}}  # fmt: skip
    code = {"system": "http://unitsofmeasure.org", "code": _ucum(one.unit)}
    return {"valueQuantity": {"value": float(one.value), **({"unit": one.unit, **code} if one.unit else {})}}


def _ucum(unit: str) -> str:
    return re.sub(r"mmHg", "mm[Hg]", unit)


def _known(name: Any) -> bool:
    try:
        return isinstance(name, str) and info(name) is not None
    except KeyError:
        return False


def _whole(target: Path, text: str) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.partial")
    draft.write_text(text, encoding="utf-8")
    return draft.replace(target)
