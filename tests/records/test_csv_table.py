"""Tables in long and wide form, with every way a row can be wrong."""

import subprocess
import sys

import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError

from .build import checked, only, read_rows, table, values

MAPPING = {
    "patient": "id",
    "columns": {"s": {"observable": "sbp", "unit": "mm[Hg]"}, "d": {"observable": "dbp", "unit": "kPa"}},
}


def test_headers_in_any_case_and_order_are_understood(tmp_path):
    records = read_rows(
        tmp_path, "mmHg,112,A,8480-6,2,2020-01-02,NIBP", header="Units,Result,Patient ID,LOINC,SD,Date,Method"
    )
    (m,) = records["A"]
    assert (m.observable, m.value, m.sd, m.time, m.modality) == ("sbp", 112, 2, "2020-01-02", "cuff")
    assert m.origin == "t.csv line 2"


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_and_comment_lines(tmp_path, delimiter):
    path = table(tmp_path, "# a remark", "A,sbp,112,mmHg".replace(",", delimiter),
                 header="# made by hand\npatient,observable,value,unit".replace(",", delimiter))  # fmt: skip
    assert values(checked(ht.read(path))) == {("sbp", "unspecified"): 112}


def test_pressure_in_kilopascal_is_converted_and_says_so(tmp_path):
    row = only(records := read_rows(tmp_path, "A,sbp,16,kPa"))
    assert values(records)["sbp", "unspecified"] == pytest.approx(120.01, abs=0.01)
    assert row.fate == "used" and row.reason == "16 kPa = 120.01 mmHg"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("A,sbp,112,mmHq", "unit `mmHq` is not known; nearest known units: mmHg"),
        ("A,sbp,112,", "the unit is missing: write it beside the value, for example mmHg"),
        (
            "A,sbp,112,mL",
            "unit `mL` is of another kind than systolic blood pressure, which is in mmHg: check unit and column, or "
            "give the value in mmHg; allowed: 40 to 300 mmHg",
        ),
        ("A,sbp,abc,mmHg", "the value is text where a number is expected"),
        ("A,sbp,112 mmHg,mmHg", "text in a number: put the number alone in the value"),
        ("A,sbp,112/76,mmHg", "two numbers in one cell"),
        ('A,sbp,"112,5",mmHg', "a decimal comma is ambiguous: write 112.5, or export the table with decimal points"),
        ('A,lv_edv,"1,120",mL', "a comma is ambiguous: write 1.120 or 1120"),
        ('A,co,"4.500,5",mL/min', "thousands are set apart: write 4500.5"),
        ('A,co,"4,500.5",mL/min', "thousands are set apart: write 4500.5"),
        ("A,sbp,~180,mmHg", "an approximate value"),
        ("A,sbp,130-110,mmHg", "runs backwards"),
        ("A,sbp,elevated,mmHg", "the value is text where a number is expected"),
        ("A,age,60-70,a", "age must be one number"),
        ("A,sbp,nan,mmHg", "recorded as missing ('nan')"),
        ("A,sbp,inf,mmHg", "the value is infinite"),
        ("A,sbp,1e400,mmHg", "too large for any measurement"),
        ("A,sbp," + "9" * 5000 + ",mmHg", "text in a number"),
        ("A,sbp,1120,mmHg", "systolic blood pressure 1120 mmHg is outside 40 to 300 mmHg: check the unit"),
        ("A,stroke_volume,-70,mL", "stroke volume -70 mL is outside 5 to 250 mL"),
        ("A,lv_edv,-120,mL", "is outside 15 to 800 mL"),
        ("A,heart_rte,70,/min", "'heart_rte' is no observable or code that is known; did you mean heart_rate?"),
        ("A,hemoglobin,12,g/dL", "haemoglobin is understood, but no circulation here predicts it"),
        ("A,sex,x,", "sex is not one of male, female"),
        ("A,sbp,,mmHg", "the value is empty"),
        (",sbp,112,mmHg", "no patient is named"),
        ("A,sbp,112,mmHg,surplus", "the row has 5 cells under 4 headers"),
    ],
)
def test_unusable_row_is_quarantined_with_the_fix(tmp_path, row, reason):
    bad = only(read_rows(tmp_path, row))
    assert bad.fate == "quarantined" and reason in bad.reason
    assert bad.message.startswith("t.csv line 2: ")


