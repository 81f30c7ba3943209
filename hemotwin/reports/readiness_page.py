"""The readiness report as one page: a single file that opens anywhere and needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from .. import __version__
from ..core.disclaimer import DISCLAIMER
from ..core.errors import InputError, required
from ..core.table import Table, format_cell
from ..core.whole_file import write_whole
from ..records.ladder import ladder
from ..records.needs import questions, twins
from ..records.readiness import Readiness, assess, load_costs
from ..records.readiness_tables import evidence, lead, tables
from ..records.record import Records
from .deep_readiness import deepened
from .expected_picture import expected_picture
from .missingness import STATES, missingness

__all__ = ["page", "readiness", "write_page"]

TEMPLATES = Path(__file__).parent / "templates"
HINTS = {
    "Reading by reading": "Patients with a sound value of each reading, and where it is missing.",
    "What it can serve": "A twin or question is served when one visit holds what it needs.",
    "Cost of the gaps, in levels": "The level the data set would have if this were not lacking.",
    "Cost of the gaps, in examinations": "What it takes to bring each patient to the twin within reach.",
    "What a calibration is expected to learn": "Before any fit; the prior takes part in every number.",
    "Best next reading": "Bits by which one more reading, with the noise of its method, narrows all quantities.",
    "Best next examination": "The same for all readings that an examination adds, each piece of evidence once.",
    "Expected patient by patient": "How many quantities each record is expected to identify, and what adds most.",
    "Held back": "Patients whose record holds more than a calibration of it takes, with what to correct or choose.",
    "Recovered": "Values that were never recorded and follow from one that was computed with them.",
    "Worklist": "Whose twin needs which measurement; the shortest way first.",
}


def readiness(
    records: Records, *, costs: str | Path | None = None, path: str | Path | None = None, deep: bool = False,
    about: Sequence[str] = (), prior: str | Path = "adult_wide", noise: str | Path = "clinical",
) -> Readiness:  # fmt: skip
    """What records are good for before anything is computed: level, evidence, twins, questions, gaps and worklist.

    `costs` is a YAML file with your own cost of each examination, which prices the worklist; `path` also writes the
    report as one page. With `deep` the circulation is linearised under `prior` and `noise`: `.expected` then says which
    quantities each record is expected to identify and what to measure next, all in all or for the quantities and
    readings that `about` names. Only that needs JAX. Raises `InputError` for a cost file that cannot be used, and for
    `about` without `deep`.
    """
    required("records", records, Records, 'what ht.read returns, such as ht.read("ward.csv")')
    found = assess(records, None if costs is None else load_costs(costs))
    if deep:
        found = deepened(found, about=about, prior=prior, noise=noise)
    elif about:
        raise InputError("`about` ranks what to measure next, which is worked out with `deep` alone: add deep=True.")
    if path is not None:
        write_page(found, path)
    return found


def write_page(readiness: Readiness, path: str | Path) -> Path:
    """Write the page to `path`; it appears whole or not at all. Returns the path."""
    return write_whole(path, page(readiness))


def page(readiness: Readiness) -> str:
    """The page as text: level and evidence, the picture of what is missing, what it can serve, gaps, worklist."""
    shelf = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True,
                               undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # fmt: skip
    style = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))
    picture = missingness(readiness)
    rungs = [
        {"level": level, "label": label, "patients": patients, "readings": readings, "example": example,
         "reached": level <= readiness.level, "name": ladder()[level].name}
        for level, label, patients, readings, example in evidence(readiness)
    ]  # fmt: skip
    count = len(readiness.patients)
    return shelf.get_template("readiness.html").render(
        style=style, disclaimer=DISCLAIMER, version=__version__, readiness=readiness, lead=lead(readiness),
        top=ladder()[-1].level, rungs=rungs, picture=Markup(picture["svg"]), caption=picture["caption"],
        expected=expected_picture(readiness.expected) if readiness.expected else None,
        states=list(STATES.items()), served=_served(readiness, count), counts=readiness.records.summary(),
        sections=[_section(table) for table in tables(readiness)[1:] if table.title != "What it can serve"],
        flags=[flag.sentence for flag in readiness.records.flags],
    )  # fmt: skip


def _served(readiness: Readiness, count: int) -> list[dict[str, object]]:
    found = []
    for title, what in (("Twins", twins()), ("Questions", questions())):
        rows = [
            {
                "label": what[name].label,
                "served": served,
                "now": readiness.served_now(what)[name],
                "share": 100 * served / (count or 1),
            }
            for name, served in readiness.served(what).items()
        ]
        found.append({"title": title, "rows": rows})
    return found


def _section(table: Table) -> dict[str, object]:
    cells = [[row[k] for row in table.rows] for k in range(len(table.columns))]
    numbers = [all(cell is None or _is_number(cell) for cell in column) for column in cells]
    return {
        "title": table.title, "hint": HINTS.get(table.title, ""), "note": table.note, "numbers": numbers,
        "columns": list(zip(table.columns, numbers, strict=True)),
        "rows": [[format_cell(cell) for cell in row] for row in table.rows],
    }  # fmt: skip


def _is_number(cell: object) -> bool:
    """Whether a cell is a number, or the text of one with its decimals kept."""
    return isinstance(cell, int | float) or (isinstance(cell, str) and cell.replace(".", "", 1).isdigit())
