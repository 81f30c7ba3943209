"""Which readings repeat each other by arithmetic, so that a value left out does not come back through another."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from ..core.errors import InputError, UnknownNameError
from ..records.codes import modalities
from .data_file import Entry, open_data

__all__ = ["ExactFunctions", "load_exact_functions", "removed_with"]

UNSPECIFIED = "unspecified"
Channel = tuple[str, str]
Reading = TypeVar("Reading", str, tuple[str, str])


@dataclass(frozen=True)
class ExactFunctions:
    """Relations between readings (configs/codes/exact_functions.yaml, where the terms are explained)."""

    relations: tuple[tuple[frozenset[str], str | None], ...]
    repeats: tuple[frozenset[str], ...]
    one_examination: frozenset[str]
    same: frozenset[frozenset[str]]
    hide_first: tuple[str, ...]
    computed: frozenset[Channel] = frozenset()  # means that an examination does not measure beside the other two

    def follows(self, observable: str, known: Collection[str], present: Collection[str]) -> bool:
        """Whether `observable` can be computed from the `known` ones; `present` says which means were measured."""
        derived = set(known)
        rules = [members for members, mean in self.relations if mean is None or mean not in present]
        grew = True
        while grew and observable not in derived:
            new = {name for members in rules for name in members - derived if len(members - derived) == 1}
            derived |= new
            grew = bool(new)
        return observable in derived

    def hidden_with(self, observable: str, others: frozenset[str]) -> frozenset[str]:
        """What to hide of the `others` so that `observable` cannot be computed from the rest.

        All that may be hidden is hidden at first; then, from the end of `hide_first`, each is shown again unless it
        would give `observable` back.
        """
        gone = {name for pair in self.repeats if observable in pair for name in pair & others}
        present = others | {observable}
        hidden = [name for name in self.hide_first if name in others - gone]
        for name in reversed(hidden.copy()):
            shown_again = others - gone - set(hidden) | {name}
            if not self.follows(observable, shown_again, present):
                hidden.remove(name)
        return frozenset(gone | set(hidden))

    def may_be_computed(self, one: Channel, other: Channel) -> bool:
        """Whether one reading can have been computed from the other, by the examinations that they come from."""
        ways = frozenset((one[1], other[1]))
        apart = len(ways) == 2 and UNSPECIFIED not in ways and ways not in self.same
        return not (apart and {one[0], other[0]} <= self.one_examination)


@lru_cache(maxsize=1)
def load_exact_functions() -> ExactFunctions:
    """The relations of configs/codes/exact_functions.yaml; raises `InputError` for an unknown or missing key."""
    file, content = open_data("codes", "exact_functions")
    top = Entry(file, content, ("relations", "repeats", "one_examination", "hide_first"))
    relations, computed = [], set()
    for number, row in enumerate(top.items("relations"), 1):
        entry = Entry(f"{file} relation {number}", row, ("members", "rule"), ("convention_for", "computed_by"))
        members, mean = frozenset(entry.names("members")), entry.content.get("convention_for")
        if len(members) < 2 or (mean is not None and mean not in members):
            raise InputError(f"{entry.where}: `members` must be two or more and hold `convention_for`, but got {row}.")
        relations.append((members, mean))
        ways = entry.names("computed_by") if "computed_by" in entry.content else ()
        if ways and mean is None:
            raise InputError(f"{entry.where}: `computed_by` must stand beside `convention_for`, but got {row}.")
        for way in ways:
            if way not in modalities():
                raise UnknownNameError(f"{entry.where} `computed_by`: modality", way, modalities())
            computed.add((str(mean), way))
    examination = Entry(f"{file} one_examination", top.content["one_examination"], ("members", "same"))
    return ExactFunctions(
        tuple(relations),
        tuple(frozenset(pair) for pair in top.items("repeats")),
        frozenset(examination.names("members")),
        frozenset(frozenset(pair) for pair in examination.items("same")),
        top.names("hide_first"),
        frozenset(computed),
    )


def removed_with(reading: Reading, present: Iterable[Reading]) -> set[Reading]:
    """What to hide together with a reading so that no exact relation among the rest gives it back.

    Readings are observable names, or channels (observable, modality): channels know which values can have been computed
    from each other; bare names are taken to be of one examination. No more is hidden than needed, and what is usually
    computed goes before what is usually measured (`hide_first` in the data file). The reading itself is not in the
    result, nor is the same observable by another modality, which is evidence of its own.
    """
    functions = load_exact_functions()
    own = _channel(reading)
    others = [(r, _channel(r)) for r in present]
    tied = [(r, c) for r, c in others if c[0] != own[0] and functions.may_be_computed(own, c)]
    hidden = _hidden(own[0], frozenset(c[0] for _, c in tied))
    return {r for r, c in tied if c[0] in hidden}


@lru_cache(maxsize=4096)
def _hidden(observable: str, others: frozenset[str]) -> frozenset[str]:
    return load_exact_functions().hidden_with(observable, others)


def _channel(reading: str | Channel) -> Channel:
    return (reading, UNSPECIFIED) if isinstance(reading, str) else reading