@pytest.mark.parametrize(
    ("row", "allowed"),
    [
        ("A,sbp,abc,mmHg", "40 to 300 mmHg"),
        ("A,sbp,nan,mmHg", "40 to 300 mmHg"),
        ("A,lvef,112/76,%", "3 to 90 %"),
        ("A,sbp,112,", "40 to 300 mmHg"),
        ("A,dbp,112,mmHq", "15 to 200 mmHg"),
        ("A,dbp,112,mL", "15 to 200 mmHg"),
        ("A,age,old,a", "0 to 120 a"),
        ("A,height,170,kg", "30 to 250 cm"),
    ],
)
def test_reason_of_a_known_reading_ends_with_the_allowed_range(tmp_path, row, allowed):
    assert only(read_rows(tmp_path, row)).reason.endswith(f"; allowed: {allowed}")


@pytest.mark.parametrize("row", ["A,sbp,1120,mmHg", "A,sbp,-9,mmHg"])
def test_reason_of_a_value_out_of_range_tells_the_range_once(tmp_path, row):
    assert only(read_rows(tmp_path, row)).reason.count("40 to 300 mmHg") == 1


@pytest.mark.parametrize("row", ["A,heart_rte,70,/min", "A,sex,x,", "A,hemoglobin,12,mL", ",sbp,112,mmHg"])
def test_no_range_is_told_where_none_is_known_or_the_value_is_not_at_fault(tmp_path, row):
    assert "allowed" not in only(read_rows(tmp_path, row)).reason


@pytest.mark.parametrize("sd", ["-2", "0", "wide", "nan"])
def test_unusable_sd_quarantines_its_row(tmp_path, sd):
    bad = only(read_rows(tmp_path, f"A,sbp,112,mmHg,{sd}", header="patient,observable,value,unit,sd"))
    assert bad.fate == "quarantined" and "its sd" in bad.reason
    assert bad.reason.endswith("; allowed: above 0 mmHg")  # of the sd, not the range of the pressure


def test_sd_is_converted_with_its_value(tmp_path):
    (m,) = read_rows(tmp_path, "A,sbp,16,kPa,1", header="patient,observable,value,unit,sd")["A"]
    assert m.sd == pytest.approx(7.5006, abs=1e-4)


def test_systolic_below_diastolic_quarantines_both(tmp_path):
    records = read_rows(tmp_path, "A,sbp,76,mmHg", "A,dbp,112,mmHg", "A,heart_rate,70,/min", "B,sbp,120,mmHg")
    assert [row.fate for row in records.rows] == ["quarantined", "quarantined", "used", "used"]
    assert "systolic blood pressure 76 mmHg is not above diastolic blood pressure 112 mmHg" in records.rows[0].reason
    assert "swapped; allowed: 40 to 300 mmHg" in records.rows[0].reason
    assert "swapped; allowed: 15 to 200 mmHg" in records.rows[1].reason
    (told,) = records["A"].conflicts
    assert told.endswith("check whether the two are swapped; neither is used.")
    assert values(records) == {("heart_rate", "unspecified"): 70}


def test_same_row_twice_is_a_duplicate_and_another_value_a_conflict(tmp_path):
    records = read_rows(tmp_path, "A,sbp,112,mmHg", "A,sbp,112,mm[Hg]", "A,sbp,140,mmHg")
    assert [row.fate for row in records.rows] == ["quarantined"] * 3
    assert len(records["A"]) == 0
    for row in records.rows:
        assert "the record gives systolic blood pressure from 112 to 140 mmHg, all without a time" in row.reason
    records = read_rows(tmp_path, "A,sbp,112,mmHg", "A,sbp,112,mm[Hg]")
    assert [row.fate for row in records.rows] == ["used", "duplicate"]
    assert records.rows[1].reason == "the same as t.csv line 2"


def test_latest_visit_is_used_whatever_the_order(tmp_path):
    header = "patient,observable,value,unit,time"
    rows = ("A,sbp,112,mmHg,2020-01-01", "A,sbp,130,mmHg,2021-05-01T08:00:00Z", "A,sbp,99,mmHg,2019")
    records = read_rows(tmp_path, *rows, header=header)
    assert values(records) == {("sbp", "unspecified"): 130}
    assert [row.fate for row in records.rows] == ["quarantined", "used", "quarantined"]
    assert "a twin is of one visit" in records.rows[0].reason


def test_another_condition_is_not_mixed_in(tmp_path):
    header = "patient,observable,value,unit,condition"
    records = read_rows(tmp_path, "A,heart_rate,70,/min,rest", "A,heart_rate,130,/min,exercise", header=header)
    assert values(records) == {("heart_rate", "unspecified"): 70}
    assert "a twin is of one condition" in records.rows[1].reason


