"""A birth date in a table gives the age at the measurement, is judged like an age, and is itself shown nowhere."""

import json

import pytest
import yaml

import hemotwin as ht
from hemotwin.cli import main
from hemotwin.records.births import age_at, birth_date, speaks_of_birth
from hemotwin.records.deidentify import deidentify
from hemotwin.records.proposal import propose
from hemotwin.records.secret import Secret
from hemotwin.records.values import ValueProblem

from .build import bundle, checked, concept, observation, read_rows, table

WIDE = "id,visit_date,dob,sbp [mmHg]"
PRESSURE = {"sbp [mmHg]": {"observable": "sbp", "unit": "mmHg"}}
MAPPING = {"patient": "id", "time": "visit_date", "columns": PRESSURE | {"dob": {"observable": "birth_date"}}}
READING = observation(concept("8480-6"), 120, effectiveDateTime="2020-06-01")


def birth_rows(records):
    return [row for row in records.rows if row.field == "birthDate"]


def said_of(records):
    return "\n".join([repr(records), records._repr_html_(), *(str(one) for one in records),
                      *(row.message + row.text for row in records.rows)])  # fmt: skip


def as_wide(tmp_path, born, when="2020-06-01"):
    return ht.read(table(tmp_path, f"A,{when},{born},120", header=WIDE), mapping=MAPPING)


def as_wide_by_its_headers(tmp_path, born, when="2020-06-01"):
    return ht.read(table(tmp_path, f"A,{when},{born},120", header="id,time,Date of birth,sbp [mmHg]"))


def as_long_row(tmp_path, born, when="2020-06-01"):
    rows = (f"A,sbp,120,mmHg,{when}", f"A,DOB,{born},,")
    return ht.read(table(tmp_path, *rows, header="patient,observable,value,unit,time"))


def as_long_column(tmp_path, born, when="2020-06-01"):
    rows = (f"A,sbp,120,mmHg,{when},{born}", f"A,dbp,80,mmHg,{when},{born}")
    return ht.read(table(tmp_path, *rows, header="patient,observable,value,unit,time,birthdate"))


def as_parquet(tmp_path, born, when="2020-06-01"):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    held = {"id": ["A"], "visit_date": [when], "dob": [born], "sbp [mmHg]": [120.0]}
    parquet.write_table(arrow.table(held), tmp_path / "t.parquet")
    return ht.read(tmp_path / "t.parquet", mapping=MAPPING)


FORMS = [as_wide, as_wide_by_its_headers, as_long_row, as_long_column, as_parquet]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("born", "age"),
    [
        ("1960-06-01", 60),
        ("1960-06-02", 59),
        ("1960-06-02 00:00:00", 59),
        ("19600602", 59),
        ("1960-05", 60),
        ("1960", 59),
        ("1959.0", 60),
    ],
)
def test_birth_date_of_a_table_gives_the_age_at_the_measurement(tmp_path, form, born, age):
    records = checked(form(tmp_path, born))
    assert records["A"].covariates == {"age": age}
    assert [row.fate for row in birth_rows(records)] == ["used"]
    assert born[:10] not in said_of(records).replace(f"age {age}", "")


def test_table_and_fhir_give_one_age(tmp_path):
    person = {"resourceType": "Patient", "id": "A", "birthDate": "1960-06-02"}
    fhir = ht.read(bundle(tmp_path, person, READING))
    assert fhir["A"].covariates == as_wide(tmp_path, "1960-06-02")["A"].covariates == {"age": 59}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("born", "reason"),
    [
        ("2021-03-04", "the birth date is later than the measurements: correct the birth date, or the time of the "
                       "readings; allowed: 0 to 120 a"),
        ("1869-03-04", "age 151 a is outside 0 to 120 a: correct the birth date"),
        ("04/03/1960", "cannot be read (it is not repeated here, as it points at a person): write it as YYYY-MM-DD"),
        ("1960-13-04", "cannot be read"),
        ("60", "cannot be read"),
        ("22038", "cannot be read"),
        ("spring of 1960", "cannot be read"),
        ("unknown", "recorded as missing"),
    ],
)  # fmt: skip
def test_wrong_birth_date_is_set_aside_without_being_repeated(tmp_path, form, born, reason):
    records = checked(form(tmp_path, born))
    (row,) = birth_rows(records)
    assert (row.fate, row.text) == ("quarantined", "(not kept)") and reason in row.reason
    assert records["A"].covariates == {}
    assert born == "60" or born not in said_of(records)


