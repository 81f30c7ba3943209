"""Claims of readings on as many steps as a patient needs."""

from __future__ import annotations

import numpy as np
import pytest

from hemotwin.calibration import certified as room
from hemotwin.calibration.certified import certified, step_error
from hemotwin.calibration.summary import Readings
from hemotwin.core.status import Status
from hemotwin.engine.forward import Forward
from hemotwin.physiology.model import circulation

UNITS = ("mmHg", "mL", "L/min")


def test_an_error_is_a_third_of_the_difference_in_the_limit_of_its_unit():
    fine = np.array([[100.0, 100.0, 100.0], [50.0, 50.0, 50.0], [5.0, 5.0, 5.0]])
    coarse = fine + np.array([[0.3, 0.0, 0.0], [0.0, 0.15, 0.0], [0.0, 0.0, 0.15]])
    np.testing.assert_allclose(step_error(UNITS, fine, coarse), [1.0, 0.5, 2.0])  # 0.1 mmHg, 0.05 of 0.1 mL, 2 x 0.5 %


def test_a_reading_that_is_not_finite_or_leaves_zero_exceeds_every_limit():
    fine = np.array([[np.nan, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    coarse = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 0.1, 0.0]])
    np.testing.assert_array_equal(step_error(UNITS, fine, coarse), [np.inf, np.inf, 0.0])


def _second_order(calls: list[tuple[int, int]], size: np.ndarray):
    """Stands for the solver: reading 10 + size / steps^2 in each lane, found from the lane's first parameter."""

    def observe(model, parameters, guess, bsa, steps):
        calls.append((steps, len(bsa)))
        lanes = parameters[0].astype(int)
        values = (10.0 + size[lanes] / steps**2)[None]
        code = np.where(np.isfinite(size[lanes]), int(Status.OK), int(Status.NOT_PERIODIC))
        state = np.full((1, len(bsa)), float(steps))
        return Readings(("sbp",), ("mmHg",), values, Forward(state, np.zeros(len(bsa)), code, values))

    return observe


def test_only_lanes_beyond_their_limit_are_solved_again_until_they_hold(monkeypatch: pytest.MonkeyPatch):
    calls: list[tuple[int, int]] = []
    at_400 = np.array([0.05, 0.3, 1.0, 100.0, np.nan])  # mmHg of error; the last has no steady beat
    size = at_400 * 400**2
    monkeypatch.setattr(room, "observe", _second_order(calls, size))
    found = certified(circulation("adult"), np.arange(5.0)[None], None, np.ones(5), 400)
    assert calls == [(400, 5), (200, 5), (800, 3), (1600, 2)]  # 0.3 holds on 800, 1.0 on 1,600, 100 never
    np.testing.assert_array_equal(found.steps, [400, 800, 1600, 1600, 400])
    np.testing.assert_array_equal(found.readings.solved.state[0], found.steps)
    np.testing.assert_allclose(found.error[:4], size[:4] / found.steps[:4] ** 2 / 0.1)
    assert found.error[3] > 1.0 and found.error[4] == np.inf
    np.testing.assert_allclose(found.readings.values[0, :4], 10.0 + size[:4] / found.steps[:4] ** 2)
