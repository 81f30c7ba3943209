"""OMOP common data model 5.4: persons, measurements and observations, by standard concept and UCUM unit.

A measurement is of its visit_occurrence, and of the state that drug_exposure and device_exposure tell.
Source of the model: OHDSI, https://ohdsi.github.io/CommonDataModel/cdm54.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...core.configs import config_path, load_yaml
from ...core.errors import InputError
from ...core.registry import register
from ..codes import sex_of, system_of, target
from ..collect import Collector
from ..fhir_codes import Meaning, resolve
from ..reading import Place
from . import Reader, Source
from .cdm_tables import CdmFiles, CdmTables, DuckDbFile, SqlServer, table_files
from .omop_states import EXPOSURES, take_exposures
from .written_unit import believed_unit

__all__ = ["Omop", "read_address"]

_EVENTS = {
    "measurement": (
        "measurement_id", "person_id", "measurement_concept_id", "measurement_source_concept_id", "measurement_date",
        "measurement_datetime", "value_as_number", "unit_concept_id", "unit_source_value", "operator_concept_id",
        "value_as_concept_id", "visit_occurrence_id",
    ),
    "observation": (
        "observation_id", "person_id", "observation_concept_id", "observation_source_concept_id", "observation_date",
        "observation_datetime", "value_as_number", "unit_concept_id", "unit_source_value", "", "value_as_concept_id",
        "visit_occurrence_id",
    ),
}  # fmt: skip
_PERSON = (
    "person_id", "gender_concept_id", "gender_source_value", "birth_datetime", "year_of_birth", "month_of_birth",
    "day_of_birth",
)  # fmt: skip
_CONCEPT = ("concept_id", "vocabulary_id", "concept_code", "concept_name")
_LIMITS = ("<", "<=", ">", ">=")
_ASKED_AT_ONCE = 500
_TABLES = (".parquet", ".csv", ".tsv")


@dataclass(frozen=True)
class Concept:
    """An entry of the vocabulary: short system name (loinc, snomed, "" for any other), code and name."""

    system: str
    code: str
    name: str


@register("reader", "omop")
class Omop(Reader):
    """A folder with the tables person, measurement, observation (and concept) as Parquet or CSV, or a DuckDB file."""

    suffixes = (".duckdb",)
    together = True

    def sources(self, folder: Path, files: Sequence[Path]) -> list[Source]:
        """The tables of one model count as one source; a DuckDB file is one by itself."""
        parts = [one for one in sorted(folder.iterdir()) if one.is_dir()]
        tables = table_files([*files, *parts])
        found = [Source(path, (path,)) for path in files if path.suffix.lower() in self.suffixes]
        if _is_model(tables):
            found.append(Source(folder, (*sorted(tables.values()), *_other_tables([*files, *parts]))))
        return found

    def states(self, path: Path, collector: Collector) -> None:
        """Exposures to drugs and devices; raises `InputError` when their tables cannot be read."""
        with _tables(path) as tables:
            _Model(tables, collector).states()

    def read(self, path: Path, collector: Collector, mapping: Mapping[str, Any] | None) -> None:
        """Offer every measurement and observation; raises `InputError` when a table cannot be read."""
        with _tables(path) as tables:
            _Model(tables, collector).take()
        for number, other in enumerate(_other_tables(sorted(path.iterdir())) if path.is_dir() else (), 1):
            collector.set_aside(
                Place("OMOP table ", number), "", other.stem, "", "", "holds no measurement: left unread"
            )


@contextmanager
def _tables(path: Path) -> Iterator[CdmTables]:
    if path.is_dir():
        yield CdmFiles(path, table_files(sorted(path.iterdir())))
        return
    database = DuckDbFile(path)
    try:
        yield database
    finally:
        database.close()


def read_address(address: str, collector: Collector) -> tuple[str, str]:
    """Read the model behind a database address; (name without password, SHA-256 over the rows that were read)."""
    if address.lower().startswith("duckdb://"):
        path = Path(address.partition("://")[2].removeprefix("/") or "missing")
        path = path if path.exists() else Path("/") / path
        if not path.is_file():
            raise InputError(f"`{address}` is not there: write it as duckdb:///folder/file.duckdb.")
        database: CdmTables = DuckDbFile(path)
    else:
        database = SqlServer(address)
    model = _Model(database, collector)
    model.states()
    collector.exposures.close()
    model.take()
    return database.name, model.digest.hexdigest()


class _Model:
    """One model on its way into the collector."""

    def __init__(self, tables: CdmTables, collector: Collector):
        self.tables, self.collector, self.digest = tables, collector, hashlib.sha256()
        if not any(tables.columns(table) for table in (*_EVENTS, "person")):
            raise InputError(
                f"{tables.name}: no OMOP table in it: expected are person, measurement and observation of CDM 5.4."
            )
        self.concepts: dict[int, Concept] = {}
        self._days: dict[str, str] | None = None

    def take(self) -> None:
        """Persons first, so that those without any measurement are in the records too; then what was measured."""
        self.concepts = self._vocabulary(_EVENTS)
        if self.tables.columns("person"):
            self._persons()
        self._state_tables()
        for table in _EVENTS:
            if self.tables.columns(table):
                self._events(table)
        for table, line, reason in self.tables.rejected():
            self.collector.set_aside(Place(f"{table} line ", line), "", "row", "", "", f"not a table row: {reason}")

    def _persons(self) -> None:
        for row in self._rows("person", _PERSON, ("person_id",)):
            person, gender, written, born, year, month, day = row
            patient = _identifier(person)
            number = _number(person)
            self.collector.see(patient)
            sex = self._gender(gender, written)
            if sex:
                here = Place("person ", number, " gender")
                self.collector.offer(here, patient, target("sex"), "gender", sex, "")
            date_of_birth = _day(born) or _date(year, month, day)
            if date_of_birth:
                self.collector.born(Place("person ", number, " birth"), patient, date_of_birth)

    def _gender(self, concept: Any, written: Any) -> str:
        known = _table()["gender"].get(_number(concept))
        return known or (str(written) if isinstance(written, str) and sex_of(written) else "")

    def _events(self, table: str) -> None:
        meanings: dict[tuple[int, int], tuple[Meaning, str]] = {}
        needed = (f"{table}_id", "person_id", f"{table}_concept_id")
        for row in self._rows(table, _EVENTS[table], needed):
            number, person, standard, source, day, moment, value, unit, unit_text, operator, coded, visit = row
            key = (_number(standard), _number(source))
            if key not in meanings:
                meanings[key] = self._meaning(*key)
            meaning, field = meanings[key]
            place, patient = Place(f"{table} ", _number(number)), _identifier(person)
            unit_code = self._unit_code(_number(unit))
            believed, problem = believed_unit(unit_code, _word(unit_text))
            shown = "" if value is None else value if isinstance(value, str | int) else float(value)
            sign, absent = _sign(operator), _absent(value, coded)
            if sign in _LIMITS and not absent:
                shown = f"{sign}{shown}"
            problem = meaning.problem or (absent if meaning.target is None else None) or problem
            if sign == "?" and not problem:
                problem = "its operator_concept_id is none of =, <, <=, >, >=: correct it"
            if problem:
                self.collector.set_aside(place, patient, field, shown, believed, problem)
                continue
            encounter = _identifier(visit) if _number(visit) else ""
            time = _moment(moment) or _day(day) or self._day_of(encounter) or None
            self.collector.offer(
                place, patient, meaning.target, field, shown, believed, time=time, visit=encounter, problem=absent
            )

    def states(self) -> None:
        """Exposures to what changes the circulation."""
        tables = [table for table in EXPOSURES if self.tables.columns(table)]
        self.concepts = self._vocabulary(tables) if tables else {}
        for table in tables:
            rows = self._rows(table, EXPOSURES[table], EXPOSURES[table][:2])
            texts = ((_identifier(row[0]), row[1], _word(row[2]), *map(_moment_or_day, row[3:])) for row in rows)
            take_exposures(self.collector.exposures, table, texts, lambda one: self._name(_number(one)))

    def _state_tables(self) -> None:
        """A row of the account for each table that holds no measurement."""
        tables = [table for table in (*EXPOSURES, "visit_occurrence") if self.tables.columns(table)]
        for number, table in enumerate(tables, 1):
            reason = "holds no measurement: read for the visits that measurements belong to"
            if table in EXPOSURES:
                reason = self.collector.exposures.told(table)
            self.collector.set_aside(Place("OMOP state table ", number), "", table, "", "", reason)

    def _name(self, concept: int) -> str:
        return self.concepts[concept].name if concept in self.concepts else ""

    def _day_of(self, encounter: str) -> str:
        """The day of a visit that lasted one, for a measurement without a date; "" for any other."""
        if not encounter:
            return ""
        if self._days is None:
            names = ("visit_occurrence_id", "visit_start_date", "visit_end_date")
            present = set(names) <= set(self.tables.columns("visit_occurrence"))
            rows = self._rows("visit_occurrence", names, names) if present else ()
            days = ((_identifier(one), _day(start), _day(end)) for one, start, end in rows)
            self._days = {one: start for one, start, end in days if start and start == end}
        return self._days.get(encounter, "")

    def _meaning(self, standard: int, source: int) -> tuple[Meaning, str]:
        """Standard and source concept together: the most specific code wins, a contradiction is a problem."""
        named = [self.concepts[one] for one in (standard, source) if one in self.concepts]
        own = list(dict.fromkeys((one.system, one.code.lower()) for one in named if one.system))
        field = f"{named[0].code} {named[0].name}".strip() if named else f"concept {standard or source}"
        if not standard and not own:
            return Meaning(problem="it is mapped to no standard concept: map it in the source (concept id 0)"), field
        return resolve(own), field

    def _unit_code(self, unit: int) -> str:
        if unit in _table()["units"]:
            return str(_table()["units"][unit])
        return self.concepts[unit].code if unit in self.concepts else ""

    def _rows(self, table: str, asked: Sequence[str], needed: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Rows with every column asked for, None where the table lacks one that is not needed."""
        present = self.tables.columns(table)
        missing = [name for name in needed if name not in present]
        if missing:
            raise InputError(
                f"{self.tables.name}: the {table} table lacks {', '.join(missing)}: it is not of OMOP CDM 5.4."
            )
        names = [name for name in asked if name in present]
        at = [names.index(name) if name in present else None for name in asked]
        for row in self.tables.rows(table, names):
            self.digest.update(repr(row).encode(errors="replace"))
            yield tuple(None if k is None else row[k] for k in at)

    def _vocabulary(self, tables: Collection[str]) -> dict[int, Concept]:
        """The concepts that these tables use, from the vocabulary table and, where it lacks them, from our own list."""
        found = {number: Concept("loinc", code, "") for number, code in _table()["concepts"].items()}
        if not set(_CONCEPT) <= set(self.tables.columns("concept")):
            return found
        wanted = sorted(self._used(tables))
        for begin in range(0, len(wanted), _ASKED_AT_ONCE):
            some = wanted[begin : begin + _ASKED_AT_ONCE]
            for number, vocabulary, code, name in self.tables.rows("concept", _CONCEPT, ("concept_id", some)):
                system = system_of(_word(vocabulary))
                found[_number(number)] = Concept(system, _word(code), _word(name))
        return found

    def _used(self, tables: Collection[str]) -> set[int]:
        used: set[int] = set()
        for table in tables:
            subject = table.removesuffix("_exposure")
            names = (f"{subject}_concept_id", f"{subject}_source_concept_id", "unit_concept_id")
            names = names[:1] if table in EXPOSURES else names
            present = [name for name in names if name in self.tables.columns(table)]
            for row in self.tables.rows(table, present) if present else ():
                used.update(map(_number, row))
        return used - {0}


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    return load_yaml(config_path("codes", "omop.yaml"))


