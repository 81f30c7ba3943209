"""A table in memory is read as the same table in a file: the same sets, the same account of rows."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError
from hemotwin.records.readers.cell_text import cell_text

from .build import checked, only, table, values

pandas = pytest.importorskip("pandas")

WIDE = ("patient,sex,age [a],time,systolic [mmHg],dbp (kPa),co_,ef [%]",
        "A17,female,58,2024-03-01,128,10.5,5,55-60", "B2,m,,2024-03-01,999,9.5,,<30", "B2,m,,2024-03-01,120,,,<30",
        "C,x,61.5,,,,,normal")  # fmt: skip
LONG = ("patient,observable,value,unit,sd,time,method,condition",
        "A,8480-6,128,mmHg,2.5,2024-03-01T09:30,cuff,", "A,sbp,128,mmHg,2.5,2024-03-01T09:30,cuff,",
        "A,dbp,79,,,2024-03-01T09:30,cuff,rest", "A,birth date,1960-01-01,,,,,", "B,cvp,,mmHg,,,,",
        "B,nonsense,7,mmHg,,,,", "B,co,5.25,L/min,,2024-03-02,fick,exercise")  # fmt: skip


def account(records):
    """Sets and rows with their places, a line of the file t.csv as the row in memory that it is."""
    sets = [dataclasses.asdict(one) for one in records]
    text = repr((sets, [dataclasses.astuple(row) for row in records.rows], records.summary(), records.rule_counts))
    return re.sub(r"t\.csv line (\d+)", lambda found: f"table in memory row {int(found[1]) - 2}", text)


@pytest.mark.parametrize("lines", [WIDE, LONG], ids=["wide", "long"])
def test_all_forms_in_memory_give_the_sets_and_the_account_of_the_same_csv(tmp_path, lines):
    path = table(tmp_path, *lines[1:], header=lines[0])
    frame = pandas.read_csv(path, dtype=str)
    of_file = checked(ht.read(path))
    forms = (frame, frame.to_dict("records"), frame.to_dict("list"), {name: frame[name] for name in frame})
    for given in forms:
        records = checked(ht.read(given))
        assert account(records) == account(of_file)
    assert {row.fate for row in of_file.rows} >= {"used", "duplicate", "quarantined"}
    assert len({ht.read(given).sha256 for given in forms}) == 1 != len({of_file.sha256, ht.read(frame).sha256})


@pytest.mark.parametrize("lines", [WIDE, LONG], ids=["wide", "long"])
def test_typed_columns_are_read_as_their_text(tmp_path, lines):
    path = table(tmp_path, *lines[1:], header=lines[0])
    frame = pandas.read_csv(path, parse_dates=["time"] if lines is WIDE else None)  # NaN in columns of floats, NaT
    assert account(checked(ht.read(frame))) == account(ht.read(path))
    assert account(checked(ht.read(frame.convert_dtypes()))) == account(ht.read(path))  # pandas.NA
    frame = frame.astype({"patient": "category", frame.columns[1]: "category"})
    assert account(checked(ht.read(frame))) == account(ht.read(path))


def test_place_of_a_value_counts_from_0_as_iloc_does_whatever_the_index_and_empty_rows():
    frame = pandas.DataFrame({"patient": ["A", None, "B"], "sbp [mmHg]": [120, None, 700]}, index=[10, 20, 30])
    records = checked(ht.read(frame))
    assert [row.origin for row in records.rows] == [
        "table in memory row 0 column sbp [mmHg]", "table in memory row 2 column sbp [mmHg]",
    ]  # fmt: skip
    assert records.rows[1].fate == "quarantined" and frame.iloc[2]["sbp [mmHg]"] == 700
    assert records["A"].measurements[0].origin == records.rows[0].origin
    assert records.source == Path("table in memory") and "table in memory" in repr(records)


def test_index_is_left_out_unless_a_level_is_named_as_a_column_would_be():
    plain = pandas.DataFrame({"patient": ["A", "B"], "sbp [mmHg]": [120, 130], "time": ["2024-03-01", "2024-03-02"]})
    same = account(ht.read(plain))
    assert account(ht.read(plain.set_index("patient"))) == same
    assert account(ht.read(plain.set_index(["patient", "time"]))) == same
    assert account(ht.read(plain.set_index("sbp [mmHg]"))) == same
    other = plain.set_index(pandas.Index(["x", "y"], name="ward"))
    assert account(ht.read(other)) == same
    kept = plain.set_index(pandas.Index(["x", "y"], name="patient"))  # the column of the same name stays
    assert account(ht.read(kept)) == same
    one = ht.read(plain.drop(columns="patient").iloc[:1])
    assert one.patients == ["table in memory"] and not one["table in memory"].identified


def test_mapping_is_given_as_for_a_file_and_none_is_looked_for_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table in memory_mapping.yaml").write_text("patient: id\ncolumns: {s: {observable: dbp, unit: kPa}}\n")
    (tmp_path / "table in memory_governance.yaml").write_text("steward: nobody\n")
    frame = pandas.DataFrame({"id": ["A"], "s": [120]})
    with pytest.raises(InputError, match=r"table in memory: the headers \(id, s\) .* `mapping=`"):
        ht.read(frame)
    mapping = {"patient": "id", "columns": {"s": {"observable": "sbp", "unit": "mmHg"}}}
    for given in (frame, frame.set_index("id"), frame.set_index("s")):
        records = checked(ht.read(given, mapping=mapping))
        assert values(records) == {("sbp", "unspecified"): 120} and not records.governance.facts()


def test_policy_is_asked_before_a_table_in_memory_is_seen():
    rows = [{"patient": name, "sbp [mmHg]": 120} for name in ("A", "B")]
    consent = [{"patient": "A", "purpose": "research", "decision": "permit"}]
    records = checked(ht.read(rows, governance={"policy": "research", "consent": consent}))
    assert len(records["A"]) == 1 and not len(records["B"])
    assert records.rows[1].text == "(withheld)"


def test_rows_may_leave_out_what_they_do_not_know():
    records = checked(ht.read([{"patient": "A", "sbp [mmHg]": 120}, {"dbp [mmHg]": 70, "patient": "B"}]))
    assert values(records, "A") == {("sbp", "unspecified"): 120} and values(records, "B") == {
        ("dbp", "unspecified"): 70
    }


def test_choice_of_visit_and_window_hold_for_a_table_in_memory():
    rows = [{"patient": "A", "observable": "sbp", "value": v, "unit": "mmHg", "time": t}
            for v, t in ((110, datetime.date(2023, 1, 1)), (130, datetime.datetime(2024, 1, 1, 8, 30)))]  # fmt: skip
    assert values(checked(ht.read(rows, visit="2023-01-01"))) == {("sbp", "unspecified"): 110}
    assert values(checked(ht.read(rows))) == {("sbp", "unspecified"): 130}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "a pandas DataFrame, a list of rows or a dict of columns, as in .* but got None"),
        (7, "but got int"),
        (b"x.csv", "but got bytes"),
        (np.zeros((2, 2)), "but got numpy.ndarray"),
        (pandas.Series([1]), "but got pandas.Series"),
        ({"a"}, "but got set"),
        ([], "table in memory: it is empty"),
        ({}, "table in memory: it is empty"),
        ([{"patient": "A", "sbp [mmHg]": 1}, ["B", 2]], "table in memory row 1: must be a dict .* but got list"),
        (["a.csv", "b.csv"], "row 0: must be a dict .* but got str: several files are read as one folder"),
        ({"patient": "A", "sbp [mmHg]": 120}, "column `patient`: must be a list of values, but got str: .* row in a"),
        ({"sbp [mmHg]": {0: 120}}, "column `sbp .mmHg.`: must be a list of values, but got dict"),
        ({"patient": ["A", "B"], "sbp [mmHg]": [1]}, "`sbp .mmHg.`: has 1 values, but column `patient` has 2"),
        ({"patient": pandas.Series(["A"], [0]), "sbp [mmHg]": pandas.Series([1], [5])}, "its index is not that of"),
        ({"patient": [None], "sbp [mmHg]": [float("nan")]}, "no row with a value"),
        (pandas.DataFrame({"patient": [], "sbp [mmHg]": []}), "no row with a value"),
        (pandas.DataFrame({"a": [1]}), "neither the long form"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_give(given, message):
    with pytest.raises(InputError, match=message):
        ht.read(given)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""), (float("nan"), ""), (np.float32("nan"), ""), (decimal.Decimal("nan"), ""), (pandas.NA, ""),
        (pandas.NaT, ""), (np.datetime64("nat"), ""), (np.float64(1.5), "1.5"), (np.float32(1.1), "1.1"),
        (np.float16(0.5), "0.5"), (np.int64(7), "7"), (7.0, "7"), (-0.25, "-0.25"), (np.str_("A"), "A"),
        (float("inf"), "inf"), (np.True_, "true"), (pandas.Timestamp("2024-03-01"), "2024-03-01"),
        (pandas.Timestamp("2024-03-01 09:30"), "2024-03-01T09:30:00"), (np.datetime64("2024-03-01"), "2024-03-01"),
        (np.datetime64("2024-03-01T09:30", "ns"), "2024-03-01T09:30:00"), (pandas.Period("2024-03"), "2024-03"),
        ([1, 2], "(list)"), (pandas.Timedelta("1h"), "(Timedelta)"), (decimal.Decimal("4.60"), "4.60"),
    ],
)  # fmt: skip
def test_cell_is_the_text_that_a_csv_table_would_hold(cell, text):
    assert cell_text(cell) == text


def test_cells_that_hold_no_value_are_set_aside_by_name():
    row = only(ht.read([{"patient": "A", "sbp [mmHg]": [120, 80]}]))
    assert row.fate == "quarantined" and row.text == "(list)"


def test_pandas_is_not_imported_for_rows_nor_by_the_package():
    code = (
        "import sys, hemotwin as ht\n"
        "records = ht.read([{'patient': 'A', 'sbp [mmHg]': 120}])\n"
        "assert len(records['A']) == 1\n"
        "assert 'pandas' not in sys.modules and 'jax' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
