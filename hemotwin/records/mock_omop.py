"""A synthetic record as OMOP common data model 5.4: one Parquet file a table, as an export comes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..core.configs import config_path, load_yaml
from ..core.disclaimer import DISCLAIMER
from ..core.errors import UnitError
from ..core.extras import required
from ..core.units import parse_unit
from .codes import codings_of
from .marks import MADE_UP, SYNTHETIC
from .mock_person import MockReading

__all__ = ["TABLES", "write_model"]

TABLES = ("person", "measurement", "concept", "cdm_source", "drug_exposure", "device_exposure")

LOCAL = 2_000_000_000  # concept ids from here on are a site's own, by the convention of the model
_UNKNOWN = "unrecognised "  # how the names of rows begin that stand for codes which are not known
_FIRST_YEAR = 2000  # of the mock's first day: ages count back from it
_VOCABULARIES = {"loinc": "LOINC", "snomed": "SNOMED"}
_ACTING = {"drug": ("drug_exposure", "dobutamine"), "support": ("device_exposure", "impella")}
# hours of a reading in its state, and of the exposure around it: apart on a day that has several of them
_HOURS = {"": time(9), "drug": time(15), "support": time(19)}
_EXPOSED = {"drug": (time(14), time(16)), "support": (time(18), time(20))}


def write_model(rows: Iterable[MockReading], folder: Path, earlier: Iterable[Path] = ()) -> list[Path]:
    """Write person, measurement, concept, cdm_source and the exposures that conditions come of; the files.

    The model has no field for a method or a consent, and none for exercise or fluid: such readings are left to the
    table, as are those without any code. `earlier` are files of an earlier mock, which go once all tables are made: one
    that is not written anew would be read with the others. Raises `InputError` with the install command where pyarrow
    is missing.
    """
    made, given = _Model(), list(rows)
    for row in given:
        made.exposed(row)
    for row in given:
        made.take(row)
    tables = made.tables()
    arrow, parquet = (required(name, "omop", "writing OMOP tables") for name in ("pyarrow", "pyarrow.parquet"))
    folder.mkdir(parents=True, exist_ok=True)
    drafts = {}
    for name, columns in tables.items():
        kinds = {column: _kind(arrow, column) for column in columns}
        table = arrow.table({column: arrow.array(cells, kinds[column]) for column, cells in columns.items()})
        table = table.replace_schema_metadata({"hemotwin": MADE_UP})  # by it a later mock knows the file as one of ours
        drafts[name] = folder / f".{name}.parquet.partial"
        parquet.write_table(table, str(drafts[name]))
    for one in earlier:
        one.unlink()
    return [draft.replace(folder / f"{name}.parquet") for name, draft in drafts.items()]


class _Model:
    """Tables as lists of rows, filled reading by reading."""

    def __init__(self) -> None:
        self.people: dict[str, dict[str, Any]] = {}
        self.concepts: dict[tuple[str, str], int] = {}
        self.measurements: list[dict[str, Any]] = []
        self.busy: set[tuple[int, date | None]] = set()  # days with an exposure
        self.exposures: dict[str, dict[tuple[int, date], dict[str, Any]]] = {table: {} for table, _ in _ACTING.values()}

    def take(self, row: MockReading) -> None:
        """One value: into the person, or a measurement where it has a code."""
        number = _number_of(row.patient)
        person = self.people.setdefault(row.patient, {
            "person_id": number, "gender_concept_id": 0, "year_of_birth": None, "person_source_value": row.patient,
        })  # fmt: skip
        if row.name == "sex":
            person["gender_concept_id"] = _genders().get(row.value, 0)
        elif row.name == "age":
            if row.value not in ("", "NA") and row.unit:
                person["year_of_birth"] = _FIRST_YEAR - round(float(row.value))
        elif row.value:
            self._measured(number, row)

    def _measured(self, person: int, row: MockReading) -> None:
        coding = _coding(row)
        sayable = not row.condition or (row.condition in _ACTING and row.time)
        if not sayable or (coding is None and not row.name.startswith(_UNKNOWN)):
            return
        day = date.fromisoformat(row.time) if row.time else None
        when = datetime.combine(day, _HOURS[row.condition] if (person, day) in self.busy else time()) if day else None
        unit = _unit(row.unit)
        self.measurements.append({
            "measurement_id": len(self.measurements) + 1, "person_id": person,
            "measurement_concept_id": 0 if coding is None else self._concept(coding),
            "measurement_date": when and when.date(), "measurement_datetime": when,
            "operator_concept_id": 0, "value_as_number": None if row.value == "NA" else float(row.value),
            "unit_concept_id": unit, "unit_source_value": None if unit else row.unit or None,
            "measurement_source_value": SYNTHETIC,
        })  # fmt: skip

    def exposed(self, row: MockReading) -> None:
        """The exposure that a reading's condition comes of, where it has one and a day."""
        if not row.time or row.condition not in _ACTING:
            return
        table, name = _ACTING[row.condition]
        subject, held = table.removesuffix("_exposure"), self.exposures[table]
        person, day = _number_of(row.patient), date.fromisoformat(row.time)
        start, end = (datetime.combine(day, hour) for hour in _EXPOSED[row.condition])
        self.busy.add((person, day))
        held.setdefault((person, day), {
            f"{table}_id": len(held) + 1, "person_id": person,
            f"{subject}_concept_id": self._concept((f"{subject}s of the mock", name)),
            f"{table}_start_date": day, f"{table}_start_datetime": start,
            f"{table}_end_date": day, f"{table}_end_datetime": end, f"{subject}_source_value": name,
        })  # fmt: skip

    def _concept(self, coding: tuple[str, str]) -> int:
        local = LOCAL + len(self.concepts)
        return self.concepts.setdefault(coding, _numbers().get(coding[1], local) if coding[0] == "LOINC" else local)

    def tables(self) -> dict[str, dict[str, list[Any]]]:
        """Columns by table."""
        concepts = [
            {"concept_id": number, "concept_name": code, "vocabulary_id": vocabulary, "concept_code": code}
            for (vocabulary, code), number in self.concepts.items()
        ]
        source = [{"cdm_source_name": f"{MADE_UP} {DISCLAIMER}", "cdm_version": "5.4"}]
        found: dict[str, list[dict[str, Any]]] = {
            "person": list(self.people.values()), "measurement": self.measurements, "concept": concepts,
            "cdm_source": source, **{table: list(held.values()) for table, held in self.exposures.items()},
        }  # fmt: skip
        return {name: _columns(rows) for name, rows in found.items() if rows}


