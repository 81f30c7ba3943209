"""Simulate one model: its steady beat, or a number of beats through a scenario."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ..calibration.certificate import Certificate, certify, titled, volume_balance, warning
from ..calibration.certified import Certified, certified
from ..calibration.rows import at_the_edge, reading_labels
from ..calibration.summary import waves
from ..core.counts import step_count, whole_number
from ..core.disclaimer import DISCLAIMER
from ..core.errors import InputError, required
from ..core.registry import known
from ..core.status import Status
from ..core.table import Table
from ..engine.precision import double
from ..physiology.model import Model
from ..physiology.observable import Observer
from ..physiology.regulation import feedback
from ..physiology.scenario import Scenario
from .counted import Counted, counted
from .settled import Settled, settled, stays

__all__ = ["Run", "simulate"]

REFERENCE_BSA = 1.75  # m2; indexed readings of a bare model are those of the reference adult


@dataclass(frozen=True, repr=False)
class Run:
    """A simulated model: readings by observable, the last beat's waveforms, status and periodicity residual (mL).

    steps: per beat; `certificate`: how far readings may be off on them. `counted` is the number of beats that was asked
    for, 0 where the steady one was sought; what is counted need not repeat, and `residual` says how far the last beat
    ends from where it began. `history` holds the readings of every beat when a number of beats was asked for, and of
    each beat of the cycle (or window) where no single beat is steady, whose readings are then means over it; None for a
    steady beat. `regime` says in words what the beats settle to where that was asked.
    """

    model: Model
    scenario: Scenario | None
    readings: dict[str, float]
    dataset: xr.Dataset
    status: Status
    residual: float
    history: xr.Dataset | None = None
    steps: int = 0
    certificate: Certificate | None = None
    regime: str = ""
    counted: int = 0

    @property
    def step_error(self) -> float | None:
        """The largest error of a reading in its limit (0.1 mmHg, 0.1 mL, 0.5 % otherwise but no less than the floors of
        `certificate.FLOORS`, as 0.01 of a ratio); None where not known."""
        return None if self.certificate is None else self.certificate.step_error

    @property
    def note(self) -> str:
        """For below a table: what kind of beat was read, what it settles to, how far the numbers may be off."""
        parts = [f"What beats settle to: {self.regime}."] if self.regime else []
        if self.counted:
            parts = [f"Beat {self.counted} of the {self.counted} asked for, where no steady one was sought: it ends "
                     f"{self.residual:.2g} mL from where it began."]  # fmt: skip
        said = [] if self.counted or self.status != Status.OK else [self.status.advice]
        if not (wrong := warning(self.status, self.certificate)) and self.certificate is not None:
            said.append(self.certificate.sentence)
        return " ".join(part for part in (wrong, *said, *parts, DISCLAIMER) if part)

    def table(self) -> Table:
        """Every reading with its unit."""
        rows, labels = [], reading_labels()
        several = self.history if self.regime else None
        for name, value in self.readings.items():
            unit, scale = at_the_edge(name)
            beats = [] if several is None else scale * several["reading"].sel(observable=name).values
            rows.append([labels[name], scale * value, *([min(beats), max(beats)] if len(beats) else []), unit])
        columns = ["value"] if several is None else ["mean", "lowest beat", "highest beat"]
        return Table(["reading", *columns, "unit"], rows, title=repr(self.model), note=self.note)

    def plot(self) -> Any:
        """Figure of the last beat."""
        from ..core.plots import beat_figure

        return beat_figure(self.dataset, title=titled(self.model.name, self.status, self.certificate))

    def __repr__(self) -> str:
        return (
            f"<Run {self.model.name}: {self.readings['sbp']:.1f}/{self.readings['dbp']:.1f} mmHg, "
            f"{self.readings['cardiac_output']:.2f} L/min{f', beat {self.counted}' if self.counted else ''}, "
            f"{self.status.name}. {DISCLAIMER}>"
        )

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def simulate(
    model: Model, scenario: Scenario | None = None, *, beats: int | None = None, steps: int | None = None
) -> Run:
    """The steady beat of a model (after a scenario, if given), or `beats` beats from the steady beat before it.

    Both are solved on the model's steps and on fewer; where a reading's error exceeds its limit (see `Run.step_error`)
    they are solved again on twice as many, a few times over, and what still exceeds it has status STEP_LIMIT. With
    `steps` given there is no second try.
    A model with a reflex is at rest with its own values; after a scenario the steady state of circulation and reflex is
    solved together. Where Newton finds no steady beat, or one that beats leave, a bounded number of plain beats tells
    alternans, a cycle of beats, a drift or none of these, as status and in `Run.regime`.
    With `beats`, a scenario's changes act from the first beat and its inflows run in at a constant rate for their
    duration, beat by beat; they start where the search for a steady beat ended, whose status is theirs too. Raises
    `InputError` when a scenario takes a quantity out of its bounds, when a reflex has no steady rest to act about, and
    when the circulation's valves have no inertance: such sets exist for comparison and run on the diffrax backend
    (`hemotwin.engine.backends.diffrax`).
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
        bsa, limit = np.array([REFERENCE_BSA]), [] if steps is None else [number]
        if beats is not None:
            return _counted_run(model, scenario, counted(model, scenario, before, beats, bsa, number, *limit))
        if len(turns) > 1 or (model.reflex is not None and scenario is not None):
            return _settled_run(model, scenario, settled(model, before, turns, bsa, number, *limit))
        rows = turns[0]
        found, words = certified(model, rows, None, bsa, number, *limit), ""
        if _in_doubt(model, rows, found):
            told = settled(dataclasses.replace(model, reflex=None), rows, turns, bsa, number, *limit)
            if told.told.status[0] != Status.OK or found.readings.solved.status[0] != Status.OK:
                return _settled_run(model, scenario, told)
            words = told.told.sentence(0)
        return _run(model, scenario, found, rows, words)


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
    """Whether no steady beat was found on any steps, or beats do not soon come back to the one that was."""
    code = Status(int(found.readings.solved.status[0]))
    if code != Status.OK:
        return code in (Status.NOT_PERIODIC, Status.NONFINITE)
    return not stays(model, rows, found.readings.solved.state, int(found.steps[0]))


