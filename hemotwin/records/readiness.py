"""What a record or a whole export is good for before anything is computed: levels, twins, questions, gaps, worklist."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ..core.disclaimer import DISCLAIMER
from ..core.table import Table
from .codes import observables
from .costs import Costs, load_costs
from .inventory import DAY, Fact
from .ladder import GRADES, Rung, Standing, ladder, standing, visits
from .needs import Served, examination_of, examinations, missing, questions, serves, twins
from .readiness_expected import Expectation
from .record import MeasurementSet, Records

__all__ = ["Costs", "Gap", "PatientReadiness", "Readiness", "Task", "assess", "load_costs"]


@dataclass(frozen=True)
class PatientReadiness:
    """One patient: level, the visit that shows it, and which twins and questions the record can serve.

    `held` are the readings with a sound value at any time, `names` those of the best visit, `unusable` those that are
    recorded and cannot be used. `names`, `twins` and `questions` take each value by itself. `now` are the readings that
    a calibration of these records takes: of the visit and condition that were chosen, without values in impossible
    order or contradiction; `twins_now` and `questions_now` are what those serve.
    """

    patient: str
    level: int
    date: str | None
    condition: str
    names: frozenset[str]
    held: frozenset[str]
    unusable: frozenset[str]
    twins: tuple[str, ...]
    questions: tuple[str, ...]
    now: frozenset[str] = frozenset()
    twins_now: tuple[str, ...] = ()
    questions_now: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """One line of the worklist: a patient, the twin within reach, the readings that it lacks, what gives them."""

    patient: str
    twin: str
    lacks: tuple[str, ...]
    examinations: tuple[str, ...]
    cost: float | None


@dataclass(frozen=True)
class Gap:
    """Something that every reading should have: how many lack it, and the level with and without the gap."""

    name: str
    lacking: int
    of: int
    level: int
    level_without_gap: int


@dataclass(frozen=True, repr=False)
class Readiness:
    """The readiness of a data set. `level` is the highest that a patient reaches; `reached` counts them by level.

    `expected` says what a calibration would learn and what to measure next, where that was asked for.
    """

    source: str
    sha256: str
    level: int
    patients: tuple[PatientReadiness, ...]
    gaps: tuple[Gap, ...]
    worklist: tuple[Task, ...]
    costs: Costs
    steward: str
    licence: str
    records: Records = field(repr=False, compare=False)
    expected: Expectation | None = field(default=None, repr=False)

    @property
    def rung(self) -> Rung:
        """The rung of the data set's level."""
        return ladder()[self.level]

    def reached(self, level: int) -> int:
        """How many patients reach a level."""
        return sum(one.level >= level for one in self.patients)

    def served(self, what: Mapping[str, Served]) -> dict[str, int]:
        """How many patients can be served each twin, or each question, of `what`."""
        found = Counter(name for one in self.patients for name in (*one.twins, *one.questions))
        return {name: found[name] for name in what}

    def served_now(self, what: Mapping[str, Served]) -> dict[str, int]:
        """The same for the readings that a calibration of these records takes now."""
        found = Counter(name for one in self.patients for name in (*one.twins_now, *one.questions_now))
        return {name: found[name] for name in what}

    def tables(self, limit: int | None = None) -> dict[str, Table]:
        """The report by title: levels, readings, twins and questions, gaps, worklist (up to `limit` lines), quality."""
        from .readiness_tables import tables

        return {table.title: table for table in tables(self, limit)}

    def __repr__(self) -> str:
        from .readiness_tables import lead

        return f"<Readiness of {self.source}: {lead(self)}>"

    def _repr_html_(self) -> str:
        from .readiness_tables import lead

        text = f"<p>{html.escape(lead(self))}</p><p>{html.escape(self.records.counts_sentence)}</p>"
        return text + "".join(table._repr_html_() for table in self.tables().values()) + f"<p>{DISCLAIMER}</p>"


