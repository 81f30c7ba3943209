"""A twin is certified with beats that were found, and with no others, and says which of its draws are none."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest

from hemotwin.calibration import summary
from hemotwin.calibration.draws import Solved, Weighted
from hemotwin.calibration.lanes import Cohort
from hemotwin.calibration.refine import Sensitivity
from hemotwin.calibration.sampling import Sampled
from hemotwin.calibration.summary import Readings
from hemotwin.core.status import Status
from hemotwin.engine.forward import Forward
from hemotwin.physiology.model import Model

OK, LOST, IMPOSSIBLE = Status.OK, Status.NOT_PERIODIC, Status.UNPHYSIOLOGICAL


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


def several(*status: Status) -> Readings:
    """A lane with one reading for each of these."""
    one, *more = (one_pressure(100.0, each) for each in status)
    for each in more:
        one = one.joined(each)
    return one


@pytest.mark.parametrize(
    ("beatless", "impossible", "said"),
    [
        (0, 0, "of 6 are effective, Pareto k 0.31."),
        (2, 0, "; 2 had no steady beat: such draws weigh nothing."),
        (0, 1, "; 1 had a volume below zero or above all blood there is: such draws weigh nothing."),
        (2, 1, "; 2 had no steady beat and 1 had a volume below zero or above all blood there is: such draws weigh"),
    ],
)
def test_a_twin_says_how_many_draws_weigh_nothing_and_why(beatless, impossible, said):
    lost, bad = np.arange(6) < beatless, np.arange(6) >= 6 - impossible
    solved = Solved(np.zeros((1, 6)), ~lost & ~bad, bad, None)
    found = summary.sampling_of(
        Weighted(np.zeros((1, 6)), np.ones(6) / 6, solved, 0.31, 4.0, True, 1, np.zeros((1, 6)))
    )
    assert said in found.sentence and found.failed == beatless + impossible


@pytest.mark.parametrize(
    ("lost", "why"), [((LOST, LOST, IMPOSSIBLE), LOST), ((IMPOSSIBLE, IMPOSSIBLE, LOST), IMPOSSIBLE)]
)
def test_too_few_sound_draws_are_told_by_what_most_of_the_others_lack(lost, why):
    drawn = Mock(spec=Sampled, readings=several(OK, OK, *lost), modes=1)
    assert summary._too_few(drawn).startswith(f"{why.advice} Fewer than 2 of 4 posterior draws have")


def test_a_lane_ends_soundly_without_a_beat_or_with_a_volume_that_cannot_be():
    found = several(OK, Status.NONFINITE, IMPOSSIBLE)
    np.testing.assert_array_equal(found.ended, [OK, LOST, IMPOSSIBLE])
    np.testing.assert_array_equal(found.sound, [True, False, False])
