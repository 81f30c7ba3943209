"""Importance weights of posterior draws: what each draw is worth once the model has been solved for it.

Laplace's approximation says where the posterior lies and how wide it is; a draw of it, solved, may still disagree with
the data, because readings are curved in the parameters. Each draw z of a proposal q is therefore weighted by
r = exp(-objective(z)) / q(z), and the largest weights are replaced by the expected order statistics of a generalised
Pareto distribution fitted to them. Its shape k says what the weights can be trusted for: their mean has a finite
variance for k < 1/2, and estimates are reliable up to min(1 - 1/log10(S), 0.7).

Sources: Vehtari, Simpson, Gelman, Yao and Gabry 2024, Pareto smoothed importance sampling, JMLR 25(72); fit of the
distribution: Zhang and Stephens 2009, Technometrics 51:316-325, doi 10.1198/tech.2009.08017.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["MOST_K", "Smoothed", "pareto_smoothed", "resampled"]

MOST_K = 0.7  # Pareto shape beyond which no number of draws makes the estimates reliable (Vehtari et al. 2024, 3.2)
LEAST_TAIL = 5  # weights below which no tail can be fitted
PRIOR_WEIGHT, PRIOR_K = 10.0, 0.5  # of a weak prior on k, as many draws of the tail (Vehtari et al. 2024, appendix C)


@dataclass(frozen=True)
class Smoothed:
    """Weights [S] that sum to 1, the Pareto shape k of their tail, and the effective number of draws 1 / sum w^2."""

    weight: np.ndarray
    k: float
    effective: float

    @property
    def reliable(self) -> bool:
        """Whether k is within its limit for so many draws: min(1 - 1/log10(S), 0.7)."""
        return bool(self.k <= min(1.0 - 1.0 / np.log10(len(self.weight)), MOST_K))


def pareto_smoothed(log_ratio: np.ndarray) -> Smoothed:
    """Pareto-smoothed weights of log density ratios [S]; -inf is a weight of 0.

    The largest min(S/5, 3 sqrt(S)) ratios are smoothed, and none above the largest raw one. k is inf when fewer than 5
    ratios are finite: nothing is known of the tail then.
    """
    ratio = np.asarray(log_ratio, dtype=float)
    if np.any(np.isnan(ratio)) or np.any(ratio == np.inf):
        raise ValueError("`log_ratio` must hold finite numbers or -inf, but holds a NaN or inf; mask unsolved draws.")
    finite = int(np.sum(np.isfinite(ratio)))
    if finite < LEAST_TAIL:
        weight = np.isfinite(ratio) / max(finite, 1)
        return Smoothed(weight, np.inf, float(finite))
    weight = np.exp(ratio - ratio.max())
    tail = int(np.ceil(min(0.2 * len(ratio), 3.0 * np.sqrt(len(ratio)))))
    order = np.argsort(weight)
    k = np.inf
    if LEAST_TAIL <= tail < finite:
        cutoff, largest = weight[order[-tail - 1]], order[-tail:]
        excess = weight[largest] - cutoff
        if excess[-1] <= 1e-12 * weight[largest[-1]]:
            k = -np.inf  # all ratios are equal: the proposal is the target
        else:
            k, scale = _pareto_fit(excess)
            if np.isfinite(k):
                rank = (np.arange(tail) + 0.5) / tail
                weight[largest] = np.minimum(cutoff + _pareto_quantile(rank, k, scale), 1.0)
    weight = weight / weight.sum()
    return Smoothed(weight, float(k), float(1.0 / np.sum(weight**2)))


def _pareto_quantile(p: np.ndarray, k: float, scale: float) -> np.ndarray:
    """Quantiles of the generalised Pareto distribution with location 0."""
    return -scale * np.log1p(-p) if abs(k) < 1e-12 else scale * np.expm1(-k * np.log1p(-p)) / k


def _pareto_fit(excess: np.ndarray) -> tuple[float, float]:
    """(k, scale) of a generalised Pareto distribution from its sorted exceedances: the mean of a profile posterior.

    With b = -k / scale the profile likelihood has k(b) = mean log(1 - b x); b is averaged over a grid whose points are
    spread by the largest and the lower-quartile exceedance.
    """
    count = len(excess)
    grid = 30 + int(np.sqrt(count))
    quartile = excess[int(count / 4.0 + 0.5) - 1]
    largest = excess[-1]
    b = 1.0 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))
    b = b / (3.0 * max(quartile, 1e-12 * largest)) + 1.0 / largest
    shape = np.mean(np.log1p(-b[:, None] * excess[None]), axis=1)
    profile = count * (np.log(-b / shape) - shape - 1.0)
    share = np.exp(profile - profile.max())
    mean = float(np.sum(b * share) / share.sum())
    k = float(np.mean(np.log1p(-mean * excess)))
    scale = -k / mean
    return (count * k + PRIOR_WEIGHT * PRIOR_K) / (count + PRIOR_WEIGHT), scale


def resampled(weight: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Indices [count] of draws kept, each as often as its weight says, to the next whole number (systematic).

    Kitagawa 1996, J Comput Graph Stat 5:1-25, doi 10.2307/1390750. Their order is random. Where nothing weighs anything
    all are kept alike.
    """
    if not np.any(weight > 0.0):
        weight = np.ones(len(weight))
    at = (rng.random() + np.arange(count)) / count
    ends = np.cumsum(weight)
    return rng.permutation(np.searchsorted(ends / ends[-1], at, side="right").clip(0, len(weight) - 1))
