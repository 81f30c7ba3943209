"""The mapping of a wide table: which column is which observable, in which unit, taken how. Written by a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.configs import load_yaml
from ..core.errors import InputError, UnitError, nearest
from ..core.units import parse_unit
from .codes import Target, find_name, modalities, nearest_names

__all__ = ["Column", "WideMapping", "load_mapping"]

_KEYS = ("patient", "time", "columns", "ignore")
_COLUMN_KEYS = ("observable", "unit", "modality", "condition")


@dataclass(frozen=True)
class Column:
    """What the cells of one column are; without a target they are set aside for the reason in `problem`."""

    target: Target | None
    unit: str = ""
    modality: str | None = None
    condition: str | None = None
    problem: str = ""


@dataclass(frozen=True)
class WideMapping:
    """Roles (patient, time) to headers, headers to columns, and headers that hold no measurement (`ignored`)."""

    roles: Mapping[str, str]
    columns: Mapping[str, Column]
    ignored: frozenset[str] = frozenset()

    def position(self, role: str, names: Sequence[str], path: Path) -> int | None:
        """Where the column of a role stands; raises `InputError` when the mapping names one that is not there."""
        header = self.roles.get(role)
        if header is None:
            return None
        if header not in names:
            close = nearest(header, names)
            hint = f"; did you mean `{close[0]}`?" if close else ""
            raise InputError(f"{path.name}: the mapping's `{role}` column `{header}` is not among the headers{hint}")
        return list(names).index(header)

    def column(self, name: str) -> Column | None:
        """What a header's cells are: None when the mapping ignores it, a column without a target when it is unknown."""
        if name in self.ignored or not name:
            return None
        unknown = "the column is not in the mapping: add it under `columns`, or under `ignore` with the reason"
        return self.columns.get(name) or Column(None, problem=unknown)

    @classmethod
    def of(cls, data: Mapping[str, Any], path: Path) -> WideMapping:
        """Check a mapping written as YAML; raises `InputError` that names the key, the column and the known names."""
        _known_keys(data, _KEYS, f"{path.name}: the mapping")
        written = data.get("columns")
        if not isinstance(written, Mapping) or not written:
            raise InputError(f"{path.name}: the mapping must have `columns`, each with its observable and unit.")
        columns = {
            str(header): _column(entry, f"{path.name}: mapping of column `{header}`")
            for header, entry in written.items()
        }
        ignored = data.get("ignore") or {}
        if not isinstance(ignored, Mapping | list):
            raise InputError(f"{path.name}: `ignore` in the mapping must list columns, best each with its reason.")
        roles = {role: str(data[role]) for role in ("patient", "time") if data.get(role) is not None}
        return cls(roles, columns, frozenset(map(str, ignored)))


def load_mapping(table: Path, given: str | Path | Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The mapping given (a path or the data itself), or the file `<stem>_mapping.yaml` beside the table, or None."""
    if isinstance(given, Mapping):
        return given
    if given is None:
        given = table.with_name(f"{table.stem}_mapping.yaml")
        if not given.is_file():
            return None
    path = Path(given)
    if not path.is_file():
        raise InputError(f"mapping file `{path}` is not there: give the path of a YAML file.")
    data = load_yaml(path)
    if not isinstance(data, Mapping):
        raise InputError(
            f"{path.name}: the mapping must have `patient` and `columns`, but it is {type(data).__name__}."
        )
    if data.get("proposed"):
        raise InputError(
            f"{path.name}: the mapping is a proposal that nobody has reviewed: check every column, then delete its "
            "line `proposed`."
        )
    return data


def _column(entry: Any, where: str) -> Column:
    if not isinstance(entry, Mapping):
        raise InputError(
            f'{where} must be written as {{observable: sbp, unit: "mm[Hg]"}}, but got {str(entry)[:60]!r}.'
        )
    _known_keys(entry, _COLUMN_KEYS, where)
    name = str(entry.get("observable", ""))
    target = find_name(name)
    if target is None:
        close = nearest_names(name)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise InputError(f"{where}: observable `{name}` is not known{hint}")
    unit = "" if entry.get("unit") is None else str(entry["unit"])
    try:
        if unit:
            parse_unit(unit)
    except UnitError as error:
        raise InputError(f"{where}: {error}") from None
    modality = entry.get("modality")
    if modality is not None and modality not in modalities():
        raise InputError(f"{where}: modality `{modality}` must be one of {', '.join(modalities())}.")
    condition = entry.get("condition")
    return Column(target, unit, modality, None if condition is None else str(condition))


def _known_keys(data: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in data:
        if key not in known:
            close = nearest(str(key), known)
            hint = f"; did you mean `{close[0]}`?" if close else ""
            raise InputError(f"{where} has an unknown key `{key}`; known keys are {', '.join(known)}{hint}")
