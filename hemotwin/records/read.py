"""`ht.read`: any file, bundle, archive, database or folder into `Records`."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError
from ..core.registry import known
from .admission import AdmittingCollector
from .archive import unpacked
from .collect import Collector
from .exposures import ExposuresLimit
from .folder import ADVICE, Plan, kind_of, not_there, plan_of
from .governance import load_governance
from .in_memory import is_table, path_of, read_table
from .mapping import load_mapping
from .readers.headers import IN_MEMORY
from .reading import Place
from .record import Records
from .visit import Selection

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["read"]

_BLOCK = 1 << 20
_ZIP = ".zip"


def read(
    path: str | PathLike[str] | DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]],
    mapping: str | Path | Mapping[str, Any] | None = None,
    *,
    window: str | None = None,
    visit: str | None = None,
    condition: str | None = None,
    governance: str | Path | Mapping[str, Any] | None = None,
) -> Records:
    """Read a table, a FHIR R4 bundle or export, an OMOP model, a waveform record, or a folder of these, into `Records`.

    `path` is a file, a zip archive, a folder (with its subfolders) or the address of a database with an OMOP model, as
    `duckdb:///cdm.duckdb` or `postgresql://user@host/cdm`. `mapping` says what the columns of a wide table hold: a YAML
    file or its data; by default the file `<stem>_mapping.yaml` beside the table. In a folder every readable file is
    taken, a patient in several files is merged, and a file that cannot be read becomes a quarantined row with the
    reason.

    A table in memory is read as the same table in a CSV file: a pandas DataFrame, a list of rows as dicts, or a dict of
    columns, in long form or in wide form with the units in the headers, as [{"patient": "A17", "sbp [mmHg]": 128}].
    None, NaN, NaT and pandas.NA are empty cells. Messages count its rows from 0, as `iloc` does, and name it "table in
    memory". The index of a DataFrame is left out, but for a level that is named as a column would be ("patient").

    A twin is of one visit and one condition. `visit` is "latest" (the default), "fullest" (most readings), a date or
    moment such as 2019-05-01, or an encounter as id:123 (Observation.encounter, visit_occurrence_id); `window` how far
    from it readings may lie ("24 h"), or two dates (2019-01-01/2019-03-31); `condition` a state such as exercise
    (default: rest where there is any). What was chosen is said in `choice` of each patient's set, and readings too far
    apart are set aside and flagged.

    `governance` says whose the record is and what it may be used for: a YAML file or its data, by default
    `governance.yaml` in the folder or `<stem>_governance.yaml` beside the file; what its policy does not permit is
    quarantined unseen. Raises `InputError` when `path` is none of these or missing, a single file is empty or
    malformed, or nothing in it is a record. A source without one usable value gives records whose patients have no
    measurements.
    """
    selection = Selection.of(window, visit, condition)
    if is_table(path):
        return _read_memory(path, mapping, AdmittingCollector(load_governance(Path(), governance or {}), selection))
    written = path_of(path)
    if "://" in written:
        return _read_address(written, AdmittingCollector(load_governance(Path(), governance or {}), selection))
    source = Path(written)
    if "\0" in str(source) or not source.exists():
        raise InputError(not_there(source))
    collector = AdmittingCollector(load_governance(source, governance), selection)
    if source.is_dir():
        _read_states(source, collector)
        collector.exposures.close()
        digest = _read_folder(source, mapping, collector)
    else:
        digest = _read_file(source, mapping, collector)
    return _not_nothing(collector.records(source, digest))


def _not_nothing(records: Records) -> Records:
    if not records.rows and not records.patients:
        raise InputError(f"{records.source.name}: nothing in it is a measurement or a patient; {_expected()}")
    return records


def _read_memory(table: Any, mapping: Any, collector: Collector) -> Records:
    collector.exposures.close()  # a table tells of nothing that was given
    return _not_nothing(collector.records(IN_MEMORY, read_table(table, mapping, collector)))


def _read_address(address: str, collector: Collector) -> Records:
    from .readers.omop import read_address

    name, digest = read_address(address, collector)
    return collector.records(Path(name), digest)


def _read_states(folder: Path, collector: Collector, within: str = "") -> None:
    """What was given, by every source in a folder; why one cannot be read is kept by its name and told by its reader.

    An archive in the folder is unpacked here and again for its measurements, of which none may come first.
    """
    for reader, path, _ in plan_of(folder).sources:
        name = f"{within}{path.relative_to(folder)}"
        try:
            if reader is not None:
                collector.exposures.source = name
                reader.states(path, collector)
            elif not within:
                with unpacked(path) as inside:
                    _read_states(inside, collector, f"{name}/")
        except ExposuresLimit:
            raise
        except (InputError, OSError) as error:
            why = f"{path.name}: cannot be read ({error.strerror or error})." if isinstance(error, OSError) else error
            collector.exposures.unread[name] = str(why)


def _read_file(path: Path, mapping: Any, collector: Collector) -> str:
    """Read one file or archive, first what was given and then what was measured; returns its digest."""
    try:
        if not path.is_file():
            raise InputError(f"{path.name}: neither a file nor a folder; {_expected()}")
        _not_empty(path)
        if path.suffix.lower() == _ZIP:
            with unpacked(path) as inside:
                _read_states(inside, collector, f"{path.name}/")
                collector.exposures.close()
                _read_folder(inside, mapping, collector, f"{path.name}/")
            return _digest(path)
        reader = _reader_for(path)
        reader.states(path, collector)
        collector.exposures.close()
        return _read_source(reader, path, (path,), mapping, collector)
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror or error}).") from None


def _read_archive(path: Path, mapping: Any, collector: Collector, name: str, within: str) -> str:
    """Read an archive of a folder, whose states are known already, and return its digest."""
    try:
        _not_empty(path)
        if within:
            raise InputError(f"{path.name}: an archive inside an archive is not opened: unpack it.")
        with unpacked(path) as inside:
            _read_folder(inside, mapping, collector, f"{name}/")
        return _digest(path)
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror or error}).") from None


def _read_folder(folder: Path, mapping: Any, collector: Collector, within: str = "") -> str:
    """Read every source below a folder and return the digest over theirs, by place; `within` names its archive."""
    plan: Plan = plan_of(folder)
    if not plan.sources:
        lines = [f"{path.name}: {reason}" for path, reason in plan.unread[:5]]
        raise InputError(
            "\n".join([f"{folder}: no {', '.join(plan.endings)} file in this folder; {_expected()}", *lines])
        )
    joined, problems = hashlib.sha256(), []
    for number, (reader, path, files) in enumerate(plan.sources, 1):
        place = Place(f"{folder.name} file ", number, f" ({path.relative_to(folder)})")
        try:
            name = f"{within}{path.relative_to(folder)}"
            if reader is None:
                digest = _read_archive(path, mapping, collector, name, within)
            else:
                digest = _read_source(reader, path, files, mapping, collector, name)
            joined.update(f"{path.relative_to(folder)}:{digest}\n".encode(errors="surrogateescape"))
        except InputError as error:
            problems.append((path.suffix.lower(), str(error)))
            collector.set_aside(place, "", "file", path.name, "", str(error))
    if len(problems) == len(plan.sources):
        shown = [text for _, text in _some_of_each(problems)]
        more = [f"... and {len(problems) - len(shown)} more"] if len(problems) > len(shown) else []
        raise InputError(f"{folder}: none of {len(problems)} files could be read:\n" + "\n".join([*shown, *more]))
    for number, (path, reason) in enumerate(plan.unread, len(plan.sources) + 1):
        place = Place(f"{folder.name} file ", number, f" ({path.relative_to(folder)})")
        collector.set_aside(place, "", "file", path.name, "", reason)
    return joined.hexdigest()


def _some_of_each(problems: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Up to three for each ending and ten in all, so that many files of one kind do not hide another."""
    met: Counter[str] = Counter()
    shown = []
    for ending, text in problems:
        met[ending] += 1
        if met[ending] <= 3:
            shown.append((ending, text))
    return shown[:10]


