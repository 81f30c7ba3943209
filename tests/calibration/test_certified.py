"""Claims of readings on as many steps as a patient needs."""

from __future__ import annotations

import numpy as np
import pytest

from hemotwin.calibration import certified as room
from hemotwin.calibration.certified import certified, possible, step_error
from hemotwin.calibration.summary import Readings
from hemotwin.core.status import Status
from hemotwin.engine.beat import BeatMap
from hemotwin.engine.cycle import ForcedBeats
from hemotwin.engine.forward import Forward
from hemotwin.engine.precision import double
from hemotwin.physiology.model import Model, circulation

UNITS = ("mmHg", "mL", "L/min")


def test_an_error_is_a_third_of_the_difference_in_the_limit_of_its_unit():
    fine = np.array([[100.0, 100.0, 100.0], [50.0, 50.0, 50.0], [5.0, 5.0, 5.0]])
    apart = np.array([[0.3, 0.0, 0.0], [0.0, 0.15, 0.0], [0.0, 0.0, 0.15]])
    found = step_error(UNITS, fine, fine + apart, fine + 5.0 * apart)  # a quarter of the difference before: of order 2
    np.testing.assert_allclose(found, [1.0, 0.5, 2.0])  # 0.1 mmHg, 0.05 of 0.1 mL, 2 x 0.5 %


def test_a_reading_that_is_not_finite_or_leaves_zero_exceeds_every_limit():
    fine = np.array([[np.nan, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    half = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 0.1, 0.0]])
    units = ("mmHg", "mL", "mmHg/s")  # the last has no floor
    np.testing.assert_array_equal(step_error(units, fine, half, half), [np.inf, np.inf, 0.0])
    assert step_error(("mmHg",), np.ones((1, 1)), np.full((1, 1), np.nan), np.ones((1, 1)))[0] == np.inf


@pytest.mark.parametrize(
    ("half", "quarter", "error"),
    [
        (0.06, 0.30, 0.02),  # falls to a quarter: second order, a third is left
        (0.06, 0.18, 0.06),  # to a half: first order, all of it is left
        (0.06, 0.01, 0.06),  # grows
        (0.06, np.nan, 0.06),  # nobody knows
        (0.00, 0.60, 0.05),  # agrees by luck: what a second order leaves of the difference before
    ],
)
def test_a_reading_with_a_kink_is_not_credited_with_a_second_order(half: float, quarter: float, error: float):
    found = step_error(("mmHg",), np.array([[8.0]]), np.array([[8.0 + half]]), np.array([[8.0 + quarter]]))
    np.testing.assert_allclose(found, error / 0.1, rtol=1e-9)


def test_the_limit_of_a_small_wave_ratio_or_time_is_what_can_be_read_of_it():
    fine = np.array([[2.0], [0.1], [0.0]])
    apart = np.array([[1.5], [0.015], [0.0015]])
    for row, unit in enumerate(("mL/s", "1", "s")):
        one = slice(row, row + 1)
        np.testing.assert_allclose(
            step_error((unit,), fine[one], fine[one] + apart[one], fine[one] + 5 * apart[one]), 0.5
        )


def _second_order(calls: list[tuple[int, int]], size: np.ndarray):
    """Stands for the solver: reading 10 + size / steps^2 in each lane, found from the lane's first parameter."""

    def observe(model, parameters, guess, bsa, steps):
        calls.append((steps, len(bsa)))
        lanes = parameters[0].astype(int)
        values = (10.0 + size[lanes] / steps**2)[None]
        code = np.where(np.isfinite(size[lanes]), int(Status.OK), int(Status.NOT_PERIODIC))
        state = np.full((len(model.system.free_stores), len(bsa)), 0.01 * steps)  # mL, less than there is on any
        return Readings(("sbp",), ("mmHg",), values, Forward(state, np.zeros(len(bsa)), code, values))

    return observe


def _numbered(count: int) -> tuple[Model, np.ndarray]:
    """Parameter rows of the adult with much blood whose first holds the lane's number."""
    model = circulation("adult", stressed_volume=8000.0)
    rows = model.system.parameters.pack(model.values, count)
    rows[0] = np.arange(count)
    return model, rows


def test_only_lanes_beyond_their_limit_are_solved_again_until_they_hold(monkeypatch: pytest.MonkeyPatch):
    calls: list[tuple[int, int]] = []
    at_400 = np.array([0.05, 0.3, 1.0, 100.0, np.nan])  # mmHg of error; the last has no steady beat
    size = at_400 * 400**2
    monkeypatch.setattr(room, "observe", _second_order(calls, size))
    model, rows = _numbered(5)
    found = certified(model, rows, None, np.ones(5), 400)
    again = [(800, 3), (800, 1), (1600, 2), (1600, 1), (3200, 1), (3200, 1)]  # the one without a beat starts anew
    assert calls == [(400, 5), (200, 5), (100, 5), *again]  # 0.3 holds on 800, 1.0 on 1,600, 100 never
    np.testing.assert_array_equal(found.steps, [400, 800, 1600, 3200, 3200])
    np.testing.assert_array_equal(found.readings.solved.state[0], 0.01 * found.steps)
    np.testing.assert_allclose(found.error[:4], size[:4] / found.steps[:4] ** 2 / 0.1)
    assert found.error[3] > 1.0 and found.error[4] == np.inf
    for values, share in ((found.readings.values, 1), (found.half, 2), (found.quarter, 4)):
        np.testing.assert_allclose(values[0, :4], 10.0 + size[:4] * share**2 / found.steps[:4] ** 2)
    assert np.isnan(found.half[0, 4]) and np.isnan(found.quarter[0, 4])


def test_with_the_finest_steps_given_nothing_is_solved_again(monkeypatch: pytest.MonkeyPatch):
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(room, "observe", _second_order(calls, np.array([1e9])))
    found = certified(*_numbered(1), None, np.ones(1), 400, 400)
    assert calls == [(400, 1), (200, 1), (100, 1)] and found.error[0] > 1.0


def test_a_patient_unstable_on_the_default_steps_is_solved_on_finer_ones_and_alone():
    """Pulmonary veins at their lower bound overflow on 400 and 800 steps; the others keep their steps and numbers."""
    model = circulation("adult")
    rows = model.system.parameters.pack(model.values, 2)
    rows[model.system.parameters.index("pulmonary_veins.compliance"), 1] = 0.01
    with double():
        found, alone = (certified(model, rows[:, :n], None, np.full(n, 1.75), 400) for n in (2, 1))
    assert found.readings.sound.all() and found.error.max() <= 1.0
    np.testing.assert_array_equal(found.steps, [400, 1600])
    np.testing.assert_array_equal(found.readings.values[:, 0], alone.readings.values[:, 0])


def test_a_volume_below_zero_or_above_all_blood_is_not_possible():
    model = circulation("adult")
    rows = model.system.parameters.pack(model.values, 4)
    inside = np.full((len(model.system.free_stores), 4), 100.0)
    inside[0, 1] = 1656.0  # of 1,655 mL
    inside[:, 3] = (
        300.0  # together more than there is: the veins, which hold what is left, would hold less than nothing
    )
    smallest = np.array([[90.0, 90.0, -1.0, 90.0]])
    np.testing.assert_array_equal(possible(model, rows, inside, smallest, ("lv_esv",)), [True, False, False, False])
    found = ForcedBeats(BeatMap(model.system), rows[None], 400).possible(inside, 0)
    np.testing.assert_array_equal(found, [True, False, True, False])