def _run(model: Model, scenario: Scenario | None, found: Certified, rows: np.ndarray, words: str) -> Run:
    readings, used = found.readings, int(found.steps[0])
    values, state = readings.values[:, 0], readings.solved.state
    residual, balance = float(readings.solved.residual[0]), volume_balance(model, rows[:, 0], state[:, 0])
    coarser = found.half[:, 0], found.quarter[:, 0]
    judged = certify(readings.units, values, coarser, residual, balance, used)
    status = Status(int(readings.solved.status[0]))
    if status == Status.OK and not judged.ok:
        status = Status.STEP_LIMIT
    beat, shown = waves(model, rows, state, used), _shown(readings.names, values)
    return Run(model, scenario, shown, beat, status, residual, steps=used, certificate=judged, regime=words)


def _shown(names: tuple[str, ...], values: np.ndarray) -> dict[str, float]:
    by_name = dict(zip(names, values, strict=True))
    return {name: float(by_name[name]) for name in reading_labels() if name in by_name}


def _counted_run(model: Model, scenario: Scenario | None, found: Counted) -> Run:
    beat, history = waves(model, found.rows, found.onset, found.steps), _history(found.observer, found.each, found.ends)
    shown = _shown(found.observer.names, found.each[:, -1])
    return Run(model, scenario, shown, beat, found.status, found.change, history, found.steps, found.certificate,
               counted=len(found.ends))  # fmt: skip


def _settled_run(model: Model, scenario: Scenario | None, found: Settled) -> Run:
    names, count = tuple(known("observable")), found.each.shape[1]
    beat, residual = waves(model, found.rows, found.state, found.steps), float(found.told.residual[0])
    history = None
    if count > 1:
        ends = np.cumsum(60.0 / found.each[names.index("heart_rate")])
        history = _history(Observer(model.system, names), found.each, ends)
    words = found.told.sentence(0)
    balance = volume_balance(model, found.rows[:, 0], found.state[:, 0])
    repeats = residual if found.told.period[0] > 0 else None
    units = Observer(model.system, names).units
    judged = certify(units, found.values, (found.half, found.quarter), repeats, balance, found.steps)
    shown = _shown(names, found.values)
    return Run(model, scenario, shown, beat, found.status, residual, history, found.steps, judged, words)


def _history(observer: Observer, values: np.ndarray, time: np.ndarray) -> xr.Dataset:
    """Readings [O, beat] of beats that end at `time` [beat] (s)."""
    return xr.Dataset(
        {"reading": (("observable", "beat"), values, {"units": "1", "long_name": "reading"})},
        coords={"observable": list(observer.names), "unit": ("observable", list(observer.units)),
                "time": ("beat", time, {"units": "s", "long_name": "end of the beat"})},
        attrs={"note": DISCLAIMER},
    )  # fmt: skip
