"""Write the nine patients of configs/records/ph9.csv as FHIR R4 bundles, one each, into configs/records/ph9/.

    python scripts/make_ph9_bundles.py [--into FOLDER]

The bundles hold what the table holds and nothing more: no heart rate, no date, no age where the paper has none. The
same table gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import hemotwin as ht
from hemotwin.core.configs import config_path
from hemotwin.records import MeasurementSet

SOURCE = "https://doi.org/10.1098/rsif.2022.0735"
LICENCE = {"system": "https://spdx.org/licenses", "code": "CC-BY-4.0", "display": "Colunga et al. 2023, Tables 1 and 2"}
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
UNITS = {"mmHg": "mm[Hg]", "L/min": "L/min", "a": "a", "cm": "cm", "kg": "kg"}
PANELS = [  # (panel code, display, method, [(observable, code, display)])
    ("85354-9", "Blood pressure panel with all children optional", "cuff", [
        ("sbp", "8480-6", "Systolic blood pressure"),
        ("dbp", "8462-4", "Diastolic blood pressure"),
        ("map", "8478-0", "Mean blood pressure"),
    ]),
    ("60996-6", "Right atrial pressure", "catheter", [
        ("ra_pressure_max", "60998-2", "Right atrial pressure Systolic"),
        ("ra_pressure_min", "60997-4", "Right atrial pressure Diastolic"),
    ]),
    ("76284-9", "Pulmonary artery Blood pressure", "catheter", [
        ("pa_pressure_systolic", "8440-0", "Pulmonary artery Systolic blood pressure"),
        ("pa_pressure_diastolic", "8385-7", "Pulmonary artery Diastolic blood pressure"),
        ("pa_pressure_mean", "8414-5", "Pulmonary artery Mean blood pressure"),
    ]),
]  # fmt: skip
SINGLE = [
    ("rv_pressure_max", "8432-7", "Right ventricular Intrachamber systolic pressure", "catheter"),
    ("rv_pressure_min", "8377-4", "Right ventricular Intrachamber diastolic pressure", "catheter"),
    ("pcwp_mean", "75994-4", "Pulmonary artery wedge pressure", "catheter"),
    ("cardiac_output", "8737-9", "Left ventricular Cardiac output by Indicator dilution", "thermodilution"),
]
BODY = [
    ("age", "30525-0", "Age", "a"),
    ("height", "8302-2", "Body height", "cm"),
    ("weight", "29463-7", "Body weight", "kg"),
]


def main() -> None:
    """Write every bundle and say where."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=config_path("records") / "ph9")
    folder = parser.parse_args().into
    folder.mkdir(parents=True, exist_ok=True)
    for patient in ht.read(config_path("records", "ph9.csv")):
        path = folder / f"{patient.patient}.json"
        path.write_text(json.dumps(bundle(patient), indent=1) + "\n", encoding="utf-8")
        print(path)


def bundle(patient: MeasurementSet) -> dict[str, Any]:
    """One patient as a FHIR R4 collection bundle."""
    values = {m.observable: (m.value, m.unit) for m in patient}
    person = {"resourceType": "Patient", "id": patient.patient, "meta": {"source": SOURCE}}
    if "sex" in patient.covariates:
        person["gender"] = patient.covariates["sex"]
    resources = [person]
    for name, code, display, unit in BODY:
        if name in patient.covariates:
            resources.append(
                observation(patient.patient, name, code, display) | quantity(patient.covariates[name], unit)
            )
    for panel, display, method, parts in PANELS:
        present = [part for part in parts if part[0] in values]
        whole = observation(patient.patient, panel, panel, display, method)
        whole["component"] = [{"code": concept(code, text)} | quantity(*values[name]) for name, code, text in present]
        resources += [whole] if present else []
    for name, code, display, method in SINGLE:
        if name in values:
            resources.append(observation(patient.patient, name, code, display, method) | quantity(*values[name]))
    entries = [{"fullUrl": f"{r['resourceType']}/{r['id']}", "resource": r} for r in resources]
    meta = {"source": SOURCE, "tag": [LICENCE]}
    return {
        "resourceType": "Bundle",
        "id": f"ph9-{patient.patient}",
        "meta": meta,
        "type": "collection",
        "entry": entries,
    }


def observation(patient: str, name: str, code: str, display: str, method: str | None = None) -> dict[str, Any]:
    """An Observation without its value."""
    made = {
        "resourceType": "Observation",
        "id": f"{patient}-{name.replace('_', '-')}",
        "status": "final",
        "code": concept(code, display),
        "subject": {"reference": f"Patient/{patient}"},
    }
    return made | ({"method": {"text": method}} if method else {})


def concept(code: str, display: str) -> dict[str, Any]:
    """A LOINC code as a CodeableConcept."""
    return {"coding": [{"system": LOINC, "code": code, "display": display}]}


def quantity(value: float, unit: str) -> dict[str, Any]:
    """A value with its UCUM unit; whole numbers stay whole, as in the paper's tables."""
    number = int(value) if float(value).is_integer() else value
    return {"valueQuantity": {"value": number, "unit": unit, "system": UCUM, "code": UNITS[unit]}}


if __name__ == "__main__":
    main()
