"""How far the numbers of an answer may be trusted: solved again with fewer steps, judged and worded in one way.

A twin, a what-if and a simulation carry the same `Certificate`; what it says stands below their numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..core.status import Status

if TYPE_CHECKING:
    from ..physiology.model import Model

__all__ = [
    "Certificate", "certify", "errors", "in_limits", "jacobian_difference", "titled", "volume_balance", "warning",
    "warnings_of", "worded",
]  # fmt: skip

PRESSURE_LIMIT, VOLUME_LIMIT = 0.1, 0.1  # mmHg and mL
RELATIVE_LIMIT = 0.005  # of a reading that is neither pressure nor volume
LIMITS = {"mmHg": PRESSURE_LIMIT, "mL": VOLUME_LIMIT}
FLOORS = {  # what half a per cent of a reading near zero is not asked to go below
    "mL/s": 1.0,  # a quarter of what an echo's velocities are read to: 1 cm/s through 4 cm2
    "1": 0.01,  # ratios are printed to two decimals
    "%": 0.1,  # ejection fractions to whole per cent
    "s": 0.001,  # one sample of a recording at 1 kHz
    "L/min": 0.007,  # the limit of a volume, 70 times a minute
    "mmHg.mL": 7.0,  # the limit of a pressure over a stroke of 70 mL
}
ORDER = 1.5  # of convergence from which on a reading counts as of second order
JACOBIAN_LIMIT = 0.05  # of a noise sd per prior sd: whole difference between N and N/2, after the step study
PERIODICITY_LIMIT = 1e-6  # mL
SHARE = 1.0 / 3.0  # of the difference between N/2 and N steps remains at N, for a step of second order
TOLD = 3  # patients of a cohort whose certificates are quoted below a table, and whose names stand at a status


@dataclass(frozen=True)
class Certificate:
    """Numerical errors of an answer; `ok` when all stay within their limits.

    Step errors of pressures (mmHg) and volumes (mL), and in `step_error` the largest of any reading in its limit (0.1
    mmHg, 0.1 mL, 0.5 % otherwise but no less than `FLOORS`; None in files of before it was known); change of the
    whitened Jacobian when the step is doubled, None where no gradient is used; periodicity residual (mL), None where
    beats are not asked to repeat; and volume balance (mL).
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
    units: tuple[str, ...], fine: np.ndarray, coarser: tuple[np.ndarray, np.ndarray], residual: float | None,
    balance: float, steps: int, slope: float | None = None, fit_steps: int | None = None,
) -> Certificate:  # fmt: skip
    """Certificate of one answer from its observables [O] (or of n beats [O, n]) at N steps, and at N/2 and N/4.

    The error at N is that of `errors`. residual: periodicity (mL), None where beats need not repeat; balance: blood
    created per beat (mL); slope: `jacobian_difference` of the fit, made on `fit_steps` (None: N too), None where no
    gradient is used. A value that is not finite fails.
    """
    each = errors(fine, *coarser)
    pressure, volume = (_largest(each, [u == unit for u in units]) for unit in ("mmHg", "mL"))
    shares = in_limits(units, fine, each)
    other, largest = _largest(shares, [u not in LIMITS for u in units]), _largest(shares, [True] * len(units))
    where = "" if fit_steps in (None, steps) else f"fitted at {fit_steps} steps"
    checks = [
        _Check("pressures within", pressure, "mmHg", PRESSURE_LIMIT),
        _Check("volumes within", volume, "mL", VOLUME_LIMIT),
        _Check("other readings within", other, "of their limits", 1.0, many="times their limits"),
    ]
    if slope is not None:  # what is left at N, as of a reading, and so is the limit
        checks.append(_Check("sensitivities within", SHARE * slope, "noise sd per prior sd", SHARE * JACOBIAN_LIMIT,
                             where))  # fmt: skip
    if residual is not None:
        checks.append(_Check("beat repeats to", residual, "mL", PERIODICITY_LIMIT, digits=1))
    checks.append(_Check("blood conserved to", balance, "mL", PERIODICITY_LIMIT, digits=1))
    failed = [one.failed for one in checks if not one.good]
    words = "; ".join(failed or [one.passed for one in checks])
    sentence = f"{'Numerical errors exceed their limits' if failed else 'Numerical errors'} at {steps} steps: {words}."
    return Certificate(pressure, volume, slope, residual, balance, not failed, sentence, largest)


class _Check(NamedTuple):
    """One error of an answer and its limit, in words; `digits` of an error that passes; `many`: what stands for a unit
    that counts limits, and for the limit, once there is more than one of them."""

    what: str
    error: float
    unit: str
    limit: float
    note: str = ""
    digits: int = 2
    many: str = ""

    @property
    def good(self) -> bool:
        """Whether the error stays within its limit; one that is not known does not."""
        return self.error <= self.limit

    @property
    def passed(self) -> str:
        """The error."""
        return f"{self.what} {self.error:.{self.digits}g} {self.unit}{_aside(self.note)}"

    @property
    def failed(self) -> str:
        """The error and its limit, in as many digits as show which is larger."""
        if not np.isfinite(self.error):
            return f"{self.what.rsplit(' ', 1)[0]} by an amount that is not known"
        shown = ([f"{value:.{digits}g}" for value in (self.error, self.limit)] for digits in range(2, 18))
        error, limit = next(pair for pair in shown if float(pair[0]) > float(pair[1]))
        return f"{self.what} {error} {self.many or self.unit}{_aside(self.note, '' if self.many else f'limit {limit}')}"


def _aside(*notes: str) -> str:
    said = ", ".join(note for note in notes if note)
    return f" ({said})" if said else ""


def errors(fine: np.ndarray, half: np.ndarray, quarter: np.ndarray) -> np.ndarray:
    """Error of every reading at N steps from those at N/2 and N/4.

    A reading of second order has a third of the difference N/2 to N left at N, and at least a twelfth of that from N/4
    to N/2. Where the difference falls by less than 2^1.5, or N/4 gave nothing, all of it counts. nan where a reading at
    N or N/2 is not finite.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        last, before = np.abs(fine - half), np.abs(half - quarter)
        error = np.where(2.0**ORDER * last <= before, SHARE * last, last)
        error = np.maximum(error, SHARE / 4.0 * np.where(np.isfinite(before), before, 0.0))
        return np.where(np.isfinite(last), error, np.nan)


def in_limits(units: tuple[str, ...], fine: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Errors of readings, each in its limit: 0.1 mmHg, 0.1 mL, 0.5 % otherwise but no less than `FLOORS`. inf where one
    is not finite."""
    with np.errstate(invalid="ignore"):
        limits = np.stack([np.full(row.shape, LIMITS[u]) if u in LIMITS else
                           np.maximum(RELATIVE_LIMIT * np.abs(row), FLOORS.get(u, 0.0))
                           for u, row in zip(units, fine, strict=True)])  # fmt: skip
        share = np.divide(error, limits, out=np.where(error > 0.0, np.inf, 0.0), where=limits > 0.0)
    return np.where(np.isfinite(error) & np.isfinite(share), share, np.inf)


def _largest(values: np.ndarray, chosen: list[bool]) -> float:
    picked = values[np.array(chosen)]
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
    return status.words + (", certificate failed" if hidden else "")


def titled(title: str, status: Status, certificate: Certificate | None) -> str:
    """A figure's title, with the status in words where something is wrong with what it shows."""
    return f"{title} ({worded(status, certificate)})" if warning(status, certificate) else title


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
