"""What a record holds once read: measurements by patient, covariates, contradictions, and the fate of every row."""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import UnknownNameError
from ..core.table import Table
from .codes import observables
from .inventory import Inventory
from .kinds import NOT_COUNTED
from .quality_rules import Flag, load_rules
from .reading import show_range
from .rows import FATES, RowFate, RowLog

if TYPE_CHECKING:
    from .governance import Governance

__all__ = ["Measurement", "MeasurementSet", "Records", "RowFate"]

Channel = tuple[str, str]


@dataclass(frozen=True)
class Measurement:
    """One reading in the unit that its observable has inside hemotwin.

    `kind` is "exact", "interval" (between `lower` and `upper`), "censored" (one of them known), "ordinal" (a word that
    stands for a range), "derived" (a function of other readings) or "recovered" (never recorded, given back by a value
    that was computed with it; `lower` and `upper` are what rounding leaves); the last two are shown and never counted.
    `sd` is in the same unit, None when the record gives none and no rule widened it. `modality` is how it was taken,
    `condition` the state it was taken in, `quality` "ok" or the quality rule that flagged it, `origin` the file and row
    it came from, or the rule that gave it back. `consent` names the purposes it may be used for, as far as it is told.
    """

    patient: str
    observable: str
    value: float | None
    unit: str
    sd: float | None = None
    lower: float | None = None
    upper: float | None = None
    kind: str = "exact"
    modality: str = "unspecified"
    time: str | None = None
    condition: str | None = None
    quality: str = "ok"
    origin: str = ""
    consent: tuple[str, ...] = ()

    @property
    def counted(self) -> bool:
        """Whether it is evidence of its own: everything but a derived or recovered reading."""
        return self.kind not in NOT_COUNTED

    @property
    def shown(self) -> str | float | None:
        """The value as a table shows it: the number, or the bounds in words ("55 to 60", "below 10")."""
        if self.value is not None or (self.lower is None and self.upper is None):
            return self.value
        return show_range(self.lower, self.upper)

    @property
    def channel(self) -> Channel:
        """(observable, modality): two modalities of one observable are two channels."""
        return self.observable, self.modality


@dataclass(frozen=True)
class MeasurementSet:
    """What is known of one patient: covariates that the prior uses, measurements, and the contradictions among them.

    `covariates` holds any of sex ("male", "female"), age (years), height (cm), weight (kg) and bsa (m2, Mosteller 1987,
    sqrt(height weight / 3600)); what is not known is absent. `flags` are the findings of the quality rules, `conflicts`
    their sentences that a twin carries, and `choice` says which visit and condition the readings are of. `identified`
    is False where no source names the patient, and the name of a file or of a FHIR resource stands in. `person` is the
    patient of the record under whose name all are counted who are one person by its identifiers and links; "" where
    they say of nobody else that it is this person.
    """

    patient: str
    covariates: dict[str, Any] = field(default_factory=dict)
    measurements: tuple[Measurement, ...] = ()
    conflicts: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
    choice: str = ""
    identified: bool = True
    person: str = ""

    @property
    def counted(self) -> tuple[Measurement, ...]:
        """The measurements that are evidence; derived and recovered ones are left out."""
        return tuple(m for m in self.measurements if m.counted)

    @property
    def given_back(self) -> tuple[str, ...]:
        """A sentence for each recovered value: it is offered, and not counted."""
        return tuple(f"Recovered, not counted: {m.origin}." for m in self.measurements if m.kind == "recovered")

    def __len__(self) -> int:
        return len(self.measurements)

    def __iter__(self) -> Iterator[Measurement]:
        return iter(self.measurements)

    def __repr__(self) -> str:
        known = ", ".join(self.covariates) or "no covariates"
        kinds = Counter(m.kind for m in self.measurements)
        derived = f"{kinds['derived']} derived" + (f", {kinds['recovered']} recovered" if kinds["recovered"] else "")
        return (
            f"<MeasurementSet {self.patient}: {len(self.counted)} measurements, {derived}, {known}, "
            f"{len(self.conflicts)} conflicts>"
        )

    def table(self) -> Table:
        """The measurements with label, value, unit, how they were taken, and whether they count."""
        rows = [
            [observables()[m.observable].label, m.shown, m.unit, m.sd, m.modality, m.time, m.kind, m.quality, m.origin]
            for m in self.measurements
        ]
        columns = ["reading", "value", "unit", "sd", "taken by", "time", "kind", "quality", "origin"]
        note = "\n".join(part for part in (self.choice, *self.conflicts) if part)
        return Table(columns, rows, title=f"Patient {self.patient}", note=note)

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


