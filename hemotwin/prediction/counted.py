"""A number of beats through a scenario, one after the other, on as many steps as their readings need."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ..calibration.certificate import Certificate, certify, volume_balance
from ..calibration.refine import FINEST
from ..calibration.summary import observe, reader
from ..core.errors import InputError
from ..core.status import Status, merge
from ..engine.beat import BeatMap, compiled
from ..engine.controlled import ControlledBeats
from ..physiology.model import Model
from ..physiology.observable import Observer
from ..physiology.scenario import Scenario
from .regulated import regulated_beats
from .settled import resting

__all__ = ["Counted", "counted"]


class Counted(NamedTuple):
    """Beats of one lane: readings [O, n] by `observer`, the time [n] (s) at which each ends, parameter rows [P, 1] and
    onset [S, 1] of the last, by how much that one changes from onset to end (mL), and how the steady beat that they
    start from was found; then their status, steps and certificate, in which nothing is asked to repeat."""

    observer: Observer
    each: np.ndarray
    ends: np.ndarray
    rows: np.ndarray
    onset: np.ndarray
    change: float
    start: Status
    status: Status
    steps: int
    certificate: Certificate | None


def counted(
    model: Model, scenario: Scenario | None, before: np.ndarray, beats: int, bsa: np.ndarray, steps: int,
    finest: int = FINEST,
) -> Counted:  # fmt: skip
    """`beats` beats from the steady beat of `before` [P, 1], on `steps`, half and a quarter of them, then on twice as
    many while a reading of any beat is off by more than its limit, up to `finest`.

    Raises `InputError` where a reflex has no steady rest to act about.
    """
    fine = _beaten(model, scenario, before, beats, bsa, steps)
    half, quarter = (_tried(model, scenario, before, beats, bsa, steps // n, fine.each) for n in (2, 4))
    while True:
        balance = volume_balance(model, fine.rows[:, 0], fine.onset[:, 0])
        judged = certify(fine.observer.units, fine.each, half, None, None, balance, steps, quarter=quarter)
        if judged.ok or 2 * steps > finest or not np.isfinite(fine.change):
            break
        half, quarter, steps = fine.each, half, 2 * steps
        fine = _beaten(model, scenario, before, beats, bsa, steps)
    found = [fine.start, Status.OK if judged.ok else Status.STEP_LIMIT]
    if not np.isfinite(fine.change):
        found.append(Status.NONFINITE)
    return fine._replace(status=merge(found), steps=steps, certificate=judged)


def _tried(
    model: Model, scenario: Scenario | None, before: np.ndarray, beats: int, bsa: np.ndarray, steps: int,
    like: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Readings of the same beats on so many steps; nan where a reflex has no steady rest on them."""
    try:
        return _beaten(model, scenario, before, beats, bsa, steps).each
    except InputError:
        return np.full(like.shape, np.nan)


def _beaten(
    model: Model, scenario: Scenario | None, before: np.ndarray, beats: int, bsa: np.ndarray, steps: int
) -> Counted:
    """Plain beats: changes at once, inflow by inflow at its constant rate added to the stressed volume."""
    readings = observe(model, before, None, bsa, steps)
    observer = Observer(model.system, readings.names)
    program, read = compiled(BeatMap(model.system, observer.reductions), None), reader(observer)
    names = model.system.parameters.names
    changed = before[None].copy()
    if scenario is not None:
        changed = dataclasses.replace(scenario, inflows=()).in_turn(names, before)
    volume, rate = names.index("stressed_volume"), names.index("heart_rate")
    given_before, state, rows, ends = changed[0, volume, 0], np.asarray(readings.solved.state), [], []
    # The reflex's beats hold `changed` itself, so that volume given beat by beat reaches them.
    control = None if model.reflex is None else regulated_beats(model, before, resting(readings), changed, steps)
    reflex = np.zeros((0 if control is None else len(control.feedback.weights), 1))
    for k in range(beats):
        in_force = _in_force(control, changed, state, reflex, k)
        ends.append((ends[-1] if ends else 0.0) + 60.0 / in_force[rate, 0])
        given = 0.0 if scenario is None else sum(i.volume * min(ends[-1] / i.duration, 1.0) for i in scenario.inflows)
        changed[:, volume, 0] = given_before + given
        in_force = _in_force(control, changed, state, reflex, k)
        after = program(jnp.asarray(in_force), jnp.asarray(state), steps)
        rows.append(np.asarray(read(after.values, jnp.asarray(in_force), jnp.asarray(bsa)))[:, 0])
        if control is not None:
            reflex = control.split(control.after(np.concatenate([state, reflex]), k))[1]
        onset, state = state, np.asarray(after.state)
    change = float(np.max(np.abs(state - onset)[: len(model.system.free_stores)]))
    start = Status(int(readings.solved.status[0]))
    if start == Status.OK and not readings.sound[0]:
        start = Status.NONFINITE
    return Counted(observer, np.stack(rows, axis=1), np.array(ends), in_force, onset, change, start, start, steps, None)


def _in_force(
    control: ControlledBeats | None, changed: np.ndarray, state: np.ndarray, reflex: np.ndarray, beat: int
) -> np.ndarray:
    """Parameter rows [P, 1] of a beat: the scenario's, and what the reflex makes of them."""
    if control is None:
        return changed[beat % len(changed)]
    return control.in_force(np.concatenate([state, reflex]), beat)