def assess(records: Records, costs: Costs | None = None) -> Readiness:
    """The readiness of records, from the facts of every row whatever visit was chosen; nothing is computed or guessed.

    A patient stands on the highest rung of configs/readiness/ladder.yaml that one visit of theirs shows; the data set
    on the highest that a patient reaches, so that further data can only raise it. `costs` price the worklist.
    """
    priced = Costs() if costs is None else costs
    governance = records.governance
    steward, licence = (governance.steward, governance.licence) if governance else ("", "")
    governed = bool(steward and licence)
    facts = {patient: tuple(records.inventory.of(patient)) for patient in records.patients}
    found, tasks = [], []
    for patient, mine in facts.items():
        now = _taken(records[patient])
        one, task = _patient(patient, mine, standing(mine, governed), priced, now)
        found.append(one)
        tasks += task
    level = max((one.level for one in found), default=0)
    tasks.sort(key=lambda task: (len(task.lacks), list(twins()).index(task.twin), task.patient))
    return Readiness(
        records.source.name, records.sha256, level, tuple(found), _gaps(facts, governed, level), tuple(tasks), priced,
        steward, licence, records,
    )  # fmt: skip


def _patient(
    patient: str, facts: Sequence[Fact], stands: Standing, costs: Costs, now: frozenset[str]
) -> tuple[PatientReadiness, list[Task]]:
    sound = [fact for fact in facts if fact.measured]
    body = frozenset(fact.name for fact in sound if fact.name not in observables())
    held = frozenset(fact.name for fact in sound)
    options = visits(fact for fact in sound if fact.name in observables())
    options = [replace(visit, names=visit.names | body) for visit in options] or [replace(stands, names=body)]
    twin = [name for name, one in twins().items() if any(serves(one, visit.names) for visit in options)]
    asked = [name for name, one in questions().items() if any(serves(one, visit.names) for visit in options)]
    best = max(options, key=lambda visit: _worth(visit, stands))
    date = None if best.day is None else datetime.fromtimestamp(best.day * DAY, UTC).date().isoformat()
    unusable = frozenset(fact.name for fact in facts) - held
    one = PatientReadiness(
        patient, stands.level, date, best.condition, best.names, held, unusable, tuple(twin), tuple(asked), now,
        *(tuple(name for name, one in what.items() if serves(one, now)) for what in (twins(), questions())),
    )  # fmt: skip
    return one, _tasks(patient, best.names, twin, costs)


def _worth(visit: Standing, stands: Standing) -> tuple[int, int, bool, int]:
    """How much a visit serves and holds; of equals the one that shows the level goes first, then the latest."""
    shows = (visit.day, visit.condition) == (stands.day, stands.condition)
    served = sum(serves(one, visit.names) for one in twins().values())
    return served, len(visit.names), shows, -1 if visit.day is None else visit.day


def _taken(one: MeasurementSet) -> frozenset[str]:
    """What a calibration takes of a patient: readings with a value of their own, derived ones too, and the body."""
    taken = (m.observable for m in one.measurements if m.kind != "recovered")
    return frozenset((*taken, *one.covariates))


def _tasks(patient: str, names: frozenset[str], served: Sequence[str], costs: Costs) -> list[Task]:
    """The twin within reach: of those not served the one that lacks least, and of equals the most demanding one."""
    open_twins = [(name, missing(one, names)) for name, one in twins().items() if name not in served]
    if not open_twins:
        return []
    twin, lacks = min(reversed(open_twins), key=lambda pair: len(pair[1]))
    needed = _examinations(lacks)
    return [Task(patient, twin, lacks, needed, costs.total(needed))]


def _examinations(lacks: Sequence[str]) -> tuple[str, ...]:
    """The fewest examinations that give all of these readings, found by taking the one that gives most each time."""
    left, chosen = set(lacks), []
    while left:
        best = max(examinations().values(), key=lambda one: len(left & one.gives))
        # one that asks less of the patient and gives as much stands first in the list, so max() keeps it
        if not left & best.gives:
            chosen += [examination_of(name).name for name in sorted(left)]
            break
        chosen.append(best.name)
        left -= best.gives
    return tuple(dict.fromkeys(chosen))


def _gaps(facts: Mapping[str, Sequence[Fact]], governed: bool, level: int) -> tuple[Gap, ...]:
    """What the lack of units, times, methods and consent costs in levels: the level were none of it lacking."""
    readings = [fact for mine in facts.values() for fact in mine if fact.name in observables()]
    lacks = {
        "unit": [fact for fact in readings if not fact.unit],
        **{name: [fact for fact in readings if not GRADES[name](fact)] for name in ("time", "method", "consent")},
    }
    found = []
    for name, those in lacks.items():
        if those or (name == "consent" and not governed):
            best = max((standing(mine, governed, (name,)).level for mine in facts.values()), default=0)
            found.append(Gap(name, len(those), len(readings), level, max(level, best)))
    return tuple(found)
