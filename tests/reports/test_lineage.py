"""The lineage lists the rows that the twin was made of, and no others."""

from __future__ import annotations

import dataclasses
import json

import pytest

import hemotwin as ht
from hemotwin.calibration.fit import _source
from hemotwin.calibration.lanes import usable
from hemotwin.calibration.twin import CalibratedTwins, load
from hemotwin.cli import main
from hemotwin.physiology.observable import all_observables
from hemotwin.records.evidence import evidence_sha256
from hemotwin.records.rows import RowFate
from hemotwin.reports.lineage import lineage
from tests.records.build import bundle, component, concept, observation, quantity, table
from tests.reports.example_twin import example_twin, fit

GOVERNANCE = {"steward": "Cardiology, Example Hospital", "licence": "CC-BY-4.0", "policy": "care"}


def twin_of(records, patient="A"):
    """A stand-in twin of a record: its fit rows are those that a calibration would make of the usable readings."""
    one = records[patient]
    kept, aside = usable(one, list(all_observables()))
    ready = fit()[0]
    rows = tuple(dataclasses.replace(ready, observable=m.observable, label=m.observable, origin=m.origin) for m in kept)
    rows += tuple(dataclasses.replace(ready, observable=m.observable, counted=False, origin=m.origin)
                  for m in one.measurements if m.kind == "derived")  # fmt: skip
    return example_twin(
        patient=patient, fit=rows, rows=records.rows_of(patient), assumptions=tuple(aside), provenance=_source(records)
    )


def test_lineage_is_the_rows_used_and_no_others(tmp_path):
    rows = ("A,sbp,118,mmHg", "A,dbp,71,mmHg", "A,map,87,mmHg", "A,sbp,118,mmHg", "A,hr,fast,/min", "A,age,60,a",
            "A,ci,2.6,L/(min.m2)", "A,sex,f,", "B,sbp,99,mmHg")  # fmt: skip
    records = ht.read(table(tmp_path, *rows), governance=GOVERNANCE)
    found = lineage(twin_of(records))
    used = {row.origin: use for row, use in found.rows}
    assert used == {
        "t.csv line 2": "reading: sbp", "t.csv line 3": "reading: dbp", "t.csv line 7": "covariate of the prior",
        "t.csv line 9": "covariate of the prior",
    }  # fmt: skip


def test_lineage_of_a_bundle_tells_components_of_one_entry_apart(tmp_path):
    records = ht.read(bundle(
        tmp_path,
        {"resourceType": "Patient", "id": "A", "gender": "female", "birthDate": "1960-01-01"},
        observation(concept("76284-9"), effectiveDateTime="2024-01-01",
                    component=[component("8480-6", value=40), component("8462-4", value=700)]),
        observation(concept("8302-2"), valueQuantity=quantity(170, "cm")),
    ))  # fmt: skip
    origins = {row.origin for row, _ in lineage(twin_of(records)).rows}
    assert origins == {"b.json entry 1 gender", "b.json entry 1 birthDate", "b.json entry 2 component 1",
                       "b.json entry 3"}  # fmt: skip


def test_steward_and_licence_travel_with_every_twin(tmp_path):
    records = ht.read(table(tmp_path, "A,sbp,118,mmHg", "B,sbp,121,mmHg"), governance=GOVERNANCE)
    facts = _source(records)
    assert facts["record"] == "t.csv" and facts["record_sha256"] == records.sha256
    assert facts["evidence_sha256"] == evidence_sha256(records)
    assert {name: facts[name] for name in GOVERNANCE} == GOVERNANCE and facts["purpose"] == "care"
    assert _source(records.select("A"))["steward"] == GOVERNANCE["steward"]
    assert lineage(twin_of(records)).facts["licence"] == "CC-BY-4.0"


def test_twin_saved_before_readings_knew_their_rows_lists_what_was_used():
    twin = example_twin(fit=tuple(dataclasses.replace(row, origin="") for row in fit()))
    assert {row.fate for row, _ in lineage(twin).rows} == {"used"}
    assert {use for _, use in lineage(twin).rows} == {"reading or covariate"}


def test_command_line_lists_the_rows_of_a_saved_twin(tmp_path, capsys):
    twin = example_twin()
    CalibratedTwins((twin,), {}, twin.provenance).save(tmp_path / "t.zarr")
    assert load(tmp_path / "t.zarr")["P2"].fit == twin.fit
    assert main(["lineage", str(tmp_path / "t.zarr")]) == 0
    shown = capsys.readouterr().out
    assert shown.count("example.csv row") == 12 and "row 14" not in shown and "record sha256: 0f0f" in shown
    assert main(["lineage", str(tmp_path / "t.zarr"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 12


@pytest.mark.parametrize("fate", ["derived", "duplicate", "quarantined"])
def test_row_of_another_fate_is_never_listed(fate):
    twin = example_twin()
    rows = (*twin.rows, RowFate("example.csv row 99", "P2", "age", "58", "a", fate, "why"))
    assert "example.csv row 99" not in {row.origin for row, _ in lineage(dataclasses.replace(twin, rows=rows)).rows}
