"""Simulate one model: its steady beat, or a number of beats through a scenario."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr

from ..calibration.certified import Certified, certified
from ..calibration.rows import at_the_edge, reading_labels
from ..calibration.summary import observe, reader, waves
from ..core.counts import step_count, whole_number
from ..core.disclaimer import DISCLAIMER
from ..core.errors import InputError, required
from ..core.registry import known
from ..core.status import Status
from ..core.table import Table
from ..engine.beat import BeatMap, compiled
from ..engine.controlled import ControlledBeats
from ..engine.precision import double
from ..physiology.model import Model
from ..physiology.observable import Observer
from ..physiology.regulation import feedback
from ..physiology.scenario import Scenario
from .regulated import regulated_beats
from .settled import Settled, resting, settled, stays

__all__ = ["Run", "simulate"]

REFERENCE_BSA = 1.75  # m2; indexed readings of a bare model are those of the reference adult


@dataclass(frozen=True, repr=False)
class Run:
    """A simulated model: readings by observable, the last beat's waveforms, status and periodicity residual (mL).

    steps: per beat; step_error: the largest error of a reading in its limit (0.1 mmHg, 0.1 mL, 0.5 % otherwise), None
    where beats were counted instead of the steady one sought. `history` holds the readings of every beat when a number
    of beats was asked for, and of each beat of the cycle (or window) where no single beat is steady, whose readings are
    then means over it; None for a steady beat. `regime` says in words what the beats settle to where that was asked.
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
    regime: str = ""

    def table(self) -> Table:
        """Every reading with its unit."""
        rows, labels = [], reading_labels()
        several = self.history if self.regime else None
        for name, value in self.readings.items():
            unit, scale = at_the_edge(name)
            beats = [] if several is None else scale * several["reading"].sel(observable=name).values
            rows.append([labels[name], scale * value, *([min(beats), max(beats)] if len(beats) else []), unit])
        reached = f" What beats settle to: {self.regime}." if self.regime else ""
        note = f"{self.status.advice}{reached} {DISCLAIMER}"
        columns = ["value"] if several is None else ["mean", "lowest beat", "highest beat"]
        return Table(["reading", *columns, "unit"], rows, title=repr(self.model), note=note)

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
    A model with a reflex is at rest with its own values; after a scenario the steady state of circulation and reflex is
    solved together. Where Newton finds no steady beat, or one that beats leave, a bounded number of plain beats tells
    alternans, a cycle of beats, a drift or none of these, as status and in `Run.regime`.
    With `beats`, a scenario's changes act from the first beat and its inflows run in at a constant rate for their
    duration, beat by beat. Raises `InputError` when a scenario takes a quantity out of its bounds, when a reflex has no
    steady rest to act about, and when the circulation's valves have no inertance: such sets exist for comparison and
    run on the diffrax backend (`hemotwin.engine.backends.diffrax`).
    """
    required("model", model, Model, 'a circulation, such as ht.circulation("adult")')
    required("scenario", scenario, Scenario | None, 'a scenario, such as ht.scenario("bleeding"), or None')
    if not model.system.is_network:
        raise InputError(f"`model` must have inertial valves, but {model.valves!r} valves have none; use valves=None.")
    beats = None if beats is None else whole_number("beats", beats, 1, "None: the steady beat")
    steps = step_count(steps, model.steps)
    number = steps or model.steps
    before = model.system.parameters.pack(model.values, 1)
    turns = before[None] if scenario is None else _in_bounds(model, scenario, before)
    with double():
        if beats is not None:
            return _beats(model, scenario, before, beats, number)
        bsa, limit = np.array([REFERENCE_BSA]), [] if steps is None else [number]
        if len(turns) > 1 or (model.reflex is not None and scenario is not None):
            return _settled_run(model, scenario, settled(model, before, turns, bsa, number, *limit))
        rows = turns[0]
        found, words = certified(model, rows, None, bsa, number, *limit), ""
        if _in_doubt(model, rows, found):
            told = settled(dataclasses.replace(model, reflex=None), rows, turns, bsa, number, *limit)
            if told.told.status[0] != Status.OK or found.readings.solved.status[0] != Status.OK:
                return _settled_run(model, scenario, told)
            words = told.told.sentence(0)
        beat = waves(model, rows, found.readings.solved.state, int(found.steps[0]))
    return _run(model, scenario, found, beat, words)


def _in_bounds(model: Model, scenario: Scenario, before: np.ndarray) -> np.ndarray:
    """Rows [n, P, 1] after the scenario; raises `InputError` where it takes a quantity out of its bounds.

    What a reflex acts on may be out of them before it has: `settled` judges it in force.
    """
    names, left = model.system.parameters.names, () if model.reflex is None else feedback(model.reflex).acts_on
    turns = scenario.in_turn(names, before)
    changed = np.flatnonzero(np.any(turns != before, axis=(0, 2)))
    for row in (row for row in changed if names[row] not in left):
        for value in turns[:, row, 0]:
            try:
                model.all_quantities[names[row]].check(value)
            except InputError as error:
                raise InputError(f"`{scenario.name}` must leave a living circulation: {error}") from None
    return turns


def _in_doubt(model: Model, rows: np.ndarray, found: Certified) -> bool:
    """Whether no steady beat was found, or beats do not soon come back to the one that was."""
    code = Status(int(found.readings.solved.status[0]))
    if code != Status.OK:
        return code == Status.NOT_PERIODIC
    return not stays(model, rows, found.readings.solved.state, int(found.steps[0]))


def _run(model: Model, scenario: Scenario | None, found: Certified, beat: xr.Dataset, words: str) -> Run:
    readings, error = found.readings, float(found.error[0])
    values = {name: float(readings.of(name)[0]) for name in reading_labels() if name in readings.names}
    status = Status(int(readings.solved.status[0]))
    if status == Status.OK and not error <= 1.0:
        status = Status.STEP_LIMIT
    residual = float(readings.solved.residual[0])
    used = int(found.steps[0])
    return Run(model, scenario, values, beat, status, residual, steps=used, step_error=error, regime=words)


def _settled_run(model: Model, scenario: Scenario | None, found: Settled) -> Run:
    names, count = tuple(known("observable")), found.each.shape[1]
    values = dict(zip(names, found.values, strict=True))
    shown = {name: float(values[name]) for name in reading_labels() if name in values}
    beat, residual = waves(model, found.rows, found.state, found.steps), float(found.told.residual[0])
    history = None
    if count > 1:
        ends = np.cumsum(60.0 / found.each[names.index("heart_rate")])
        history = _history(Observer(model.system, names), found.each, ends)
    words = found.told.sentence(0)
    return Run(model, scenario, shown, beat, found.status, residual, history, found.steps, found.error, words)


def _history(observer: Observer, values: np.ndarray, time: np.ndarray) -> xr.Dataset:
    """Readings [O, beat] of beats that end at `time` [beat] (s)."""
    return xr.Dataset(
        {"reading": (("observable", "beat"), values, {"units": "1", "long_name": "reading"})},
        coords={"observable": list(observer.names), "unit": ("observable", list(observer.units)),
                "time": ("beat", time, {"units": "s", "long_name": "end of the beat"})},
        attrs={"note": DISCLAIMER},
    )  # fmt: skip


def _beats(model: Model, scenario: Scenario | None, before: np.ndarray, beats: int, steps: int) -> Run:
    """Plain beats: changes at once, inflow by inflow at its constant rate added to the stressed volume."""
    readings = observe(model, before, None, np.array([REFERENCE_BSA]), steps)
    observer = Observer(model.system, readings.names)
    program, read = compiled(BeatMap(model.system, observer.reductions), None), reader(observer)
    names = model.system.parameters.names
    changed = before[None].copy()
    if scenario is not None:
        changed = dataclasses.replace(scenario, inflows=()).in_turn(names, before)
    volume, rate = names.index("stressed_volume"), names.index("heart_rate")
    start, state, rows, ends = changed[0, volume, 0], np.asarray(readings.solved.state), [], []
    # The reflex's beats hold `changed` itself, so that volume given beat by beat reaches them.
    control = None if model.reflex is None else regulated_beats(model, before, resting(readings), changed, steps)
    reflex = np.zeros((0 if control is None else len(control.feedback.weights), 1))
    for k in range(beats):
        in_force = _in_force(control, changed, state, reflex, k)
        ends.append((ends[-1] if ends else 0.0) + 60.0 / in_force[rate, 0])
        given = 0.0 if scenario is None else sum(i.volume * min(ends[-1] / i.duration, 1.0) for i in scenario.inflows)
        changed[:, volume, 0] = start + given
        in_force = _in_force(control, changed, state, reflex, k)
        after = program(jnp.asarray(in_force), jnp.asarray(state), steps)
        rows.append(np.asarray(read(after.values, jnp.asarray(in_force), jnp.array([REFERENCE_BSA])))[:, 0])
        if control is not None:
            reflex = control.split(control.after(np.concatenate([state, reflex]), k))[1]
        last, state = state, np.asarray(after.state)
    residual = float(np.max(np.abs(state - last)[: len(model.system.free_stores)]))
    history = _history(observer, np.stack(rows, axis=1), np.array(ends))
    beat = waves(model, in_force, last, steps)
    values = dict(zip(readings.names, rows[-1], strict=True))
    shown = {name: float(values[name]) for name in reading_labels() if name in values}
    status = Status.OK if np.isfinite(residual) else Status.NONFINITE
    return Run(model, scenario, shown, beat, status, residual, history, steps)


def _in_force(
    control: ControlledBeats | None, changed: np.ndarray, state: np.ndarray, reflex: np.ndarray, beat: int
) -> np.ndarray:
    """Parameter rows [P, 1] of a beat: the scenario's, and what the reflex makes of them."""
    if control is None:
        return changed[beat % len(changed)]
    return control.in_force(np.concatenate([state, reflex]), beat)
