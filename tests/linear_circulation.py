"""A linear circulation in place of the solved one: fixed slopes, so that expectations have closed forms."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from hemotwin.calibration.lanes import Cohort
from hemotwin.calibration.linearised import Linearised
from hemotwin.physiology.observable import all_observables
from hemotwin.records.codes import observables

SLOPE = 1.2  # noise sds per prior sd, the spread of the slopes


@functools.cache
def slopes(size: int) -> np.ndarray:
    """Slopes [C, N] of every observable, in its unit; each depends on four of the directions."""
    rng, names = np.random.default_rng(7), list(all_observables())
    found = np.zeros((len(names), size))
    for c, name in enumerate(names):
        which = rng.choice(size, 4, replace=False)
        found[c, which] = SLOPE * _scale(name) * rng.standard_normal(4)
    return found


def _scale(name: str) -> float:
    about = observables()[name]
    return 0.05 * ((about.high or 1.0) - (about.low or 0.0))


def linear(cohort: Cohort, model: Any, draws: int, seed: int) -> list[Linearised]:
    """In place of `linearised`: the same slopes at every draw, readings in the middle of their plausible range."""
    size = len(cohort.problem.names)
    rows = slopes(size)
    middle = np.array(
        [0.5 * ((observables()[n].low or 0.0) + (observables()[n].high or 1.0)) for n in all_observables()]
    )
    found = []
    for k in range(len(cohort.sets)):
        over = rows * (cohort.data.mask[:, k] / cohort.data.sd[:, k])[:, None]
        found.append(Linearised(np.zeros((draws, size)), np.tile(middle, (draws, 1)), np.tile(rows, (draws, 1, 1)),
                                np.tile(over.T @ over, (draws, 1, 1))))  # fmt: skip
    return found


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put it in place."""
    monkeypatch.setattr("hemotwin.calibration.expected_information.linearised", linear)
