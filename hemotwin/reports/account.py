"""The account after a calibration: how many twins are usable and why the others are not, what it took and what it cost.

Seconds are those that the calibration recorded, compiling apart. Money is shown for what the user gave a cost of, and
for nothing else.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..calibration.certificate import PERIODICITY_LIMIT
from ..calibration.twin import CalibratedTwin, CalibratedTwins
from ..core.disclaimer import DISCLAIMER
from ..core.errors import InputError, each_once, required
from ..core.status import Status
from ..core.table import Table
from ..core.whole_file import write_whole
from ..records.costs import Costs, load_costs
from ..records.needs import examination_taken

__all__ = ["USABLE", "Account", "Entry", "Run", "account", "reasons_against"]

USABLE = (
    "A twin is usable when its status is OK, its certificate holds, its beat repeats, every interval is finite, and "
    "the data informed at least one quantity."
)
COMPILE, HOUR, MINUTES = "compile", 3600.0, 60.0  # the stage that is no patient's; s per hour; min per hour


@dataclass(frozen=True)
class Entry:
    """One patient: why the twin is not usable (empty when it is), quantities informed, examinations that it used.

    `examinations` is None for a patient without a twin, of whom nothing is kept but the reason.
    """

    patient: str
    reasons: tuple[str, ...]
    informed: int
    examinations: tuple[str, ...] | None

    @property
    def usable(self) -> bool:
        """Whether nothing speaks against the twin."""
        return not self.reasons


@dataclass(frozen=True)
class Run:
    """One calibration: seconds by stage, its patients (None when it did not record them), device and date."""

    seconds: dict[str, float]
    patients: int | None
    device: str
    date: str


@dataclass(frozen=True)
class Account:
    """Patients, the calibrations that they came from, and the user's costs."""

    patients: tuple[Entry, ...]
    runs: tuple[Run, ...]
    costs: Costs

    @property
    def usable(self) -> int:
        """How many twins are usable."""
        return sum(one.usable for one in self.patients)

    @property
    def fraction(self) -> float:
        """Usable twins over patients."""
        return self.usable / len(self.patients)

    @cached_property
    def seconds(self) -> dict[str, float]:
        """Wall seconds per patient by stage, compiling left out; empty when no calibration recorded its patients."""
        known = [run for run in self.runs if run.patients and run.seconds]
        count = sum(run.patients or 0 for run in known)
        stages = dict.fromkeys(stage for run in known for stage in run.seconds if stage != COMPILE)
        return {stage: sum(run.seconds.get(stage, 0.0) for run in known) / count for stage in stages}

    @property
    def seconds_per_patient(self) -> float | None:
        """The sum of `seconds`; None when they are not known."""
        return sum(self.seconds.values()) if self.seconds else None

    @property
    def compile_seconds(self) -> float:
        """Wall seconds of compiling, once for each calibration whatever its patients."""
        return sum(run.seconds.get(COMPILE, 0.0) for run in self.runs)

    @cached_property
    def spent(self) -> dict[str, float]:
        """Cost of all patients by kind, of the kinds that were given: examinations, computing, staff, once."""
        found: dict[str, float] = {}
        costs, count = self.costs, len(self.patients)
        if costs.of:
            taken = [name for one in self.patients for name in one.examinations or ()]
            found["examinations"] = sum(costs.of.get(name, 0.0) for name in taken)
        if costs.compute_per_hour is not None and self.seconds_per_patient is not None:
            hours = (self.seconds_per_patient * count + self.compile_seconds) / HOUR
            found["computing"] = costs.compute_per_hour * hours
        if costs.staff_per_hour is not None and costs.staff_minutes_per_patient is not None:
            found["staff"] = costs.staff_per_hour * costs.staff_minutes_per_patient / MINUTES * count
        if costs.once is not None:
            found["once"] = costs.once
        return found

    @property
    def cost_per_patient(self) -> float | None:
        """All that was priced over all patients; None without costs."""
        return sum(self.spent.values()) / len(self.patients) if self.spent else None

    @property
    def cost_per_usable_twin(self) -> float | None:
        """All that was priced, failures included, over the usable twins; None without costs or usable twins."""
        return sum(self.spent.values()) / self.usable if self.spent and self.usable else None

    @property
    def unpriced(self) -> dict[str, int]:
        """Examinations that twins used and that have no cost: how many patients had each."""
        taken = Counter(name for one in self.patients for name in one.examinations or ())
        return {name: count for name, count in taken.items() if name not in self.costs.of} if self.spent else {}

    @property
    def without_seconds(self) -> bool:
        """Whether computing was to be priced but no calibration says how long it took for how many."""
        return self.costs.compute_per_hour is not None and self.seconds_per_patient is None

    def reasons(self) -> dict[str, int]:
        """Why twins are not usable: patients by their first reason, the commonest first."""
        return dict(Counter(one.reasons[0] for one in self.patients if one.reasons).most_common())

    def plain(self) -> dict[str, Any]:
        """Everything as plain values, ready for JSON; money only where costs were given."""
        from .account_tables import plain

        return plain(self)

    def tables(self, limit: int | None = None) -> list[Table]:
        """The account, the reasons, the patients that have one (`limit` of them, None for all), seconds by stage, and
        the cost by kind."""
        from .account_tables import tables

        return tables(self, limit)

    def save(self, path: str | Path) -> Path:
        """Write `plain` as a JSON file; it appears whole or not at all."""
        return write_whole(path, json.dumps(self.plain(), indent=1, ensure_ascii=False) + "\n")

    def __repr__(self) -> str:
        return f"<Account: {self.usable} of {len(self.patients)} twins usable. {DISCLAIMER}>"

    def _repr_html_(self) -> str:
        return "".join(table._repr_html_() for table in self.tables()) + f"<p>{DISCLAIMER}</p>"


