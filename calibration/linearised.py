"""The circulation linearised where records place their patients: one compiled program for all records.

Every observable of the catalog is a channel, whether a record holds it or not, so that the program does not depend on
the records; it is that of the calibration, held in place. A patient is placed by one Gauss-Newton step from the start
that a calibration would take, and the draws around it are those of the linearised posterior: where the record says
nothing they are draws of the prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..core.registry import look_up
from ..core.status import Status
from ..engine.precision import double
from ..physiology.model import Model
from ..physiology.observable import all_observables
from ..records.record import Measurement, MeasurementSet
from .lanes import WIDTH_LARGE, Cohort, arrays, run_lanes, usable
from .likelihood import Noise, reach_of
from .priors import Prior

__all__ = ["COARSER", "Linearised", "catalog_cohort", "linearised"]

ANY = "any"  # the one modality under which the readings of an observable are pooled
FARTHEST = 3.0  # prior sds; no start and no step of placing a patient is farther
COARSER = 2  # half the steps of the circulation: slopes then differ by under 0.05 noise sds per prior sd


@dataclass(frozen=True)
class Linearised:
    """One patient's draws (first axis; only those with a steady beat).

    z [D, N] whitened parameters; reading [D, C] of every observable; slope [D, C, N] = d reading / d z in the
    observable's unit; information [D, N, N] = J' J of the record's own values over their noise sds.
    """

    z: np.ndarray
    reading: np.ndarray
    slope: np.ndarray
    information: np.ndarray

    @cached_property
    def covariance(self) -> np.ndarray:
        """Posterior covariance [D, N, N] in z that the record leads to: inverse of I + information."""
        return np.linalg.inv(np.eye(self.z.shape[1]) + self.information)


def catalog_cohort(model: Model, sets: Sequence[MeasurementSet], prior: Prior, noise: Noise, free: Any) -> Cohort:
    """Arrays of all patients, also of those without a usable reading, with every observable of the catalog a channel.

    Readings of one observable by several modalities are pooled by their noise; `left_aside` says which do not count. A
    limit counts in a fit as far as the patient lies near it, which is not known here: it is left out, and said so.
    """
    known = list(all_observables())
    kept = []
    for one in sets:
        readings, aside = usable(one, known)
        limits = [f"{m.observable} ({m.origin}) is a limit: it counts in a fit, and nothing is expected of it before."
                  for m in readings if m.value is None and (m.lower is None or m.upper is None)]  # fmt: skip
        kept.append((one, _pooled(one.patient, readings, noise), (*aside, *limits)))
    return arrays(model, kept, prior, noise, free, [(name, ANY) for name in known], {})


def _pooled(patient: str, readings: Sequence[Measurement], noise: Noise) -> list[Measurement]:
    by_name: dict[str, list[Measurement]] = {}
    for m in readings:
        if m.value is not None or (m.lower is not None and m.upper is not None):
            by_name.setdefault(m.observable, []).append(m)
    found = []
    for name, those in by_name.items():
        reach = [reach_of(m) for m in those]
        # a range tells as much as its middle with the variance of the range on top (that of a uniform: half^2 / 3)
        weight = np.array([1.0 / (noise.sd(m) ** 2 + below**2 / 3.0)
                           for m, (_, below, _) in zip(those, reach, strict=True)])  # fmt: skip
        value = float(weight @ np.array([value for value, _, _ in reach]) / weight.sum())
        found.append(Measurement(patient, name, value, those[0].unit, sd=float(weight.sum() ** -0.5), modality=ANY))
    return found


def linearised(cohort: Cohort, model: Model, draws: int, seed: int) -> list[Linearised]:
    """The circulation at `draws` draws around each patient's place, in antithetic pairs (an even number)."""
    steps, method = model.steps // COARSER, look_up("method", "gauss_newton")
    count, names = len(cohort.sets), len(cohort.problem.names)

    def at(z: np.ndarray, lanes: np.ndarray) -> Any:
        with double():
            return run_lanes(method, cohort, cohort.data.take(lanes), z, steps, hold=True, width=WIDTH_LARGE)

    start = np.stack(
        [np.clip(cohort.whitened(k, cohort.recipes[k]), -FARTHEST, FARTHEST) for k in range(count)], axis=-1
    )
    centre, spread = _placed(cohort, start, at(start, np.arange(count)))
    half = np.random.default_rng(seed).standard_normal((names, draws // 2))
    normal = np.concatenate([half, -half], axis=-1)  # the same for all: nobody's answer depends on who else is there
    z = centre[..., None] + np.einsum("knm,md->nkd", spread, normal)
    found = at(z.reshape(names, -1), np.repeat(np.arange(count), draws))
    return [_patient(cohort, k, found, slice(k * draws, (k + 1) * draws)) for k in range(count)]


def _placed(cohort: Cohort, start: np.ndarray, found: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where each patient lies [N, K], and the factor [K, N, N] of the covariance there; the prior where no beat was."""
    names, count = start.shape
    centre, spread = np.zeros((names, count)), np.repeat(np.eye(names)[None], count, axis=0)
    for k in range(count):
        if found.status[k] != int(Status.OK):
            continue
        mask = cohort.data.mask[:, k]
        residual = mask * (found.reading[:, k] - cohort.data.value[:, k]) / cohort.data.sd[:, k]
        covariance = np.linalg.inv(found.hessian[:, :, k])
        step = -covariance @ (found.slope[:, :, k].T @ residual + start[:, k])
        step *= min(1.0, FARTHEST / max(float(np.abs(step).max()), 1e-30))
        centre[:, k], spread[k] = start[:, k] + step, np.linalg.cholesky(covariance)
    return centre, spread


def _patient(cohort: Cohort, k: int, found: Any, mine: slice) -> Linearised:
    sound = np.flatnonzero(found.status[mine] == int(Status.OK)) + mine.start
    sd = cohort.data.sd[:, k]
    whitened = np.moveaxis(found.slope[:, :, sound], -1, 0)  # over the noise sd of what the record holds
    counted = whitened * cohort.data.mask[None, :, k, None]
    information = np.einsum("dcn,dcm->dnm", counted, counted)
    return Linearised(found.z[:, sound].T, found.reading[:, sound].T, whitened * sd[None, :, None], information)
