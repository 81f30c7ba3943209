"""One door for files and folders, and what comes out of it."""

import hashlib
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError, UnknownNameError

from .build import bundle, checked, concept, observation, only, read_rows, table, values

ROOT = Path(__file__).resolve().parents[2]


def test_records_import_and_read_with_jax_pandas_and_xarray_blocked():
    code = """
        import sys
        for name in ("jax", "jaxlib", "pandas", "xarray", "matplotlib", "scipy"):
            sys.modules[name] = None
        import hemotwin as ht
        import hemotwin.records
        from hemotwin.core.configs import config_path
        records = ht.read(config_path("records", "ph9.csv"))
        assert len(records) == 9
        repr(records.table()), records.arrays()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, cwd=ROOT)


def test_missing_path_names_what_is_near(tmp_path):
    table(tmp_path, "A,sbp,112,mmHg", name="ward.csv")
    with pytest.raises(InputError, match=r"wrd\.csv` is not there.*Did you mean `.*ward\.csv`") as caught:
        ht.read(tmp_path / "wrd.csv")
    assert f"Did you mean `{tmp_path / 'ward.csv'}`" in str(caught.value)


def test_broken_link_is_named_as_one_and_not_proposed_for_itself(tmp_path):
    (tmp_path / "ward.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.raises(InputError, match=r"ward\.csv` is a link to what is not there: give the path of a file"):
        ht.read(tmp_path / "ward.csv")


def test_other_file_ending_is_refused_with_what_is_read(tmp_path):
    (tmp_path / "scan.pdf").write_bytes(b"%PDF")
    with pytest.raises(InputError, match=r"scan\.pdf: files ending in `\.pdf` cannot be read; expected is a CSV"):
        ht.read(tmp_path / "scan.pdf")
    (tmp_path / "scan").write_bytes(b"%PDF")
    with pytest.raises(InputError, match="scan: files without an ending cannot be read; expected is a CSV"):
        ht.read(tmp_path / "scan")


def test_spreadsheet_is_refused_with_what_to_save_it_as(tmp_path):
    (tmp_path / "ward.xlsx").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"ward\.xlsx: a spreadsheet is not opened: save the sheet as CSV\."):
        ht.read(tmp_path / "ward.xlsx")


def test_one_row_is_counted_as_one(tmp_path):
    records = ht.read(table(tmp_path, "A,sbp,112,mmHg"))
    assert records.counts_sentence == "1 patient, 1 row = 1 used"


def test_folder_merges_a_patient_from_several_files(tmp_path):
    table(tmp_path, "A,sbp,112,mmHg", "A,heart_rate,70,/min", name="one.csv")
    bundle(tmp_path, observation(concept("8462-4"), 76), observation(concept("8867-4"), 70, "/min"), name="two.json")
    records = checked(ht.read(tmp_path))
    assert {name for name, _ in values(records)} == {"sbp", "dbp", "heart_rate"}
    assert [row.fate for row in records.rows if row.fate != "used"] == ["duplicate"]
    merged = checked(
        ht.read(table(tmp_path, "A,sbp,112,mmHg", "A,heart_rate,70,/min", "A,dbp,76,mmHg", name="all.csv"))
    )
    assert values(merged) == values(records)


def test_unusable_file_in_a_folder_leaves_the_others_whole(tmp_path):
    table(tmp_path, "A,sbp,112,mmHg", name="good.csv")
    (tmp_path / "bad.json").write_text('{"resourceType": "Bundle", "entry": [')
    records = checked(ht.read(tmp_path))
    assert values(records) == {("sbp", "unspecified"): 112}
    (bad,) = [row for row in records.rows if row.fate == "quarantined"]
    assert "bad.json line 1: the JSON is cut off" in bad.reason


def test_folder_of_unusable_files_is_refused(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match="none of 1 files could be read"):
        ht.read(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"no \.bdf, \.csv, .* file in this folder"):
        ht.read(empty)


def test_nothing_usable_still_lists_the_patient(tmp_path):
    records = read_rows(tmp_path, "A,sbp,junk,mmHg")
    assert records.patients == ["A"] and records["A"].measurements == ()


def test_digest_pins_the_source(tmp_path):
    path = table(tmp_path, "A,sbp,112,mmHg")
    first = ht.read(path)
    assert first.sha256 == hashlib.sha256(path.read_bytes()).hexdigest() and first.source == path
    of_folder = ht.read(tmp_path).sha256
    table(tmp_path, "A,sbp,113,mmHg")
    assert ht.read(tmp_path).sha256 != of_folder


def test_arrays_hold_counted_readings_by_channel_and_patient(tmp_path):
    header = "patient,observable,value,unit,method,sd"
    rows = (
        "A,sbp,112,mmHg,cuff,3",
        "A,dbp,76,mmHg,cuff,",
        "A,map,88,mmHg,cuff,",
        "B,co,5,L/min,fick,",
        "B,sbp,120,mmHg,cuff,",
    )
    channels, value, sd, mask = read_rows(tmp_path, *rows, header=header).arrays()
    assert channels == [("sbp", "cuff"), ("dbp", "cuff"), ("cardiac_output", "fick")]
    np.testing.assert_array_equal(value, [[112, 120], [76, np.nan], [np.nan, 5]])
    np.testing.assert_array_equal(mask, [[True, True], [True, False], [False, True]])
    np.testing.assert_array_equal(sd, [[3, np.nan], [np.nan, np.nan], [np.nan, np.nan]])


def test_arrays_follow_the_channels_asked_for(tmp_path):
    records = read_rows(tmp_path, "A,sbp,112,mmHg")
    channels, value, _, mask = records.arrays([("heart_rate", "monitor"), ("sbp", "unspecified")])
    assert channels == [("heart_rate", "monitor"), ("sbp", "unspecified")]
    assert value[1, 0] == 112 and mask[:, 0].tolist() == [False, True]


def test_selection_keeps_patients_and_their_rows(tmp_path):
    records = read_rows(tmp_path, "A,sbp,112,mmHg", "B,sbp,120,mmHg", "C,sbp,1,mmHg")
    some = records.select(["C", "A"])
    assert some.patients == ["C", "A"] and [row.patient for row in some.rows] == ["A", "C"]
    assert some.summary()["quarantined"] == 1 and some.sha256 == records.sha256
    assert [row.patient for row in records.rows_of("B")] == ["B"]
    with pytest.raises(UnknownNameError, match="patient must be a known name, but got `Z`"):
        records.select("Z")


def test_table_shows_every_row_or_those_of_one_fate(tmp_path):
    records = read_rows(tmp_path, "A,sbp,112,mmHg", "A,sbp,112,mmHg", "A,dbp,junk,mmHg")
    assert len(records.table()) == 3 and records.table("duplicate").column("fate") == ["duplicate"]
    with pytest.raises(UnknownNameError, match="fate must be a known name"):
        records.table("lost")


def test_one_line_says_what_was_read(tmp_path):
    records = read_rows(tmp_path, "A,sbp,112,mmHg", "A,dbp,junk,mmHg")
    assert repr(records) == "<Records t.csv: 1 patient, 2 rows = 1 used + 1 quarantined>"
    assert repr(records["A"]) == "<MeasurementSet A: 1 measurements, 0 derived, no covariates, 0 conflicts>"
    assert "<table>" in records._repr_html_() and "<table>" in records["A"]._repr_html_()


def test_table_of_a_patient_shows_modality_and_conflicts(tmp_path):
    records = read_rows(tmp_path, "A,pcwp,17,mmHg", "A,padp,14,mmHg")
    assert "catheter" in repr(records["A"].table()) and "lies 3 mmHg above" in repr(records["A"].table())


@pytest.mark.real_data
def test_every_folder_of_real_records_adds_up(data_folder):
    for name in ("fhir_us_core", "fhir_mii_icu", "fhir_synthea_r4", "rhc_patient233"):
        checked(ht.read(data_folder / name))


@pytest.mark.real_data
def test_intensive_care_pulmonary_systolic_is_no_cuff_pressure(data_folder):
    records = checked(ht.read(data_folder / "fhir_mii_icu" / "pulmonalarterieller-blutdruck.json"))
    assert [(m.observable, m.value) for one in records for m in one] == [
        ("pa_pressure_systolic", 18), ("pa_pressure_diastolic", 8), ("pa_pressure_mean", 10),
    ]  # fmt: skip


@pytest.mark.real_data
def test_transplant_patient_keeps_both_outputs_and_reports_them(data_folder):
    (one,) = checked(ht.read(data_folder / "rhc_patient233" / "patient233.json"))
    outputs = {m.modality: m.value for m in one if m.observable == "cardiac_output"}
    assert outputs == {"fick": 7.34, "thermodilution": 10.33}
    assert "41 % apart" in one.conflicts[0]
    assert one.covariates["sex"] == "female"


@pytest.mark.real_data
def test_synthetic_export_has_no_heart_rate_and_none_is_guessed(data_folder):
    records = checked(ht.read(data_folder / "fhir_synthea_r4" / "hf_patients_trimmed.ndjson"))
    assert len(records) == 49
    assert not any(m.observable == "heart_rate" for one in records for m in one)
    assert sum("age" in one.covariates for one in records) > 40


def test_random_damage_ends_with_a_named_error_or_with_rows_that_add_up(tmp_path):
    rng = np.random.default_rng(0)
    good = json.dumps({"resourceType": "Bundle", "entry": [
        {"resource": {"resourceType": "Patient", "id": "A", "gender": "male", "birthDate": "1960-01-01"}},
        {"resource": observation(concept("85354-9"), component=[
            {"code": concept("8480-6"), "valueQuantity": {"value": 120, "unit": "mmHg", "code": "mm[Hg]"}}])},
    ]})  # fmt: skip
    csv_text = "patient,observable,value,unit,sd,time\nA,sbp,112,mmHg,3,2020-01-01\nA,dbp,76,kPa,,\nB,sex,m,,,\n"
    outcomes = set()
    for _ in range(400):
        name, text = ("f.json", good) if rng.random() < 0.5 else ("f.csv", csv_text)
        data = bytearray(text.encode())
        for _ in range(int(rng.integers(1, 6))):
            at = int(rng.integers(len(data)))
            data[at : at + int(rng.integers(0, 9))] = bytes(
                rng.integers(0, 256, int(rng.integers(0, 6)), dtype=np.uint8)
            )
        (tmp_path / name).write_bytes(bytes(data))
        try:
            checked(ht.read(tmp_path / name))
            outcomes.add("read")
        except InputError as error:
            assert name in str(error)
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_name_of_a_column_is_told_whole(tmp_path):
    name = "systolic blood pressure, right arm, sitting, after five minutes of rest, second of three readings"
    row = only(read_rows(tmp_path, f'A,"{name}",120,mmHg'))
    assert row.field == name and name in repr(read_rows(tmp_path, f'A,"{name}",120,mmHg').table())
    assert only(read_rows(tmp_path, f"A,{'x' * 300},120,mmHg")).field == "x" * 200 + "..."  # longer is no name
