"""What `hemotwin deidentify` leaves of real records: no identifier in any byte, no link between keys, all intervals."""

from __future__ import annotations

import contextlib
import io
import tempfile
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

from bars import Bars
from rows_in import identifiers

import hemotwin as ht
from hemotwin.cli import main as hemotwin
from hemotwin.records.deidentify import Deidentifier, deidentify
from hemotwin.records.secret import load_secret, new_secret
from hemotwin.records.write import write_csv

__all__ = ["deidentified"]

DAYS = (31, 3650)  # what a date is moved by


def deidentified(bars: Bars, data: Path) -> None:
    """De-identify the FHIR export, the OMOP model and the catheterisation by the command, and look at every byte."""
    found, scanned, bytes_written, unhidden = 0, 0, 0, 0
    linked, kept, intervals = 0, 0, 0
    for record, names in _sources(data):
        with tempfile.TemporaryDirectory() as place:
            written = _commanded(record, Path(place))
            found += sum(name.encode() in written for name in names)
            scanned += len(names)
            bytes_written += len(written)
            keys = [load_secret(new_secret(Path(place) / f"key {k}")) for k in range(2)]
            records = ht.read(record)
            plain = write_csv(records, Path(place) / "plain.csv").read_bytes()
            unhidden += sum(name.encode() in plain for name in names)
            linked += _linked(*(deidentify(records, key) for key in keys))
            moved, same = _intervals(records, keys[0])
            intervals += moved
            kept += same
    bars.most("left.identifiers", found, 0)
    bars.most("left.links_between_keys", linked, 0)
    bars.most("left.intervals_changed", intervals - kept, 0)
    bars.least("left.identifiers_in_the_table_of_a_record_itself", unhidden, 1)  # so that the look can find any
    bars.figure("left.identifiers_looked_for", scanned)
    bars.figure("left.bytes_looked_at", bytes_written)
    bars.figure("left.intervals", intervals)


def _sources(data: Path) -> list[tuple[Path, set[str]]]:
    """Records with the words that may not leave, taken from the files without the readers."""
    export = data / "fhir_synthea_r4" / "hf_patients_trimmed.ndjson"
    bundles = sorted(export.parent.glob("*.json"))
    catheter = data / "rhc_patient233" / "patient233.json"
    model = data / "omop_synthea27nj"
    return [
        (export, identifiers(export)), *((path, identifiers(path)) for path in bundles),
        (model, _of_model(next(model.glob("*.zip")))), (catheter, {"patient233", "Fick's method by"}),
    ]  # fmt: skip


def _of_model(archive: Path) -> set[str]:
    """Source identifiers of persons and visits of an OMOP model."""
    import pyarrow.parquet as parquet  # pyright: ignore[reportMissingImports]

    found: set[str] = {archive.stem}
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            column = {"person": "person_source_value", "visit_occurrence": "visit_source_value"}.get(Path(name).stem)
            if column and not name.startswith("__MACOSX"):
                found.update(parquet.read_table(io.BytesIO(opened.read(name)), columns=[column])[column].to_pylist())
    return {text for text in found if text and len(text) > 3}


def _commanded(record: Path, place: Path) -> bytes:
    """Every byte that the command writes to files, log and streams, once it works and once it fails."""
    key, out, log = place / "key", place / "out.csv", place / "audit.log"
    new_secret(key)
    streams = io.StringIO()
    with contextlib.redirect_stdout(streams), contextlib.redirect_stderr(streams):
        base = ["deidentify", str(record), "--key-file", str(key), "--audit", str(log)]
        if hemotwin([*base, "--out", str(out), "--k", "1"]) != 0:
            raise RuntimeError(streams.getvalue())
        hemotwin([*base, "--out", str(out), "--k", "10000"])
        hemotwin([*base, "--out", str(out), "--mapping", str(place / "nowhere.yaml")])
    return b"\n".join([out.read_bytes(), log.read_bytes(), streams.getvalue().encode()])


def _linked(one: Any, other: Any) -> int:
    """Pseudonyms, origins and digests that two keys share."""
    tokens = [
        {*records.patients, *(row.origin for row in records.rows if row.origin), records.sha256}
        for records in (one, other)
    ]
    return len(tokens[0] & tokens[1])


def _intervals(records: Any, key: Any) -> tuple[int, int]:
    """(intervals between the readings of a patient, how many are the same after every date has moved)."""
    safe, by, count, same = deidentify(records, key), Deidentifier(key), 0, 0
    for one in records:
        pairs = list(zip(one, safe[by.pseudonym(one.patient)], strict=True))
        moves = [_days(after.time) - _days(before.time) for before, after in pairs if before.time and after.time]
        count += len(moves)
        same += sum(abs(move - moves[0]) < 1e-9 and DAYS[0] <= abs(move) <= DAYS[1] for move in moves)
    return count, same


def _days(text: str) -> float:
    """Days since 1970 of a date or time as it is written, whatever its zone."""
    return (datetime.fromisoformat(text).replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds() / 86400
