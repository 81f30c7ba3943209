"""Readings on as many steps as each patient needs: solved at N and N/2, and again at 2 N where they differ too much."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..engine.forward import Forward
from ..physiology.model import Model
from .certificate import PRESSURE_LIMIT, SHARE, VOLUME_LIMIT
from .refine import FINEST
from .summary import Readings, observe

__all__ = ["Certified", "certified", "step_error"]

RELATIVE_LIMIT = 0.005  # of a reading that is neither pressure nor volume
LIMITS = {"mmHg": PRESSURE_LIMIT, "mL": VOLUME_LIMIT}


class Certified(NamedTuple):
    """Readings of every lane, the steps they were solved on [B] and their largest step error in its limit [B]."""

    readings: Readings
    steps: np.ndarray
    error: np.ndarray


def step_error(units: tuple[str, ...], fine: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    """Largest error [B] of readings [O, B] at N steps, each in its limit, from those at N/2.

    The step is of second order, so a third of the difference is left at N. Limits: 0.1 mmHg, 0.1 mL, 0.5 % otherwise.
    inf where a reading is not finite.
    """
    limits = np.stack([np.full(fine.shape[1:], LIMITS[u]) if u in LIMITS else RELATIVE_LIMIT * np.abs(row)
                       for u, row in zip(units, fine, strict=True)])  # fmt: skip
    apart = SHARE * np.abs(fine - coarse)
    share = np.divide(apart, limits, out=np.where(apart > 0.0, np.inf, 0.0), where=limits > 0.0)
    return np.max(np.where(np.isfinite(share), share, np.inf), axis=0)


def certified(
    model: Model, parameters: np.ndarray, guess: np.ndarray | None, bsa: np.ndarray, steps: int, finest: int = FINEST
) -> Certified:
    """Steady beat and readings of parameters [P, B], a lane at a time on `steps`, twice as many, ... up to `finest`.

    A lane without a steady beat keeps its status and error inf; it is not solved again.
    """
    fine = observe(model, parameters, guess, bsa, steps)
    coarse = observe(model, parameters, fine.solved.state, bsa, steps // 2)
    values, solved = fine.values.copy(), Forward(*(np.array(leaf) for leaf in fine.solved))
    used, error = np.full(len(bsa), steps), step_error(fine.units, fine.values, coarse.values)
    lanes = np.flatnonzero(fine.sound & (error > 1.0))
    while len(lanes) and (steps := 2 * steps) <= finest:
        finer = observe(model, parameters[:, lanes], solved.state[:, lanes], bsa[lanes], steps)
        error[lanes] = step_error(fine.units, finer.values, values[:, lanes])
        values[:, lanes], used[lanes] = finer.values, steps
        for leaf, new in zip(solved, finer.solved, strict=True):
            leaf[..., lanes] = new
        lanes = lanes[finer.sound & (error[lanes] > 1.0)]
    return Certified(Readings(fine.names, fine.units, values, solved), used, error)
