"""Simulate one model: its steady beat, or a number of beats through a scenario."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr

from ..calibration.certified import Certified, certified
from ..calibration.rows import at_the_edge, reading_labels
from ..calibration.summary import observe, reader, waves
from ..core.dataset import beat_dataset
from ..core.disclaimer import DISCLAIMER
from ..core.errors import InputError
from ..core.status import Status
from ..core.table import Table
from ..engine.beat import BeatMap, compiled
from ..engine.forward import record
from ..engine.precision import double
from ..physiology.model import Model
from ..physiology.observable import Observer
from ..physiology.scenario import Scenario

__all__ = ["Run", "simulate"]

REFERENCE_BSA = 1.75  # m2; indexed readings of a bare model are those of the reference adult


@dataclass(frozen=True, repr=False)
class Run:
    """A simulated model: readings by observable, the last beat's waveforms, status and periodicity residual (mL).

    steps: per beat; step_error: the largest error of a reading in its limit (0.1 mmHg, 0.1 mL, 0.5 % otherwise), None
    where beats were counted instead of the steady one sought. `history` holds the readings of every beat when a number
    of beats was asked for (None for a steady beat).
    """

    model: Model
    scenario: Scenario | None
    readings: dict[str, float]
    dataset: xr.Dataset
    status: Status
    residual: float
    history: xr.Dataset | None = None
    steps: int = 0
    step_error: float | None = None

    def table(self) -> Table:
        """Every reading with its unit."""
        rows, labels = [], reading_labels()
        for name, value in self.readings.items():
            unit, scale = at_the_edge(name)
            rows.append([labels[name], scale * value, unit])
        return Table(
            ["reading", "value", "unit"], rows, title=repr(self.model), note=f"{self.status.advice} {DISCLAIMER}"
        )

    def plot(self) -> Any:
        """Figure of the last beat."""
        from ..core.plots import beat_figure

        return beat_figure(self.dataset, title=self.model.name)

    def __repr__(self) -> str:
        return (
            f"<Run {self.model.name}: {self.readings['sbp']:.1f}/{self.readings['dbp']:.1f} mmHg, "
            f"{self.readings['cardiac_output']:.2f} L/min, {self.status.name}. {DISCLAIMER}>"
        )

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def simulate(
    model: Model, scenario: Scenario | None = None, *, beats: int | None = None, steps: int | None = None
) -> Run:
    """The steady beat of a model (after a scenario, if given), or `beats` beats from the steady beat before it.

    The steady beat is solved on the model's steps and on half of them; where a reading's error exceeds its limit (see
    `Run`) it is solved again on twice as many, up to 1,600, and what still exceeds it has status STEP_LIMIT. With
    `steps` given there is no second try.
    With `beats`, a scenario's changes act from the first beat and its inflows run in at a constant rate for their
    duration, beat by beat. Raises `InputError` when the circulation's valves have no inertance: such sets exist for
    comparison and run on the diffrax backend (`hemotwin.engine.backends.diffrax`).
    """
    if not model.system.is_network:
        raise InputError(f"`model` must have inertial valves, but {model.valves!r} valves have none; use valves=None.")
    if beats is not None and beats < 1:
        raise InputError(f"`beats` must be at least 1, but got {beats}.")
    number = steps or model.steps
    before = model.system.parameters.pack(model.values, 1)
    with double():
        if beats is not None:
            return _beats(model, scenario, before, beats, number)
        rows = before if scenario is None else scenario.applied(model.system.parameters.names, before)
        found = certified(model, rows, None, np.array([REFERENCE_BSA]), number, *([] if steps is None else [number]))
        beat = waves(model, rows, found.readings.solved.state, int(found.steps[0]))
    return _run(model, scenario, found, beat)


def _run(model: Model, scenario: Scenario | None, found: Certified, beat: xr.Dataset) -> Run:
    readings, error = found.readings, float(found.error[0])
    values = {name: float(readings.of(name)[0]) for name in reading_labels() if name in readings.names}
    status = Status(int(readings.solved.status[0]))
    if status == Status.OK and not error <= 1.0:
        status = Status.STEP_LIMIT
    residual = float(readings.solved.residual[0])
    return Run(model, scenario, values, beat, status, residual, steps=int(found.steps[0]), step_error=error)


def _beats(model: Model, scenario: Scenario | None, before: np.ndarray, beats: int, steps: int) -> Run:
    """Plain beats: changes at once, inflow by inflow at its constant rate added to the stressed volume."""
    readings = observe(model, before, None, np.array([REFERENCE_BSA]), steps)
    observer = Observer(model.system, readings.names)
    program, read = compiled(BeatMap(model.system, observer.reductions), None), reader(observer)
    names = model.system.parameters.names
    changed = before.copy()
    if scenario is not None:
        changed = Scenario(scenario.name, scenario.label, "", scenario.changes).applied(names, before)
    volume, period = names.index("stressed_volume"), 60.0 / changed[names.index("heart_rate"), 0]
    start, state, rows = changed[volume, 0], jnp.asarray(readings.solved.state), []
    for k in range(beats):
        given = (
            0.0
            if scenario is None
            else sum(i.volume * min((k + 1) * period / i.duration, 1.0) for i in scenario.inflows)
        )
        changed[volume, 0] = start + given
        after = program(jnp.asarray(changed), state, steps)
        rows.append(np.asarray(read(after.values, jnp.asarray(changed), jnp.array([REFERENCE_BSA])))[:, 0])
        last, state = state, after.state
    residual = float(jnp.max(jnp.abs(state - last)[: len(model.system.free_stores)]))
    history = xr.Dataset(
        {"reading": (("observable", "beat"), np.stack(rows, axis=1), {"units": "1", "long_name": "reading"})},
        coords={"observable": list(readings.names), "unit": ("observable", list(readings.units)),
                "time": ("beat", period * np.arange(1, beats + 1), {"units": "s", "long_name": "end of the beat"})},
        attrs={"note": DISCLAIMER},
    )  # fmt: skip
    beat = record(BeatMap(model.system), changed, np.asarray(last), steps)
    sites, conduits = [s.name for s in model.system.stores], [b.name for b in model.system.branches]
    wave = beat_dataset(beat.time[:, 0], beat.pressure[..., 0], beat.volume[..., 0], beat.flow[..., 0], sites, conduits)
    values = dict(zip(readings.names, rows[-1], strict=True))
    shown = {name: float(values[name]) for name in reading_labels() if name in values}
    status = Status.OK if np.isfinite(residual) else Status.NONFINITE
    return Run(model, scenario, shown, wave, status, residual, history, steps)