@pytest.mark.parametrize(("born", "rule"), [("2021", "value_in_range"), ("1869", "value_in_range"),
                                            ("1960-13", "value_readable"), ("NA", "value_given")])  # fmt: skip
def test_wrong_birth_date_counts_under_the_rule_of_a_wrong_age(tmp_path, born, rule):
    assert as_wide(tmp_path, born).rule_counts[rule] == 1
    age = {"2021": "-2", "1869": "151", "1960-13": "old", "NA": "NA"}[born]
    wrong = read_rows(tmp_path, "A,sbp,120,mmHg", f"A,age,{age},a")
    assert wrong.rule_counts[rule] == 1


def test_unreadable_birth_date_is_an_age_that_cannot_be_used(tmp_path):
    inventory = as_wide(tmp_path, "1960-13").inventory
    assert inventory.refused("A") == {"age": "value_readable"}
    assert [fact.measured for fact in inventory.of("A") if fact.name == "age"] == [False]


def test_birth_date_without_the_time_of_a_measurement_gives_no_age(tmp_path):
    records = checked(as_wide(tmp_path, "1960-06-02", when=""))
    (row,) = birth_rows(records)
    assert records["A"].covariates == {} and "add the time of the readings" in row.reason


def test_visits_of_one_patient_repeat_a_birth_date_and_two_contradict_each_other(tmp_path):
    rows = ["A,2018-06-01,1960-06-01,110", "A,2020-06-01,1960-06-01,120"]
    records = checked(ht.read(table(tmp_path, *rows, header=WIDE), mapping=MAPPING))
    assert records["A"].covariates == {"age": 60}
    assert [row.fate for row in birth_rows(records)] == ["used", "duplicate"]
    rows[1] = rows[1].replace("1960-06", "1961-06")
    records = checked(ht.read(table(tmp_path, *rows, header=WIDE), mapping=MAPPING))
    assert records["A"].covariates == {}
    assert {row.reason for row in birth_rows(records)} == {
        "contradiction: more than one birth date: keep the right one"
    }


def test_age_that_is_recorded_goes_before_the_birth_date(tmp_path):
    rows = ("A,sbp,120,mmHg,2020-06-01", "A,age,61,a,", "A,year of birth,1960,,")
    records = checked(ht.read(table(tmp_path, *rows, header="patient,observable,value,unit,time")))
    assert records["A"].covariates == {"age": 61}
    assert [row.reason for row in birth_rows(records)] == ["the age itself is recorded"]


def test_birth_date_of_nobody_is_set_aside(tmp_path):
    records = checked(ht.read(table(tmp_path, ",2020-06-01,1960-06-01,120", header=WIDE), mapping=MAPPING))
    assert all("no patient is named" in row.reason for row in records.rows) and len(records.rows) == 2
    assert "1960" not in said_of(records)


@pytest.mark.parametrize(
    "header",
    [
        "month of birth", "birth-day of child", "Mother's date of birth", "patient_birth_year", "Patient DOB",
        "DOB_raw", "birth_dt", "birthDateTime2", "BDATE", "geb.datum/Geburtsdatum", "Gebdat", "pt_yob", "born on",
        "birth",
    ],
)  # fmt: skip
def test_value_of_an_unknown_column_about_a_birth_is_not_shown(tmp_path, header):
    mapping = MAPPING | {"columns": PRESSURE}
    path = table(tmp_path, "A,2020-06-01,1937,120", header=WIDE.replace("dob", header))
    records = checked(ht.read(path, mapping=mapping))
    assert [row.fate for row in records.rows] == ["quarantined", "used"] and "1937" not in said_of(records)
    assert "1937" not in propose(path).text


