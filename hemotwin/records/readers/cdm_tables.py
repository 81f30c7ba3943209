"""Tables of an OMOP common data model, wherever they lie: files, a DuckDB database, or a server behind SQLAlchemy.

Rows come in batches, so that no table has to fit in memory; only named columns are asked for, never free text.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.extras import required
from ..rows import ROW_LIMIT
from .refusal import refusal

__all__ = ["CdmFiles", "CdmTables", "DuckDbFile", "SqlServer", "table_files"]

BATCH = 8192
EVENTS = ("measurement", "observation")
TABLES = ("person", *EVENTS, "concept", "visit_occurrence", "drug_exposure", "device_exposure")
_NAME = re.compile(rf"(?:\d+[a-z]?_)?({'|'.join(TABLES)})(?:\.(parquet|csv|tsv))?", re.IGNORECASE)


class CdmTables(ABC):
    """What the reader asks of a source: which columns a table has, and its rows for some of them."""

    name: str

    @abstractmethod
    def columns(self, table: str) -> tuple[str, ...]:
        """Column names in lower case; empty when there is no such table."""

    @abstractmethod
    def rows(
        self, table: str, columns: Sequence[str], only: tuple[str, Iterable[int]] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Rows of the columns named, in the order of the source; `only` keeps those whose column holds one of some ids.

        Raises `InputError` when the table cannot be read to its end.
        """

    def rejected(self) -> Iterator[tuple[str, int, str]]:
        """(table, line, reason) of lines that are no rows."""
        return iter(())


def table_files(files: Iterable[Path]) -> dict[str, Path]:
    """The files, or folders of parts, that hold a table of the model, by table name."""
    found: dict[str, Path] = {}
    for path in files:
        match = _NAME.fullmatch(path.name)
        if match and (path.is_dir() or match[2]):
            found.setdefault(match[1].lower(), path)
    return found


class CdmFiles(CdmTables):
    """One Parquet or CSV file a table (or a folder of parts), read with Apache Arrow. CSV cells are read as text."""

    def __init__(self, folder: Path, tables: Mapping[str, Path]):
        self.name, self._lines = folder.name, list[tuple[str, int, str]]()
        self._opened = {table: self._open(table, path) for table, path in tables.items()}
        self._names = {table: {name.lower(): name for name in one.schema.names} for table, one in self._opened.items()}

    def columns(self, table: str) -> tuple[str, ...]:
        return tuple(self._names.get(table, ()))

    def rows(
        self, table: str, columns: Sequence[str], only: tuple[str, Iterable[int]] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        compute = required("pyarrow.compute", "omop", "reading OMOP tables")
        kept = None
        if only is not None:
            written = self._names[table][only[0]]
            kind = self._opened[table].schema.field(written).type
            # numbers are compared as numbers, a text column as text
            ids = [str(one) for one in only[1]] if str(kind) in ("string", "large_string") else list(only[1])
            kept = compute.field(written).isin(ids)
        names = [self._names[table][column] for column in columns]
        with refusal(self.name, table):
            batches = self._opened[table].to_batches(
                columns=names, filter=kept, batch_size=BATCH, batch_readahead=1, fragment_readahead=1, use_threads=False
            )
            for batch in batches:
                yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def rejected(self) -> Iterator[tuple[str, int, str]]:
        yield from self._lines

    def _open(self, table: str, path: Path) -> Any:
        dataset = required("pyarrow.dataset", "omop", "reading OMOP tables")
        parts = _parts(path)
        with refusal(self.name, table):
            if all(part.suffix.lower() == ".parquet" for part in parts):
                opened = dataset.dataset([str(part) for part in parts], format="parquet")
                if table in EVENTS and (rows := opened.count_rows()) > ROW_LIMIT:  # the vocabulary has millions
                    raise InputError(
                        f"{self.name}: {table} has {rows:,} rows, allowed are {ROW_LIMIT:,}: export some patients."
                    )
                return opened
            return dataset.dataset([str(part) for part in parts], format=self._text(table, parts[0]))

    def _text(self, table: str, path: Path) -> Any:
        csv = required("pyarrow.csv", "omop", "reading OMOP tables")
        dataset = required("pyarrow.dataset", "omop", "reading OMOP tables")
        arrow = required("pyarrow", "omop", "reading OMOP tables")
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            header = file.readline(1 << 16)
        delimiter = max((",", "\t", ";"), key=header.count)
        names = [name.strip().strip('"') for name in header.rstrip("\r\n").split(delimiter)]
        if len(set(names)) < len(names):
            raise InputError(f"{path.name}: two columns have one name: export the table again.")

        def refuse(row: Any) -> str:
            self._lines.append(
                (table, row.number or 0, f"{row.actual_columns} cells under {row.expected_columns} headers")
            )
            return "skip"

        return dataset.CsvFileFormat(
            # the vocabulary of the model is tab-separated and not quoted
            csv.ParseOptions(delimiter=delimiter, quote_char=delimiter != "\t" and '"', invalid_row_handler=refuse),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, arrow.string()), strings_can_be_null=True, check_utf8=False
            ),
            read_options=csv.ReadOptions(use_threads=False, block_size=1 << 20),
        )


