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
        parts = [page_locked(x, 3) for x in (rows, state)]
        assert [part.shape[1] for part in parts[0]] == [13, 13, 11]
        found = host_program(on_backend(small_beat(), "pallas", Launch(interpret=jax.default_backend() == "cpu")))(
            *parts, STEPS
        )
    for i, want in enumerate(expected):
        assert all(ends[i].sharding.memory_kind == "pinned_host" for ends in found)
        joined = np.concatenate([np.asarray(ends[i]) for ends in found], axis=1)
        np.testing.assert_allclose(joined, np.asarray(want), rtol=1e-9, atol=1e-9)