@pytest.mark.parametrize(
    "header", ["birth weight", "gestational age at birth", "newborn length", "adobe", "stillbirths"]
)
def test_value_of_a_column_about_something_else_is_shown(header):
    assert not speaks_of_birth(header)


def test_birth_date_is_in_nothing_that_is_printed_or_written(tmp_path, capsys):
    rows = ("A,2020-06-01,1937-11-23,120", "B,2020-06-01,23.11.1937,120", "C,2020-06-01,2037-11-23,120")
    path = table(tmp_path, *rows, header="id,time,birth date,sbp [mmHg]")
    for given in (["check", str(path)], ["check", str(path), "--fate", "quarantined"], ["map", str(path)]):
        main(given)
    streams = capsys.readouterr()
    safe = deidentify(ht.read(path), Secret(b"k" * 32))
    text = streams.out + streams.err + said_of(safe) + json.dumps([row.message for row in ht.read(path).rows])
    assert "used" in text and not any(part in text for part in ("1937", "2037", "11-23", "23.11"))


@pytest.mark.parametrize("header", ["birthdate", "DOB", "date_of_birth", "birth year", "year_of_birth", "BirthDate"])
def test_proposal_recognises_the_header_and_is_read_once_reviewed(tmp_path, header):
    path = table(tmp_path, "A,2020-06-01,1960,120", "B,2020-06-01,1970,125", header=WIDE.replace("dob", header))
    text = propose(path).text
    data = yaml.safe_load(text)
    assert data["columns"][header] == {"observable": "birth_date"}
    assert "19" not in text
    del data["proposed"]
    assert checked(ht.read(path, mapping=data))["A"].covariates == {"age": 59}


def test_proposal_says_what_a_birth_date_lacks(tmp_path):
    text = propose(table(tmp_path, "A,1960,120", header="id,dob,sbp [mmHg]")).text
    assert "only with the time of the measurements" in text and yaml.safe_load(text)["columns"]["dob"]
    data = yaml.safe_load(propose(table(tmp_path, "02/05/1960,120", "03/05/1960,121", header="dob,sbp [mmHg]")).text)
    assert "only 0 % of 2 values are written as YYYY-MM-DD" in data["ignore"]["dob"] and "patient" not in data


def test_consent_that_denies_the_age_holds_back_the_birth_date(tmp_path):
    path = table(tmp_path, "A,2020-06-01,1960-06-01,120", header=WIDE)
    permit = {"patient": "A", "purpose": "research", "decision": "permit"}
    for name, covariates in (("age", {}), ("dob", {}), ("weight", {"age": 60})):
        deny = permit | {"observable": name, "decision": "deny"}
        governance = {"policy": "research", "consent": [permit, deny]}
        records = checked(ht.read(path, mapping=MAPPING, governance=governance))
        assert records["A"].covariates == covariates and "1960" not in said_of(records)


@pytest.mark.parametrize(("born", "when", "age"), [("2020", "2020-03-01", 0), ("2020-09-01", "2020", 0),
                                                   ("2020-09-02", "2020-09-01", -1), ("1960", None, None)])  # fmt: skip
def test_age_within_the_year_of_birth_is_none_before_it_negative(born, when, age):
    assert age_at(born, when) == age


def test_every_part_of_a_birth_date_is_kept_as_far_as_it_is_written():
    assert [birth_date(text) for text in ("1960-05-02T00:00:00Z", "1960-05", 1960, 1960.0)] == [
        "1960-05-02", "1960-05", "1960", "1960",
    ]  # fmt: skip
    for text in ("1960-5-2", "02.05.1960", "1960-02-30", "0000", True):
        with pytest.raises(ValueProblem):
            birth_date(text)
