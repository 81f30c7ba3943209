"""A twin is certified with beats that were found, and with no others."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest

from hemotwin.calibration import summary
from hemotwin.calibration.lanes import Cohort
from hemotwin.calibration.refine import Sensitivity
from hemotwin.calibration.sampling import Sampled
from hemotwin.calibration.summary import Readings
from hemotwin.core.status import Status
from hemotwin.engine.forward import Forward
from hemotwin.physiology.model import Model

OK, LOST = Status.OK, Status.NOT_PERIODIC


def one_pressure(value: float, status: Status) -> Readings:
    """One lane with one reading."""
    values = np.array([[value]])
    return Readings(("map",), ("mmHg",), values, Forward(np.zeros((2, 1)), np.zeros(1), np.array([status]), values))


def test_readings_of_lanes_without_a_beat_are_masked():
    both = one_pressure(100.0, OK).joined(one_pressure(105.0, LOST))
    np.testing.assert_array_equal(both.sound_values, [[100.0, np.nan]])
    np.testing.assert_array_equal(both.values, [[100.0, 105.0]])


@pytest.mark.parametrize(
    ("half", "quarter", "ok"),
    [
        ((100.01, OK), (105.0, OK), False),
        ((100.01, OK), (105.0, LOST), True),
        ((100.01, LOST), (100.05, OK), False),
    ],
)
def test_a_beat_that_was_not_found_neither_fails_a_twin_nor_passes_it(monkeypatch, half, quarter, ok):
    levels = {200: half, 100: quarter}
    monkeypatch.setattr(summary, "observe", lambda model, modes, states, bsa, steps: one_pressure(*levels[steps]))
    monkeypatch.setattr(summary, "volume_balance", lambda *given: 0.0)
    drawn = {0: Mock(spec=Sampled, parameters=np.zeros((3, 1)), readings=one_pressure(100.0, OK))}
    cohort = Mock(spec=Cohort, data=Mock(bsa=np.array([1.75])))
    found = summary._certificates(cohort, Mock(spec=Model), {0: Sensitivity(400, 0.0)}, drawn, 400)
    assert found[0].ok == ok
