"""Weighted posterior draws of a cohort: the circulation behind `draws.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.registry import look_up
from ..core.status import Status
from ..physiology.model import Model
from .certified import only_possible
from .draws import Case, Solved, Weighted, proposals, weighted_draws
from .lanes import Cohort, run_lanes
from .methods.gauss_newton import Fit
from .misfit import misfit_of
from .posterior import LaplacePosterior
from .readings import Readings, observe, theta_to_parameters
from .surrogate import Tangents

__all__ = ["Sampled", "sampled"]

TOGETHER = 32  # patients whose draws are solved in one call and held in memory at a time
LEAST_GUESS = 1.0  # mL; a volume may be guessed no smaller, the beat is solved from there


@dataclass(frozen=True)
class _Read:
    """Parameters [P, S] and all readings of some draws."""

    parameters: np.ndarray
    readings: Readings

    def joined(self, more: _Read) -> _Read:
        return _Read(np.concatenate([self.parameters, more.parameters], axis=1), self.readings.joined(more.readings))


@dataclass(frozen=True)
class Sampled:
    """One patient: the draws that were weighted, and those kept for it with all that was solved for them.

    z [N, D], parameters [P, D] and readings of the modes (best first) and, from `modes` on, of the draws.
    """

    weighted: Weighted
    z: np.ndarray
    parameters: np.ndarray
    readings: Readings
    modes: int

    @property
    def draws(self) -> np.ndarray:
        """z [N, D] of the draws without the modes, those that are sound."""
        return self.z[:, self.modes :][:, self.readings.sound[self.modes :]]


def sampled(
    cohort: Cohort, model: Model, posteriors: dict[int, LaplacePosterior], fits: Fit, draws: int,
    rngs: list[np.random.Generator], steps: int,
) -> dict[int, Sampled]:  # fmt: skip
    """`draws` posterior draws of every patient that has a posterior, by its index, each from its own of `rngs`."""
    found: dict[int, Sampled] = {}
    alive = list(posteriors)
    for first in range(0, len(alive), TOGETHER):
        some = {k: posteriors[k] for k in alive[first : first + TOGETHER]}
        found |= _some(cohort, model, some, fits, draws, {k: rngs[k] for k in some}, steps)
    return found


def _some(
    cohort: Cohort, model: Model, posteriors: dict[int, LaplacePosterior], fits: Fit, draws: int,
    rngs: dict[int, np.random.Generator], steps: int,
) -> dict[int, Sampled]:  # fmt: skip
    misfits = {k: misfit_of(cohort.problem, cohort.data, k) for k in posteriors}
    starts = np.asarray(fits.z).shape[1] // len(cohort.sets)

    def outputs(fit: Any, k: int, lanes: np.ndarray) -> Tangents:
        """Smooth rows of the record and states of some lanes of a fit, and their slopes in z."""
        mine = misfits[k].rows
        slope = np.asarray(fit.slope)[mine][..., lanes] * cohort.data.sd[mine, k][:, None, None]
        return Tangents(np.asarray(fit.z)[:, lanes],
                        np.concatenate([np.asarray(fit.reading)[mine][:, lanes], np.asarray(fit.state)[:, lanes]]),
                        np.concatenate([slope, np.asarray(fit.state_slope)[..., lanes]]))  # fmt: skip

    def tangents(points: dict[int, np.ndarray]) -> dict[int, Tangents]:
        z, owner = np.concatenate(list(points.values()), axis=1), _owners(points)
        fit = run_lanes(look_up("method", "gauss_newton"), cohort, cohort.data.take(owner), z, steps, hold=True)
        sound = (np.asarray(fit.status) == int(Status.OK)) & np.all(np.isfinite(fit.slope), axis=(0, 1))
        return {k: outputs(fit, k, np.flatnonzero(sound & (owner == k))) for k in points}

    def solve(points: dict[int, np.ndarray], guess: dict[int, np.ndarray]) -> dict[int, Solved]:
        parameters = {k: theta_to_parameters(cohort, k, z) for k, z in points.items()}
        read = _observed(cohort, model, parameters, guess, steps)
        shown = {k: _with_offsets(cohort, misfits[k], k, z, read[k]) for k, z in points.items()}
        lost = {k: read[k].ended == int(Status.UNPHYSIOLOGICAL) for k in points}
        return {k: Solved(shown[k], read[k].sound, lost[k], _Read(parameters[k], read[k])) for k in points}

    lanes = {k: p.lane + k * starts for k, p in posteriors.items()}
    cases = {k: Case(p, misfits[k], outputs(fits, k, lanes[k])) for k, p in posteriors.items()}
    weighted = weighted_draws(cases, tangents, solve, proposals(draws), rngs, draws)
    z = {k: p.z.T for k, p in posteriors.items()}
    modes = solve(z, {k: np.asarray(fits.state)[:, lanes[k]] for k in posteriors})
    found = {}
    for k, one in weighted.items():
        kept, every = one.kept(draws, rngs[k]), one.solved.everything
        some = modes[k].everything.joined(_Read(every.parameters[:, kept], every.readings.take(kept)))
        found[k] = Sampled(one, np.concatenate([z[k], one.z[:, kept]], axis=1), some.parameters, some.readings,
                           z[k].shape[1])  # fmt: skip
    return found


def _owners(points: dict[int, Any]) -> np.ndarray:
    return np.repeat(list(points), [block.shape[-1] for block in points.values()])


def _observed(
    cohort: Cohort, model: Model, parameters: dict[int, np.ndarray], guess: dict[int, np.ndarray], steps: int
) -> dict[int, Readings]:
    """Readings by patient. The lanes of all are mixed: the first block, of which the others learn, is then of many."""
    owner = _owners(parameters)
    order = np.argsort(np.concatenate([np.arange(p.shape[1]) for p in parameters.values()]), kind="stable")
    rows, states = (np.concatenate(list(part.values()), axis=1)[:, order] for part in (parameters, guess))
    volumes = len(cohort.problem.system.free_stores)
    states = np.concatenate([np.maximum(states[:volumes], LEAST_GUESS), np.maximum(states[volumes:], 0.0)])
    states = np.where(np.isfinite(states), states, LEAST_GUESS)
    readings = only_possible(model, rows, observe(model, rows, states, cohort.data.bsa[owner[order]], steps))
    back = np.argsort(order)
    return {k: readings.take(back[owner == k]) for k in parameters}


def _with_offsets(cohort: Cohort, misfit: Any, k: int, z: np.ndarray, readings: Readings) -> np.ndarray:
    """The record's readings [C, S] of draws as its instruments show them: zero errors added."""
    theta = cohort.data.centre[:, k, None] + cohort.data.factor[:, :, k] @ z
    found = np.stack([readings.of(cohort.channels[c][0]) for c in misfit.channel])
    shifted = misfit.offset >= 0
    found[shifted] += theta[misfit.offset[shifted]]
    return found
