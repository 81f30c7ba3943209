"""A circulation and its feedback as one map from beat to beat."""

from __future__ import annotations

import numpy as np

import hemotwin as ht
from hemotwin.engine.beat import BeatMap
from hemotwin.engine.controlled import ControlledBeats, sensed
from hemotwin.engine.forward import forward
from hemotwin.engine.precision import double
from hemotwin.physiology.regulation import feedback

STEPS = 100  # the map's own derivative is exact at any number of steps


def bled() -> tuple[ControlledBeats, np.ndarray]:
    """The adult a few beats after a loss of 500 mL, circulation and reflex both on their way."""
    model = ht.circulation("adult", reflex="baroreflex")
    rows, control = model.system.parameters.pack(model.values, 1), feedback("baroreflex")
    beat = BeatMap(model.system)
    rest = forward(beat, rows, None, STEPS).state
    after, own = rows.copy(), control.parameters.pack(model.values, 1)
    after[model.system.parameters.index("stressed_volume")] -= 500.0
    beats = ControlledBeats(beat, control, after, own, sensed(beat, control, rows, rest, STEPS), STEPS)
    state = np.concatenate([rest, np.zeros((len(control.weights), 1))])
    for k in range(4):
        state = beats.after(state, k)
    return beats, state


def test_the_slope_of_the_whole_map_equals_central_differences():
    with double():
        beats, state = bled()
        end, slope = beats.linearised(state, 0)
        np.testing.assert_allclose(end, beats.after(state, 0), rtol=1e-12)
        # A shut valve's flow is 0 and cannot fall below it: its row has no difference on both sides.
        for row in np.flatnonzero(state[:, 0] != 0.0):
            h = 1e-4 * max(1.0, abs(float(state[row, 0])))
            up, down = state.copy(), state.copy()
            up[row] += h
            down[row] -= h
            found = (beats.after(up, 0) - beats.after(down, 0)) / (2.0 * h)
            np.testing.assert_allclose(slope[:, row], found, rtol=2e-5, atol=2e-6, err_msg=str(row))


def test_parameters_stay_as_given_where_nothing_acts_on_them():
    with double():
        beats, state = bled()
        changed = beats.in_force(state) != beats.parameters
    names = beats.beat.system.parameters.names
    assert {names[i] for i in np.flatnonzero(changed[:, 0])} == set(beats.feedback.acts_on)
