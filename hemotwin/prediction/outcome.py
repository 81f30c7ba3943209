"""What a what-if answers: readings before, after and changed, of one twin and of a cohort."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import xarray as xr

from ..calibration.certificate import Certificate, warning, warnings_of, worded
from ..core.disclaimer import DISCLAIMER
from ..core.errors import UnknownNameError
from ..core.rounding import rounded, span
from ..core.status import Status
from ..core.table import Table
from ..physiology.scenario import Scenario

__all__ = ["Prediction", "PredictionRow", "Predictions"]


@dataclass(frozen=True)
class PredictionRow:
    """One reading before and after, and its paired change: best mode and 95 % intervals."""

    observable: str
    label: str
    unit: str
    baseline: float
    baseline_low: float
    baseline_high: float
    after: float
    after_low: float
    after_high: float
    change: float
    change_low: float
    change_high: float


@dataclass(frozen=True, repr=False)
class Prediction:
    """What one twin says of one scenario; `failed` of `draws` posterior draws are left out, having no steady beat, or a
    quantity or volume outside its bounds.

    `reflex` names the reflex that acted, None where none did; `reflex_gains` those of its gains and time constants that
    were not its own. `certificate` is that of the best mode's readings after the scenario, which under a reflex are
    means over the beats it has where no single one is steady; None without beats to read. `twin_status` and
    `baseline_certificate` are the twin's own, behind its baseline. `dataset` holds every draw with its status.
    """

    patient: str
    scenario: Scenario
    rows: tuple[PredictionRow, ...]
    draws: int
    failed: int
    status: Status
    certificate: Certificate | None
    waves: xr.Dataset = field(compare=False)
    baseline_waves: xr.Dataset = field(compare=False)
    dataset: xr.Dataset = field(compare=False)
    provenance: dict[str, Any] = field(default_factory=dict)
    reflex: str | None = None
    reflex_gains: dict[str, float] = field(default_factory=dict)
    twin_status: Status = Status.OK
    baseline_certificate: Certificate | None = None

    @property
    def step_error(self) -> float:
        """Step error of the pressures (mmHg) by the certificate; nan where there is none."""
        return float("nan") if self.certificate is None else self.certificate.step_error_pressure

    @property
    def label(self) -> str:
        """The scenario's label, and the reflex that acts."""
        return self.scenario.label if self.reflex is None else f"{self.scenario.label}, with {self.reflex}"

    @property
    def description(self) -> str:
        """The scenario's sentences, and one on the reflex."""
        return f"{self.scenario.description} {self._acting or 'No reflex acts.'}"

    @property
    def note(self) -> str:
        """For below a table: what is wrong with the numbers, how many draws stand behind them, what the reflex is taken
        to be."""
        stand_behind = f"{self.draws - self.failed} of {self.draws} posterior draws{self._apart}."
        return " ".join(part for part in (self.warning, stand_behind, self._acting, DISCLAIMER) if part)

    @property
    def left_out(self) -> str:
        """How the draws ended that are left out, each status in words with their number; nothing where none is."""
        counts = self._ended(sound=False)
        return ", ".join(f"{count} {Status(code).words}" for code, count in counts.most_common())

    @property
    def _apart(self) -> str:
        """What else there is to say of the draws: which are kept and slow, which are left out."""
        slow, out = self._ended(sound=True)[int(Status.DRIFTING)], self.left_out
        return (f", {slow} of them drifting" if slow else "") + (f"; left out: {out}" if out else "")

    def _ended(self, sound: bool) -> Counter[int]:
        """How many draws ended with each status, of those that are sound or of the others; the best mode is no draw."""
        if "status" not in self.dataset:
            return Counter()
        draws = self.dataset.isel(draw=slice(1, None))
        return Counter(int(code) for code in draws["status"].values[draws["sound"].values.astype(bool) == sound])

    @property
    def warning(self) -> str:
        """What is wrong with the numbers, and then with the twin behind the baseline; nothing where both are sound."""
        own, twin = warning(self.status, self.certificate), warning(self.twin_status, self.baseline_certificate)
        return f"{own} The twin itself: {twin}".strip() if twin else own

    @property
    def _acting(self) -> str:
        if self.reflex is None:
            return ""
        own = ", ".join(f"{name} {value:g}" for name, value in self.reflex_gains.items())
        gains = f"with {own}, else " if own else "with "
        return f"The {self.reflex} acts about each draw's own rest, {gains}published gains, not fitted to the patient."

    def __getitem__(self, observable: str) -> PredictionRow:
        for row in self.rows:
            if row.observable == observable:
                return row
        raise UnknownNameError("observable", observable, [row.observable for row in self.rows])

    def table(self) -> Table:
        """Baseline, after and change with 95 % intervals, rounded for the unit; `rows` has every digit."""
        rows = [
            [r.label, r.unit, rounded(r.baseline, r.unit), span(r.baseline_low, r.baseline_high, r.unit),
             rounded(r.after, r.unit), span(r.after_low, r.after_high, r.unit),
             rounded(r.change, r.unit), span(r.change_low, r.change_high, r.unit)]
            for r in self.rows
        ]  # fmt: skip
        columns = ["reading", "unit", "baseline", "95 %", "after", "95 % ", "change", "95 %  "]
        return Table(columns, rows, title=f"{self.patient}: {self.label}", note=self.note)

    def __repr__(self) -> str:
        return f"<Prediction {self.patient}: {self.label}, {self.status.name}. {DISCLAIMER}>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


class Predictions:
    """Predictions of a cohort for one scenario, by patient; `label` names the scenario, and the reflex that acts."""

    def __init__(self, scenario: Scenario, predictions: tuple[Prediction, ...]) -> None:
        self.scenario = scenario
        self.label = predictions[0].label if predictions else scenario.label
        self._by_patient = {p.patient: p for p in predictions}

    @property
    def patients(self) -> list[str]:
        """Patients predicted."""
        return list(self._by_patient)

    def __getitem__(self, patient: str) -> Prediction:
        if patient not in self._by_patient:
            raise UnknownNameError("patient", patient, self.patients)
        return self._by_patient[patient]

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self._by_patient.values())

    def __len__(self) -> int:
        return len(self._by_patient)

    def table(self) -> Table:
        """Every reading of every patient before and after, and the status of the what-if."""
        rows = [[p.patient, *row, worded(p.status, p.certificate)] for p in self for row in p.table().rows]
        columns = ["patient", "reading", "unit", "baseline", "95 %", "after", "95 % ", "change", "95 %  ", "status"]
        return Table(columns, rows, title=self.label, note=f"{self._told} {DISCLAIMER}".strip())

    @property
    def _told(self) -> str:
        """What is wrong with the what-ifs, and then with the twins behind their baselines."""
        own = warnings_of((p.patient, p.status, p.certificate) for p in self)
        twins = warnings_of((p.patient, p.twin_status, p.baseline_certificate) for p in self)
        return f"{own} The twins themselves: {twins}".strip() if twins else own

    def __repr__(self) -> str:
        counts = Counter(p.status.name for p in self)
        states = ", ".join(f"{count} {name}" for name, count in counts.items())
        return f"<Predictions: {len(self)} patients, {self.label}; {states}. {DISCLAIMER}>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()
