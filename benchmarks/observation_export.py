"""A made-up FHIR export of any size, as NDJSON and as one bundle, for measuring how fast and how small it is read."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

__all__ = ["write_export"]

PEOPLE = 500
_SYSTEM = "http://terminology.hl7.org/CodeSystem"
_CODES = (
    ("8867-4", "Heart rate", 70.0, "/min"), ("8480-6", "Systolic blood pressure", 120.0, "mm[Hg]"),
    ("29463-7", "Body weight", 70.0, "kg"), ("8302-2", "Body height", 170.0, "cm"), ("10230-1", "LVEF", 55.0, "%"),
    ("8741-1", "Cardiac output", 5.0, "L/min"), ("718-7", "Haemoglobin", 14.0, "g/dL"),
    ("2339-0", "Glucose", 90.0, "mg/dL"),
)  # fmt: skip


def write_export(folder: Path, observations: int) -> tuple[Path, Path]:
    """The same resources as export.ndjson and export.json: every fourth observation is a blood pressure panel."""
    draw = random.Random(0)
    lines, bundle = folder / "export.ndjson", folder / "export.json"
    with lines.open("w") as as_lines, bundle.open("w") as as_bundle:
        as_bundle.write('{"resourceType": "Bundle", "type": "collection", "entry": [')
        for number, resource in enumerate(_resources(observations, draw)):
            as_lines.write(json.dumps(resource) + "\n")
            entry = {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}
            as_bundle.write(("," if number else "") + json.dumps(entry))
        as_bundle.write("]}")
    return lines, bundle


def _resources(observations: int, draw: random.Random) -> Iterator[dict[str, Any]]:
    for person in range(PEOPLE):
        yield {"resourceType": "Patient", "id": f"p{person}", "gender": "male", "birthDate": "1960-01-01"}
    for number in range(observations):
        yield _observation(number, draw)


def _observation(number: int, draw: random.Random) -> dict[str, Any]:
    code, name, middle, unit = _CODES[number // PEOPLE % len(_CODES)]
    made: dict[str, Any] = {
        "resourceType": "Observation", "id": f"o{number}", "status": "final",
        "category": [{"coding": [{"system": f"{_SYSTEM}/observation-category", "code": "vital-signs"}]}],
        "subject": {"reference": f"Patient/p{number % PEOPLE}"},
        "encounter": {"reference": f"Encounter/e{number // 8000}"},
        "effectiveDateTime": (datetime(2020, 1, 1) + timedelta(hours=number // PEOPLE * 7)).isoformat(),
    }  # fmt: skip
    if number % 4 == 0:
        parts = [_value(code, "", 120 if code == "8480-6" else 80, "mm[Hg]", draw) for code in ("8480-6", "8462-4")]
        return made | {"code": _concept("85354-9", "Blood pressure"), "component": parts}
    return made | _value(code, name, middle, unit, draw)


def _value(code: str, name: str, middle: float, unit: str, draw: random.Random) -> dict[str, Any]:
    quantity = {"value": round(middle * draw.uniform(0.9, 1.1), 2), "unit": unit, "system": "http://unitsofmeasure.org"}
    return {"code": _concept(code, name), "valueQuantity": quantity | {"code": unit}}


def _concept(code: str, name: str) -> dict[str, Any]:
    coding = {"system": "http://loinc.org", "code": code} | ({"display": name} if name else {})
    return {"coding": [coding], **({"text": name} if name else {})}
