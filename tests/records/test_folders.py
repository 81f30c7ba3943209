"""Folders, folders within folders and archives: every file is read or named, and a patient is one wherever it lies."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError

from .build import bundle, checked, concept, observation, table, values


def ndjson(folder: Path, name: str, *resources: dict) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("".join(json.dumps(one) + "\n" for one in resources))
    return path


def test_bulk_export_joins_patients_and_observations_of_several_files(tmp_path):
    person = {"resourceType": "Patient", "id": "A", "gender": "female", "birthDate": "1960-05-01"}
    when = {"effectiveDateTime": "2024-03-01"}
    ndjson(tmp_path / "1", "Patient.ndjson", person)
    ndjson(tmp_path / "1", "Observation.1.ndjson", observation(concept("8480-6"), 120, **when))
    ndjson(tmp_path / "2" / "more", "Observation.2.ndjson", observation(concept("8867-4"), 70, "/min", **when))
    ndjson(tmp_path, "Condition.ndjson", {"resourceType": "Condition", "id": "c"})
    records = checked(ht.read(tmp_path))
    assert values(records) == {("sbp", "unspecified"): 120, ("heart_rate", "unspecified"): 70}
    assert records["A"].covariates == {"sex": "female", "age": 63}


def test_every_file_that_is_not_read_is_named_with_the_reason(tmp_path):
    table(tmp_path, "A,sbp,112,mmHg")
    for name in ("scan.dcm", "notes.txt", "beats.mat", ".hidden", "t_mapping.yaml", "other.yaml"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "governance.yaml").write_text("steward: ward 7\n")
    (tmp_path / "t_mapping.yaml").write_text('patient: patient\ncolumns: {value: {observable: sbp, unit: "mm[Hg]"}}\n')
    rows = {row.text: row for row in checked(ht.read(tmp_path)).rows if " file " in row.origin}
    assert sorted(rows) == ["beats.mat", "notes.txt", "other.yaml", "scan.dcm"]
    assert "MATLAB" in rows["beats.mat"].reason and all(row.fate == "quarantined" for row in rows.values())


def test_links_are_not_followed(tmp_path):
    table(tmp_path, "A,sbp,112,mmHg")
    outside = tmp_path.parent / "outside"
    outside.mkdir(exist_ok=True)
    table(outside, "B,sbp,130,mmHg")
    os.symlink(outside, tmp_path / "linked")
    os.symlink(tmp_path, tmp_path / "loop")
    records = checked(ht.read(tmp_path))
    assert records.patients == ["A"] and sum("a link is not followed" in row.reason for row in records.rows) == 2


def test_archive_is_read_as_the_folder_that_it_holds(tmp_path):
    inside = tmp_path / "in"
    inside.mkdir()
    table(inside, "A,sbp,112,mmHg", name="one.csv")
    bundle(inside, observation(concept("8462-4"), 76), name="two.json")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for path in inside.iterdir():
            archive.write(path, f"deep/er/{path.name}")
    assert values(checked(ht.read(tmp_path / "z.zip"))) == values(checked(ht.read(inside)))
    records = checked(ht.read(tmp_path))  # the archive beside the folder: the same readings, counted once
    assert records.summary()["duplicate"] == 2


@pytest.mark.parametrize(
    "name", ["../evil.csv", "/evil.csv", "a/../../evil.csv", "C:\\evil.csv", "..\\evil.csv", "a\x07.csv"]
)
def test_archive_cannot_write_outside(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr(name, "patient,observable,value,unit\nA,sbp,112,mmHg\n")
    with pytest.raises(InputError, match=r"z\.zip: member `.*` would lie outside the folder or is a link"):
        ht.read(tmp_path / "z.zip")
    assert not list(tmp_path.parent.glob("**/evil.csv"))


def test_archive_within_an_archive_is_named_and_not_opened(tmp_path):
    with zipfile.ZipFile(tmp_path / "inner.zip", "w") as archive:
        archive.writestr("t.csv", "patient,observable,value,unit\nA,sbp,112,mmHg\n")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.write(tmp_path / "inner.zip", "inner.zip")
        archive.writestr("t.csv", "patient,observable,value,unit\nB,sbp,112,mmHg\n")
    records = checked(ht.read(tmp_path / "z.zip"))
    assert records.patients == ["B"] and any("inside an archive" in row.reason for row in records.rows)


@pytest.mark.parametrize("seed", range(8))
def test_patient_spread_over_sources_is_the_patient_of_one_file(tmp_path, seed):
    """Readings in any order over tables, bundles, subfolders and an archive give the set of the one merged table."""
    rng = np.random.default_rng(seed)
    readings = [
        (who, *one)
        for who in ("A", "B", "C")
        for one in (
            ("sbp", "8480-6", 120 + ord(who), "mm[Hg]", "2024-03-01"), ("dbp", "8462-4", 76, "mm[Hg]", "2024-03-01"),
            ("heart_rate", "8867-4", 70, "/min", "2024-03-01"), ("heart_rate", "8867-4", 82, "/min", "2023-01-01"),
            ("cardiac_output", "8741-1", 5.2, "L/min", "2024-03-01"), ("height", "8302-2", 170, "cm", "2020-01-01"),
            ("weight", "29463-7", 71, "kg", "2024-02-20"), ("weight", "29463-7", 80, "kg", "2019-02-20"),
            ("dbp", "8462-4", 76, "mm[Hg]", "2024-03-01"),
        )
    ]  # fmt: skip
    header = "patient,observable,value,unit,time"
    lines = [f"{who},{name},{value},{unit},{time}" for who, name, _, value, unit, time in readings]
    merged = checked(ht.read(table(tmp_path, *lines, header=header, name="merged.csv")))
    folder = tmp_path / "spread"
    (folder / "sub" / "deep").mkdir(parents=True)
    parts: list[list[int]] = [[] for _ in range(5)]
    for k in rng.permutation(len(readings)):
        parts[int(rng.integers(5))].append(int(k))
    table(folder, *(lines[k] for k in parts[0]), header=header, name="m.csv")
    table(folder / "sub", *(lines[k] for k in parts[1]), header=header, name="a.csv")
    for part, here in ((parts[2], folder / "z.json"), (parts[3], folder / "sub" / "deep" / "x.json")):
        resources = [
            observation(concept(code), value, unit, subject={"reference": f"Patient/{who}"}, effectiveDateTime=time)
            for who, _, code, value, unit, time in (readings[k] for k in part)
        ]
        bundle(here.parent, *resources, name=here.name)
    with zipfile.ZipFile(folder / "b.zip", "w") as archive:
        archive.writestr("t.csv", "\n".join([header, *(lines[k] for k in parts[4])]) + "\n")
    spread = checked(ht.read(folder))
    assert sorted(spread.patients) == sorted(merged.patients)
    for patient in merged.patients:
        one, other = merged[patient], spread[patient]
        assert {(m.channel, m.value, m.time, m.kind) for m in one} == {
            (m.channel, m.value, m.time, m.kind) for m in other
        }
        assert one.covariates == other.covariates and one.conflicts == other.conflicts
    assert merged.summary() == spread.summary()


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "patients"),
    [("fhir_mii_icu", 1), ("fhir_synthea_r4", 49), ("fhir_us_core", 1), ("omop_synthea27nj", 28), ("rhc_patient233", 1),
     ("waveforms_wfdb", 5)],
)  # fmt: skip
def test_every_folder_of_records_adds_up(data_folder, name, patients):
    assert len(checked(ht.read(data_folder / name))) == patients


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "reason"),
    [("mouse_pv_ischemia", "a MATLAB file carries neither units nor patients"),
     ("pulse_transit_pairs", "a MATLAB file carries neither units nor patients"),
     ("flow4d_80subjects", "`hemotwin map` proposes one"), ("omop_mimic_mapping", "neither the long form"),
     ("cases", "neither the long form")],
)  # fmt: skip
def test_folder_without_a_readable_record_is_refused_with_the_reason(data_folder, name, reason):
    with pytest.raises(InputError) as error:
        ht.read(data_folder / name)
    assert reason in str(error.value)


@pytest.mark.real_data
def test_all_folders_at_once_add_up(data_folder):
    records = checked(ht.read(data_folder))
    assert len(records) == 1 + 49 + 1 + 28 + 1 + 5  # no two folders share a patient
