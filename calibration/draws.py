"""Posterior draws that are worth their weight: proposed, solved through the model, weighted, and resampled.

Each patient's proposal (`surrogate.py`) is fitted to the model's derivatives at draws of Laplace's approximation and
then at its own, its draws are solved, and each is weighted by its true posterior density over that of the proposal
(`importance.py`). Where fewer of them are effective than are kept, or the Pareto shape of the weights says that they
cannot be relied on, the proposal is fitted again at the weighted draws, up to two more times, and the draws of all
rounds are weighted by the mixture of all proposals: adaptive multiple importance sampling (Cornuet, Marin, Mira and
Robert 2012, Scand J Stat 39:798-812, doi 10.1111/j.1467-9469.2011.00756.x).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .importance import pareto_smoothed, resampled
from .misfit import Misfit
from .posterior import LaplacePosterior
from .surrogate import Proposed, Surrogate, Tangents, broadened, quadratic

__all__ = ["IMPORTANCE", "LAPLACE", "Case", "Solved", "Weighted", "proposals", "weighted_draws"]

IMPORTANCE, LAPLACE = "importance-resampled Laplace", "Laplace approximation, not weighted"
POINTS = 48  # of derivatives per mode, in antithetic pairs: twice the 24 unknowns in each row of a curvature
ROUNDS = 3  # proposals at most: the first and two that are fitted to the weighted draws of those before
PER_DRAW, LEAST = 1.5, 200  # draws proposed in a round per draw kept, and the fewest of them
LEAST_EFFECTIVE = 20.0  # draws; below this the weighted draws are too few to tell anything of a 95 % interval


@dataclass(frozen=True)
class Case:
    """What is known of one patient before any draw: its modes, its misfit and the model at each mode."""

    laplace: LaplacePosterior
    misfit: Misfit
    at_modes: Tangents


@dataclass(frozen=True)
class Solved:
    """Draws solved: the record's readings [C, S] with their zero errors, which are sound [S], of the others those that
    have a steady beat with a volume that cannot be [S], and all that was read."""

    reading: np.ndarray
    sound: np.ndarray
    impossible: np.ndarray
    everything: Any

    def joined(self, more: Solved) -> Solved:
        """These draws, then more of the same patient."""
        both = None if self.everything is None else self.everything.joined(more.everything)
        return Solved(np.concatenate([self.reading, more.reading], axis=1), np.concatenate([self.sound, more.sound]),
                      np.concatenate([self.impossible, more.impossible]), both)  # fmt: skip


@dataclass(frozen=True)
class Weighted:
    """Draws z [N, S] of one patient with their weights [S], and what was solved for them.

    `k` and `effective` are those of `importance.Smoothed`; `failed` draws had no steady beat, or (`impossible` of them)
    one with a volume below zero or above all blood, and weigh nothing; pull [N, S] is the gradient of the log
    likelihood at the draws, as the proposal has it. `method` names what the weights are: all alike where the
    approximation stands unweighted.
    """

    z: np.ndarray
    weight: np.ndarray
    solved: Solved
    k: float
    effective: float
    reliable: bool
    rounds: int
    pull: np.ndarray
    method: str = IMPORTANCE

    @property
    def failed(self) -> int:
        """Draws without a steady beat whose volumes can be."""
        return int(np.sum(~self.solved.sound))

    @property
    def impossible(self) -> int:
        """Of these, the draws with a steady beat."""
        return int(np.sum(self.solved.impossible))

    @property
    def mean(self) -> np.ndarray:
        """Weighted mean of z [N]."""
        return self.z @ self.weight

    @property
    def covariance(self) -> np.ndarray:
        """Weighted covariance of z [N, N]."""
        apart = self.z - self.mean[:, None]
        return (apart * self.weight) @ apart.T

    def spreads(self, rows: np.ndarray) -> np.ndarray:
        """Posterior sds [R] of rows [R, N] times z, steadied by what is known of every posterior with this prior.

        With x = v z and its pull g = v dlogL/dz, E x = E g and E x^2 = v v + E x g (Stein's identity). The differences
        are subtracted as control variates (Mira, Solgi and Imparato 2013, Stat Comput 23:653-662): a quantity that the
        data do not inform has the sd of its prior then, and not that up to the error of so many draws. nan where fewer
        than two draws weigh anything.
        """
        if np.count_nonzero(self.weight) < 2:
            return np.full(len(rows), np.nan)
        found = []
        for v in rows:
            x, g = v @ self.z, v @ self.pull
            mean = self._steadied(x, x - g)
            square = self._steadied(x**2, x**2 - v @ v - x * g)
            found.append(np.sqrt(max(square - mean**2, 0.0)))
        return np.array(found)

    def _steadied(self, values: np.ndarray, null: np.ndarray) -> float:
        """Weighted mean of values [S] less the part that follows `null` [S], whose expectation is 0."""
        both = np.cov(np.stack([values, null]), aweights=self.weight)
        slope = both[0, 1] / both[1, 1] if both[1, 1] > 0.0 else 0.0
        return float(self.weight @ (values - slope * null))

    def kept(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Indices [count] of the draws that stand for the posterior, each as often as it weighs."""
        if self.method == LAPLACE:
            return np.arange(count)
        return resampled(self.weight, count, rng)


def proposals(kept: int) -> int:
    """How many draws are proposed in a round for so many that are kept."""
    return max(int(np.ceil(PER_DRAW * kept)), LEAST)


Tangent = Callable[[dict[int, np.ndarray]], dict[int, Tangents]]
Solve = Callable[[dict[int, np.ndarray], dict[int, np.ndarray]], dict[int, Solved]]


def weighted_draws(
    cases: dict[int, Case], tangents: Tangent, solve: Solve, count: int, rngs: dict[int, np.random.Generator],
    enough: float = 0.0,
) -> dict[int, Weighted]:  # fmt: skip
    """`count` weighted draws of every case, and as many again (twice at most) until `enough` are effective.

    `tangents` gives the model's derivatives at points by case, `solve` the readings of draws by case from guessed
    states. A case whose weights stay unreliable is marked so, and has the bare Laplace draws where even all rounds
    rest on fewer than 20 draws.
    """
    found: dict[int, Weighted] = {}
    pooled: dict[int, list[Proposed]] = {i: [] for i in cases}
    surrogates = _first(cases, tangents, rngs)
    surrogates = _again(surrogates, {i: s.draws(_points(s), rngs[i]).z for i, s in surrogates.items()}, tangents)
    for number in range(1, ROUNDS + 1):
        drawn = {i: s.draws(count, rngs[i]) for i, s in surrogates.items()}
        solved = solve({i: d.z for i, d in drawn.items()}, {i: surrogates[i].states(d.z) for i, d in drawn.items()})
        for i, new in drawn.items():
            pooled[i].append(new)
            found[i] = _weighed(cases[i], pooled[i], found[i].solved.joined(solved[i]) if i in found else solved[i])
        again = [i for i in surrogates if not found[i].reliable or found[i].effective < enough]
        if not again or number == ROUNDS:
            break
        points = {i: found[i].z[:, resampled(found[i].weight, _points(surrogates[i]), rngs[i])] for i in again}
        surrogates = _again({i: surrogates[i] for i in again}, points, tangents)
    lost = [i for i, one in found.items() if one.effective < LEAST_EFFECTIVE]
    return found | _bare({i: cases[i] for i in lost}, solve, count, rngs) if lost else found


def _first(cases: dict[int, Case], tangents: Tangent, rngs: dict[int, np.random.Generator]) -> dict[int, Surrogate]:
    """Proposals fitted at antithetic draws of each mode, and at the mode itself."""
    points = {}
    for i, case in cases.items():
        modes = []
        for centre, covariance in zip(case.laplace.z, case.laplace.covariance, strict=True):
            half = np.linalg.cholesky(covariance) @ rngs[i].standard_normal((len(centre), POINTS // 2))
            modes.append(centre[:, None] + np.concatenate([half, -half], axis=1))
        points[i] = np.concatenate(modes, axis=1)
    at, found = tangents(points), {}
    for i, case in cases.items():
        parts, nearer = [], np.argmax(case.laplace.log_shares(at[i].z), axis=0)
        for m, (centre, covariance) in enumerate(zip(case.laplace.z, case.laplace.covariance, strict=True)):
            mine = _joined(at[i], nearer == m, case.at_modes, m)
            parts.append(quadratic(mine, centre, np.linalg.cholesky(covariance)))
        found[i] = Surrogate(tuple(parts), case.misfit, broadened(case.laplace))
    return found


def _joined(at: Tangents, mine: np.ndarray, modes: Tangents, m: int) -> Tangents:
    """Some of the points, and one mode."""
    pairs = ((at.z, modes.z), (at.output, modes.output), (at.slope, modes.slope))
    return Tangents(*(np.concatenate([a[..., mine], b[..., m : m + 1]], axis=-1) for a, b in pairs))


def _points(surrogate: Surrogate) -> int:
    return POINTS * len(surrogate.parts)


def _again(before: dict[int, Surrogate], points: dict[int, np.ndarray], tangents: Tangent) -> dict[int, Surrogate]:
    """Proposals fitted anew at points where draws are; a part with too few of them stays as it was."""
    at, found = tangents(points), {}
    for i, old in before.items():
        nearer = np.argmin(old.energies(at[i].z), axis=0)
        parts = []
        for m, part in enumerate(old.parts):
            mine = nearer == m
            some = Tangents(at[i].z[:, mine], at[i].output[:, mine], at[i].slope[..., mine])
            enough = len(np.unique(some.z, axis=1).T) > len(part.centre)
            parts.append(quadratic(some, some.z.mean(axis=1), part.factor) if enough else part)
        found[i] = Surrogate(tuple(parts), old.misfit, old.broad)
    return found


def _weighed(case: Case, rounds: list[Proposed], solved: Solved) -> Weighted:
    """All draws so far, weighed by the posterior over the mixture of all that was proposed."""
    z = np.concatenate([one.z for one in rounds], axis=1)
    shares = np.log([one.z.shape[1] / z.shape[1] for one in rounds])
    density = np.logaddexp.reduce([share + one.log_density(z) for share, one in zip(shares, rounds, strict=True)])
    height = -case.misfit.cost(solved.reading) - 0.5 * np.sum(z**2, axis=0)
    ratio = np.where(solved.sound & np.isfinite(height), height - density, -np.inf)
    smooth, pull = pareto_smoothed(ratio), rounds[-1].surrogate.pull(z)
    return Weighted(z, smooth.weight, solved, smooth.k, smooth.effective, smooth.reliable, len(rounds), pull)


def _bare(
    cases: dict[int, Case], solve: Solve, count: int, rngs: dict[int, np.random.Generator]
) -> dict[int, Weighted]:
    """Draws of the Laplace approximation as they are, the sound ones weighing alike."""
    drawn = {i: case.laplace.draws(count, rngs[i]) for i, case in cases.items()}
    guess = {}
    for i, case in cases.items():
        z, mode = drawn[i]
        states, at = len(case.misfit.rows), case.at_modes
        moved = np.einsum("snb,nb->sb", at.slope[states:, :, mode], z - at.z[:, mode])
        guess[i] = at.output[states:, mode] + moved
    solved = solve({i: z for i, (z, _) in drawn.items()}, guess)
    found = {}
    for i, (z, _) in drawn.items():
        sound = solved[i].sound
        weight = sound / max(int(sound.sum()), 1)
        centre = cases[i].laplace
        pull = z - np.linalg.solve(centre.mixture_covariance, z - centre.mean[:, None])  # of the approximation itself
        found[i] = Weighted(z, weight, solved[i], np.inf, float(sound.sum()), False, ROUNDS, pull, LAPLACE)
    return found