class DuckDbFile(CdmTables):
    """A DuckDB database file, opened read-only and without access to any other file or to the network."""

    def __init__(self, path: Path):
        duckdb = required("duckdb", "omop", "reading OMOP tables")
        self.name = path.name
        with refusal(self.name, "the database"):
            settings = {"enable_external_access": "false", "memory_limit": "1GB", "threads": "1"}
            self._database = duckdb.connect(str(path), read_only=True, config=settings)
            listed = self._database.execute(
                "SELECT table_schema, table_name, column_name FROM information_schema.columns "
                "WHERE table_catalog = current_database() ORDER BY table_schema, table_name, ordinal_position"
            ).fetchall()
        self._at = _locate(listed, self.name)

    def columns(self, table: str) -> tuple[str, ...]:
        return tuple(self._at.get(table, ("", {}))[1])

    def rows(
        self, table: str, columns: Sequence[str], only: tuple[str, Iterable[int]] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        with refusal(self.name, table):
            cursor = self._database.cursor()
            cursor.execute(_select(self._at[table], columns, only))
            while batch := cursor.fetchmany(BATCH):
                yield from batch

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


class SqlServer(CdmTables):
    """Any database that SQLAlchemy reaches. The address may hold a password: no message or result shows it."""

    def __init__(self, address: str):
        sqlalchemy = required("sqlalchemy", "omop", "reading OMOP tables")
        self._text = sqlalchemy.text
        try:
            url = sqlalchemy.engine.make_url(address)
            self.name = str(url.database or url.get_backend_name()).replace("\\", "/").rpartition("/")[2]
            self._engine = sqlalchemy.create_engine(url)
        except ImportError as error:
            raise InputError(
                f"the database needs its driver ({error.name}), which is not installed: `pip install {error.name}`."
            ) from None
        except Exception as error:
            raise InputError(
                f"the database address cannot be used ({type(error).__name__}): write it as dialect://user@host/name."
            ) from None
        with refusal(self.name, "the database"):
            self._at = _locate(self._listed(sqlalchemy.inspect(self._engine)), self.name)

    def columns(self, table: str) -> tuple[str, ...]:
        return tuple(self._at.get(table, ("", {}))[1])

    def rows(
        self, table: str, columns: Sequence[str], only: tuple[str, Iterable[int]] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        with refusal(self.name, table), self._engine.connect() as connection:
            streamed = connection.execution_options(stream_results=True, yield_per=BATCH)
            quoted = self._engine.dialect.identifier_preparer.quote
            for row in streamed.execute(self._text(_select(self._at[table], columns, only, quoted))):
                yield tuple(row)

    def _listed(self, inspector: Any) -> list[tuple[str, str, str]]:
        schemas = [None, *(one for one in inspector.get_schema_names() if one != inspector.default_schema_name)]
        found = []
        for schema in schemas:
            for table in (*inspector.get_table_names(schema), *inspector.get_view_names(schema)):
                if table.lower() in TABLES:
                    found += [(schema or "", table, one["name"]) for one in inspector.get_columns(table, schema)]
        return found


def _locate(listed: Iterable[Sequence[Any]], name: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Where each table of the model lies: (schema.table as written, column as asked to column as written)."""
    by_table: dict[tuple[str, str], dict[str, str]] = {}
    for schema, table, column in listed:
        if str(table).lower() in TABLES:
            by_table.setdefault((str(schema), str(table)), {})[str(column).lower()] = str(column)
    schemas = list(dict.fromkeys(schema for schema, table in by_table if table.lower() == "measurement"))
    if len(schemas) > 1:
        raise InputError(
            f"{name}: the measurement table lies in several schemas ({', '.join(schemas)[:80]}): "
            "give a user or database that sees one of them."
        )
    wanted = schemas[0] if schemas else None
    return {
        table.lower(): ("\0".join(part for part in (schema, table) if part), columns)
        for (schema, table), columns in by_table.items()
        if wanted is None or schema == wanted or table.lower() == "concept"
    }


def _select(
    at: tuple[str, dict[str, str]], columns: Sequence[str], only: tuple[str, Iterable[int]] | None, quoted: Any = None
) -> str:
    quoted = quoted or (lambda word: '"' + word.replace('"', '""') + '"')
    table = ".".join(quoted(part) for part in at[0].split("\0"))
    text = f"SELECT {', '.join(quoted(at[1][column]) for column in columns)} FROM {table}"
    if only is not None:
        text += f" WHERE {quoted(at[1][only[0]])} IN ({', '.join(str(int(one)) for one in only[1])})"
    return text


def _parts(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    parts = [one for one in sorted(path.iterdir()) if one.suffix.lower() in (".parquet", ".csv")]
    if not parts or len({part.suffix.lower() for part in parts}) > 1:
        raise InputError(f"{path.name}: the folder of a table must hold Parquet or CSV parts, all of one kind.")
    return parts
