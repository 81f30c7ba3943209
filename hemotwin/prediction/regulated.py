"""Steady beats after a scenario for many lanes at once; under a reflex, the steady state of circulation and reflex.

A lane's beat maps its state x and the reflex's states c to x' = Phi(x; p(c)) and c' = R(c, sensed(x, p(c)), rest), with
p(c) the parameters in force and `rest` what was sensed of that lane's own beat before the scenario. Newton solves
x' = x and c' = c together (`engine.controlled`), and its multipliers tell whether beats stay there (`engine.regime`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..calibration.certified import only_possible
from ..calibration.summary import Readings, observe
from ..core.errors import InputError
from ..core.feedback import Feedback
from ..core.status import Status
from ..engine.beat import BeatMap
from ..engine.blocks import in_blocks
from ..engine.controlled import ControlledBeats, sensed
from ..engine.cycle import ForcedBeats
from ..engine.regime import SLOW, multipliers, regime
from ..physiology.model import Model
from ..physiology.regulation import feedback

__all__ = ["Answer", "answered", "living", "regulated_beats"]

WIDTH = 32  # lanes per block: one that does not settle keeps only these waiting


class Answer(NamedTuple):
    """Readings of B lanes, the parameter rows [P, B] in force and a status [B].

    Lanes without one steady beat to read, those whose beats leave it or left the one before, and those with a volume
    that cannot be are not sound. Under a reflex their readings are nan and their rows those of rest; their status says
    what beats do instead, or that the reflex would have to leave the bounds of a quantity. A sound lane in which beats
    come to the steady one, or came to the one before, more slowly than `SLOW` is drifting.
    """

    readings: Readings
    rows: np.ndarray
    status: np.ndarray

    def take(self, lanes: Any) -> Answer:
        """Some of the lanes, by index."""
        return Answer(self.readings.take(lanes), self.rows[:, lanes], self.status[lanes])

    def joined(self, more: Answer) -> Answer:
        """These lanes, then more."""
        rows, status = np.concatenate([self.rows, more.rows], axis=1), np.concatenate([self.status, more.status])
        return Answer(self.readings.joined(more.readings), rows, status)


def answered(
    model: Model, before: np.ndarray, rest: np.ndarray, after: np.ndarray, bsa: np.ndarray, steps: int
) -> Answer:
    """Steady beats of parameters `after` [P, B] from `rest` [S, B], states near the steady beats of `before` [P, B]."""
    if model.reflex is None:
        return _plain(model, before, rest, after, bsa, steps)
    base = only_possible(model, before, observe(model, before, rest, bsa, steps))
    x = base.solved.state

    def settle(lanes: Any) -> tuple[np.ndarray, ...]:
        beats = regulated_beats(model, before[:, lanes], x[:, lanes], after[None][..., lanes], steps)
        told = regime(beats, beats.from_rest(x[:, lanes]))
        return beats.in_force(told.states[0]), beats.split(told.states[0])[0], told.status, told.period, told.residual

    program = ("regulated beats", BeatMap(model.system), model.reflex)
    rows, state, status, period, residual = in_blocks(settle, len(bsa), WIDTH, program)
    allowed = living(model, rows) & _within(model, before, after)
    status = np.where(allowed | (status == int(Status.NONFINITE)), status, int(Status.UNPHYSIOLOGICAL))
    steady = (period == 1) & np.isin(status, (int(Status.OK), int(Status.DRIFTING)))
    stay, status = _both(_staying(model, before, x, steps), (steady, status))
    steady, status = stay & base.sound, np.where(base.sound, status, base.ended)
    # What did not settle is read at rest and then left blank: rows that are not finite would reach others' starts.
    rows, state = np.where(steady, rows, before), np.where(steady, state, x)
    found = only_possible(model, rows, observe(model, rows, state, bsa, steps))
    status = np.where(steady & ~found.sound, found.ended, status)
    steady &= found.sound
    solved = found.solved._replace(
        residual=np.maximum(found.solved.residual, residual),
        status=np.where(steady, int(Status.OK), int(Status.NOT_PERIODIC)),
    )
    readings = Readings(found.names, found.units, np.where(steady, found.values, np.nan), solved)
    return Answer(readings, rows, status)


def _plain(
    model: Model, before: np.ndarray, rest: np.ndarray, after: np.ndarray, bsa: np.ndarray, steps: int
) -> Answer:
    """The same without a reflex."""
    found = only_possible(model, after, observe(model, after, _shifted(model, before, after, rest), bsa, steps))
    both, states = np.concatenate([before, after], axis=1), np.concatenate([rest, found.solved.state], axis=1)
    first, then = zip(*(np.split(one, 2) for one in _staying(model, both, states, steps)), strict=True)
    stay, status = _both(first, then)
    within = _within(model, before, after)
    status = np.where(found.sound, status, found.ended)
    status = np.where(within, status, int(Status.UNPHYSIOLOGICAL))
    steady = found.sound & stay & within
    solved = found.solved._replace(status=np.where(steady, int(Status.OK), status))
    return Answer(Readings(found.names, found.units, found.values, solved), after, status)


Stay = tuple[np.ndarray, np.ndarray]  # whether beats stay at a steady one [B], and a status [B] of what they do


def _both(first: Stay, then: Stay) -> Stay:
    """Of a steady beat before and one after: whether beats stay at both; what they do at the first that they leave."""
    slow = np.where(first[1] == int(Status.DRIFTING), first[1], then[1])
    status = np.where(first[0], np.where(then[0], slow, then[1]), first[1])
    return first[0] & then[0], status


def _staying(model: Model, rows: np.ndarray, state: np.ndarray, steps: int) -> Stay:
    """Whether beats stay [B] that begin at steady ones [S, B] of parameters [P, B], and a status of what they do:
    drifting also where they stay but come there more slowly than `SLOW`.

    One beat with tangents gives every lane's multipliers; only lanes with one of 1 or more are followed. What leaves
    for another steady beat is not periodic here: which of the two a patient is at, nobody knows.
    """
    beat = BeatMap(model.system)

    def growth(lanes: Any) -> tuple[np.ndarray, ...]:
        slope = ForcedBeats(beat, rows[None][..., lanes], steps).linearised(state[:, lanes], 0)[1]
        return (np.abs(multipliers(slope)[0]),)

    factor = in_blocks(growth, state.shape[1], WIDTH, ("multipliers", beat))[0]
    leave = factor >= 1.0
    status = np.where(factor > np.exp(-1.0 / SLOW), int(Status.DRIFTING), int(Status.OK))
    if len(left := np.flatnonzero(leave)):

        def settle(lanes: Any) -> tuple[np.ndarray, ...]:
            mine = left[lanes]
            told = regime(ForcedBeats(beat, rows[None][..., mine], steps), state[:, mine])
            return told.status, told.period

        found, period = in_blocks(settle, len(left), WIDTH, ("beats that leave", beat))
        another = (period == 1) & np.isin(found, (int(Status.OK), int(Status.DRIFTING)))
        status[left] = np.where(another, int(Status.NOT_PERIODIC), found)
    return ~leave, status


def _shifted(model: Model, before: np.ndarray, after: np.ndarray, state: np.ndarray) -> np.ndarray:
    """A starting guess after a change of stressed volume: every volume grows by the same share."""
    row = model.system.parameters.index("stressed_volume")
    volumes = len(model.system.free_stores)
    guess = state.copy()
    guess[:volumes] *= after[row] / before[row]
    return guess


def regulated_beats(
    model: Model, before: np.ndarray, rest: np.ndarray, after: np.ndarray, steps: int
) -> ControlledBeats:
    """Beats of a model with its reflex at `after` [n, P, B], about the steady beats that begin at `rest` [S, B]."""
    control, beat = _feedback(model), BeatMap(model.system)
    reference = sensed(beat, control, before, rest, steps)
    own = control.parameters.pack(model.values, rest.shape[1])
    return ControlledBeats(beat, after, steps, control, own, reference)


def living(model: Model, rows: np.ndarray) -> np.ndarray:
    """Lanes [B] in which what a reflex has set lies within its bounds."""
    return _inside(model, _acted(model), rows)


def _within(model: Model, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Lanes [B] in which all that a scenario has changed lies within its bounds, save what a reflex acts on: that is
    judged as the reflex leaves it."""
    names = model.system.parameters.names
    changed = (names[row] for row in np.flatnonzero(np.any(before != after, axis=1)))
    return _inside(model, [name for name in changed if name not in _acted(model)], after)


def _inside(model: Model, names: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """Lanes [B] of parameter rows [P, B] in which these quantities lie within their bounds."""
    known, layout = model.all_quantities, model.system.parameters
    inside = np.ones(rows.shape[1], bool)
    for name in names:
        low, high = known[name].bounds
        inside &= (low <= rows[layout.index(name)]) & (rows[layout.index(name)] <= high)
    return inside


def _acted(model: Model) -> tuple[str, ...]:
    """What the model's reflex sets; nothing without one."""
    return () if model.reflex is None else _feedback(model).acts_on


def _feedback(model: Model) -> Feedback:
    if model.reflex is None:
        raise InputError("`model` must have a reflex, but got none; use circulation('adult', reflex='baroreflex').")
    return feedback(model.reflex)
