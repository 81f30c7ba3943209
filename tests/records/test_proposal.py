"""A mapping is proposed from headers, units and values, and never applied before a person has reviewed it."""

from pathlib import Path

import pytest
import yaml

import hemotwin as ht
from hemotwin.cli import main
from hemotwin.core.errors import InputError
from hemotwin.records.proposal import propose

from .build import checked, table, values


def proposed(folder: Path, header: str, *rows: str) -> dict:
    return yaml.safe_load(propose(table(folder, *rows, header=header, name="ward.csv")).text)


def test_names_units_and_roles_are_taken_from_the_headers(tmp_path):
    data = proposed(
        tmp_path,
        "id,visit_date,SBP [kPa],co_l_min,height_cm,sex",
        "1,2024-01-01,16,5.1,170,m",
        "2,2024-01-02,15,4.2,160,f",
    )
    assert (data["patient"], data["time"]) == ("id", "visit_date")
    assert data["columns"]["SBP [kPa]"] == {"observable": "sbp", "unit": "kPa"}
    assert data["columns"]["co_l_min"] == {"observable": "cardiac_output", "unit": "L/min"}
    assert data["columns"]["height_cm"] == {"observable": "height", "unit": "cm"}
    assert data["columns"]["sex"] == {"observable": "sex"}


def test_unit_is_guessed_from_the_values_and_says_so(tmp_path):
    path = table(tmp_path, "1,1.71,0.55", "2,1.62,0.31", header="id,height,lvef", name="ward.csv")
    text = propose(path).text
    data = yaml.safe_load(text)["columns"]
    assert data["height"]["unit"] == "m" and data["lvef"]["unit"] == "1"
    assert text.count("UNIT GUESSED") == 2


def test_values_that_fit_no_unit_are_not_proposed(tmp_path):
    data = proposed(tmp_path, "id,sbp", "1,4000", "2,5000")
    assert data["columns"] == {} and "fit no unit" in data["ignore"]["sbp"]


def test_header_with_a_unit_that_the_values_deny_is_not_proposed(tmp_path):
    data = proposed(tmp_path, "id,sbp_mmhg", "1,15.9", "2,16.2")
    assert "only 0 % of the values are plausible" in data["ignore"]["sbp_mmhg"]


def test_header_that_only_resembles_a_name_is_left_to_the_reviewer(tmp_path):
    data = proposed(tmp_path, "id,heart_rte,sv_volumes,zz", "1,70,80,1")
    assert "heart_rate" in data["ignore"]["heart_rte"] and "stroke_volume" in data["ignore"]["sv_volumes"]
    assert data["columns"] == {} and data["ignore"]["zz"].startswith("not known; 1, 1 value")


def test_two_columns_for_one_observable_are_left_to_the_reviewer(tmp_path):
    data = proposed(tmp_path, "id,hr,pulse", "1,70,71")
    assert data["columns"] == {} and "several columns for heart_rate" in data["ignore"]["hr"]


def test_no_text_of_the_table_is_shown(tmp_path):
    text = propose(table(tmp_path, "Ada Byron,she fell,112", header="name,remark,sbp [mmHg]", name="ward.csv")).text
    assert "Byron" not in text and "fell" not in text


def test_proposal_is_refused_as_a_mapping_until_reviewed(tmp_path):
    path = table(tmp_path, "1,112", header="id,sbp", name="ward.csv")
    target = tmp_path / "ward_mapping.yaml"
    target.write_text(propose(path).text)
    with pytest.raises(InputError, match=r"ward_mapping\.yaml: the mapping is a proposal that nobody has reviewed"):
        ht.read(path)
    target.write_text(propose(path).text.replace("proposed: true\n", ""))
    assert values(checked(ht.read(path)), "1") == {("sbp", "unspecified"): 112}


def test_long_form_and_what_is_no_table_are_refused(tmp_path):
    with pytest.raises(InputError, match="long form"):
        propose(table(tmp_path, "A,sbp,112,mmHg"))
    with pytest.raises(InputError, match="no CSV or Parquet table"):
        propose(tmp_path)


def test_odd_headers_give_readable_yaml(tmp_path):
    data = proposed(tmp_path, 'id,"a: ""b"" #c",yes,"sbp (mmHg)"', "1,2,3,112")
    assert 'a: "b" #c' in data["ignore"] and "yes" in data["ignore"]
    assert data["columns"]["sbp (mmHg)"]["unit"] == "mmHg"


def test_verb_prints_the_proposal_and_overwrites_nothing(tmp_path, capsys):
    path = table(tmp_path, "1,112", header="id,sbp", name="ward.csv")
    assert main(["map", str(path)]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["proposed"] is True
    out = tmp_path / "new.yaml"
    assert main(["map", str(path), "--out", str(out)]) == 0
    assert main(["map", str(path), "--out", str(out)]) == 2 and "must not overwrite" in capsys.readouterr().err
    assert main(["map", str(tmp_path / "none.csv")]) == 2


@pytest.mark.real_data
def test_summary_of_80_subjects_is_proposed_and_read_once_reviewed(data_folder, tmp_path):
    path = data_folder / "flow4d_80subjects" / "subjects_summary.csv"
    data = yaml.safe_load(propose(path).text)
    assert {"hr", "sbp", "dbp", "edv", "esv"} == set(data["columns"]) and data["patient"] == "subject"
    del data["proposed"]
    records = checked(ht.read(path, mapping=data))
    assert len(records) == 80 and records.summary()["rows"] == 400


def test_what_was_seen_of_one_row_is_told_as_one(tmp_path):
    ignored = proposed(tmp_path, "id,foo,bar", "1,2,x")["ignore"]
    assert ignored["foo"].endswith("2, 1 value") and ignored["bar"].endswith("1 text, no numbers")