class Records:
    """Any number of patients read from one file, bundle or folder, with the fate of every input row.

    `records["P1"]` is a `MeasurementSet`; `rows` has one `RowFate` per input value; `sha256` pins the source (of a
    folder: the digest over the digests of its files, by name). `flags` are findings between patients, `rule_counts` how
    often each quality rule applied, and `inventory` what the source holds beyond the visit that was chosen.
    `governance` says whose the records are and what they may be used for, where that is told.
    """

    governance: Governance | None = None

    def __init__(
        self, sets: Iterable[MeasurementSet], rows: Sequence[RowFate], source: Path, sha256: str,
        flags: Sequence[Flag] = (), rule_counts: Mapping[str, int] | None = None, inventory: Inventory | None = None,
    ):  # fmt: skip
        self._sets = {one.patient: one for one in sets}
        self.rows, self.source, self.sha256 = rows, Path(source), sha256
        self.flags, self.rule_counts = tuple(flags), dict(rule_counts or {})
        self.inventory = Inventory() if inventory is None else inventory

    @property
    def patients(self) -> list[str]:
        """The patients' names in the order in which they were met."""
        return list(self._sets)

    def __getitem__(self, patient: str) -> MeasurementSet:
        if patient not in self._sets:
            raise UnknownNameError("patient", patient, self._sets)
        return self._sets[patient]

    def __contains__(self, patient: object) -> bool:
        return patient in self._sets

    def __iter__(self) -> Iterator[MeasurementSet]:
        return iter(self._sets.values())

    def __len__(self) -> int:
        return len(self._sets)

    def select(self, patients: Sequence[str] | str) -> Records:
        """The same records for some patients only, in the order asked for; an unknown name raises."""
        wanted = [patients] if isinstance(patients, str) else list(patients)
        named = set(wanted)
        rows = tuple(row for row in self.rows if row.patient in named)
        sets, flags = (
            [self[patient] for patient in wanted],
            tuple(f for f in self.flags if named.issuperset(f.patients)),
        )
        counts = Counter(flag.rule for one in sets for flag in one.flags)
        some = Records(sets, rows, self.source, self.sha256, flags, counts, self.inventory)
        some.governance = self.governance
        return some

    def replace_sets(self, sets: Iterable[MeasurementSet]) -> None:
        """Put the same patients, with more said of them, in the place of those that are there."""
        self._sets = {one.patient: one for one in sets}

    def rows_of(self, patient: str) -> tuple[RowFate, ...]:
        """The fate of every row of one patient."""
        self[patient]
        return tuple(row for row in self.rows if row.patient == patient)

    def summary(self) -> dict[str, int]:
        """Patients, rows, and rows by fate; the four fates add up to the rows."""
        if isinstance(self.rows, RowLog):
            counts = self.rows.counts()
        else:
            met = Counter(row.fate for row in self.rows)
            counts = {fate: met[fate] for fate in FATES}
        return {"patients": len(self), "rows": len(self.rows), **counts}

    def table(self, fate: str | None = None) -> Table:
        """Every row with its fate and the reason, or only those of one fate."""
        if fate is not None and fate not in FATES:
            raise UnknownNameError("fate", fate, FATES)
        rows = [
            [row.patient, row.field, row.text, row.unit, row.fate, row.reason, row.origin]
            for row in self.rows
            if fate is None or row.fate == fate
        ]
        columns = ["patient", "field", "value", "unit", "fate", "reason", "origin"]
        return Table(columns, rows, title=str(self.source.name), note=self.counts_sentence)

    def quality(self) -> Table:
        """The quality rules that applied: OHDSI category, how often, severity and consequence."""
        counts = Counter(self.rule_counts)
        counts.update({flag.rule: len(flag.patients) for flag in self.flags})
        rows = [
            [by.category, by.label, counts[name], by.severity, by.consequence]
            for name, by in load_rules().items()
            if counts[name]
        ]
        return Table(
            ["category", "rule", "count", "severity", "consequence"], rows, title=f"Quality of {self.source.name}"
        )

    def arrays(self, channels: Sequence[Channel] | None = None) -> tuple[list[Channel], Any, Any, Any]:
        """Counted readings as `(channels, value, sd, mask)`, arrays of shape [channel, patient].

        A channel is (observable, modality); by default every one that any patient has. `mask` is True where there is a
        value; elsewhere value is NaN, and sd is NaN wherever the record gives none.
        """
        if channels is None:
            present = {m.channel for one in self for m in one.counted}
            order = list(observables())
            channels = sorted(present, key=lambda channel: (order.index(channel[0]), channel[1]))
        position = {tuple(channel): k for k, channel in enumerate(channels)}
        value = np.full((len(position), len(self)), math.nan)
        sd, mask = value.copy(), np.zeros(value.shape, dtype=bool)
        for column, one in enumerate(self):
            for m in one.counted:
                row = position.get(m.channel)
                if row is not None and m.value is not None:
                    value[row, column], mask[row, column] = m.value, True
                    sd[row, column] = math.nan if m.sd is None else m.sd
        return [(str(name), str(modality)) for name, modality in position], value, sd, mask

    def __repr__(self) -> str:
        return f"<Records {self.source.name}: {self.counts_sentence}>"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.counts_sentence)}</p>{self.table()._repr_html_()}"

    @property
    def counts_sentence(self) -> str:
        """Patients and rows by fate, as in "2 patients, 9 rows = 8 used + 1 quarantined"."""
        counts = self.summary()
        patients = f"{counts['patients']} patient" + ("" if counts["patients"] == 1 else "s")
        fates = " + ".join(f"{counts[fate]} {fate}" for fate in FATES if counts[fate])
        rows = f"{counts['rows']} row" + ("" if counts["rows"] == 1 else "s")
        return f"{patients}, {rows}" + (f" = {fates}" if fates else "")
