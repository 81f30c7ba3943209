"""A circulation and its feedback as one map from beat to beat."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import hemotwin as ht
from hemotwin.core.feedback import Feedback
from hemotwin.core.layout import Layout
from hemotwin.core.reduction import Reduction
from hemotwin.core.status import Status
from hemotwin.engine.beat import BeatMap
from hemotwin.engine.controlled import ControlledBeats, sensed
from hemotwin.engine.cycle import path
from hemotwin.engine.forward import forward
from hemotwin.engine.precision import double
from hemotwin.engine.regime import regime
from hemotwin.physiology.regulation import feedback
from tests.engine.kernels import START, STEPS, TYPICAL, small_loop

TARGET = 60.0  # mmHg, the mean arterial pressure that the volume control holds


def volume_control() -> Feedback:
    """Each beat keeps `gain` mL for each mmHg below the target, and the rate follows the same error within seconds."""

    def act(p: dict[str, Any], states: Any, values: Any) -> Any:
        return values[0] + states[0], values[1] * (1.0 + states[1])

    def update(p: dict[str, Any], states: Any, values: Any, rest: Any, period: Any) -> Any:
        error = p["target"] - values[0]
        quick = 0.002 * error
        return states[0] + p["gain"] * error, quick + (states[1] - quick) * jnp.exp(-period / 3.0)

    return Feedback(
        name="volume control", states=Layout(("kept", "quickening"), ("mL", "1")), weights=(1.0, 100.0),
        senses=(Reduction("mean", "pressure", "artery"),), acts_on=("total", "rate"),
        parameters=Layout(("target", "gain"), ("mmHg", "mL/mmHg")), act=act, update=update,
    )  # fmt: skip


@functools.cache
def controlled(gain: float) -> ControlledBeats:
    own, rows = np.array([[TARGET], [gain]]), TYPICAL[:, None]
    return ControlledBeats(BeatMap(small_loop()), rows[None], STEPS, CONTROL, own, np.zeros((1, 1)))


CONTROL = volume_control()
GUESS = np.concatenate([START, np.zeros(2)])[:, None]


def check_slope(beats: ControlledBeats, state: np.ndarray) -> None:
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


def test_the_slope_of_the_whole_map_equals_central_differences():
    with double():
        check_slope(controlled(0.5), path(controlled(0.5), GUESS, 3)[-1])


def test_volume_control_that_takes_an_hour_is_solved_at_once_and_said_to_be_slow():
    """In its steady state the error is 0, so the pressure is the target and the rate the given one, however small the
    gain; the slow multiplier is the factor by which plain beats come nearer."""
    with double():
        beats = controlled(0.002)
        told = regime(beats, GUESS)
        x = told.states[0]
        reached = sensed(beats.beat, CONTROL, beats.in_force(x), beats.split(x)[0], STEPS)
        left = path(beats, GUESS, 61)[-2:] - x
    assert Status(int(told.status[0])) == Status.DRIFTING and told.period[0] == 1
    assert reached[0, 0] == pytest.approx(TARGET, abs=1e-6)
    assert x[-1, 0] == pytest.approx(0.0, abs=1e-9)
    assert told.time_constant[0] > 4000.0 and told.beats < 40
    assert left[1, -2, 0] / left[0, -2, 0] == pytest.approx(float(told.multiplier[0].real), rel=1e-4)


def test_beats_that_differ_in_turn_settle_to_the_cycle_that_plain_beats_come_to():
    """Resistance 0.7 and 1.3 in turn: two beats, with the volume that holds their common mean at the target."""
    with double():
        even, uneven = (np.where(np.array(TYPICAL) == 0.9, r, TYPICAL)[:, None] for r in (0.7, 1.3))
        beats = dataclasses.replace(controlled(0.5), parameters=np.stack([even, uneven]))
        told = regime(beats, GUESS)
        later = path(beats, GUESS, 400)[-3:]
    assert Status(int(told.status[0])) == Status.BEAT_CYCLE and told.period[0] == 2
    np.testing.assert_allclose(told.states[:2, :, 0], later[:2, :, 0], rtol=1e-7, atol=1e-7)
    assert abs(later[1, 0, 0] - later[0, 0, 0]) > 0.1  # the two are two


def test_only_what_the_feedback_acts_on_changes():
    with double():
        beats = controlled(0.5)
        changed = beats.in_force(path(beats, GUESS, 3)[-1]) != beats.parameters[0]
    names = beats.beat.system.parameters.names
    assert {names[i] for i in np.flatnonzero(changed[:, 0])} == set(CONTROL.acts_on)


@pytest.mark.slow
def test_the_slope_of_the_adult_with_its_baroreflex_equals_central_differences():
    model = ht.circulation("adult", reflex="baroreflex")
    rows, control, beat = model.system.parameters.pack(model.values, 1), feedback("baroreflex"), BeatMap(model.system)
    with double():
        rest = forward(beat, rows, None, STEPS).state
        after, own = rows.copy(), control.parameters.pack(model.values, 1)
        after[model.system.parameters.index("stressed_volume")] -= 500.0
        beats = ControlledBeats(beat, after[None], STEPS, control, own, sensed(beat, control, rows, rest, STEPS))
        check_slope(beats, path(beats, np.concatenate([rest, np.zeros((len(control.weights), 1))]), 4)[-1])