def _read_source(
    reader: Any, path: Path, files: Sequence[Path], mapping: Any, collector: Collector, name: str = ""
) -> str:
    try:
        if len(files) == 1 and files[0].is_file():
            _not_empty(files[0])
        if problem := collector.exposures.unread.get(name):  # without its states, readings would pass for rest
            raise InputError(problem)
        collector.exposures.source = name
        collector.begin_source()
        digest = _digest(files[0]) if len(files) == 1 else _digest_of_all(files)
        reader.read(path, collector, load_mapping(path, mapping) if reader.takes_mapping else None)
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror or error}).") from None
    return digest


def _not_empty(path: Path) -> None:
    if path.stat().st_size == 0:
        raise InputError(f"{path.name}: the file is empty; {_expected()}")


def _reader_for(path: Path) -> Any:
    readers = [reader() for reader in known("reader").values()]
    for reader in readers:
        if reader.accepts(path):
            return reader
    if any(path.suffix.lower() in reader.suffixes for reader in readers):
        raise InputError(f"{path.name}: the content is no record that is known; {_expected()}")
    if advice := ADVICE.get(path.suffix.lower()):
        raise InputError(f"{path.name}: {advice}.")
    raise InputError(f"{path.name}: {kind_of(path)} cannot be read; {_expected()}")


def _digest(path: Path) -> str:
    if path.is_dir():
        return _digest_of_all([one for one in sorted(path.iterdir()) if one.is_file()])
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _digest_of_all(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.name}:{_digest(path)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _expected() -> str:
    return (
        "expected is a CSV or Parquet table (patient, observable, value, unit), a FHIR R4 bundle or NDJSON export, "
        "a JSON record with `observations`, OMOP tables, a WFDB or EDF waveform, a MATLAB file with a mapping, or a "
        "folder or zip archive of these."
    )
