"""What goes to the terminal: progress on stderr with the seconds passed, results on stdout, both without colour."""

from __future__ import annotations

import dataclasses
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..core.table import Table

__all__ = [
    "Progress", "at_a_glance", "bullets", "few", "limit", "on_terminal", "say", "sentence", "show", "show_twin",
    "show_what_if", "width",
]  # fmt: skip

WIDEST = 110
SHOWN = 20  # lines of a list on a terminal, where more would push the rest out of sight
WHOLE = 3  # twins whose tables are all printed on a terminal; of more there is a line each


class Progress:
    """One plain line per step on stderr: seconds since the start, what was done."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def __call__(self, sentence: str) -> None:
        print(f"[{self.seconds:6.1f} s] {sentence}", file=sys.stderr, flush=True)

    @property
    def seconds(self) -> float:
        """Seconds since this progress began."""
        return time.perf_counter() - self._began


def on_terminal() -> bool:
    """Whether the results are read on a terminal; a file or a pipe gets all rows and whole names."""
    return sys.stdout.isatty()


def limit() -> int | None:
    """Lines of a list to show: 20 on a terminal, all (None) elsewhere."""
    return SHOWN if on_terminal() else None


def at_a_glance(count: int) -> bool:
    """Whether so many twins get a line each, on a terminal, in place of whole tables."""
    return on_terminal() and count > WHOLE


def width() -> int:
    """Columns to fill: those of the terminal up to 110, and 110 where the output goes elsewhere."""
    if not on_terminal():
        return WIDEST
    return max(60, min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns))


def _room() -> int | None:
    """Columns that a table of a twin may take on a terminal; None elsewhere, where what reads it needs whole names."""
    return WIDEST if on_terminal() else None


def few(lines: Sequence[str]) -> list[str]:
    """Lines for stderr: on a terminal the first 20, and how many more there are; elsewhere all."""
    if not sys.stderr.isatty() or len(lines) <= SHOWN:
        return list(lines)
    return [*lines[:SHOWN], f"... and {len(lines) - SHOWN} more, all of them where stderr goes to a file."]


def say(text: str = "") -> None:
    """A line of the result."""
    print(text)


def sentence(text: str, mark: str = "") -> None:
    """Plain words behind a mark, wrapped to `width`; further lines hang below the first."""
    hang = " " * (len(mark) or 2)
    print(_wrapped(text, mark, hang))


def _wrapped(text: str, mark: str = "", hang: str = "  ") -> str:
    """Each line of a text within `width`, names and paths whole."""
    return "\n".join(
        textwrap.fill(line, width(), initial_indent=mark, subsequent_indent=hang, break_on_hyphens=False,
                      break_long_words=False)
        for line in text.splitlines()
    )  # fmt: skip


def show(table: Table) -> None:
    """A table as text, its note wrapped."""
    print(dataclasses.replace(table, note=_wrapped(table.note)))


def bullets(title: str, sentences: Iterable[str]) -> None:
    """Sentences one below the other under a title, wrapped; nothing when there are none."""
    sentences = list(sentences)
    if not sentences:
        return
    print(f"\n{title}")
    for one in sentences:
        sentence(str(one), "- ")


def show_twin(twin: Any) -> None:
    """Fit, what the data informed, conflicts, assumptions, other explanations, certificate, status."""
    from ..reports.tables import fit_table, quantity_table

    say()
    show(fit_table(twin, _room()))
    say()
    show(quantity_table(twin, _room()))
    bullets("Conflicts", twin.conflicts or ())
    bullets("Assumptions", twin.assumptions or ())
    if twin.modes and len(twin.modes) > 1:
        bullets("Explanations that fit", (f"{100 * m.weight:.0f} %: {m.description}" for m in twin.modes))
    notes = [f"{twin.status.name.replace('_', ' ').lower()}: {twin.status.advice}"]
    if twin.certificate is not None and twin.certificate.sentence:
        notes.append(twin.certificate.sentence)
    if getattr(twin, "sampling", None) is not None:
        notes.append(twin.sampling.sentence)
    bullets("Status", notes)


def show_what_if(prediction: Any) -> None:
    """Before, after, change of one what-if; its note says what is wrong when its status is not OK."""
    from ..reports.tables import what_if_table

    say()
    show(what_if_table(prediction, _room()))
