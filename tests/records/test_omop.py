"""OMOP common data model: the same patients from Parquet, CSV, a zip, a DuckDB file and through SQLAlchemy."""

import datetime
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError

from .build import checked, values

duckdb = pytest.importorskip("duckdb")
arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
csv = pytest.importorskip("pyarrow.csv")
sqlalchemy = pytest.importorskip("sqlalchemy")

DAY = datetime.date(2024, 3, 1)
PERSON = {
    "person_id": [7, 8], "gender_concept_id": [8532, 8507], "year_of_birth": [1970, 2015],
    "month_of_birth": [3, 6], "day_of_birth": [2, 30],
}  # fmt: skip
CONCEPT = {
    "concept_id": [3004249, 3012888, 9999001, 8876, 555],
    "vocabulary_id": ["LOINC", "LOINC", "LOINC", "UCUM", "mimiciv_meas_chart"],
    "concept_code": ["8480-6", "8462-4", "10230-1", "mm[Hg]", "220050"],
    "concept_name": ["Systolic", "Diastolic", "LV ejection fraction", "millimeter mercury", "Arterial systolic"],
}


def measurements(*rows: tuple[Any, ...]) -> dict[str, list[Any]]:
    """(person, concept, source concept, value, unit concept, unit text, operator) to a measurement table."""
    columns = list(zip(*rows, strict=True))
    names = (
        "person_id", "measurement_concept_id", "measurement_source_concept_id", "value_as_number", "unit_concept_id",
        "unit_source_value", "operator_concept_id",
    )  # fmt: skip
    table: dict[str, list[Any]] = {name: list(column) for name, column in zip(names, columns, strict=True)}
    return {"measurement_id": list(range(1, len(rows) + 1)), "measurement_date": [DAY] * len(rows), **table}


def model(*rows: tuple[Any, ...], concept: bool = True) -> dict[str, dict[str, list[Any]]]:
    tables = {"person": PERSON, "measurement": measurements(*rows)}
    return tables | ({"concept": CONCEPT} if concept else {})


def write(folder: Path, tables: dict[str, dict[str, list[Any]]], kind: str = "parquet") -> Path:
    folder.mkdir(exist_ok=True)
    for name, columns in tables.items():
        table = arrow.table(columns)
        writer = parquet.write_table if kind == "parquet" else csv.write_csv
        writer(table, str(folder / f"{name}.{kind}"))
    return folder


def only_row(folder: Path, *rows: tuple[Any, ...], **more: Any) -> Any:
    records = checked(ht.read(write(folder, model(*rows, **more))))
    (row,) = [row for row in records.rows if row.origin.startswith("measurement")]
    return row


def _sql_type(value: Any) -> Any:
    text = sqlalchemy.String if isinstance(value, str) else sqlalchemy.Float
    return sqlalchemy.Date if isinstance(value, datetime.date) else text


BP = [(7, 3004249, 0, 118.0, 8876, "mm[Hg]", 0), (7, 3012888, 0, 76.0, 8876, None, 0)]


def test_pressures_sex_and_age_come_by_concept(tmp_path):
    records = checked(ht.read(write(tmp_path / "cdm", model(*BP))))
    assert values(records, "7") == {("sbp", "unspecified"): 118, ("dbp", "unspecified"): 76}
    assert records["7"].covariates == {"sex": "female", "age": 53}
    assert records["8"].measurements == () and "8" in records.patients


def test_person_without_a_measurement_is_listed(tmp_path):
    assert ht.read(write(tmp_path / "cdm", model(*BP))).patients == ["7", "8"]


