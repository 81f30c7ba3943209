"""`ht.read`: any file, bundle or folder into `Records`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import InputError, nearest
from ..core.registry import known
from .collect import Collector
from .mapping import load_mapping
from .reading import Place
from .record import Records

__all__ = ["read"]

_BLOCK = 1 << 20


def read(path: str | Path, mapping: str | Path | Mapping[str, Any] | None = None) -> Records:
    """Read a CSV table, a FHIR R4 bundle or export, a JSON record, or a folder of these, into `Records`.

    `mapping` says what the columns of a wide table hold: a YAML file or its data; by default the file
    `<stem>_mapping.yaml` beside the table. In a folder every readable file is taken, a patient in several files is
    merged, and a file that is unusable as a whole becomes a quarantined row. Raises `InputError` when the path is
    missing, a single file is empty or malformed, or nothing in it is a record. A source without one usable value gives
    records whose patients have no measurements.
    """
    source = Path(path)
    if not source.exists():
        close = nearest(source.name, (p.name for p in source.parent.iterdir()) if source.parent.is_dir() else ())
        hint = f" Did you mean `{close[0]}`?" if close else ""
        raise InputError(f"`{source}` is not there: give the path of a file or folder.{hint}")
    collector = Collector()
    digest = _read_folder(source, mapping, collector) if source.is_dir() else _read_file(source, mapping, collector)
    records = collector.records(source, digest)
    if not records.rows and not records.patients:
        raise InputError(f"{source.name}: nothing in it is a measurement or a patient; {_expected()}")
    return records


def _read_file(path: Path, mapping: Any, collector: Collector) -> str:
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path.name}: the file is empty; {_expected()}")
        digest = _digest(path)
        reader = _reader_for(path)
        reader.read(path, collector, load_mapping(path, mapping) if path.suffix.lower() in _tables() else None)
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror or error}).") from None
    return digest


def _read_folder(folder: Path, mapping: Any, collector: Collector) -> str:
    suffixes = {suffix for reader in known("reader").values() for suffix in reader.suffixes} - {".txt"}
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.suffix.lower() in suffixes]
    if not files:
        raise InputError(f"{folder}: no {', '.join(sorted(suffixes))} file in this folder; {_expected()}")
    joined, problems = hashlib.sha256(), []
    for number, path in enumerate(files, 1):
        try:
            joined.update(f"{path.name}:{_read_file(path, mapping, collector)}\n".encode())
        except InputError as error:
            problems.append(str(error))
            place = Place(f"{folder.name} file ", number, f" ({path.name})")
            collector.set_aside(place, "", "file", path.name, "", str(error))
    if len(problems) == len(files):
        raise InputError(f"{folder}: none of {len(files)} files could be read:\n" + "\n".join(problems[:10]))
    return joined.hexdigest()


def _reader_for(path: Path) -> Any:
    readers = [reader() for reader in known("reader").values()]
    for reader in readers:
        if reader.accepts(path):
            return reader
    if any(path.suffix.lower() in reader.suffixes for reader in readers):
        raise InputError(f"{path.name}: the content is no record that is known; {_expected()}")
    raise InputError(f"{path.name}: files ending in `{path.suffix}` cannot be read; {_expected()}")


def _tables() -> tuple[str, ...]:
    return known("reader")["csv_table"].suffixes


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _expected() -> str:
    return (
        "expected is a CSV table (patient, observable, value, unit), a FHIR R4 bundle or NDJSON export, "
        "a JSON record with `observations`, or a folder of these."
    )
