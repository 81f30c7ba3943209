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
from hemotwin.records.codes import observables
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


def test_rows_of_a_range_are_among_those_used(tmp_path):
    rows = ("A,sbp,118,mmHg,2024-03-01T08:00", "A,sbp,122,mmHg,2024-03-01T08:00", "A,rap,elevated,,", "A,ef,>55,%,",
            "A,hr,60-70,/min,", "A,pcwp,high,,")  # fmt: skip
    records = ht.read(table(tmp_path, *rows, header="patient,observable,value,unit,time"))
    used = {row.origin: use for row, use in lineage(twin_of(records)).rows}
    assert used == {f"t.csv line {k}": f"reading: {name}" for k, name in
                    enumerate(("sbp", "sbp", "ra_pressure_mean", "lvef", "heart_rate"), 2)}  # fmt: skip
    assert sum(row.fate == "used" for row in records.rows) == 5 and records.rows[5].fate == "quarantined"


def three_sources(folder):
    """One patient in a charted table, a bundle and a waveform: repeats, contradictions and strangers among them."""
    from tests.records.signals import pulses, write_wfdb

    folder.mkdir()
    subject = {"subject": {"reference": "Patient/w7"}, "effectiveDateTime": "2024-03-01T08:01:00"}
    write_wfdb(folder, "w7", {"ABP": pulses(60), "PLETH": pulses(60)}, ["mmHg", "NU"])
    table(
        folder, "w7,pcwp,14,mmHg,2024-03-01T08:00,catheter", "w7,co,4.9,L/min,2024-03-01T08:00,thermodilution",
        "w7,co,4.9,L/min,2024-03-01T08:00,thermodilution", "w7,age,63,a,,", "w7,sex,purple,,,",
        "w7,lactate,2,mmol/L,2024-03-01T08:00,", "other,sbp,99,mmHg,2024-03-01,cuff",
        "w7,mpap,30,mmHg,2019-03-01T08:00,catheter", header="patient,observable,value,unit,time,method",
        name="charted.csv",
    )  # fmt: skip
    bundle(
        folder, {"resourceType": "Patient", "id": "w7", "gender": "female", "birthDate": "1960-05"},
        observation(concept("75994-4"), 14, method={"text": "catheter"}, **subject),
        observation(concept("8414-5"), 27, method={"text": "catheter"}, **subject),
        observation(concept("8867-4"), 400, "/min", **subject), name="icu.json",
    )  # fmt: skip
    return folder


USED = {
    "charted.csv line 3": "cardiac output", "charted.csv line 5": None, "icu.json entry 1 gender": None,
    "icu.json entry 3": "mean pulmonary artery pressure", "w7.hea signal 1 ABP systolic": "systolic blood pressure",
    "w7.hea signal 1 ABP diastolic": "diastolic blood pressure", "w7.hea signal 1 ABP rate": "heart rate",
    "w7.hea signal 1 ABP mean": "mean arterial pressure",
}  # fmt: skip
WEDGE = {"charted.csv line 2", "icu.json entry 2"}  # the same value in two sources: one of them is the reading


def lists_exactly_the_rows_used(found):
    """(place, use) of a lineage, held to what the three sources have to give."""
    used = dict(found)
    assert len(WEDGE & used.keys()) == 1 and used.keys() - WEDGE == USED.keys(), used
    for place, label in USED.items():
        assert used[place] == ("covariate of the prior" if label is None else f"reading: {label}"), place


def test_lineage_of_several_sources_names_each_row_in_its_own_file(tmp_path):
    twin = twin_of(ht.read(three_sources(tmp_path / "w")), "w7")
    labels = {m.origin: observables()[m.observable].label for m in ht.read(tmp_path / "w")["w7"]}
    twin = dataclasses.replace(twin, fit=tuple(dataclasses.replace(row, label=labels[row.origin]) for row in twin.fit))
    lists_exactly_the_rows_used([(row.origin, use) for row, use in lineage(twin).rows])


@pytest.mark.slow
def test_command_line_lists_exactly_the_rows_that_a_calibration_used(tmp_path, capsys):
    out = str(tmp_path / "w.zarr")
    record = str(three_sources(tmp_path / "w"))
    assert main(["calibrate", record, "--patient", "w7", "--out", out, "--starts", "3"]) == 0
    capsys.readouterr()
    assert main(["lineage", out, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    lists_exactly_the_rows_used([(row["origin"], row["used_as"]) for row in said["rows"]])
    counted = [row for row in ht.load(out)["w7"].fit if row.counted]
    assert len([row for row in said["rows"] if row["used_as"].startswith("reading")]) == len(counted)
    assert said["facts"]["twin_sha256"] == ht.load(out)["w7"].sha256


@pytest.mark.parametrize("fate", ["derived", "duplicate", "quarantined"])
def test_row_of_another_fate_is_never_listed(fate):
    twin = example_twin()
    rows = (*twin.rows, RowFate("example.csv row 99", "P2", "age", "58", "a", fate, "why"))
    assert "example.csv row 99" not in {row.origin for row, _ in lineage(dataclasses.replace(twin, rows=rows)).rows}