def test_unknown_modality_is_kept_as_unspecified_and_said(tmp_path):
    row = only(records := read_rows(tmp_path, "A,sbp,112,mmHg,crystal", header="patient,observable,value,unit,method"))
    assert values(records) == {("sbp", "unspecified"): 112} and "'crystal'" in row.reason


def test_one_bad_patient_leaves_the_good_ones_whole(tmp_path):
    records = read_rows(tmp_path, "A,sbp,112,mmHg", "B,sbp,junk,mmHg", "C,sbp,120,mmHg")
    assert records.patients == ["A", "B", "C"] and not records["B"].measurements
    assert values(records, "C") == {("sbp", "unspecified"): 120}


def test_wide_table_reads_with_a_mapping_beside_it(tmp_path):
    path = table(tmp_path, "A,112,10.1", "B,120,", header="id,s,d")
    (tmp_path / "t_mapping.yaml").write_text(
        'patient: id\ncolumns:\n  s: {observable: sbp, unit: "mm[Hg]"}\n  d: {observable: dbp, unit: kPa}\n'
    )
    records = checked(ht.read(path))
    assert records["A"].measurements[1].value == pytest.approx(75.76, abs=0.01)
    assert len(records.rows) == 3 and records.rows[0].origin == "t.csv line 2 column s"


def test_column_outside_the_mapping_is_set_aside_and_an_ignored_one_left(tmp_path):
    path = table(tmp_path, "A,112,9,x", header="id,s,mystery,group")
    records = checked(ht.read(path, mapping={**MAPPING, "ignore": {"group": "no measurement"}}))
    assert [(row.field, row.fate) for row in records.rows] == [("s", "used"), ("mystery", "quarantined")]
    assert "add it under `columns`" in records.rows[1].reason


def test_wide_table_with_units_in_its_headers_needs_no_mapping(tmp_path):
    path = table(tmp_path, "A,112,76,m", header="id,sbp [mmHg],DBP (mm[Hg]),sex")
    records = checked(ht.read(path))
    assert values(records) == {("sbp", "unspecified"): 112, ("dbp", "unspecified"): 76}
    assert records["A"].covariates == {"sex": "male"}


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"patient": "id", "colums": {}}, "unknown key `colums`; known keys are patient, time, columns, ignore"),
        ({"patient": "id"}, "must have `columns`"),
        ({"patient": "who", **{k: v for k, v in MAPPING.items() if k == "columns"}}, "`who` is not among the headers"),
        ({"patient": "id", "columns": {"s": "sbp"}}, "must be written as"),
        (
            {"patient": "id", "columns": {"s": {"observable": "sbpp", "unit": "mmHg"}}},
            "`sbpp` is not known; did you mean sbp",
        ),
        ({"patient": "id", "columns": {"s": {"observable": "sbp", "unit": "mmHq"}}}, "unit `mmHq` is not known"),
        (
            {"patient": "id", "columns": {"s": {"observable": "sbp", "modality": "cough"}}},
            "modality `cough` must be one of",
        ),
        ({"patient": "id", "columns": {"s": {"observable": "sbp", "units": "mmHg"}}}, "did you mean `unit`"),
    ],
)
def test_mistake_in_a_mapping_is_named(tmp_path, mapping, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        ht.read(table(tmp_path, "A,112,10.1", header="id,s,d"), mapping=mapping)


def test_headers_that_say_nothing_are_refused_with_a_mapping_to_fill_in(tmp_path):
    with pytest.raises(InputError, match=r"write t_mapping\.yaml beside it"):
        ht.read(table(tmp_path, "A,112,10.1", header="id,s,d"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"# only a remark\n", "must hold a header line"),
        (b"patient,observable,value,unit\n", "no row below it"),
        ("patient,observable,value,unit\nA,sbp,1,mmHg\n".encode("utf-16"), "not a text table"),
        (b"\x00\x01\x02\x03,\x00\n", "not a text table"),
    ],
)
def test_file_that_is_no_table_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"t.csv: .*{message}"):
        ht.read(path)


def test_monster_line_and_broken_quotes_cost_their_row_only(tmp_path):
    records = read_rows(
        tmp_path, "x" * 3_000_000, "A,sbp,112,mmHg", 'A,dbp,"' + "7" * 200_000 + ",mmHg", "A,heart_rate,70,/min"
    )
    assert values(records)["sbp", "unspecified"] == 112
    assert all(row.fate == "quarantined" for row in records.rows if row.field == "row")


