"""What the headers of a table say: roles of the long form, columns of the wide form, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ...core.errors import InputError, nearest
from ..births import BIRTH_DATE
from ..codes import Target, find_name, normalise
from ..mapping import Column, WideMapping
from ..marks import MARK_COLUMN
from ..wide_form import bracketed, wide_form

__all__ = ["HEADERS", "IN_MEMORY", "is_known", "own_mapping"]

IN_MEMORY = Path("table in memory")  # stands for the file of a table that is in none
HEADERS = {
    "patient": ("patient", "patient_id", "id", "subject", "subject_id", "person", "person_id", "case", "pseudonym"),
    "observable": (
        "observable",
        "code",
        "name",
        "measurement",
        "parameter",
        "variable",
        "loinc",
        "observation",
        "item",
    ),
    "value": ("value", "result", "reading", "value_as_number", "valuenum"),
    "unit": ("unit", "units", "uom", "ucum", "unit_source_value"),
    "sd": ("sd", "std", "standard_deviation", "uncertainty"),
    "time": ("time", "date", "datetime", "timestamp", "effective", "measurement_date", "charttime"),
    "modality": ("modality", "method", "technique", "source_method"),
    "condition": ("condition", "state", "setting"),
    "consent": ("consent", "purposes", "permitted_use"),
    "mark": (MARK_COLUMN,),
}
_WITHOUT_UNIT = ("sex", BIRTH_DATE)  # a header of these is enough
HEADER_LIMIT = 200  # characters; a longer header names no unit
_UNIT_IN_HEADER = re.compile(r"(.+?)\s*[\[(]\s*([^\[\]()]*(?:\[[^\]]*\][^\[\]()]*)?)\s*[\])]\s*$")


def is_known(header: str) -> bool:
    """Whether a header says by itself what stands below it, as a role of the long form or as a column of the wide."""
    written = _name_and_unit(header)
    target = find_name(written[0] if written else header)
    own = target is not None and (written is not None or target.name in _WITHOUT_UNIT)
    return own or any(normalise(header) in words for words in HEADERS.values())


def own_mapping(names: Sequence[str], path: Path) -> WideMapping:
    """The mapping that headers such as "sbp [mmHg]" and "age (a)" state themselves; raises when no header does."""
    roles: dict[str, str] = {}
    columns: dict[str, Column] = {}
    for name in names:
        written = _name_and_unit(name)
        target: Target | None = find_name(written[0] if written else name)
        if target is not None and (written or target.name in _WITHOUT_UNIT):
            columns[name] = Column(target, written[1] if written else "")
        elif not written and normalise(name) in HEADERS["patient"]:
            roles["patient"] = min(name, roles.get("patient", name), key=_rank)
        elif not written and normalise(name) in HEADERS["time"]:
            roles.setdefault("time", name)
        elif not written and (clear := wide_form(name)):
            columns[name] = Column(None, problem=f"the header must say the unit in brackets: write it as `{clear}`")
        elif name:
            columns[name] = Column(None, problem=_unknown(name))
    if all(column.target is None or column.target.name in _WITHOUT_UNIT for column in columns.values()):
        raise InputError(_no_mapping(names, path))
    return WideMapping(roles, columns)


def _name_and_unit(header: str) -> tuple[str, str] | None:
    """What a header such as "sbp [mmHg]" says; a unit with round brackets in it, as that of cardiac index, must be one,
    so that a remark is not taken for it."""
    if len(header) > HEADER_LIMIT:
        return None
    match = _UNIT_IN_HEADER.fullmatch(header)
    return (match[1], match[2]) if match else bracketed(header)


def _unknown(name: str) -> str:
    close = wide_form(name, near=True) if len(name) <= HEADER_LIMIT else ""
    rename = f"did you mean `{close}`? Rename the column" if close else "rename the column"
    return f"no reading of this name is known: {rename}, or add it under `columns` or `ignore` of a mapping"


def _rank(name: str) -> int:
    """How little a header says of whose rows they are: an `id` beside a `patient_id` is that of the row or visit."""
    return HEADERS["patient"].index(normalise(name))


def _no_mapping(names: Sequence[str], path: Path) -> str:
    known = [name for words in HEADERS.values() for name in words]
    close = {
        name: hit[0]
        for name in names[:40]
        if (hit := nearest(normalise(name), known, cutoff=0.8)) and hit[0] != normalise(name)
    }
    hint = "; did you mean " + ", ".join(f"{new!r} for {old!r}" for old, new in close.items()) if close else ""
    shown = ", ".join(name[:30] for name in names[:12]) or "none"
    return (
        f"{path.name}: the headers ({shown}) are neither the long form (patient, observable, value, unit{hint}) nor "
        "the wide form, a patient a row with the unit of each column in brackets: "
        f"{_easiest(names)}, or {_mapping_at(path)}"
    )


def _easiest(names: Sequence[str]) -> str:
    """The headers of the wide form that are nearest to those of the table."""
    forms = {name: form for name in names[:40] if (form := wide_form(name, near=True))}
    some = list(forms.items())[:3]
    said = ", ".join(f"`{form}` for {name[:30]!r}" for name, form in some) or "`sbp [mmHg]`"
    return f"easiest is to rename the columns, each with the unit that its values are in, as {said}"


def _mapping_at(path: Path) -> str:
    """Where a mapping goes, with an example."""
    if path == IN_MEMORY:
        return (
            'give `mapping=`, as in {"patient": "id", "columns": {"<header>": {"observable": "sbp", "unit": "mmHg", '
            '"modality": "cuff"}}}.'
        )
    return (
        f"write {path.stem}_mapping.yaml beside it (`hemotwin map` proposes one), as in\n"
        'patient: id\ncolumns:\n  <header>: {observable: sbp, unit: "mm[Hg]", modality: cuff}'
    )
