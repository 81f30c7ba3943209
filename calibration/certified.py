"""Readings on as many steps as each patient needs: solved at N, N/2 and N/4, and at 2 N where they differ too much.

Of a step of second order a third of the difference N/2 to N is left at N. Readings with a kink (the peak of a wave that
fuses, the time a valve is open, a ratio of two peaks) come nearer more slowly, and two of them may agree by luck, so
that each reading's order is looked at. Of 2,738 draws of `adult`, `regazzoni_2022_a` and `bozkurt_2019_healthy` (each
quantity at either bound; all of them within a quarter; three, or a third of them, up to their bounds), against 16 N: a
third of the difference alone and at most 1,600 steps let 2,427 hold, 37 of them wrongly, 6 by more than twice the
limit, and left 119 beyond it and 192 without a beat; as here 2,552 hold, 8 of them wrongly, 1 by more than twice, and
25 are beyond it and 146 without a beat.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..core.counts import MOST_STEPS
from ..core.errors import InputError
from ..core.status import Status
from ..engine.forward import Forward
from ..physiology.model import Model
from ..physiology.observable import Observer
from .certificate import errors, in_limits
from .readings import Readings, observe

__all__ = [
    "FINER", "Certified", "certified", "on_enough_steps", "only_possible", "possible", "solved_again", "step_error",
]  # fmt: skip

Found = TypeVar("Found")
FINER = 8  # times the steps asked for: of 202 of those draws without a beat at N 63 have one at 8 N, no more at 16 N


class Certified(NamedTuple):
    """Readings of every lane, the steps N they were solved on [B], their largest step error in its limit [B], and the
    readings [O, B] on N/2 and N/4 steps, nan where there is no steady beat on them."""

    readings: Readings
    steps: np.ndarray
    error: np.ndarray
    half: np.ndarray
    quarter: np.ndarray


def step_error(units: tuple[str, ...], fine: np.ndarray, half: np.ndarray, quarter: np.ndarray) -> np.ndarray:
    """Largest error [B] of readings [O, B] at N steps, each in its limit, from those at N/2 and N/4.

    See `certificate.errors` and `certificate.in_limits`. inf where a reading at N or N/2 is not finite.
    """
    return np.max(in_limits(units, fine, errors(fine, half, quarter)), axis=0)


def certified(
    model: Model, parameters: np.ndarray, guess: np.ndarray | None, bsa: np.ndarray, steps: int,
    finest: int | None = None,
) -> Certified:  # fmt: skip
    """Steady beat and readings of parameters [P, B], a lane at a time on `steps`, twice as many, ... up to `finest`.

    Solved again are lanes whose error exceeds its limit, and those without a steady beat, which a step that is too long
    for them may be the reason of; all others stay. `finest` None: 8 times `steps`. A lane that has no steady beat on
    any keeps its status and error inf; one with a volume below zero or above all blood is unphysiological.
    """
    finest = min(FINER * steps, MOST_STEPS) if finest is None else finest
    found = observe(model, parameters, guess, bsa, steps)
    start = found.solved.state
    half, quarter = (observe(model, parameters, start, bsa, max(1, steps // n)).sound_values for n in (2, 4))
    used, error = np.full(len(bsa), steps), step_error(found.units, found.sound_values, half, quarter)
    values, solved = found.values.copy(), Forward(*(np.array(leaf) for leaf in found.solved))
    lanes = np.flatnonzero(error > 1.0)
    while len(lanes) and (steps := 2 * steps) <= finest:
        before = Readings(found.names, found.units, values, solved).take(lanes)
        finer = solved_again(model, parameters[:, lanes], before, bsa[lanes], steps)
        half[:, lanes], quarter[:, lanes] = before.sound_values, half[:, lanes]
        error[lanes] = step_error(found.units, finer.sound_values, half[:, lanes], quarter[:, lanes])
        values[:, lanes], used[lanes] = finer.values, steps
        for leaf, new in zip(solved, finer.solved, strict=True):
            leaf[..., lanes] = new
        lanes = lanes[error[lanes] > 1.0]
    readings = only_possible(model, parameters, Readings(found.names, found.units, values, solved))
    return Certified(readings, used, error, half, quarter)


def solved_again(model: Model, parameters: np.ndarray, found: Readings, bsa: np.ndarray, steps: int) -> Readings:
    """Parameters [P, B] on `steps`, from the beats that were found before; where none was, from the relaxed state."""
    groups = [np.flatnonzero(found.sound), np.flatnonzero(~found.sound)]
    starts = (found.solved.state[:, groups[0]], None)
    parts = [observe(model, parameters[:, lanes], start, bsa[lanes], steps)
             for lanes, start in zip(groups, starts, strict=True) if len(lanes)]  # fmt: skip
    whole = parts[0] if len(parts) == 1 else parts[0].joined(parts[1])
    return whole.take(np.argsort(np.concatenate(groups)))


def only_possible(model: Model, parameters: np.ndarray, found: Readings) -> Readings:
    """Readings of parameters [P, B], of which those of a steady beat with a volume that cannot be are unphysiological
    and no longer sound."""
    living = possible(model, parameters, found.solved.state, found.solved.values, found.names)
    status = np.where(found.sound & ~living, int(Status.UNPHYSIOLOGICAL), found.solved.status)
    return Readings(found.names, found.units, found.values, found.solved._replace(status=status))


def possible(
    model: Model, parameters: np.ndarray, state: np.ndarray, reductions: np.ndarray, names: tuple[str, ...]
) -> np.ndarray:
    """Lanes [B] in which every volume at the onset [S, B], that which holds what is left of the blood with them, and
    every extreme of one that was read of the beat [R, B], lies above zero and below all blood there is."""
    system = model.system
    p = system.read(parameters)
    kinds = Observer(system, names).reductions
    seen = [i for i, one in enumerate(kinds) if one.quantity == "volume" and one.kind in ("minimum", "maximum")]
    extremes = np.all((reductions[seen] > 0.0) & (reductions[seen] <= system.total(p)), axis=0)
    return extremes & system.possible(p, list(state[: len(system.free_stores)]))


def on_enough_steps(
    tried: Callable[[int], Found], good: Callable[[Found, Any, Any, int], bool], steps: int, finest: int | None = None
) -> tuple[Found, Any, Any, int]:
    """What `tried` finds of one lane on N steps, on N/2 and on N/4, and N: `steps`, then twice as many, ... up to
    `finest` (None: 8 times `steps`) while it is not `good`, which is asked of these four.

    Where `tried` raises `InputError` that stands in the place of what was found; on the last N it is raised.
    """
    finest = min(FINER * steps, MOST_STEPS) if finest is None else finest

    def attempt(number: int) -> Any:
        try:
            return tried(number)
        except InputError as error:
            return error

    fine, half, quarter = (attempt(max(1, steps // n)) for n in (1, 2, 4))
    while (isinstance(fine, InputError) or not good(fine, half, quarter, steps)) and 2 * steps <= finest:
        half, quarter, steps = fine, half, 2 * steps
        fine = attempt(steps)
    if isinstance(fine, InputError):
        raise fine
    return fine, half, quarter, steps
