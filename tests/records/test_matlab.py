"""MATLAB files are read by a mapping, within limits, and every variable has its word."""

import numpy as np
import pytest
import yaml
from scipy.io import savemat

import hemotwin as ht
from hemotwin.core.errors import InputError

from .build import checked, values
from .damaged import growing_mat, nested_cells, write_mat
from .signals import pulses

SBP = {"observable": "sbp", "unit": "mm[Hg]", "modality": "cuff"}
EDV = {"observable": "lv_edv", "unit": "mL", "modality": "cmr"}


def read(folder, held, mapping, name="P1.mat", file="P1_mapping.yaml"):
    savemat(str(folder / name), held)
    (folder / file).write_text(yaml.safe_dump(mapping))
    return checked(ht.read(folder / name))


def test_fields_of_a_structure_are_readings_of_the_patient_that_the_file_is_named_after(tmp_path):
    held = {"data": {"SBP": np.uint8(126), "EDV": 140.7, "flow": np.zeros((40, 3)), "note": "x"}}
    records = read(tmp_path, held, {"columns": {"data.SBP": SBP, "data.EDV": EDV}, "ignore": ["data.note"]})
    assert values(records, "P1") == {("sbp", "cuff"): 126, ("lv_edv", "cmr"): 140.7}
    assert not records["P1"].identified
    (flow,) = [row for row in records.rows if row.fate == "quarantined"]
    assert flow.field == "data.flow" and flow.text == "40 x 3 values" and "add it under `columns`" in flow.reason


def test_vectors_are_a_table_with_one_patient_a_row_and_gaps_stay_gaps(tmp_path):
    held = {"id": np.array([7, 9]), "edv": np.array([120.0, np.nan]), "sbp": np.array([[118, 131]]), "odd": np.ones(3)}
    columns = {"edv": EDV, "sbp": SBP, "odd": EDV}
    records = read(tmp_path, held, {"patient": "id", "columns": columns})
    assert values(records, "7") == {("lv_edv", "cmr"): 120, ("sbp", "cuff"): 118}
    assert values(records, "9") == {("sbp", "cuff"): 131} and records["9"].identified
    (odd,) = [row for row in records.rows if row.fate == "quarantined"]
    assert "holds 3 values where there must be 2 for 2 patients" in odd.reason


def test_names_in_a_cell_are_patients(tmp_path):
    held = {"id": np.array(["A", "B"], dtype=object), "sbp": np.array([118.0, 131.0])}
    assert read(tmp_path, held, {"patient": "id", "columns": {"sbp": SBP}}).patients == ["A", "B"]


def test_column_of_a_matrix_is_a_pressure_trace_at_the_rate_that_a_variable_holds(tmp_path):
    trace = pulses(20)
    held = {"signal": np.column_stack([trace, np.zeros(len(trace))]), "f": 125.0}
    records = read(tmp_path, held, {"signals": {"signal[1]": {"channel": "ABP", "unit": "mmHg", "rate": "f"}}})
    found = values(records, "P1")
    assert found["sbp", "catheter"] == pytest.approx(trace.max(), abs=3)
    assert found["heart_rate", "monitor"] is not None


def test_one_mapping_serves_all_files_of_a_folder_and_is_no_record_itself(tmp_path):
    for name in ("P1.mat", "P2.mat"):
        savemat(str(tmp_path / name), {"sbp": 120.0})
    (tmp_path / "mapping.yaml").write_text(yaml.safe_dump({"columns": {"sbp": SBP}}))
    records = checked(ht.read(tmp_path))
    assert records.patients == ["P1", "P2"] and len(records.rows) == 2


def test_mapped_variable_that_is_not_there_is_said_with_the_nearest(tmp_path):
    records = read(tmp_path, {"sbp": 120.0}, {"columns": {"sbpp": SBP, "sbp": SBP}})
    assert "the file has no such variable; did you mean `sbp`?" in records.rows[0].reason
    assert values(records, "P1") == {("sbp", "cuff"): 120}


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"signals": {"p": {"channel": "ABP", "unit": "mmHg"}}}, "must be written as"),
        ({"signals": {"p": {"channel": "ABP", "unit": "mmHg", "rate": "g"}}}, "`rate` must be samples a second"),
        ({"signals": {"p": {"channel": "ABP", "unit": "mmHg", "rate": 1e-4}}}, "allowed are 31 days"),
        ({"signals": 3}, "`signals` in the mapping must name variables"),
        ({"patient": "who", "columns": {"p": SBP}}, "`patient` variable `who` is not in the file"),
        ({"colums": {}}, "did you mean `columns`"),
    ],
)
def test_mistake_in_the_mapping_is_named(tmp_path, mapping, words):
    with pytest.raises(InputError, match=words):
        read(tmp_path, {"p": np.zeros(1000)}, mapping)


def test_file_without_a_mapping_is_refused_with_its_variables(tmp_path):
    savemat(str(tmp_path / "P1.mat"), {"data": {"SBP": 120.0}})
    with pytest.raises(
        InputError, match=r"neither units nor patients; its variables are data\.SBP \(1 x 1\): write P1_"
    ):
        ht.read(tmp_path / "P1.mat")


def test_file_that_grows_is_nested_or_of_another_version_is_refused_before_it_is_opened(tmp_path, monkeypatch):
    monkeypatch.setattr("hemotwin.records.readers.mat_variables.BYTES_LIMIT", 8 << 20)
    path = tmp_path / "m.mat"
    path.write_bytes(growing_mat(9))
    with pytest.raises(InputError, match="unpacks to more than 8 MiB"):
        ht.read(path)
    path.write_bytes(nested_cells(1000))
    with pytest.raises(InputError, match="nested more than 20 deep"):
        ht.read(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    with pytest.raises(InputError, match=r"no MATLAB file of level 5: save it again with `save\(\.\.\., '-v7'\)`"):
        ht.read(path)
    write_mat(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"m\.mat: (it is cut off|the MATLAB file cannot be read)"):
        ht.read(path)


@pytest.mark.real_data
def test_80_subjects_are_read_from_their_own_files_and_26_mismatches_found(data_folder, tmp_path):
    for path in (data_folder / "flow4d_80subjects").glob("inputdata_*.mat"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    columns = {
        "data.EDV": EDV, "data.ESV": EDV | {"observable": "lv_esv"}, "data.SBP": SBP,
        "extradata.SV_AV": {"observable": "stroke_volume", "unit": "mL", "modality": "flow4d"},
    }  # fmt: skip
    (tmp_path / "mapping.yaml").write_text(yaml.safe_dump({"columns": columns}))
    records = checked(ht.read(tmp_path))
    flagged = [one.patient for one in records if "stroke_volume_against_output" in {flag.rule for flag in one.flags}]
    assert (len(records), len(flagged)) == (80, 26)


@pytest.mark.parametrize(
    ("held", "traced"), [({"signal": np.column_stack([pulses(20)] * 2), "f": 125.0}, True), ({"f": 125.0}, False)]
)
def test_advice_without_a_mapping_shows_how_a_trace_is_named_where_there_is_one(tmp_path, held, traced):
    savemat(str(tmp_path / "P1.mat"), held)
    with pytest.raises(InputError, match="write P1_mapping") as told:
        ht.read(tmp_path / "P1.mat")
    assert ("signal[1]: {channel: ABP, unit: mmHg, rate: 1000}" in str(told.value)) == traced
