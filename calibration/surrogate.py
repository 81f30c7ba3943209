"""The posterior with readings that are quadratic in the parameters: where draws are proposed from.

Laplace's approximation takes every reading as linear. Over the width of a posterior that a few readings leave wide
they are not: of its draws, solved, few agree with the data again, and their importance weights rest on a few per cent
of them (2 to 10 % of 2000 draws were effective for 20 free quantities, with a Pareto k of 0.4 to 0.8; wider normals
were worse). Here each reading is y(d) = a + g d + d H d / 2 around each mode, d whitened by the mode's covariance, with
g and H fitted to the model's own derivatives at some fifty points of the approximation, so that they hold on average
over its width; of a reading that is the larger of two, which has a crease where they tie, both are taken so.
exp(-misfit of these readings - |z|^2 / 2), summed over the modes, is the proposal: its density is known up to a factor,
and weighting by the solved model removes what the quadratic misses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .importance import resampled
from .misfit import Misfit
from .posterior import LaplacePosterior

__all__ = ["Proposed", "Quadratic", "Surrogate", "Tangents", "broadened", "quadratic"]

RIDGE = 1e-3  # share of the points' own weight by which curvature is drawn to 0: decides only where points are too few
POOL = 10  # candidates per draw, from which the first places are taken
BROADER = 3.0  # times a mode's sd: half of the candidates, and where a posterior with shoulders is looked for
DEFENSIVE = 0.2  # share of draws that look there themselves (Hesterberg 1995, Technometrics 37:185-194)
MOVES, STRIDES = 40, (0.35, 0.15)  # Metropolis moves of each draw, by so many Laplace sds in turn: half are accepted


@dataclass(frozen=True)
class Tangents:
    """The model at points z [N, T]: output [Q, T] and its slope [Q, N, T] = d output / d z; rows, then states."""

    z: np.ndarray
    output: np.ndarray
    slope: np.ndarray


@dataclass(frozen=True)
class Quadratic:
    """Outputs a + g d + d H d / 2 with d = inverse(factor) (z - centre): a [Q], g [Q, N], H [Q, N, N]."""

    centre: np.ndarray
    factor: np.ndarray
    constant: np.ndarray
    slope: np.ndarray
    curvature: np.ndarray

    def __call__(self, z: np.ndarray, outputs: slice = slice(None)) -> np.ndarray:
        """Outputs [Q, S] at z [N, S]."""
        d = np.linalg.solve(self.factor, z - self.centre[:, None])
        bent = np.einsum("qns,ns->qs", np.matmul(self.curvature[outputs], d), d)
        return self.constant[outputs, None] + self.slope[outputs] @ d + 0.5 * bent

    def slopes(self, z: np.ndarray, outputs: slice = slice(None)) -> np.ndarray:
        """d output / d z [Q, N, S] at z [N, S]."""
        d = np.linalg.solve(self.factor, z - self.centre[:, None])
        in_d = self.slope[outputs, :, None] + np.matmul(self.curvature[outputs], d)
        return np.matmul(np.linalg.inv(self.factor).T, in_d)


def quadratic(at: Tangents, centre: np.ndarray, factor: np.ndarray) -> Quadratic:
    """Least squares: g + H d to the slopes at all points (one regression for every row of H), a to the outputs."""
    d = np.linalg.solve(factor, at.z - centre[:, None])
    slope = np.einsum("qnt,nm->qmt", at.slope, factor)
    design = np.concatenate([np.ones((1, d.shape[1])), d]).T
    ridge = RIDGE * len(design) * np.diag([0.0, *np.ones(len(centre))])
    solved = np.linalg.solve(design.T @ design + ridge, np.einsum("tp,qmt->qpm", design, slope))
    g, h = solved[:, 0], 0.5 * (solved[:, 1:] + np.swapaxes(solved[:, 1:], 1, 2))
    bare = g @ d + 0.5 * np.sum(np.matmul(h, d) * d, axis=1)
    return Quadratic(centre, factor, np.mean(at.output - bare, axis=1), g, h)


@dataclass(frozen=True)
class Surrogate:
    """The proposal of one patient: a quadratic per mode, the record's misfit, and the normals that it starts from."""

    parts: tuple[Quadratic, ...]
    misfit: Misfit
    broad: LaplacePosterior

    @property
    def rows(self) -> slice:
        """Where the rows of the misfit stand among the outputs."""
        return slice(0, len(self.misfit.rows))

    def energies(self, z: np.ndarray) -> np.ndarray:
        """Objective [M, S] at z [N, S] (nats) as each part sees it."""
        return np.stack([self._energy(part, z) for part in self.parts])

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Log of the proposal's density [S], up to a constant."""
        return np.logaddexp.reduce(-self.energies(z), axis=0)

    def draws(self, count: int, rng: np.random.Generator) -> Proposed:
        """`count` draws z [N, count] with the density that they come from.

        Places are taken by weight among candidates of the broad normals, then moved; the moves leave the density as it
        is, and part draws that began at one place. One draw in five is of the broad normals itself.
        """
        pool, _ = self.broad.draws(POOL * count, rng)
        ratio = self.log_density(pool) - self.broad.log_density(pool)
        whole = np.logaddexp.reduce(ratio) - np.log(len(ratio))
        plain = int(np.ceil(DEFENSIVE * count))
        z = pool[:, resampled(np.exp(ratio - ratio.max()), count - plain, rng)]
        z = _moved(self.log_density, z, np.linalg.cholesky(self.broad.covariance[0]), rng)
        return Proposed(self, np.concatenate([z, self.broad.draws(plain, rng)[0]], axis=1), float(whole), plain / count)

    def pull(self, z: np.ndarray) -> np.ndarray:
        """Gradient [N, S] of the log likelihood at z [N, S], parts weighted by what they add to the density there."""
        height = -self.energies(z)
        share = np.exp(height - np.logaddexp.reduce(height, axis=0))
        mine, found = self.rows, np.zeros_like(z)
        for part, weight in zip(self.parts, share, strict=True):
            found -= weight * np.einsum("qs,qns->ns", self.misfit.pull(part(z, mine)), part.slopes(z, mine))
        return found

    def states(self, z: np.ndarray) -> np.ndarray:
        """Starting guesses of the states [X, S]: what follows the readings among the outputs, by the nearer part."""
        nearer = np.argmin(self.energies(z), axis=0)
        every = np.stack([part(z, slice(len(self.misfit.rows), None)) for part in self.parts])
        return every[nearer, :, np.arange(z.shape[1])].T

    def _energy(self, part: Quadratic, z: np.ndarray) -> np.ndarray:
        return self.misfit.cost(self.misfit.joined(part(z, self.rows))) + 0.5 * np.sum(z**2, axis=0)


