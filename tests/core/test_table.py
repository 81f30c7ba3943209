"""The small table that results print as."""

import csv

import pytest

from hemotwin.core.errors import InputError
from hemotwin.core.table import Table, format_cell

TABLE = Table(
    ["reading", "value"], [["SBP <cuff>", 112.0], ["heart rate", None]], title="P1", note="not for clinical use"
)


def test_columns_line_up_and_missing_prints_as_a_dash():
    assert repr(TABLE).splitlines() == [
        "P1",
        "reading     value",
        "----------  -----",
        "SBP <cuff>    112",
        "heart rate      –",
        "not for clinical use",
    ]


def test_html_escapes_what_a_record_says():
    page = TABLE._repr_html_()
    assert "SBP &lt;cuff&gt;" in page and "<cuff>" not in page


def test_rows_come_back_as_dicts_with_raw_values():
    assert list(TABLE) == [{"reading": "SBP <cuff>", "value": 112.0}, {"reading": "heart rate", "value": None}]
    assert TABLE.column("value") == [112.0, None] and len(TABLE) == 2


def test_row_of_another_length_is_refused():
    with pytest.raises(InputError, match="must have 2 cells as the columns, but row 1 has 1"):
        Table(["a", "b"], [["x"]])


def test_csv_reads_back(tmp_path):
    with TABLE.to_csv(tmp_path / "t.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["reading", "value"], ["SBP <cuff>", "112.0"], ["heart rate", ""]]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (0.123456, "0.1235"),
        (12345.6, "12346"),
        (7, "7"),
        (float("nan"), "–"),
        (True, "yes"),
        ("a\nb", "a b"),
        (1e-9, "1e-09"),
    ],
)
def test_cell_is_short_and_on_one_line(cell, text):
    assert format_cell(cell) == text
