"""Beats from host memory to host memory, in parts."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from hemotwin.engine.backends.page_locked import host_program, page_locked
from hemotwin.engine.backends.pallas import Launch, on_backend
from hemotwin.engine.beat import compiled
from hemotwin.engine.precision import double
from tests.engine.kernels import STEPS, patients, small_beat

KINDS = {memory.kind for memory in jax.devices()[0].addressable_memories()}


@pytest.mark.skipif("pinned_host" not in KINDS, reason="this device knows no page-locked memory")
def test_parts_joined_are_the_beat_of_all_lanes():
    with double():
        rows, state = (np.asarray(x) for x in patients())
        expected = compiled(on_backend(small_beat(), "xla"), None)(rows, state, STEPS)
        parts = [page_locked(x, (1, 2, 1)) for x in (rows, state)]
        assert [part.shape[1] for part in parts[0]] == [32, 5]
        found = host_program(on_backend(small_beat(), "pallas", Launch(interpret=jax.default_backend() == "cpu")))(
            *parts, STEPS
        )
    for i, want in enumerate(expected):
        assert all(ends[i].sharding.memory_kind == "pinned_host" for ends in found)
        joined = np.concatenate([np.asarray(ends[i]) for ends in found], axis=1)
        np.testing.assert_allclose(joined, np.asarray(want), rtol=1e-9, atol=1e-9)


@pytest.mark.skipif("pinned_host" not in KINDS, reason="this device knows no page-locked memory")
@pytest.mark.parametrize(
    ("lanes", "expected"), [(1, [1]), (32, [32]), (512, [32, 224, 224, 32]), (1000, [64, 448, 448, 40])]
)
def test_parts_are_whole_warps_small_at_both_ends_and_hold_every_lane(lanes: int, expected: list[int]):
    rows = np.arange(2.0 * lanes).reshape(2, lanes)
    parts = page_locked(rows)
    assert [part.shape[1] for part in parts] == expected
    np.testing.assert_array_equal(np.concatenate([np.asarray(part) for part in parts], axis=1), rows)