def test_every_container_gives_the_same_set(tmp_path):
    tables = model(*BP)
    folder = write(tmp_path / "cdm", tables)
    as_csv = write(tmp_path / "text", tables, "csv")
    with zipfile.ZipFile(tmp_path / "cdm.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"export/{path.name}")
            archive.writestr(f"__MACOSX/export/._{path.name}", b"\0\0")
    database = tmp_path / "cdm.duckdb"
    with duckdb.connect(str(database)) as connection:
        for name in tables:
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM read_parquet('{folder / name}.parquet')")
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'cdm.sqlite'}")
    with engine.begin() as connection:
        for name, columns in tables.items():
            kinds = {name: _sql_type(column[0]) for name, column in columns.items()}
            made = sqlalchemy.Table(name, sqlalchemy.MetaData(), *map(sqlalchemy.Column, kinds, kinds.values()))
            made.create(connection)
            rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
            connection.execute(made.insert(), rows)
    sources = [folder, as_csv, tmp_path / "cdm.zip", database, f"duckdb:///{database}",
               f"sqlite:///{tmp_path / 'cdm.sqlite'}"]  # fmt: skip
    sets = [checked(ht.read(source)) for source in sources]
    for records in sets[1:]:
        assert records.patients == sets[0].patients
        for patient in records.patients:
            assert records[patient] == sets[0][patient]


def test_table_in_parts_is_one_table(tmp_path):
    tables = model(*BP)
    folder = write(tmp_path / "cdm", tables)
    (folder / "measurement.parquet").unlink()
    (folder / "measurement").mkdir()
    for k in range(2):
        part = {name: column[k : k + 1] for name, column in tables["measurement"].items()}
        parquet.write_table(arrow.table(part), str(folder / "measurement" / f"part-{k}.parquet"))
    records = checked(ht.read(folder))
    assert len(records["7"]) == 2 and not [row for row in records.rows if "file" in row.origin]


def test_without_vocabulary_tables_our_own_list_stands_in(tmp_path):
    records = ht.read(write(tmp_path / "cdm", model(*BP, concept=False)))
    assert values(records, "7") == {("sbp", "unspecified"): 118, ("dbp", "unspecified"): 76}


def test_vocabulary_of_the_export_teaches_concepts_that_our_list_lacks(tmp_path):
    row = only_row(tmp_path / "cdm", (7, 9999001, 0, 55.0, 8554, "%", 0))
    assert (row.fate, row.field) == ("used", "10230-1 LV ejection fraction")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ((7, 0, 0, 118.0, 8876, "mm[Hg]", 0), "mapped to no standard concept"),
        ((7, 3004249, 3012888, 118.0, 8876, "mm[Hg]", 0), "its codes name systolic and diastolic at once"),
        ((7, 3004249, 0, None, 8876, "mm[Hg]", 0), "value_as_number is empty"),
        ((7, 3004249, 0, 118.0, 8876, "kPa", 0), "unit code 'mm[Hg]' and its printed unit 'kPa' contradict"),
        ((7, 3004249, 0, 118.0, 0, None, 0), "the unit is missing"),
        ((7, 3004249, 0, 118.0, 8876, None, 123456), "its operator_concept_id is none of ="),
        ((7, 4242, 0, 118.0, 8876, None, 0), "no observable or code that is known"),
        ((7, 3004249, 0, 900.0, 8876, None, 0), "outside 40 to 300 mmHg"),
    ],
)
def test_a_row_that_cannot_stand_is_set_aside_with_the_reason(tmp_path, row, reason):
    fate = only_row(tmp_path / "cdm", row)
    assert fate.fate == "quarantined" and reason in fate.reason


def test_operator_makes_a_number_a_limit(tmp_path):
    row = (7, 3004249, 0, 118.0, 8876, None, 4171756)
    (one,) = checked(ht.read(write(tmp_path / "cdm", model(row))))["7"]
    assert (one.kind, one.value, one.lower, one.upper) == ("censored", None, None, 118)


def test_source_concept_of_the_hospital_does_not_disturb_the_standard_one(tmp_path):
    assert only_row(tmp_path / "cdm", (7, 3004249, 555, 118.0, 8876, "mmHg", 4172703)).fate == "used"


