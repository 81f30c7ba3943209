"""A what-if without a reflex asks whether beats stay at the steady ones that Newton found, before and after, whether
they come there slowly, and whether their volumes can be."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

import hemotwin as ht
from hemotwin.calibration.summary import observe
from hemotwin.core.status import Status
from hemotwin.engine.precision import double
from hemotwin.physiology.model import circulation
from hemotwin.prediction import regulated
from hemotwin.prediction.regulated import answered

MODEL = circulation("regazzoni_2022_a")
# A fast heart with stiff chambers: Newton finds its steady beat, of multiplier -1.19, which beats leave for two.
ALTERNATING: dict[str, Any] = {
    "heart_rate": 250.0, "lv.active_elastance": 20.0, "la.passive_elastance": 5.0, "ventricles.contraction": 0.02,
    "ventricles.relaxation": 0.02, "pulmonary_venous.inertance": 0.1,
}  # fmt: skip
# Wide vessels behind high resistances: beats come to the steady one with a time constant of some 130 beats.
SLOW: dict[str, Any] = {
    "heart_rate": 180.0, "systemic_veins.compliance": 95.0, "venous_return.resistance": 1.0,
    "systemic_arteries.compliance": 20.0, "systemic.resistance": 4.5, "stressed_volume": 8000.0,
}  # fmt: skip
# A strong right ventricle empties narrow veins to below nothing.
EMPTIED: dict[str, Any] = {
    "ra.passive_elastance": 0.01, "systemic_veins.compliance": 0.28, "rv.active_elastance": 13.7,
}  # fmt: skip


def packed(**values: Any) -> np.ndarray:
    """Parameter rows [P, 1] of the model with other values."""
    return MODEL.system.parameters.pack(MODEL.with_values(values).values, 1)


def asked(before: list[np.ndarray], after: list[np.ndarray]) -> regulated.Answer:
    """The what-if of some lanes, each from the steady beat that it has before."""
    rows, bsa = np.concatenate(before, axis=1), np.full(len(before), 1.75)
    with double():
        rest = observe(MODEL, rows, None, bsa, MODEL.steps)
        assert rest.sound.all()
        return answered(MODEL, rows, rest.solved.state, np.concatenate(after, axis=1), bsa, MODEL.steps)


def test_a_draw_that_alternates_before_or_after_is_left_out_with_its_status_and_moves_no_other():
    plain = MODEL.system.parameters.pack(MODEL.values, 1)
    fast = MODEL.system.parameters.pack(MODEL.with_values(ALTERNATING).values, 1)
    before, after = np.concatenate([plain, plain, fast], axis=1), np.concatenate([plain, fast, plain], axis=1)
    with double():
        rest = observe(MODEL, before, None, np.full(3, 1.75), MODEL.steps)
        found = answered(MODEL, before, rest.solved.state, after, np.full(3, 1.75), MODEL.steps)
        alone = answered(MODEL, plain, rest.solved.state[:, :1], plain, np.full(1, 1.75), MODEL.steps)
    assert rest.sound.all()
    np.testing.assert_array_equal(found.status, [Status.OK, Status.ALTERNANS, Status.ALTERNANS])
    np.testing.assert_array_equal(found.readings.sound, [True, False, False])
    np.testing.assert_array_equal(found.readings.values[:, 0], alone.readings.values[:, 0])


def test_a_steady_beat_that_is_come_to_slowly_before_or_after_is_kept_and_told_as_drifting_as_a_simulation_does():
    plain, slow = packed(), packed(**SLOW)
    found = asked([plain, plain, slow], [plain, slow, plain])
    np.testing.assert_array_equal(found.status, [Status.OK, Status.DRIFTING, Status.DRIFTING])
    assert found.readings.sound.all()
    run = ht.simulate(MODEL.with_values(SLOW), steps=MODEL.steps)
    assert run.status == Status.DRIFTING and "the end it goes to was solved" in run.regime
    for name in ("sbp", "cardiac_output", "ra_pressure_mean"):
        assert found.readings.of(name)[1] == pytest.approx(run.readings[name], rel=1e-6)


@pytest.mark.parametrize(("period", "told"), [(0, Status.DRIFTING), (1, Status.NOT_PERIODIC)])
def test_beats_that_drift_away_from_a_steady_one_are_left_out(monkeypatch, period, told):
    """Without an end, or to another steady beat: neither is the slow way to the one that was found."""
    drift = Mock(status=np.array([int(Status.DRIFTING)]), period=np.array([period]))
    monkeypatch.setattr(regulated, "regime", lambda *given: drift)
    found = asked([packed()], [packed(**ALTERNATING)])
    assert found.status[0] == told and not found.readings.sound[0]


def test_a_draw_of_which_a_volume_cannot_be_after_the_scenario_is_left_out_and_moves_no_other():
    found, alone = asked([packed()] * 2, [packed(), packed(**EMPTIED)]), asked([packed()], [packed()])
    np.testing.assert_array_equal(found.status, [Status.OK, Status.UNPHYSIOLOGICAL])
    np.testing.assert_array_equal(found.readings.sound, [True, False])
    np.testing.assert_array_equal(found.readings.values[:, 0], alone.readings.values[:, 0])


def test_of_two_beats_the_first_that_is_left_is_told_and_else_the_slow_one():
    ok, slow, two = (int(one) for one in (Status.OK, Status.DRIFTING, Status.ALTERNANS))
    first = np.array([True, True, True, True, False]), np.array([ok, slow, ok, slow, two])
    then = np.array([True, True, True, False, True]), np.array([ok, ok, slow, two, slow])
    stay, status = regulated._both(first, then)
    np.testing.assert_array_equal(stay, [True, True, True, False, False])
    np.testing.assert_array_equal(status, [ok, slow, slow, two, two])
