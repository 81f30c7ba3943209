"""Laplace posterior over one or several modes: weights, draws, intervals; named as what it is.

Around each mode the objective is taken as quadratic: covariance = inverse of the Gauss-Newton Hessian (prior
included), in whitened parameters z (prior N(0, I)). Modes within 3 nats of the best are kept, each weighted by
exp(-objective) / sqrt(det Hessian). It is where posterior draws start from, not where they end: see `draws.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["KEPT_NATS", "LaplacePosterior", "modes_of", "posterior_of"]

KEPT_NATS = 3.0
SAME_MODE = 0.3  # prior sds in every direction; ends closer than this are one mode


@dataclass(frozen=True)
class LaplacePosterior:
    """Modes of one lane family, best first: z [M, N], objective [M], covariance [M, N, N], weight [M], starts [M].

    `lane[m]` is the index of the lane that found mode m, `ends` how many lanes ended within 0.1 nats of a kept mode.
    """

    z: np.ndarray
    objective: np.ndarray
    covariance: np.ndarray
    weight: np.ndarray
    starts: np.ndarray
    lane: np.ndarray
    ends: int

    def draws(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """`count` draws of z [N, count] from the mixture, and the mode of each."""
        which = rng.choice(len(self.weight), size=count, p=self.weight)
        factors = np.stack([np.linalg.cholesky(c) for c in self.covariance])
        normal = rng.standard_normal((count, self.z.shape[1]))
        return (self.z[which] + np.einsum("dnm,dm->dn", factors[which], normal)).T, which

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Log of the mixture's density [S] at z [N, S]."""
        return np.logaddexp.reduce(self.log_shares(z), axis=0)

    def log_shares(self, z: np.ndarray) -> np.ndarray:
        """Log of what each mode adds to the density [M, S] at z [N, S]."""
        found = []
        for weight, centre, covariance in zip(self.weight, self.z, self.covariance, strict=True):
            factor = np.linalg.cholesky(covariance)
            apart = np.linalg.solve(factor, z - centre[:, None])
            area = np.log(np.diag(factor)).sum() + 0.5 * len(centre) * np.log(2.0 * np.pi)
            found.append(np.log(weight) - 0.5 * np.sum(apart**2, axis=0) - area)
        return np.stack(found)

    @property
    def mean(self) -> np.ndarray:
        """Mean of the mixture [N]."""
        return self.weight @ self.z

    @property
    def mixture_covariance(self) -> np.ndarray:
        """Covariance of the mixture [N, N]: within modes and between them."""
        apart = self.z - self.mean
        return np.einsum("m,mij->ij", self.weight, self.covariance) + np.einsum(
            "m,mi,mj->ij", self.weight, apart, apart
        )


def modes_of(z: np.ndarray, objective: np.ndarray, hessian: np.ndarray, sound: np.ndarray) -> LaplacePosterior | None:
    """Distinct modes among the ends of one fit's starts: z [N, S], objective [S], hessian [N, N, S], sound [S].

    None when no start ended soundly.
    """
    usable = [s for s in np.argsort(objective) if sound[s] and np.isfinite(objective[s])]
    if not usable:
        return None
    kept: list[int] = []
    count: list[int] = []
    for s in usable:
        if objective[s] - objective[usable[0]] > KEPT_NATS:
            continue
        near = [k for k, m in enumerate(kept) if np.max(np.abs(z[:, s] - z[:, m])) < SAME_MODE]
        if near:
            count[near[0]] += 1
        else:
            kept.append(s)
            count.append(1)
    lanes = np.array(kept)
    matrices = np.moveaxis(hessian[..., lanes], -1, 0)
    height = -objective[lanes] - 0.5 * np.linalg.slogdet(matrices)[1]
    weight = np.exp(height - height.max())
    ends = sum(bool(np.min(np.abs(objective[s] - objective[lanes])) < 0.1) for s in usable)
    return LaplacePosterior(
        z[:, lanes].T, objective[lanes], np.linalg.inv(matrices), weight / weight.sum(), np.array(count), lanes, ends
    )


def posterior_of(fits: Any, patient: int, starts: int) -> LaplacePosterior | None:
    """Posterior of one patient among fits whose lanes are ordered by patient, `starts` each; None if none has an end.

    Ends that have converged are preferred; without any, those that are at least finite are used.
    """
    mine = slice(patient * starts, (patient + 1) * starts)
    z, objective, hessian = fits.z[:, mine], fits.objective[mine], fits.hessian[:, :, mine]
    found = modes_of(z, objective, hessian, fits.status[mine] == 0)
    return modes_of(z, objective, hessian, np.isfinite(objective)) if found is None else found
