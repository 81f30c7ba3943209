"""The two forms of a table: long (one value a row) and wide (one patient a row, with a mapping), whatever the file.

Rows come one by one; no more than a row is held.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ..births import BIRTH_DATE
from ..codes import find_name, normalise
from ..collect import Collector
from ..mapping import Column, WideMapping
from ..marks import refusal
from ..reading import Place
from ..values import moment
from .headers import HEADERS, own_mapping

__all__ = ["Row", "offer_table"]

Row = tuple[int, list[str]]


def offer_table(
    rows: Iterator[Row], path: Path, names: Sequence[str], mapping: Mapping[str, Any] | None, collector: Collector,
    unit: str = "line",
) -> int:  # fmt: skip
    """Offer every non-empty cell that holds a value and return the number of rows; `unit` is what a row is called.

    A table of `hemotwin mock` is in the long form beside the mapping of the wide table that it stands for. Raises
    `InputError` when nothing can be made of the headers, with what they resemble and the mapping to write.
    """
    prefix = f"{path.name} {unit} "
    long = _long_columns(names)
    if long and (mapping is None or "mark" in long):
        _check_once(names, long, path)
        return _read_long(rows, path, prefix, names, long, collector)
    wide = own_mapping(names, path) if mapping is None else WideMapping.of(mapping, path)
    return _read_wide(rows, path, prefix, names, wide, collector)


def _long_columns(names: Sequence[str]) -> dict[str, int] | None:
    """Position of each known header when the table is in long form; None when it is not.

    Of several for one role the word that stands first in `HEADERS` is taken ("patient_id" before "id"), of the times
    the first; a date and a time of day in two columns are "time" and "clock".
    """
    given = {normalise(name): position for position, name in reversed(list(enumerate(names)))}
    found: dict[str, int] = {}
    for role, words in HEADERS.items():
        known = [given[word] for word in words if word in given]
        if known:
            found[role] = min(known) if role == "time" else known[0]
    if {"date", "time"} <= given.keys():
        found |= {"time": given["date"], "clock": given["time"]}
    return found if {"observable", "value"} <= found.keys() else None


def _check_once(names: Sequence[str], columns: Mapping[str, int], path: Path) -> None:
    met = [normalise(name) for name in names]
    for position in columns.values():
        if met.count(met[position]) > 1:
            raise InputError(f"{path.name}: two columns are called `{names[position][:60]}`: rename or remove one.")


def _moment_of(cell: Mapping[str, str]) -> str | None:
    """The time of a row; a time of day goes with the date beside it."""
    day, clock = cell.get("time"), cell.get("clock")
    if not day or not clock:
        return day or clock
    both = f"{day}T{'0' if clock[1:2] == ':' else ''}{clock}"
    return both if moment(both) is not None else clock if "-" in clock and moment(clock) is not None else day


def _read_long(
    rows: Iterator[Row], path: Path, prefix: str, names: Sequence[str], columns: Mapping[str, int], collector: Collector
) -> int:
    count, widest = 0, len(names)
    births = _Births(names, columns, collector)
    if "patient" not in columns:
        collector.stand_in(path.stem)
    for number, cells in rows:
        count += 1
        place = Place(prefix, number)
        cell = {role: cells[k].strip() if k < len(cells) else "" for role, k in columns.items()}
        patient = cell.get("patient", path.stem)
        field, unit = cell["observable"], cell.get("unit", "")
        if len(cells) > widest and any(extra.strip() for extra in cells[widest:]):
            reason = f"the row has {len(cells)} cells under {widest} headers: check the delimiters and quote any comma"
            collector.set_aside(place, patient, field, cell["value"], unit, reason)
            continue
        if marked := refusal(cell.get("mark")):
            collector.set_aside(place, patient, field, cell["value"], unit, marked)
            continue
        births.offer(place, patient, cells, cell.get("consent"))
        if not cell["value"]:
            collector.set_aside(
                place, patient, field, "", unit, "the value is empty: leave the row out, or give the number"
            )
            continue
        collector.offer(
            place, patient, find_name(field), field, cell["value"], unit,
            sd=cell.get("sd"), time=_moment_of(cell), modality=cell.get("modality"), condition=cell.get("condition"),
            consent=cell.get("consent"),
        )  # fmt: skip
    return count


class _Births:
    """The birth date columns of a long table: each date of a patient once, however many rows repeat it."""

    def __init__(self, names: Sequence[str], columns: Mapping[str, int], collector: Collector):
        found = ((k, find_name(name)) for k, name in enumerate(names) if k not in columns.values())
        self._columns = [k for k, target in found if target is not None and target.name == BIRTH_DATE]
        self._names, self._collector = names, collector
        self._met: set[tuple[str, str, str | None]] = set()

    def offer(self, place: Place, patient: str, cells: Sequence[str], consent: str | None) -> None:
        """The birth dates that a row gives beside its value."""
        for k in self._columns:
            text = cells[k].strip() if k < len(cells) else ""
            if text and (patient, text, consent) not in self._met:
                self._met.add((patient, text, consent))
                here = Place(place.prefix, place.number, f" column {self._names[k][:60]}")
                self._collector.born(here, patient, text, consent)


def _read_wide(
    rows: Iterator[Row], path: Path, prefix: str, names: Sequence[str], mapping: WideMapping, collector: Collector
) -> int:
    patient_at = mapping.position("patient", names, path)
    time_at = mapping.position("time", names, path)
    columns = [(k, name, mapping.column(name)) for k, name in enumerate(names) if k not in (patient_at, time_at)]
    suffixes = [f" column {name[:60]}" for name in names]
    count = 0
    if patient_at is None:
        collector.stand_in(path.stem)
    for number, cells in rows:
        count += 1
        patient = path.stem if patient_at is None else cells[patient_at].strip() if patient_at < len(cells) else ""
        time = cells[time_at].strip() if time_at is not None and time_at < len(cells) else None
        collector.see(patient)
        if len(cells) > len(names) and any(extra.strip() for extra in cells[len(names) :]):
            reason = f"the row has {len(cells)} cells under {len(names)} headers: check the delimiters"
            collector.set_aside(Place(prefix, number), patient, "row", "", "", reason)
            continue
        for k, name, column in columns:
            text = cells[k].strip() if k < len(cells) else ""
            if text and column is not None:
                _offer_cell(collector, Place(prefix, number, suffixes[k]), patient, name, column, text, time)
    return count


def _offer_cell(
    collector: Collector, place: Place, patient: str, name: str, column: Column, text: str, time: str | None
) -> None:  # fmt: skip
    if column.target is None:
        collector.set_aside(place, patient, name, text, column.unit, column.problem)
        return
    collector.offer(
        place, patient, column.target, name, text, column.unit,
        modality=column.modality, condition=column.condition, time=time,
    )  # fmt: skip