def test_csv_cells_are_judged_row_by_row(tmp_path):
    folder = write(tmp_path / "cdm", model(*BP), "csv")
    path = folder / "measurement.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, rows[0].replace("118", "high"), rows[1], "1,2,3"]) + "\n")
    records = checked(ht.read(folder))
    assert values(records, "7") == {("dbp", "unspecified"): 76}
    reasons = [row.reason for row in records.rows if row.fate == "quarantined"]
    assert any("text where a number is expected" in reason for reason in reasons)
    assert any("3 cells under" in reason for reason in reasons)


def test_a_plain_table_called_measurement_is_no_model(tmp_path):
    (tmp_path / "measurement.csv").write_text("patient,observable,value,unit\nA,sbp,112,mmHg\n")
    assert values(checked(ht.read(tmp_path))) == {("sbp", "unspecified"): 112}


def test_a_table_without_its_key_columns_is_refused_by_name(tmp_path):
    tables = model(*BP)
    del tables["measurement"]["person_id"]
    with pytest.raises(InputError, match="the measurement table lacks person_id"):
        ht.read(write(tmp_path / "cdm", tables))


def test_damaged_parquet_is_refused_without_a_path(tmp_path):
    folder = write(tmp_path / "cdm", model(*BP))
    path = folder / "measurement.parquet"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="cdm: measurement cannot be read") as error:
        ht.read(folder)
    assert str(tmp_path) not in str(error.value).partition("\n")[2]


def test_database_address_never_shows_its_password(tmp_path):
    for address in ("nosuch://me:sesame@host/cdm", "me:sesame://host", "postgresql+nodriver://me:sesame@host/cdm"):
        with pytest.raises(InputError) as error:
            ht.read(address)
        assert "sesame" not in str(error.value)


def test_duckdb_view_cannot_read_another_file(tmp_path):
    database, secret = tmp_path / "cdm.duckdb", tmp_path / "secret.csv"
    secret.write_text("measurement_id,person_id,measurement_concept_id\n1,7,3004249\n")
    with duckdb.connect(str(database)) as connection:
        connection.execute(f"CREATE VIEW measurement AS SELECT * FROM read_csv('{secret}')")
    with pytest.raises(InputError, match="cannot be read"):
        ht.read(database)


def test_missing_library_names_the_install_command(tmp_path, monkeypatch):
    folder = write(tmp_path / "cdm", model(*BP))
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"needs pyarrow.*pip install .*\[omop\]"):
        ht.read(folder)


@pytest.mark.real_data
def test_synthetic_model_of_28_persons_is_read_row_by_row(data_folder):
    records = checked(ht.read(data_folder / "omop_synthea27nj"))
    assert len(records) == 28
    origins = [row.origin.split()[0] for row in records.rows]
    assert (origins.count("measurement"), origins.count("observation"), origins.count("person")) == (10040, 8099, 56)
    pressures = [row for row in records.rows if row.field.startswith(("8480-6", "8462-4"))]
    assert len(pressures) == 2 * 726 and not [row for row in pressures if "unit" in row.reason or "known" in row.reason]
    ages = [one.covariates["age"] for one in records if "age" in one.covariates]
    assert min(ages) < 15 and max(ages) > 60
    assert all(one.covariates["sex"] in ("male", "female") for one in records)


def stay(day: int, hour: int = 0) -> datetime.datetime:
    return datetime.datetime(2024, 3, day, hour)


