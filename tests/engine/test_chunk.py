"""Tangents of a step that no circulation has: through native code they are those of its formulas."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.engine.backends.native import call, handler, program
from hemotwin.engine.backends.native.tangents import kernel
from hemotwin.engine.beat import BeatMap

pytestmark = pytest.mark.skipif(bool(call.why_not()), reason="native code needs a CPU and llvmlite")
WIDTH, STEPS = 8, 3


class Walk:
    """Two states and one parameter; the second row is cut to whole numbers and reaches the first one step later."""

    row, count = jax.ShapeDtypeStruct((WIDTH,), "float64"), jax.ShapeDtypeStruct((), jnp.int32)
    rows, size = (row,), 2

    def begin(self, rows: Any, state: Any, steps: Any) -> list[Any]:
        return [state[0] * rows[0], state[1]]

    def plain(self, rows: Any, steps: Any, carried: Any, k: Any) -> list[Any]:
        return [carried[0] * rows[0] + carried[1], jnp.floor(carried[1])]

    def ends(self, carried: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return (carried[0], carried[1]), (carried[0] * carried[0],)


def walked(r: float, a: float, b: float) -> list[float]:
    """State and reduction after all steps."""
    a = a * r
    for _ in range(STEPS):
        a, b = a * r + b, np.floor(b)
    return [a, b, a * a]


def test_a_row_that_loses_its_tangent_has_none_in_later_steps(monkeypatch: pytest.MonkeyPatch):
    """Of the second state only its first step has a derivative: the number itself, before it is cut."""
    monkeypatch.setattr(program, "tracing", lambda *_, **__: None)
    monkeypatch.setattr(program, "Varying", lambda _: Walk())
    beat = object.__new__(BeatMap)  # only the numbers of its states and reductions are asked for
    vars(beat).update(system=SimpleNamespace(state=(0, 1)), reductions=(0,))
    text, scratch = kernel(program.native_program.__wrapped__(beat, "float64", WIDTH, (0,)), "walk")
    pointers = [ctypes.c_void_p] * 8
    run, _ = handler.loaded(
        f"{text}\n{handler.WEIGHTS}\n", "walk", ctypes.CFUNCTYPE(None, *pointers, *[ctypes.c_int64] * 2)
    )
    rng = np.random.default_rng(1)
    r, state = 0.5 + rng.random((1, WIDTH)), 3.0 * rng.random((2, WIDTH))
    counts, out = np.array([STEPS, 1], np.int32), [np.zeros(n * WIDTH) for n in (2, 1, 6, 3)]
    memory = np.zeros(scratch + 64, np.uint8)
    start = memory.ctypes.data + -memory.ctypes.data % 64
    run(r.ctypes.data, state.ctypes.data, counts.ctypes.data, *(part.ctypes.data for part in out), start, WIDTH, 0)
    values = np.concatenate(out[:2]).reshape(3, WIDTH)
    slopes = np.concatenate(out[2:]).reshape(3, 3, WIDTH)  # result, direction: two states, the parameter
    step = 1e-6
    for lane in range(WIDTH):
        at = np.array([r[0, lane], *state[:, lane]])
        np.testing.assert_allclose(values[:, lane], walked(*at), rtol=1e-14)
        for direction, place in enumerate((1, 2, 0)):
            moved = step * np.eye(3)[place]
            expected = (np.array(walked(*(at + moved))) - walked(*(at - moved))) / (2.0 * step)
            np.testing.assert_allclose(slopes[:, direction, lane], expected, atol=1e-7)
