"""Counts are whole, in their range, and refused with the value, the range and the fix."""

from __future__ import annotations

import numpy as np
import pytest

from hemotwin.core.counts import LEAST_STEPS, MOST_STEPS, beat_steps, step_count, whole_number
from hemotwin.core.errors import InputError

NO_STEPS = [-5, 0, 2.5, 41, 400.0, True, "400", LEAST_STEPS - 2, MOST_STEPS + 2, float("nan"), [400]]


@pytest.mark.parametrize("steps", NO_STEPS)
def test_steps_are_even_and_in_range(steps):
    with pytest.raises(InputError) as told:
        step_count(steps, 400)
    said = str(told.value)
    assert f"from {LEAST_STEPS} to {MOST_STEPS}" in said and f"but got {steps!r}" in said and "use steps=400" in said


def test_good_steps_are_plain_numbers_and_none_stays_none():
    assert step_count(None, 400) is None
    assert step_count(LEAST_STEPS, 400) == LEAST_STEPS and step_count(MOST_STEPS, 400) == MOST_STEPS
    assert type(step_count(np.int64(800), 400)) is int


@pytest.mark.parametrize("steps", [-5, 0, LEAST_STEPS // 4 - 1, 400.5, 400.0, True, "400", MOST_STEPS + 2, 2**33, None])
def test_steps_of_a_beat_are_whole_and_in_range(steps):
    with pytest.raises(InputError, match=f"`steps` must .* from {LEAST_STEPS // 4} to {MOST_STEPS}, but got"):
        beat_steps(steps)


def test_a_quarter_of_the_least_steps_are_steps_of_a_beat():
    assert beat_steps(LEAST_STEPS // 4) == LEAST_STEPS // 4 and type(beat_steps(np.int64(41))) is int


@pytest.mark.parametrize(("value", "fix"), [(0, 1), (-3, 1), (2.7, 2), ("8", 8), (True, 1), ("many", 1), (None, 1)])
def test_a_count_is_whole_and_at_least_its_limit(value, fix):
    with pytest.raises(InputError, match="`beats` must be a whole number, at least 1, but got") as told:
        whole_number("beats", value, 1)
    assert str(told.value).endswith(f"use {fix}.")


def test_a_numpy_count_is_one():
    assert whole_number("beats", np.int32(3), 1) == 3
