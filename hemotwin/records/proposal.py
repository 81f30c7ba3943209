"""A mapping proposed for a wide table from headers, units and value ranges: for a person to review, never applied."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from ..core.errors import InputError, UnitError
from ..core.registry import known
from ..core.units import convert, known_units, parse_unit, same_dimension
from .births import BIRTH_DATE, birth_date, speaks_of_birth
from .codes import Target, find_modality, find_name, info, nearest_names, normalise, sex_of
from .reading import plausible_range
from .values import ValueProblem, is_missing, moment, parse_number
from .wide_form import split_header

__all__ = ["ColumnProposal", "Proposal", "propose"]

ROWS_LOOKED_AT = 2000
FITTING = 0.95  # of the values must be plausible in a unit
_PATIENT = ("patient", "patient_id", "id", "subject", "subject_id", "person", "person_id", "case", "pseudonym", "mrn")
_TIME = ("time", "date", "datetime", "timestamp", "effective", "measurement_date", "charttime", "visit_date")


@dataclass(frozen=True)
class ColumnProposal:
    """What a column may hold: `observable` with `unit`, a `role` (patient, time), or neither; `why` in words."""

    header: str
    observable: str = ""
    unit: str = ""
    modality: str = ""
    role: str = ""
    why: str = ""


@dataclass(frozen=True)
class Proposal:
    """The columns of one table, and the mapping as YAML text, marked `proposed` so that it is not read as it is."""

    path: Path
    columns: tuple[ColumnProposal, ...]

    @property
    def text(self) -> str:
        """YAML to review: delete the line `proposed` and save it beside the table."""
        lines = [
            f"# Proposed for {self.path.name} from headers, units and the first rows. Nothing is applied:",
            f"# check every line, delete the line `proposed`, and save it as {self.path.stem}_mapping.yaml beside it.",
            "proposed: true",
        ]
        for role in ("patient", "time"):
            lines += [f"{role}: {_quoted(one.header)}  # {one.why}" for one in self.columns if one.role == role]
        lines.append("columns:")
        taken = [one for one in self.columns if one.observable]
        lines += [_line(one) for one in taken] or ["  {}"]
        left = [one for one in self.columns if not one.observable and not one.role]
        if left:
            lines += ["ignore:", *(f"  {_quoted(one.header)}: {_quoted(one.why)}" for one in left)]
        return "\n".join(lines) + "\n"


def propose(path: str | Path) -> Proposal:
    """Propose the mapping of a CSV or Parquet table from its headers and its first 2,000 rows.

    A header that is a known name or alias is proposed with the unit that it writes, or the one in which at least 95 %
    of the values are plausible. A header that only resembles a name is listed under `ignore` with the name. Raises
    `InputError` when the path is no table, or its long form needs no mapping.
    """
    source = Path(path)
    readers = [reader() for reader in known("reader").values() if reader.takes_mapping]
    reader = next((one for one in readers if source.suffix.lower() in one.suffixes), None)
    if not source.is_file() or reader is None:
        raise InputError(f"`{source.name}` is no CSV or Parquet table: a mapping is proposed for a table with headers.")
    names, rows = reader.beginning(source, ROWS_LOOKED_AT)
    words = {normalise(name) for name in names}
    if "value" in words and words & {"observable", "code", "measurement", "parameter", "loinc"}:
        raise InputError(f"{source.name}: the table is in long form, one value a row, and needs no mapping.")
    columns = [_column(name, [row[k] if k < len(row) else "" for row in rows]) for k, name in enumerate(names) if name]
    columns = _timeless(_doubles(_one_of_each_role(columns)))
    return Proposal(source, tuple(_patient_first(columns, names, rows)))


def _column(header: str, cells: Sequence[str]) -> ColumnProposal:
    word = normalise(header)
    filled = [cell.strip() for cell in cells if cell.strip() and not is_missing(cell)]
    if word in _PATIENT:
        return ColumnProposal(header, role="patient", why="by its name")
    if word in _TIME and any(moment(cell) is not None for cell in filled[:20]):
        return ColumnProposal(header, role="time", why="by its name and values")
    base, written = split_header(header)
    target = find_name(header) or find_name(base)
    if target is None and speaks_of_birth(header):
        why = f"not known; it speaks of a birth: {BIRTH_DATE} if it is the patient's; its values are not shown"
        return ColumnProposal(header, why=why)
    if target is None:
        close = nearest_names(base) or _begins_with(base)
        hint = f"not known; it resembles {' or '.join(close)}" if close else "not known"
        return ColumnProposal(header, why=f"{hint}; {_seen(filled)}")
    if target.role == "recognised":
        return ColumnProposal(header, why=f"{target.label}: understood, but no twin uses it")
    if target.name == "sex":
        some = all(sex_of(cell) for cell in filled[:50]) and bool(filled)
        why = "the values are sexes" if some else f"named a sex, but {_seen(filled)}"
        return ColumnProposal(header, "sex", why=why) if some else ColumnProposal(header, why=why)
    if target.name == BIRTH_DATE:
        return _birth(header, filled)
    return _measured(header, base, written, target, filled)


def _birth(header: str, filled: Sequence[str]) -> ColumnProposal:
    """A birth date where at least 95 % of the values are written as one; of the values nothing else is told."""
    share = sum(map(_is_birth_date, filled)) / max(len(filled), 1)
    if share < FITTING:
        said = f"only {100 * share:.0f} % of {len(filled)} values are" if filled else "it holds none"
        return ColumnProposal(header, why=f"named a birth date, but {said} written as YYYY-MM-DD, YYYY-MM or YYYY")
    return ColumnProposal(header, BIRTH_DATE, why="gives the age at the time of the measurements; it is not kept")


def _is_birth_date(cell: str) -> bool:
    try:
        return bool(birth_date(cell))
    except ValueProblem:
        return False


def _measured(header: str, base: str, written: str, target: Target, filled: Sequence[str]) -> ColumnProposal:
    about, numbers = info(target.name), _numbers(filled)
    if not numbers or len(numbers) < 0.5 * len(filled):
        return ColumnProposal(header, why=f"named {about.label}, but {_seen(filled)}")
    modality = find_modality(base.replace("_", " ")) or ""
    if written:
        share = _share(numbers, written, target.name)
        why = f"unit from the header; {100 * share:.0f} % of the values are plausible; {_seen(filled)}"
        if share < FITTING:
            return ColumnProposal(header, why=f"named {about.label} in {written}, but only {why.partition('; ')[2]}")
        return ColumnProposal(header, target.name, written, modality, why=why)
    fitting = [unit for unit in _units_of(about.unit) if _share(numbers, unit, target.name) >= FITTING]
    if not fitting:
        return ColumnProposal(
            header,
            why=f"named {about.label}, but the values fit no unit of it; {_seen(filled)}; plausible are "
            f"{plausible_range(target.name)}",
        )
    others = f", {' and '.join(fitting[1:3])} would fit too" if len(fitting) > 1 else ""
    return ColumnProposal(
        header, target.name, fitting[0], modality, why=f"UNIT GUESSED from the values{others}; {_seen(filled)}"
    )


def _begins_with(word: str) -> tuple[str, ...]:
    """The observable whose name the first words of a header are, as in "sv_volumes"."""
    parts = normalise(word).split("_")
    found = [find_name("_".join(parts[:count])) for count in range(len(parts) - 1, 0, -1)]
    return tuple(one.name for one in found if one is not None and one.role == "observable")[:1]


def _units_of(unit: str) -> list[str]:
    """The unit itself, then the usual others of its kind that differ in size."""
    if not unit:
        return []
    own = parse_unit(unit)
    found, sizes = [unit], {own.factor}
    for other in known_units():
        if same_dimension(other, unit) and parse_unit(other).factor not in sizes:
            sizes.add(parse_unit(other).factor)
            found.append(other)
    return found


def _share(numbers: Sequence[float], unit: str, name: str) -> float:
    about = info(name)
    try:
        values = [convert(number, unit, about.unit) for number in numbers]
    except UnitError:
        return 0.0
    if about.low is None or about.high is None:
        return 1.0
    return sum(about.low <= value <= about.high for value in values) / len(values)


def _numbers(cells: Sequence[str]) -> list[float]:
    found = []
    for cell in cells:
        try:
            found.append(parse_number(cell)[0])
        except ValueProblem:
            continue
    return found


def _seen(filled: Sequence[str]) -> str:
    """The values in words, without showing any text of the table."""
    numbers = _numbers(filled)
    if not filled:
        return "it holds no value"
    if len(numbers) < 0.5 * len(filled):
        return f"{len(filled)} text{'' if len(filled) == 1 else 's'}, no numbers"
    if len(numbers) == 1:
        return f"{numbers[0]:.4g}, 1 value"
    return f"{min(numbers):.4g} to {max(numbers):.4g}, median {median(numbers):.4g}, {len(numbers)} values"


def _one_of_each_role(columns: Sequence[ColumnProposal]) -> list[ColumnProposal]:
    met: set[str] = set()
    kept = []
    for one in columns:
        if one.role and one.role in met:
            one = ColumnProposal(one.header, why=f"another {one.role} column comes before it")
        met.add(one.role)
        kept.append(one)
    return kept


def _doubles(columns: Sequence[ColumnProposal]) -> list[ColumnProposal]:
    """Of two columns for one observable and modality neither is proposed: a person must say which is which."""
    keys = [(one.observable, one.modality) for one in columns]
    return [
        ColumnProposal(one.header, why=f"one of several columns for {one.observable}: say which, with its modality")
        if one.observable and keys.count((one.observable, one.modality)) > 1
        else one
        for one in columns
    ]


def _timeless(columns: Sequence[ColumnProposal]) -> list[ColumnProposal]:
    """A birth date says that it gives no age where no column was found to be the time of the measurements."""
    if any(one.role == "time" for one in columns):
        return list(columns)
    why = "gives an age only with the time of the measurements: name its column as `time`; it is not kept"
    return [replace(one, why=why) if one.observable == BIRTH_DATE else one for one in columns]


def _patient_first(
    columns: Sequence[ColumnProposal], names: Sequence[str], rows: Sequence[Sequence[str]]
) -> list[ColumnProposal]:
    """The first column as the patient where none is named so and its values are all different."""
    if any(one.role == "patient" for one in columns) or not columns or columns[0].observable or not rows:
        return list(columns)
    if speaks_of_birth(columns[0].header):  # nobody is called by a birth date
        return list(columns)
    cells = [row[0].strip() for row in rows if row and row[0].strip()]
    if columns[0].header != names[0] or len(set(cells)) < len(cells) or not cells or columns[0].role:
        return list(columns)
    return [ColumnProposal(names[0], role="patient", why="GUESSED: first column, all values differ"), *columns[1:]]


def _line(one: ColumnProposal) -> str:
    parts = [f"observable: {one.observable}"]
    parts += [f"unit: {_quoted(one.unit)}"] if one.unit else []
    parts += [f"modality: {one.modality}"] if one.modality else []
    return f"  {_quoted(one.header)}: {{{', '.join(parts)}}}  # {one.why}"


def _quoted(text: str) -> str:
    """Text as YAML in double quotes where it needs them."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    if re.fullmatch(r"[A-Za-z][\w]*", clean) and clean.lower() not in (
        "yes",
        "no",
        "on",
        "off",
        "true",
        "false",
        "null",
        "y",
        "n",
    ):
        return clean
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"') + '"'
