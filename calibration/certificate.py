"""How far the numbers of a twin may be trusted: solved again with half the steps."""

from __future__ import annotations

import numpy as np

from .twin import Certificate

__all__ = ["certify", "jacobian_difference", "value_errors"]

PRESSURE_LIMIT, VOLUME_LIMIT = 0.1, 0.1  # mmHg and mL
JACOBIAN_LIMIT = 0.05  # of a noise sd per prior sd: whole difference between N and N/2, after the step study
PERIODICITY_LIMIT = 1e-6  # mL
SHARE = 1.0 / 3.0  # of the difference between N/2 and N steps remains at N, for a step of second order


def jacobian_difference(fine: np.ndarray, coarse: np.ndarray, factor: np.ndarray) -> float:
    """Largest difference of two slopes [C, N] (d reading/d z over the noise sd), per prior sd of each quantity.

    `factor` [N, N] of the prior turns slopes in whitened parameters into slopes in theta. inf when one is not finite.
    """
    per_sd = (fine - coarse) @ np.linalg.inv(factor) * np.sqrt(np.diag(factor @ factor.T))
    if not np.all(np.isfinite(per_sd)):
        return float("inf")
    return float(np.max(np.abs(per_sd))) if per_sd.size else 0.0


def certify(
    units: tuple[str, ...], fine: np.ndarray, coarse: np.ndarray, slope: float, residual: float, balance: float,
    steps: int, fit_steps: int | None = None,
) -> Certificate:  # fmt: skip
    """Certificate of one patient from observables [O] at N and N/2 steps and the change of the whitened Jacobian.

    The error at N is taken as a third of the difference. slope: `jacobian_difference` of the fit, made on `fit_steps`
    (None: N too); residual: periodicity (mL); balance: blood created per beat (mL). A value that is not finite fails.
    """
    pressure, volume = value_errors(units, fine, coarse)
    where = "" if fit_steps in (None, steps) else f" (fitted at {fit_steps} steps)"
    checks = {
        f"pressures within {pressure:.2g} mmHg": pressure <= PRESSURE_LIMIT,
        f"volumes within {volume:.2g} mL": volume <= VOLUME_LIMIT,
        f"sensitivities within {SHARE * slope:.2g} noise sd per prior sd{where}": slope <= JACOBIAN_LIMIT,
        f"beat repeats to {residual:.1g} mL": residual <= PERIODICITY_LIMIT,
        f"blood conserved to {balance:.1g} mL": balance <= PERIODICITY_LIMIT,
    }
    failed = [text for text, good in checks.items() if not good]
    words = "; ".join(failed) if failed else "; ".join(checks)
    sentence = f"{'Numerical errors exceed their limits' if failed else 'Numerical errors'} at {steps} steps: {words}."
    return Certificate(pressure, volume, slope, residual, balance, not failed, sentence)


def value_errors(units: tuple[str, ...], fine: np.ndarray, coarse: np.ndarray) -> tuple[float, float]:
    """Largest error of the pressures (mmHg) and the volumes (mL) among readings [O] at N steps, from those at N/2."""
    error = SHARE * np.abs(fine - coarse)
    return _largest(error, [u == "mmHg" for u in units]), _largest(error, [u == "mL" for u in units])


def _largest(error: np.ndarray, chosen: list[bool]) -> float:
    picked = error[np.array(chosen)]
    return float(np.max(picked)) if picked.size else 0.0
