"""What the twin would have said without a value: refits from the prior with it and its exact functions hidden.

A refit gives a reading x0 with the sd d that the rest leaves open, linear in the parameters. Over so wide a span few
readings are: a volume of such mean and sd would reach below 0, an ejection fraction beyond 100 %. So the step is linear
on a scale g without ends, between the limits within which such readings lie at all: g(x) = log x above 0,
log(x / (100 - x)) in per cent, x where there are no limits; its sd is g'(x0) d (delta method). The noise is added as
the likelihood has it, on its own scale s (`noise_scale.py`). Of the mixture

    P(reading < y) = integral of Phi(s(y) - s(x(u))) phi(u) du,    g(x(u)) = g(x0) + u g'(x0) d,

the interval is the central 95 % among the readings within the limits, since nobody writes down another. Without limits
and with noise of one size it is the normal interval, above 0 and with noise in proportion the lognormal one, exactly.

Source: delta method, Oehlert 1992, Am Stat 46:27-29, doi 10.1080/00031305.1992.10475842.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from .exact_functions import removed_with
from .noise_scale import NoiseScale

__all__ = ["LeftOut", "hidden_channels", "predicted"]

COVERED = 1.959964  # half width of a 95 % normal interval in sds
STEEPEST = 2.0  # sds on the scale of the limits (a factor of 50 at 95 %): beyond, a slope says nothing of that scale
GRID = np.linspace(-6.0, 6.0, 241)  # u: 2e-9 lies outside; equal steps, as accurate as the integrand is smooth
WEIGHT = np.exp(-0.5 * GRID**2) / np.sum(np.exp(-0.5 * GRID**2))
FAR = 8.0  # noise sds beyond which no mass lies
HALVINGS = 40  # of a bracket of some hundred noise sds: 1e-9 of one


@dataclass(frozen=True)
class LeftOut:
    """Prediction of a reading by everything else: centre and 95 % interval, measurement noise included."""

    value: float
    low: float
    high: float


def hidden_channels(channels: list[tuple[str, str]], mask: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """For every channel that one patient has (mask [C]): (channel, boolean [C] of what is hidden with it)."""
    present = [channels[c] for c in np.flatnonzero(mask)]
    found = []
    for c in np.flatnonzero(mask):
        gone = removed_with(channels[c], present)
        hidden = np.array([k == c or (bool(mask[k]) and channels[k] in gone) for k in range(len(channels))])
        found.append((int(c), hidden))
    return found


def predicted(
    reading: float, slope: np.ndarray, covariance: np.ndarray, noise: NoiseScale, limits: tuple[float, float]
) -> LeftOut:
    """Prediction of one reading: slope [N] in z, posterior covariance [N, N] without the reading, its noise, and the
    limits between which such readings lie (infinite where there is none)."""
    s = noise(_open_values(reading, float(np.sqrt(slope @ covariance @ slope)), limits))

    def share_below(place: np.ndarray) -> np.ndarray:
        return ndtr(place[:, None] - s) @ WEIGHT

    none, every = share_below(np.array([noise(limits[0]), noise(limits[1])]))
    wanted = none + ndtr([-COVERED, COVERED]) * (every - none)
    left, right = np.full(2, s.min() - FAR), np.full(2, s.max() + FAR)
    for _ in range(HALVINGS):
        middle = 0.5 * (left + right)
        short = share_below(middle) < wanted
        left, right = np.where(short, middle, left), np.where(short, right, middle)
    low, high = np.clip(noise.shifted(0.0, right), *limits)
    return LeftOut(float(reading), float(low), float(high))


def _open_values(reading: float, sd: float, limits: tuple[float, float]) -> np.ndarray:
    """What the rest leaves open: values x(u) [GRID] whose scale is normal about the reading's, sd in its unit.

    g' = 1 / (x - low) + 1 / (high - x). A reading at a limit or beyond, or nearer than its sd over `STEEPEST`, has a
    slope that says nothing of the scale: normal in its unit, cut at the limits.
    """
    low, high = limits
    below, above = reading - low, high - reading
    steep = sd * (1.0 / below + 1.0 / above) if below > 0.0 and above > 0.0 else np.inf
    if not 0.0 < steep <= STEEPEST:
        return np.clip(reading + sd * GRID, low, high)
    factor = np.exp(steep * GRID)
    if np.isinf(high):
        return low + below * factor
    if np.isinf(low):
        return high - above / factor
    odds = below / above * factor
    return low + (high - low) * odds / (1.0 + odds)
