"""Predict a scenario with calibrated twins, always paired with the baseline, draw by draw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from ..calibration.certificate import PERIODICITY_LIMIT, PRESSURE_LIMIT, VOLUME_LIMIT, value_errors
from ..calibration.rows import at_the_edge, reading_labels, span
from ..calibration.summary import Readings, observe, waves
from ..calibration.twin import CalibratedTwin, CalibratedTwins
from ..core.dataset import variable
from ..core.disclaimer import DISCLAIMER
from ..core.errors import InputError, UnknownNameError
from ..core.provenance import provenance
from ..core.status import Status
from ..core.table import Table
from ..engine.forward import Forward
from ..engine.precision import double
from ..physiology.model import Model, circulation
from ..physiology.scenario import Scenario

__all__ = ["Prediction", "PredictionRow", "Predictions", "predict"]


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
    """What one twin says of one scenario; `failed` of `draws` posterior draws had no steady beat and are left out."""

    patient: str
    scenario: Scenario
    rows: tuple[PredictionRow, ...]
    draws: int
    failed: int
    status: Status
    step_error: float
    waves: xr.Dataset = field(compare=False)
    baseline_waves: xr.Dataset = field(compare=False)
    dataset: xr.Dataset = field(compare=False)
    provenance: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, observable: str) -> PredictionRow:
        for row in self.rows:
            if row.observable == observable:
                return row
        raise UnknownNameError("observable", observable, [row.observable for row in self.rows])

    def table(self) -> Table:
        """Baseline, after and change of every reading, with 95 % intervals."""
        span = lambda low, high: f"{low:.3g} to {high:.3g}"  # noqa: E731
        rows = [
            [r.label, r.unit, r.baseline, span(r.baseline_low, r.baseline_high), r.after,
             span(r.after_low, r.after_high), r.change, span(r.change_low, r.change_high)]
            for r in self.rows
        ]  # fmt: skip
        columns = ["reading", "unit", "baseline", "95 %", "after", "95 % ", "change", "95 %  "]
        note = f"{self.draws - self.failed} of {self.draws} posterior draws. {DISCLAIMER}"
        return Table(columns, rows, title=f"{self.patient}: {self.scenario.label}", note=note)

    def __repr__(self) -> str:
        return f"<Prediction {self.patient}: {self.scenario.label}, {self.status.name}. {DISCLAIMER}>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


class Predictions:
    """Predictions of a cohort for one scenario, by patient."""

    def __init__(self, scenario: Scenario, predictions: tuple[Prediction, ...]) -> None:
        self.scenario = scenario
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
        """Every reading of every patient before and after."""
        rows = [[p.patient, *row] for p in self for row in p.table().rows]
        columns = ["patient", "reading", "unit", "baseline", "95 %", "after", "95 % ", "change", "95 %  "]
        return Table(columns, rows, title=self.scenario.label, note=DISCLAIMER)

    def __repr__(self) -> str:
        return f"<Predictions: {len(self)} patients, {self.scenario.label}. {DISCLAIMER}>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def predict(twins: CalibratedTwins | CalibratedTwin, scenario: Scenario, *, draws: int | None = None) -> Predictions:
    """The steady beat of every twin before and after a scenario, for the best mode and each posterior draw.

    Every draw has its own baseline (solved when the twin was calibrated, at the same steps) and solves its own
    what-if, so that a change is paired; draws without a steady beat are counted and left out of the intervals.
    `draws` limits how many of the twin's draws are used (None: all).
    Raises `InputError` when there is no twin, or the scenario acts on a quantity that the circulation lacks.
    """
    every = (twins,) if isinstance(twins, CalibratedTwin) else tuple(twins)
    if not every:
        raise InputError("`twins` must hold at least one twin, but holds none; calibrate a record first.")
    with double():
        return Predictions(scenario, tuple(_one(twin, scenario, draws) for twin in every))


def _one(twin: CalibratedTwin, scenario: Scenario, draws: int | None) -> Prediction:
    valves = twin.provenance.get("valves")
    model = circulation(twin.circulation, valves=valves).with_values(
        {n: v for n, v in twin.parameters.items() if n.endswith(".regurgitant_area")}
    )
    number, modes = int(twin.provenance.get("steps", model.steps)), int(twin.posterior.attrs["modes"])
    chosen = np.r_[0, np.arange(modes, twin.posterior.sizes["draw"])][: None if draws is None else draws + 1]
    before = twin.posterior["parameters"].values[:, chosen]
    after = scenario.applied(tuple(twin.posterior["parameter"].values), before)
    bsa = np.full(len(chosen), float(twin.posterior.attrs["bsa"]))
    base = _baseline(twin, chosen)
    what_if = observe(model, after, _shifted(model, before, after, base.solved.state), bsa, number)
    coarse = observe(model, after[:, :1], what_if.solved.state[:, :1], bsa[:1], number // 2)
    sound = base.sound & what_if.sound
    error, volume = value_errors(base.units, what_if.values[:, 0], coarse.values[:, 0])
    good = error <= PRESSURE_LIMIT and volume <= VOLUME_LIMIT and float(what_if.solved.residual[0]) <= PERIODICITY_LIMIT
    status = Status.NOT_PERIODIC if not sound[0] else Status.OK if good else Status.STEP_LIMIT
    return Prediction(
        patient=twin.patient,
        scenario=scenario,
        rows=_rows(base, what_if, sound, "bsa" in twin.covariates),
        draws=len(chosen) - 1,
        failed=int(np.sum(~sound[1:])),
        status=status,
        step_error=error,
        waves=waves(model, after[:, :1], what_if.solved.state[:, :1], number),
        baseline_waves=waves(model, before[:, :1], base.solved.state[:, :1], number),
        dataset=_dataset(twin, base, what_if, sound),
        provenance=provenance(precision="float64", scenario=scenario.name, settings=scenario.settings, steps=number,
                              twin=twin.patient, circulation=twin.circulation),
    )  # fmt: skip


def _baseline(twin: CalibratedTwin, chosen: np.ndarray) -> Readings:
    """The baseline that calibration solved for each of these draws, on the same steps and to the same residual."""
    kept = twin.posterior.isel(draw=chosen)
    sound = kept["sound"].values.astype(bool)
    status = np.where(sound, int(Status.OK), int(Status.NOT_PERIODIC))
    solved = Forward(kept["states"].values, np.zeros(len(chosen)), status, kept["readings"].values)
    return Readings(tuple(kept["observable"].values), tuple(kept["unit"].values), kept["readings"].values, solved)


def _shifted(model: Model, before: np.ndarray, after: np.ndarray, state: np.ndarray) -> np.ndarray:
    """A starting guess after a change of stressed volume: every volume grows by the same share."""
    row = model.system.parameters.index("stressed_volume")
    volumes = len(model.system.free_stores)
    guess = state.copy()
    guess[:volumes] *= after[row] / before[row]
    return guess


def _rows(base: Any, what_if: Any, sound: np.ndarray, has_body: bool) -> tuple[PredictionRow, ...]:
    rows = []
    kept = np.flatnonzero(sound[1:]) + 1
    for name, label in reading_labels().items():
        if name not in base.names or not len(kept) or (name.endswith("_index") and not has_body):
            continue
        unit, scale = at_the_edge(name)
        one, two = scale * base.of(name), scale * what_if.of(name)
        spans = [span(values[kept]) for values in (one, two, two - one)]
        numbers = []
        for value, (low, high) in zip((one[0], two[0], two[0] - one[0]), spans, strict=True):
            numbers += [float(value), float(low), float(high)]
        rows.append(PredictionRow(name, label, unit, *numbers))
    return tuple(rows)


def _dataset(twin: CalibratedTwin, base: Any, what_if: Any, sound: np.ndarray) -> xr.Dataset:
    return xr.Dataset(
        {
            "baseline": variable(("observable", "draw"), base.values, "1", "readings before, in their own units"),
            "after": variable(("observable", "draw"), what_if.values, "1", "readings after, in their own units"),
            "sound": variable(("draw",), sound, "1", "whether both beats of the draw are steady"),
        },
        coords={"observable": list(base.names), "unit": ("observable", list(base.units))},
        attrs={"patient": twin.patient, "note": DISCLAIMER, "first_draw": "best mode"},
    )