def account(
    twins: CalibratedTwins | CalibratedTwin | Iterable[CalibratedTwins | CalibratedTwin],
    *, costs: Costs | str | Path | None = None,
) -> Account:  # fmt: skip
    """The account of twins, of one calibration or of several.

    `costs` is a YAML file of your own costs (`records.costs.load_costs`), or what that returns; without it no money is
    shown. Twins of one calibration share its seconds, also when each was saved by itself. Raises `InputError` without
    any patient, or when two twins are of the same patient.
    """
    stores = [twins] if isinstance(twins, CalibratedTwins | CalibratedTwin) else list(twins)
    entries: list[Entry] = []
    runs: dict[str, Run] = {}
    for store in stores:
        required("twins", store, CalibratedTwins | CalibratedTwin, "what ht.calibrate or ht.load returns")
        members = [store] if isinstance(store, CalibratedTwin) else list(store)
        entries += [_entry(twin) for twin in members]
        if isinstance(store, CalibratedTwins):
            entries += [Entry(p, (f"no twin: {reason}",), 0, None) for p, reason in store.skipped.items()]
        run = _run(store.provenance)
        runs[json.dumps([store.provenance.get("record_sha256"), run.seconds, run.patients])] = run
    if not entries:
        raise InputError("`twins` must hold at least one patient, but holds none.")
    each_once("twins", (one.patient for one in entries), "give one calibration of each")
    priced = costs if isinstance(costs, Costs) else Costs() if costs is None else load_costs(costs)
    return Account(tuple(entries), tuple(runs.values()), priced)


def reasons_against(twin: CalibratedTwin) -> tuple[str, ...]:
    """Why a twin is not usable, the gravest first; empty when it is (see `USABLE`)."""
    found, sure = [], twin.certificate
    if twin.status != Status.OK:
        found.append(f"status {twin.status.name.replace('_', ' ').lower()}: {twin.status.advice}")
    if not sure.ok:
        found.append("certificate: numerical errors exceed their limits")
    if sure.periodicity is None or not sure.periodicity <= PERIODICITY_LIMIT:  # also when it is no number
        found.append(f"the beat does not repeat within {PERIODICITY_LIMIT:g} mL")
    ends = [end for q in twin.quantities for end in (q.low, q.high)]
    ends += [end for r in twin.fit if r.counted for end in (r.low, r.high)]
    ends += [end for r in twin.unmeasured for end in (r.low, r.high)]
    if not all(end is not None and math.isfinite(end) for end in ends):
        found.append("an interval is not finite")
    if not twin.informed:
        found.append("the data informed no quantity")
    return tuple(found)


def _entry(twin: CalibratedTwin) -> Entry:
    taken = [examination_taken(row.observable, row.modality) for row in twin.fit if row.counted]
    names = tuple(dict.fromkeys(one.name for one in taken if one is not None))
    return Entry(twin.patient, reasons_against(twin), len(twin.informed), names)


def _run(facts: dict[str, Any]) -> Run:
    seconds = {str(stage): float(spent) for stage, spent in (facts.get("seconds") or {}).items()}
    return Run(seconds, facts.get("patients"), str(facts.get("device") or ""), str(facts.get("date") or ""))
