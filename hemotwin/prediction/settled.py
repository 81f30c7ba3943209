"""What a model settles to when more than one plain steady beat is at work: a reflex, or beats that do not repeat."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ..calibration.certified import on_enough_steps, possible, step_error
from ..calibration.summary import Readings, observe, reader
from ..core.errors import InputError
from ..core.registry import known
from ..core.status import Status, merge
from ..engine.beat import BeatMap, compiled
from ..engine.controlled import ControlledBeats
from ..engine.cycle import ForcedBeats, path
from ..engine.forward import equal_start
from ..engine.regime import LONGEST, Regimes, regime
from ..physiology.model import Model
from ..physiology.observable import Observer
from .regulated import living, regulated_beats

__all__ = ["Settled", "followed", "resting", "settled", "stays"]

TRIAL = 48  # plain beats after a disturbance
RETURNED = 1e-3  # mL, what may be left of it


class Settled(NamedTuple):
    """Readings of one lane [O] as means over the cycle (or window), of each of its beats [O, n], the parameter rows
    [P, 1] and state [S, 1] of its first beat, how it was reached, the steps with their error in its limit, whether no
    beat had a volume below zero or above all blood, and the readings [O] on half and a quarter of the steps, nan where
    nothing was found on them."""

    values: np.ndarray
    each: np.ndarray
    rows: np.ndarray
    state: np.ndarray
    told: Regimes
    status: Status
    steps: int
    error: float
    possible: bool
    half: np.ndarray
    quarter: np.ndarray


def settled(
    model: Model, before: np.ndarray, after: np.ndarray, bsa: np.ndarray, steps: int, finest: int | None = None
) -> Settled:
    """Where beats lead whose parameters `after` [n, P, 1] take turns, from rest at `before` [P, 1] under a reflex.

    The reflex's reference is the resting beat that `before` gives without it; its states are solved together with the
    circulation's. Solved on `steps`, half and a quarter of them, then on twice as many while a reading's error exceeds
    its limit or is not known, up to `finest` (None: 8 times `steps`); `told` says what is left of it. Raises
    `InputError` when the resting beat itself is steady on none of them.
    """
    found = on_enough_steps(
        lambda number: followed(model, *_beats(model, before, after, bsa, number), bsa),
        lambda fine, half, quarter, number: _error(model, fine, half, quarter) <= 1.0, steps, finest,
    )  # fmt: skip
    fine, half, quarter, steps = found
    error = _error(model, fine, half, quarter)
    status = Status(int(fine.told.status[0]))
    if not fine.possible:
        status = merge((status, Status.UNPHYSIOLOGICAL))
    told = fine.told._replace(status=np.array([int(status)]), error=np.array([error]))
    if told.period[0] > 0 and not error <= 1.0 and status.precedence < Status.UNPHYSIOLOGICAL.precedence:
        status = Status.STEP_LIMIT  # the sentence still tells what they settle to
    if not living(model, fine.rows)[0]:
        status = merge((status, Status.UNPHYSIOLOGICAL))
    coarser = {"half": _values(model, half), "quarter": _values(model, quarter)}
    return fine._replace(told=told, status=status, steps=steps, error=error, **coarser)


def _error(model: Model, *levels: Settled | InputError) -> float:
    """Step error in its limit of what was found on N steps, from N/2 and N/4; inf where one of the first two failed."""
    return float(step_error(_observer(model).units, *(_values(model, x)[:, None] for x in levels))[0])


def _values(model: Model, found: Settled | InputError) -> np.ndarray:
    """Readings [O], nan where nothing was found."""
    return np.full(len(_observer(model).units), np.nan) if isinstance(found, InputError) else found.values


def stays(model: Model, rows: np.ndarray, state: np.ndarray, steps: int) -> bool:
    """Whether beats disturbed by about 1 mL are back at the steady one that begins at `state` [S, 1] in `TRIAL` beats.

    Quick and on the side of doubt (a slow return, 0.87 per beat and up, is none): `settled` then tells what they do.
    """
    program = compiled(BeatMap(model.system, _observer(model).reductions), None)
    volumes = len(model.system.free_stores)
    beaten = state.copy()
    beaten[:volumes, 0] += np.random.default_rng(0).standard_normal(volumes)
    for _ in range(TRIAL):
        beaten = program(jnp.asarray(rows), jnp.asarray(beaten), steps).state
    return bool(np.max(np.abs(np.asarray(beaten) - state)[:volumes]) <= RETURNED)


def _observer(model: Model) -> Observer:
    return Observer(model.system, tuple(known("observable")))


def followed(model: Model, beats: ForcedBeats, guess: np.ndarray, bsa: np.ndarray) -> Settled:
    """Where beats of one lane lead from a guess, read beat by beat over the cycle or window; no certificate yet."""
    told = regime(beats, guess, longest=max(LONGEST, beats.forcing))
    onset, count = told.states[0], int(told.window[0])
    states = path(beats, onset, count - 1)
    observer = _observer(model)
    read, program = reader(observer), compiled(BeatMap(model.system, observer.reductions), None)
    each, living_beats = [], True
    for k, state in enumerate(states):
        rows, x = _in_force(beats, state, k)
        values = program(jnp.asarray(rows), jnp.asarray(x), beats.steps).values
        each.append(np.asarray(read(values, jnp.asarray(rows), jnp.asarray(bsa)))[:, 0])
        living_beats &= bool(possible(model, rows, x, np.asarray(values), observer.names)[0])
    rows, x = _in_force(beats, onset, 0)
    together, status = np.stack(each, axis=1), Status(int(told.status[0]))
    return Settled(together.mean(axis=1), together, rows, x, told, status, beats.steps, 0.0, living_beats,
                   *np.full((2, len(together)), np.nan))  # fmt: skip


def _beats(
    model: Model, before: np.ndarray, after: np.ndarray, bsa: np.ndarray, steps: int
) -> tuple[ForcedBeats, np.ndarray]:
    """The beats in question and a state to start them from."""
    if model.reflex is None:
        start = np.asarray(equal_start(model.system, jnp.asarray(after[0])))
        return ForcedBeats(BeatMap(model.system), after, steps), start
    rest = resting(observe(model, before, None, bsa, steps))
    beats = regulated_beats(model, before, rest, after, steps)
    return beats, beats.from_rest(rest)


def resting(readings: Readings) -> np.ndarray:
    """State [S, 1] of a steady beat that a reflex may take as rest; raises `InputError` where it is not steady."""
    if not readings.sound[0]:
        raise InputError(
            "`model` must have a steady beat at rest for a reflex to act about, but got "
            f"{Status(int(readings.solved.status[0])).name} without it; change its values, or use reflex=None."
        )
    return readings.solved.state


def _in_force(beats: ForcedBeats, state: np.ndarray, beat: int) -> tuple[np.ndarray, np.ndarray]:
    return beats.in_force(state, beat), beats.split(state)[0] if isinstance(beats, ControlledBeats) else state
