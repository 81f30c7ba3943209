"""How far the numbers of an answer may be trusted: solved again with half the steps, judged and worded in one way.

A twin, a what-if and a simulation carry the same `Certificate`; what it says stands below their numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.status import Status

if TYPE_CHECKING:
    from ..physiology.model import Model

__all__ = [
    "Certificate", "certify", "jacobian_difference", "step_error", "value_errors", "volume_balance", "warning",
    "warnings_of", "worded",
]  # fmt: skip

PRESSURE_LIMIT, VOLUME_LIMIT = 0.1, 0.1  # mmHg and mL
RELATIVE_LIMIT = 0.005  # of a reading that is neither pressure nor volume
LIMITS = {"mmHg": PRESSURE_LIMIT, "mL": VOLUME_LIMIT}
JACOBIAN_LIMIT = 0.05  # of a noise sd per prior sd: whole difference between N and N/2, after the step study
PERIODICITY_LIMIT = 1e-6  # mL
SHARE = 1.0 / 3.0  # of the difference between N/2 and N steps remains at N, for a step of second order
TOLD = 3  # patients of a cohort whose certificates are quoted below a table, and whose names stand at a status


@dataclass(frozen=True)
class Certificate:
    """Numerical errors of an answer; `ok` when all stay within their limits.

    Step errors of pressures (mmHg) and volumes (mL), and in `step_error` the largest of any reading in its limit (0.1
    mmHg, 0.1 mL, 0.5 % otherwise; None in files of before it was known); change of the whitened Jacobian when the step
    is doubled, None where no gradient is used; periodicity residual (mL), None where beats are not asked to repeat; and
    volume balance (mL).
    """

    step_error_pressure: float
    step_error_volume: float
    jacobian_difference: float | None
    periodicity: float | None
    volume_balance: float
    ok: bool
    sentence: str
    step_error: float | None = None

    @property
    def values_ok(self) -> bool:
        """Whether the step errors of all readings stay within their limits."""
        errors = (self.step_error_pressure / PRESSURE_LIMIT, self.step_error_volume / VOLUME_LIMIT)
        return all(one <= 1.0 for one in (*errors, 0.0 if self.step_error is None else self.step_error))


def jacobian_difference(fine: np.ndarray, coarse: np.ndarray, factor: np.ndarray) -> float:
    """Largest difference of two slopes [C, N] (d reading/d z over the noise sd), per prior sd of each quantity.

    `factor` [N, N] of the prior turns slopes in whitened parameters into slopes in theta. inf when one is not finite.
    """
    per_sd = (fine - coarse) @ np.linalg.inv(factor) * np.sqrt(np.diag(factor @ factor.T))
    if not np.all(np.isfinite(per_sd)):
        return float("inf")
    return float(np.max(np.abs(per_sd))) if per_sd.size else 0.0


def certify(
    units: tuple[str, ...], fine: np.ndarray, coarse: np.ndarray, slope: float | None, residual: float | None,
    balance: float, steps: int, fit_steps: int | None = None,
) -> Certificate:  # fmt: skip
    """Certificate of one answer from its observables [O] (or of n beats [O, n]) at N and N/2 steps.

    The error at N is taken as a third of the difference. slope: `jacobian_difference` of the fit, made on `fit_steps`
    (None: N too), None where no gradient is used; residual: periodicity (mL), None where beats need not repeat;
    balance: blood created per beat (mL). A value that is not finite fails.
    """
    pressure, volume = value_errors(units, fine, coarse)
    other = [k for k, unit in enumerate(units) if unit not in LIMITS]
    shares = _in_limits(units, fine, coarse)
    worst = float(np.max(shares[other])) if other and shares.size else 0.0
    checks = {
        f"pressures within {pressure:.2g} mmHg": pressure <= PRESSURE_LIMIT,
        f"volumes within {volume:.2g} mL": volume <= VOLUME_LIMIT,
    }
    if other:
        checks[f"other readings within {100.0 * RELATIVE_LIMIT * worst:.2g} %"] = worst <= 1.0
    if slope is not None:
        where = "" if fit_steps in (None, steps) else f" (fitted at {fit_steps} steps)"
        checks[f"sensitivities within {SHARE * slope:.2g} noise sd per prior sd{where}"] = slope <= JACOBIAN_LIMIT
    if residual is not None:
        checks[f"beat repeats to {residual:.1g} mL"] = residual <= PERIODICITY_LIMIT
    checks[f"blood conserved to {balance:.1g} mL"] = balance <= PERIODICITY_LIMIT
    failed = [text for text, good in checks.items() if not good]
    words = "; ".join(failed) if failed else "; ".join(checks)
    sentence = f"{'Numerical errors exceed their limits' if failed else 'Numerical errors'} at {steps} steps: {words}."
    largest = float(np.max(shares)) if shares.size else 0.0
    return Certificate(pressure, volume, slope, residual, balance, not failed, sentence, largest)


def value_errors(units: tuple[str, ...], fine: np.ndarray, coarse: np.ndarray) -> tuple[float, float]:
    """Largest error of the pressures (mmHg) and the volumes (mL) among readings [O] at N steps, from those at N/2."""
    with np.errstate(invalid="ignore"):  # a reading that overflowed has no error but nan
        error = SHARE * np.abs(fine - coarse)
    return _largest(error, [u == "mmHg" for u in units]), _largest(error, [u == "mL" for u in units])


def step_error(units: tuple[str, ...], fine: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    """Largest error [B] of readings [O, B] at N steps, each in its limit, from those at N/2.

    The step is of second order, so a third of the difference is left at N. Limits: 0.1 mmHg, 0.1 mL, 0.5 % otherwise.
    inf where a reading is not finite.
    """
    return np.max(_in_limits(units, fine, coarse), axis=0)


def _in_limits(units: tuple[str, ...], fine: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    """Error of each reading in its limit, inf where it is not finite."""
    limits = np.stack([np.full(fine.shape[1:], LIMITS[u]) if u in LIMITS else RELATIVE_LIMIT * np.abs(row)
                       for u, row in zip(units, fine, strict=True)])  # fmt: skip
    with np.errstate(invalid="ignore"):
        apart = SHARE * np.abs(fine - coarse)
        share = np.divide(apart, limits, out=np.where(apart > 0.0, np.inf, 0.0), where=limits > 0.0)
        known = np.isfinite(apart) & np.isfinite(share)
    return np.where(known, share, np.inf)


def _largest(error: np.ndarray, chosen: list[bool]) -> float:
    picked = error[np.array(chosen)]
    return float(np.max(picked)) if picked.size else 0.0


def volume_balance(model: Model, parameters: np.ndarray, state: np.ndarray) -> float:
    """Blood created or lost (mL) by parameters [P] and state [S]: the total less the sum of all volumes, the
    eliminated one included."""
    p = model.system.read(parameters)
    volumes = model.system.volumes(p, list(state[: len(model.system.free_stores)]))
    return float(abs(sum(volumes) - model.system.total(p)))


def warning(status: Status, certificate: Certificate | None) -> str:
    """What stands below numbers with a status other than OK or a failed certificate; nothing where both are good."""
    parts = [] if status == Status.OK else [f"Status {worded(status)}: {status.advice}"]
    if certificate is not None and (parts or not certificate.ok):
        parts.append(certificate.sentence)
    return " ".join(parts)


def worded(status: Status, certificate: Certificate | None = None) -> str:
    """A status in words for a cell, with a failed certificate where the status does not say it."""
    hidden = certificate is not None and not certificate.ok and status != Status.STEP_LIMIT
    return status.name.replace("_", " ").lower() + (", certificate failed" if hidden else "")


def warnings_of(answers: Iterable[tuple[str, Status, Certificate | None]]) -> str:
    """The same for a cohort of (patient, status, certificate): each status once with its patients, then the failed
    certificates; of many the first."""
    answers = list(answers)
    by_status: dict[Status, list[str]] = {}
    for patient, status, _ in answers:
        by_status.setdefault(status, []).append(patient)
    parts = [f"Status {worded(status)} ({_few(names)}): {status.advice}" for status, names in by_status.items()
             if status != Status.OK]  # fmt: skip
    failed = [(patient, one) for patient, _, one in answers if one is not None and not one.ok]
    parts += [f"{patient}: {one.sentence}" for patient, one in failed[:TOLD]]
    parts += [f"{len(failed) - TOLD} more certificates failed."] if len(failed) > TOLD else []
    return " ".join(parts)


def _few(names: list[str]) -> str:
    return ", ".join(names[:TOLD]) + (f" and {len(names) - TOLD} more" if len(names) > TOLD else "")
