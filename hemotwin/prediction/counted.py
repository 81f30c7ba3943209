"""A number of beats through a scenario, one after the other, on as many steps as their readings need."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ..calibration.certificate import Certificate, certify, volume_balance
from ..calibration.certified import on_enough_steps, possible
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
    onset [S, 1] of the last, by how much that one changes from onset to end (mL), how the steady beat that they start
    from was found, and whether no volume was below zero or above all blood; then their status, steps and
    certificate, in which nothing is asked to repeat."""

    observer: Observer
    each: np.ndarray
    ends: np.ndarray
    rows: np.ndarray
    onset: np.ndarray
    change: float
    start: Status
    possible: bool
    status: Status
    steps: int
    certificate: Certificate | None


def counted(
    model: Model, scenario: Scenario | None, before: np.ndarray, beats: int, bsa: np.ndarray, steps: int,
    finest: int | None = None,
) -> Counted:  # fmt: skip
    """`beats` beats from the steady beat of `before` [P, 1], on `steps`, half and a quarter of them, then on twice as
    many while a reading of any beat is off by more than its limit or there is no beat to start from, or none that can
    be, up to `finest` (None: 8 times `steps`).

    Raises `InputError` where a reflex has no steady rest to act about on any of them.
    """
    found = on_enough_steps(
        lambda number: _beaten(model, scenario, before, beats, bsa, number),
        lambda *levels: _judged(model, *levels).status == Status.OK, steps, finest,
    )  # fmt: skip
    return _judged(model, *found)


def _judged(
    model: Model, fine: Counted, half: Counted | InputError, quarter: Counted | InputError, steps: int
) -> Counted:
    """Beats on `steps` with their certificate, by those on half and a quarter of them, and their status."""
    blank = np.full(fine.each.shape, np.nan)
    coarser = [one.each if isinstance(one, Counted) and one.start == Status.OK else blank for one in (half, quarter)]
    balance = volume_balance(model, fine.rows[:, 0], fine.onset[:, 0])
    judged = certify(fine.observer.units, fine.each, (coarser[0], coarser[1]), None, balance, steps)
    status = merge((
        fine.start, Status.OK if judged.ok else Status.STEP_LIMIT,
        Status.OK if fine.possible else Status.UNPHYSIOLOGICAL,
        Status.OK if np.isfinite(fine.change) else Status.NONFINITE,
    ))  # fmt: skip
    return fine._replace(status=status, steps=steps, certificate=judged)


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
    reflex, living = np.zeros((0 if control is None else len(control.feedback.weights), 1)), True
    for k in range(beats):
        in_force = _in_force(control, changed, state, reflex, k)
        ends.append((ends[-1] if ends else 0.0) + 60.0 / in_force[rate, 0])
        given = 0.0 if scenario is None else sum(i.volume * min(ends[-1] / i.duration, 1.0) for i in scenario.inflows)
        changed[:, volume, 0] = given_before + given
        in_force = _in_force(control, changed, state, reflex, k)
        after = program(jnp.asarray(in_force), jnp.asarray(state), steps)
        rows.append(np.asarray(read(after.values, jnp.asarray(in_force), jnp.asarray(bsa)))[:, 0])
        living &= bool(possible(model, in_force, state, np.asarray(after.values), observer.names)[0])
        if control is not None:
            reflex = control.split(control.after(np.concatenate([state, reflex]), k))[1]
        onset, state = state, np.asarray(after.state)
    change = float(np.max(np.abs(state - onset)[: len(model.system.free_stores)]))
    start = Status(int(readings.solved.status[0]))
    if start == Status.OK and not readings.sound[0]:
        start = Status.NONFINITE
    each = np.stack(rows, axis=1)
    return Counted(observer, each, np.array(ends), in_force, onset, change, start, living, start, steps, None)


def _in_force(
    control: ControlledBeats | None, changed: np.ndarray, state: np.ndarray, reflex: np.ndarray, beat: int
) -> np.ndarray:
    """Parameter rows [P, 1] of a beat: the scenario's, and what the reflex makes of them."""
    if control is None:
        return changed[beat % len(changed)]
    return control.in_force(np.concatenate([state, reflex]), beat)
