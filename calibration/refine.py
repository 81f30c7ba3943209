"""Fit on more steps where the derivatives have not converged; values rarely need it, derivatives sometimes do."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .certificate import JACOBIAN_LIMIT, jacobian_difference
from .lanes import Cohort, run_lanes
from .methods.gauss_newton import Fit
from .posterior import LaplacePosterior, posterior_of

__all__ = ["Sensitivity", "refined"]


class Sensitivity(NamedTuple):
    """Steps of a patient's fit, and by how much its whitened Jacobian differs from that on half as many."""

    steps: int
    difference: float


def refined(
    cohort: Cohort, run: Any, fits: Fit, posteriors: list[LaplacePosterior | None], steps: int, finest: int
) -> tuple[Fit, list[LaplacePosterior | None], dict[int, Sensitivity]]:
    """Fits, posteriors and, by patient, how far the derivatives at the best mode have converged.

    A patient whose whitened Jacobian changes by more than its limit between N/2 and N steps is fitted again on 2 N from
    where its starts ended, up to `finest`; all others stay as they are.
    """
    fits = Fit(*(np.array(leaf) for leaf in fits))
    starts = fits.z.shape[1] // len(cohort.sets)
    found: dict[int, Sensitivity] = {}
    todo, posteriors = [k for k, p in enumerate(posteriors) if p is not None], list(posteriors)
    while todo:
        for k, difference in zip(todo, _differences(cohort, run, posteriors, todo, steps), strict=True):
            found[k] = Sensitivity(steps, difference)
        steps *= 2
        todo = [k for k in todo if found[k].difference > JACOBIAN_LIMIT] if steps <= finest else []
        if not todo:
            continue
        lanes = np.concatenate([np.arange(k * starts, (k + 1) * starts) for k in todo])
        ends = run_lanes(run, cohort, cohort.data.take(lanes // starts), fits.z[:, lanes], steps)
        for leaf, new in zip(fits, ends, strict=True):
            leaf[..., lanes] = new
        for k in todo:
            posteriors[k] = posterior_of(fits, k, starts)
        todo = [k for k in todo if posteriors[k] is not None]
    return fits, posteriors, found


def _differences(
    cohort: Cohort, run: Any, posteriors: list[LaplacePosterior | None], todo: list[int], steps: int
) -> list[float]:
    """Largest change of each patient's whitened Jacobian at the best mode between half the steps and all of them."""
    z = np.stack([posteriors[k].z[0] for k in todo], axis=1)  # type: ignore[union-attr]
    data = cohort.data.take(np.array(todo))
    fine, coarse = (run_lanes(run, cohort, data, z, n, hold=True).slope for n in (steps, steps // 2))
    return [
        jacobian_difference(fine[m, :, i], coarse[m, :, i], data.factor[:, :, i])
        for i in range(len(todo))
        for m in [data.mask[:, i].astype(bool)]
    ]
