"""Draws are solved through the circulation, and one that no circulation can have is not sound."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import numpy as np

from hemotwin.calibration import sampling
from hemotwin.calibration.lanes import Cohort
from hemotwin.core.status import Status
from hemotwin.engine.precision import double
from hemotwin.physiology.model import circulation

MODEL = circulation("regazzoni_2022_a")
# A strong right ventricle empties narrow veins to below nothing; Newton finds its steady beat all the same.
EMPTIED: dict[str, Any] = {
    "ra.passive_elastance": 0.01, "systemic_veins.compliance": 0.28, "rv.active_elastance": 13.7,
}  # fmt: skip


def test_a_draw_with_a_volume_that_cannot_be_is_not_sound_and_its_status_says_why():
    some = [MODEL, MODEL.with_values(EMPTIED), MODEL]
    rows = np.concatenate([MODEL.system.parameters.pack(one.values, 1) for one in some], axis=1)
    cohort = Mock(spec=Cohort, data=Mock(bsa=np.full(2, 1.75)), problem=Mock(system=MODEL.system))
    guess = np.full((len(MODEL.system.state), 3), 50.0)
    with double():
        found = sampling._observed(cohort, MODEL, {0: rows[:, :2], 1: rows[:, 2:]}, {0: guess[:, :2], 1: guess[:, 2:]},
                                   MODEL.steps)  # fmt: skip
    np.testing.assert_array_equal(found[0].ended, [Status.OK, Status.UNPHYSIOLOGICAL])
    np.testing.assert_array_equal(found[0].sound, [True, False])
    assert found[1].sound.all() and np.isfinite(found[0].values).all()
