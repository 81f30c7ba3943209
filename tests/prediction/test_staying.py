"""A what-if without a reflex asks whether beats stay at the steady ones that Newton found, before and after."""

from __future__ import annotations

from typing import Any

import numpy as np

from hemotwin.calibration.summary import observe
from hemotwin.core.status import Status
from hemotwin.engine.precision import double
from hemotwin.physiology.model import circulation
from hemotwin.prediction.regulated import answered

MODEL = circulation("regazzoni_2022_a")
# A fast heart with stiff chambers: Newton finds its steady beat, of multiplier -1.19, which beats leave for two.
ALTERNATING: dict[str, Any] = {
    "heart_rate": 250.0, "lv.active_elastance": 20.0, "la.passive_elastance": 5.0, "ventricles.contraction": 0.02,
    "ventricles.relaxation": 0.02, "pulmonary_venous.inertance": 0.1,
}  # fmt: skip


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