def test_control_characters_do_not_reach_the_account(tmp_path):
    row = only(read_rows(tmp_path, "A\x1b[31m,sb\x07p,1\x0812,mmHg"))
    assert (row.patient + row.field + row.text).isprintable()


@pytest.mark.parametrize("rows", [200_000])
def test_memory_does_not_grow_with_the_table(tmp_path, rows):
    path = tmp_path / "long.csv"
    with path.open("w") as file:
        file.write("patient,observable,value,unit,time\n")
        file.writelines(f"P{k % 50},heart_rate,{60 + k % 40},/min,{k}\n" for k in range(rows))
    code = (
        "import resource, sys, hemotwin as ht\n"
        "ht.read(sys.argv[2])\n"
        "base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "records = ht.read(sys.argv[1])\n"
        "assert records.summary()['used'] == 50, records\n"
        "print(len(records.rows), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base)\n"
    )
    small = table(tmp_path, "A,sbp,112,mmHg")
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(small)], capture_output=True, text=True, check=True
    )
    count, grown = map(int, done.stdout.split())
    assert count == rows
    assert grown < 60_000 * (1024 if sys.platform == "darwin" else 1)  # kB: about 40 bytes a row and 20 MB of texts


def test_a_file_of_too_many_patients_is_refused_with_the_fix(tmp_path, monkeypatch):
    monkeypatch.setattr("hemotwin.records.collect.PATIENT_LIMIT", 2)
    with pytest.raises(InputError, match="more than 2 patients in one source; split it"):
        ht.read(table(tmp_path, *(f"P{k},sbp,112,mmHg" for k in range(3))))


def test_a_file_of_too_many_readings_is_refused_with_the_fix(tmp_path, monkeypatch):
    monkeypatch.setattr("hemotwin.records.collect.KEPT_LIMIT", 2)
    with pytest.raises(InputError, match=r"t.csv line 4: more than 2 different readings in one source; split it"):
        ht.read(table(tmp_path, *(f"P{k},sbp,112,mmHg" for k in range(3))))


def test_letters_of_a_spreadsheet_stay_apart_and_utf_8_stays_utf_8(tmp_path):
    path = tmp_path / "w.csv"
    path.write_bytes("patient,observable,value,unit\nMüller,svi,40,mL/m²\nMöller,sbp,120,mmHg\n".encode("cp1252"))
    assert checked(ht.read(path)).patients == ["Müller", "Möller"]
    assert ht.read(path).summary()["used"] == 2
    path.write_bytes("patient,observable,value,unit\nMüller,sbp,120,mmHg\n".encode() + b"\xff,dbp,80,mmHg\n")
    assert ht.read(path).patients[0] == "Müller"


@pytest.mark.parametrize(
    "header", ["id,patient_id,name,code,result,value,unit", "name,id,value,code,unit,patient_id,result"]
)
def test_header_that_says_most_is_taken_whatever_the_order(tmp_path, header):
    cells = {
        "id": "r1",
        "patient_id": "A",
        "name": "Jo",
        "code": "8480-6",
        "result": "7",
        "value": "120",
        "unit": "mmHg",
    }
    records = read_rows(tmp_path, ",".join(cells[name] for name in header.split(",")), header=header)
    assert records.patients == ["A"] and values(records) == {("sbp", "unspecified"): 120}


def test_two_columns_of_one_name_are_refused(tmp_path):
    with pytest.raises(InputError, match="two columns are called `Value`"):
        read_rows(tmp_path, "A,sbp,120,mmHg,80", header="patient,observable,Value,unit,value ")


@pytest.mark.parametrize(
    ("day", "clock", "time"),
    [
        ("2020-01-01", "9:30", "2020-01-01T09:30"),
        ("2020-01-01", "09:30:15", "2020-01-01T09:30:15"),
        ("2020-01-01", "2020-01-01T09:30", "2020-01-01T09:30"),
        ("2020-01-01", "930", "2020-01-01"),
        ("2020-01-01", "", "2020-01-01"),
    ],
)
def test_date_and_time_of_day_in_two_columns_are_one_time(tmp_path, day, clock, time):
    header = "patient,observable,value,unit,time,date"
    (found,) = read_rows(tmp_path, f"A,sbp,120,mmHg,{clock},{day}", header=header)["A"]
    assert found.time == time
