"""Parquet tables are read as CSV tables are: the same forms, mapping and account of rows."""

import datetime
from pathlib import Path
from typing import Any

import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError

from .build import checked, read_rows, values

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def write(path: Path, **columns: list[Any]) -> Path:
    parquet.write_table(arrow.table(columns), str(path))
    return path


def test_long_form_gives_the_set_of_the_same_csv(tmp_path):
    path = write(
        tmp_path / "t.parquet", patient=["A", "A", "A"], observable=["sbp", "dbp", "map"], value=[112.0, 76.5, None],
        unit=["mmHg"] * 3, time=[datetime.datetime(2024, 3, 1)] * 3,
    )  # fmt: skip
    records = checked(ht.read(path))
    same = read_rows(
        tmp_path, "A,sbp,112,mmHg,2024-03-01", "A,dbp,76.5,mmHg,2024-03-01", header="patient,observable,value,unit,time"
    )
    assert values(records) == values(same) and {m.time for m in records["A"]} == {"2024-03-01"}
    assert [row.reason for row in records.rows if row.fate == "quarantined"] == [
        "the value is empty: leave the row out, or give the number"
    ]
    assert records.rows[0].origin == "t.parquet row 1"


def test_wide_form_takes_the_mapping_beside_it(tmp_path):
    path = write(tmp_path / "ward.parquet", id=[1, 2], p_sys=[112.0, float("nan")], note=["free", "text"])
    (tmp_path / "ward_mapping.yaml").write_text(
        'patient: id\nignore: {note: words}\ncolumns:\n  p_sys: {observable: sbp, unit: "mm[Hg]", modality: cuff}\n'
    )
    records = checked(ht.read(path))
    assert records.patients == ["1", "2"]
    assert values(records, "1") == {("sbp", "cuff"): 112} and values(records, "2") == {}
    assert values(checked(ht.read(tmp_path)), "1") == {("sbp", "cuff"): 112}  # the mapping is no unread file


def test_nested_cells_are_set_aside_as_no_number(tmp_path):
    records = checked(ht.read(write(tmp_path / "t.parquet", **{"patient": ["A"], "sbp [mmHg]": [[112, 76]]})))
    assert [row.fate for row in records.rows] == ["quarantined"]


def test_unknown_headers_are_refused_with_the_mapping_to_write(tmp_path):
    with pytest.raises(InputError, match=r"write t_mapping\.yaml beside it"):
        ht.read(write(tmp_path / "t.parquet", a=[1], b=[2]))


def test_damaged_file_is_refused(tmp_path):
    path = write(tmp_path / "t.parquet", patient=["A"], observable=["sbp"], value=[112], unit=["mmHg"])
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"PAR1" + bytes(100), b"nothing"):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"t\.parquet: "):
            ht.read(path)


def test_empty_table_is_refused(tmp_path):
    with pytest.raises(InputError, match="no row"):
        ht.read(write(tmp_path / "t.parquet", patient=[], observable=[], value=[]))