def _sign(operator: Any) -> str:
    """The sign of an operator concept, "=" where none is given, "?" for one that is no comparison."""
    number = _number(operator)
    return str(_table()["operators"].get(number, "?")) if number else "="


def _absent(value: Any, coded: Any) -> str | None:
    """Why there is no number, where there is none."""
    if value is not None and value != "":
        return None
    return "there is no number: " + ("the value is a concept" if _number(coded) else "value_as_number is empty")


def _is_model(tables: Mapping[str, Path]) -> bool:
    """Whether a table has the model's columns, so that any other measurement.csv stays a plain table."""
    for table in ("measurement", "observation"):
        path = tables.get(table)
        if path is None:
            continue
        if path.is_dir() or path.suffix.lower() == ".parquet":
            return True
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            return f"{table}_concept_id" in file.readline(1 << 16).lower()
    return False


def _other_tables(files: Sequence[Path]) -> list[Path]:
    """Tables of the model that hold no measurement."""
    names = set(_table()["other_tables"])
    return [path for path in files if path.stem.lower() in names and (path.is_dir() or path.suffix.lower() in _TABLES)]


def _number(value: Any) -> int:
    """A whole number as tables write it ("3004249", 3004249.0); 0 for anything else."""
    if isinstance(value, str):
        value = value.strip().removesuffix(".0")
        return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else 0
    if isinstance(value, int | float) and value == value and abs(value) < 1e18:
        return max(0, int(value))
    return 0


def _identifier(value: Any) -> str:
    return str(_number(value) or ("" if value is None else value))


def _word(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _day(value: Any) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else _word(value)[:10]


def _date(year: Any, month: Any, day: Any) -> str:
    """As much of a birth date as is known: the year, the year and month, or all of it."""
    known = [_number(year), _number(month), _number(day)]
    known = known[: known.index(0)] if 0 in known else known
    return "-".join(f"{part:0{width}d}" for part, width in zip(known, (4, 2, 2), strict=False))


def _moment_or_day(value: Any) -> str:
    return _moment(value) if isinstance(value, datetime) or not isinstance(value, date) else _day(value)


def _moment(value: Any) -> str:
    """A time; midnight stands for a day without one, as exports fill it in."""
    text = value.isoformat(sep="T") if isinstance(value, datetime) else _word(value).replace(" ", "T", 1)
    return text[:10] if text[10:].strip("T0:.") == "" else text