def _number_of(patient: str) -> int:
    return int(patient.rpartition("-")[2])


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _kind(arrow: Any, column: str) -> Any:
    if column.endswith("_datetime"):
        return arrow.timestamp("us")
    if column.endswith("_date"):
        return arrow.date32()
    if column == "year_of_birth" or (column.endswith("_id") and column != "vocabulary_id"):
        return arrow.int64()
    return arrow.float64() if column == "value_as_number" else arrow.string()


def _coding(row: MockReading) -> tuple[str, str] | None:
    """(vocabulary, code) of a reading: a code that names its method before one that does not, LOINC before SNOMED."""
    if row.name.startswith(_UNKNOWN):
        return None
    codes = dict(codings_of(row.name, row.modality or None))
    return next(((name, codes[system]) for system, name in _VOCABULARIES.items() if system in codes), None)


@lru_cache(maxsize=1)
def _lists() -> dict[str, Any]:
    return load_yaml(config_path("codes", "omop.yaml"))


@lru_cache(maxsize=1)
def _numbers() -> dict[str, int]:
    """Concept id of each LOINC code that is known here."""
    return {str(code): number for number, code in _lists()["concepts"].items()}


@lru_cache(maxsize=1)
def _genders() -> dict[str, int]:
    return {sex: number for number, sex in _lists()["gender"].items()}


@lru_cache(maxsize=256)
def _unit(unit: str) -> int:
    """Concept id of a unit; 0 where none is known, or there is no unit."""
    wanted = _same_unit(unit)
    known = ((number, _same_unit(str(code))) for number, code in _lists()["units"].items())
    return next((int(number) for number, one in known if wanted is not None and one == wanted), 0)


def _same_unit(text: str) -> tuple[Any, ...] | None:
    """What two writings of one unit share; None for what is no unit."""
    try:
        unit = parse_unit(text)
    except UnitError:
        return None
    return (unit.factor, unit.dimension) if unit is not None else None
