"""How many values a source holds, counted without any of the readers: what comes out must add up to it."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["cells", "fhir_values", "identifiers", "listed", "omop_values", "signals"]


def resources(path: Path) -> Iterator[dict[str, Any]]:
    """Every resource of a bundle, of an NDJSON file or of a file of one resource."""
    text = path.read_text(encoding="utf-8")
    for part in text.splitlines() if path.suffix == ".ndjson" else [text]:
        one = json.loads(part)
        yield from (entry["resource"] for entry in one["entry"]) if one["resourceType"] == "Bundle" else [one]


def fhir_values(path: Path) -> int:
    """Gender and birth date of each Patient, value and components of each Observation, one for each other type."""
    count, others = 0, set()
    for one in resources(path):
        if one["resourceType"] == "Patient":
            count += ("gender" in one) + ("birthDate" in one)
        elif one["resourceType"] == "Observation":
            parts = len(one.get("component", ()))
            own = any(key.startswith("value") for key in one) or "dataAbsentReason" in one
            count += parts + (1 if own or not parts else 0)
        else:
            others.add(one["resourceType"])
    return count + len(others)


def omop_values(archive: Path) -> dict[str, int]:
    """Rows of measurement and observation; two values (gender, birth) of each person."""
    import pyarrow.parquet as parquet  # pyright: ignore[reportMissingImports]

    found = {}
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            table = Path(name).stem
            if table in ("measurement", "observation", "person") and not name.startswith("__MACOSX"):
                rows = parquet.read_metadata(io.BytesIO(opened.read(name))).num_rows
                found[table] = rows * (2 if table == "person" else 1)
    return found


def listed(path: Path) -> int:
    """Readings of a JSON record."""
    return len(json.loads(path.read_text())["observations"])


def cells(path: Path, without: tuple[str, ...]) -> int:
    """Cells of a table that are not empty, but for those of some columns and comment lines."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return sum(bool((text or "").strip()) for row in rows for name, text in row.items() if name not in without)


def signals(folder: Path) -> set[tuple[str, int]]:
    """(record, number of the signal) of every header that is no segment of another and no layout."""
    headers = {path: path.read_text(errors="replace").splitlines() for path in folder.rglob("*.hea")}
    parts = {
        line.split()[0]
        for lines in headers.values()
        if "/" in lines[0].split()[0]
        for line in lines[1:]
        if line.strip()
    }
    return {
        (path.name, number)
        for path, lines in headers.items()
        if path.stem not in parts and "/" not in lines[0].split()[0]
        for number in range(1, int(lines[0].split()[1]) + 1)
    }  # fmt: skip


def identifiers(path: Path) -> set[str]:
    """Names, addresses, numbers and identifiers of the people of a FHIR file, and of its resources."""
    found: set[str] = {path.stem}
    for one in resources(path):
        found.update(str(one.get(key, "")) for key in ("id",))
        if one["resourceType"] == "Patient":
            found |= set(_texts({key: value for key, value in one.items() if key in _NAMING}))
    return {text for text in found if len(text) > 3}


_NAMING = ("id", "name", "address", "telecom", "identifier", "birthDate", "contact")
_CODED = ("system", "use", "type", "coding", "country")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in _CODED:
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value
