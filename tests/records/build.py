"""Small records to read: a table from rows, a bundle from resources."""

import json
from pathlib import Path
from typing import Any

import hemotwin as ht
from hemotwin.records import Records, RowFate

LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"


def table(folder: Path, *rows: str, header: str = "patient,observable,value,unit", name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def read_rows(folder: Path, *rows: str, header: str = "patient,observable,value,unit") -> Records:
    return checked(ht.read(table(folder, *rows, header=header)))


def bundle(folder: Path, *resources: Any, name: str = "b.json") -> Path:
    path = folder / name
    entries = [{"resource": resource} for resource in resources]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    return path


def read_bundle(folder: Path, *resources: Any) -> Records:
    return checked(ht.read(bundle(folder, *resources)))


def concept(*codes: str, system: str = LOINC) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for code in codes]}


def quantity(value: Any, unit: str = "mm[Hg]") -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def observation(code: dict[str, Any], value: Any = None, unit: str = "mm[Hg]", **more: Any) -> dict[str, Any]:
    made = {"resourceType": "Observation", "status": "final", "code": code, "subject": {"reference": "Patient/A"}}
    return made | ({} if value is None else {"valueQuantity": quantity(value, unit)}) | more


def component(*codes: str, value: Any, unit: str = "mm[Hg]") -> dict[str, Any]:
    return {"code": concept(*codes), "valueQuantity": quantity(value, unit)}


def checked(records: Records) -> Records:
    """The records, after holding them to the rule that every row has one fate and used rows are measurements."""
    counts = records.summary()
    assert counts["rows"] == counts["used"] + counts["derived"] + counts["duplicate"] + counts["quarantined"]
    assert counts["rows"] == len(records.table())
    assert all(row.fate == "used" or row.reason for row in records.rows)
    return records


def only(records: Records) -> RowFate:
    (row,) = records.rows
    return row


def values(records: Records, patient: str = "A") -> dict[tuple[str, str], float | None]:
    return {m.channel: m.value for m in records[patient]}