@dataclass(frozen=True)
class Proposed:
    """Draws z [N, S] of a surrogate, of whose density `whole` is the log of the integral; a share `plain` is of the
    broad normals."""

    surrogate: Surrogate
    z: np.ndarray
    whole: float
    plain: float

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Log density [S] at any z [N, S]."""
        own = np.log1p(-self.plain) + self.surrogate.log_density(z) - self.whole
        return np.logaddexp(own, np.log(self.plain) + self.surrogate.broad.log_density(z))


def broadened(laplace: LaplacePosterior) -> LaplacePosterior:
    """The modes of an approximation, each as wide as it is and, with the same weight, three times as wide.

    But no wider than the prior, whose sd is 1.
    """
    variance, axes = np.linalg.eigh(laplace.covariance)
    wide = np.einsum("mij,mj,mkj->mik", axes, np.minimum(BROADER**2 * variance, np.maximum(variance, 1.0)), axes)
    twice = lambda x: np.concatenate([x, x])  # noqa: E731
    return LaplacePosterior(
        twice(laplace.z), twice(laplace.objective), np.concatenate([laplace.covariance, wide]),
        twice(laplace.weight) / 2.0, twice(laplace.starts), twice(laplace.lane), laplace.ends,
    )  # fmt: skip


def _moved(
    log_density: Callable[[np.ndarray], np.ndarray], z: np.ndarray, factor: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Each draw after some random-walk Metropolis moves of its own."""
    height = log_density(z)
    for move in range(MOVES):
        trial = z + STRIDES[move % len(STRIDES)] * (factor @ rng.standard_normal(z.shape))
        reached = log_density(trial)
        taken = np.log(rng.random(z.shape[1])) < reached - height
        z, height = np.where(taken, trial, z), np.where(taken, reached, height)
    return z