def states(folder: Path, drug: dict[str, list[Any]] | None = None, device: dict[str, list[Any]] | None = None) -> Path:
    """Heart rates of person 7 at 8, 12 and 20 o'clock of one day and of the next, beside exposures."""
    times = [stay(1, 8), stay(1, 12), stay(1, 20), stay(2)]
    rows = [(7, 3027018, 0, 70.0 + k, 8541, "/min", 0) for k in range(4)]
    tables = model(*rows)
    tables["measurement"] |= {
        "measurement_date": [one.date() for one in times], "measurement_datetime": times,
        "visit_occurrence_id": [1, 1, 1, 2],
    }  # fmt: skip
    tables["concept"] = {name: [*column, more] for (name, column), more in zip(
        CONCEPT.items(), [3027018, "LOINC", "8867-4", "Heart rate"], strict=True)}  # fmt: skip
    names = {1: "dobutamine 12.5 MG/ML Injection", 2: "NDA1 epinephrine Auto-Injector", 3: "Impella pump", 4: "aspirin"}
    for number, name in names.items():
        for column, more in zip(tables["concept"].values(), [number, "RxNorm", str(number), name], strict=True):
            column.append(more)
    for kind, given in (("drug", drug), ("device", device)):
        if given:
            tables[f"{kind}_exposure"] = {
                "person_id": [7] * len(given["of"]), f"{kind}_concept_id": given["of"],
                f"{kind}_exposure_start_date": [one.date() for one in given["start"]],
                f"{kind}_exposure_start_datetime": given["start"],
                f"{kind}_exposure_end_date": [one and one.date() for one in given["end"]],
                f"{kind}_exposure_end_datetime": given["end"],
            }  # fmt: skip
    return write(folder, tables)


def rates(folder: Path, **asked: str) -> dict[tuple[float | None, str | None], str | None]:
    return {(m.value, m.time): m.condition for m in checked(ht.read(folder, **asked))["7"]}


def test_measurement_during_an_infusion_is_of_that_condition_and_the_latest_at_rest_is_taken(tmp_path):
    given = {"of": [1, 4, 2], "start": [stay(1, 10), stay(1), stay(1)], "end": [stay(1, 14), stay(9), stay(9)]}
    folder = states(tmp_path / "cdm", drug=given)
    assert rates(folder, visit="2024-03-01") == {(72, "2024-03-01T20:00"): None}  # no state of aspirin or a pen at hand
    assert rates(folder, visit="2024-03-01", condition="dobutamine") == {(71, "2024-03-01T12:00"): "dobutamine"}
    (row,) = [row for row in ht.read(folder).rows if row.field == "drug_exposure"]
    assert "(1 of 3 exposures change the circulation)" in row.reason


def test_exposure_without_a_time_holds_for_its_days_and_a_device_without_an_end_stays(tmp_path):
    folder = states(tmp_path / "a", drug={"of": [1], "start": [stay(1)], "end": [stay(1)]})
    assert set(rates(folder, visit="2024-03-01").values()) == {"dobutamine"} and set(rates(folder).values()) == {None}
    folder = states(tmp_path / "b", device={"of": [3], "start": [stay(1, 13)], "end": [None]})
    assert rates(folder) == {(71, "2024-03-01T12:00"): None}  # rest goes first where there is any
    assert rates(folder, condition="impella") == {(73, "2024-03-02"): "impella"}


def test_two_exposures_at_once_are_a_condition_of_their_own(tmp_path):
    given = {"of": [1], "start": [stay(1, 10)], "end": [stay(2, 14)]}
    folder = states(tmp_path / "a", drug=given, device={"of": [3], "start": [stay(2)], "end": [None]})
    assert rates(folder, condition="dobutamine + impella") == {(73, "2024-03-02"): "dobutamine + impella"}


def test_visit_occurrence_chooses_the_visit_and_dates_what_has_no_date(tmp_path):
    folder = states(tmp_path / "cdm")
    assert rates(folder, visit="id:1") == {(72, "2024-03-01T20:00"): None}
    assert ht.read(folder, visit="id:1")["7"].choice.startswith("The visit: encounter 1; of 2024-03-01T20:00")
    with pytest.raises(InputError, match="no usable reading names the encounter `3`"):
        ht.read(folder, visit="id:3")
    tables = model(*BP)
    tables["measurement"] |= {"measurement_date": [None, None], "visit_occurrence_id": [5, 6]}
    tables["visit_occurrence"] = {"visit_occurrence_id": [5, 6], "visit_start_date": [DAY, DAY],
                                  "visit_end_date": [DAY, DAY + datetime.timedelta(3)]}  # fmt: skip
    times = {m.observable: m.time for m in checked(ht.read(write(tmp_path / "undated", tables)))["7"]}
    assert times == {"sbp": "2024-03-01", "dbp": None}
