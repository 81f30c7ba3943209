"""What native code does not carry from step to step never changes in a step, whatever the state, and is not read."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.registry import known
from hemotwin.engine.backends.kernel_program import Tracing, tracing
from hemotwin.engine.backends.varying import Varying, moving
from hemotwin.engine.beat import BeatMap
from hemotwin.engine.precision import double
from hemotwin.physiology.model import circulation
from tests.engine.kernels import small_loop

WIDTH, STEPS, SOME = 4, 400, 30
CIRCULATIONS = [
    name if name == "adult" else pytest.param(name, marks=pytest.mark.slow) for name in known("circulation")
]


def patients(beat: BeatMap, typical: dict[str, float]) -> tuple[list[jax.Array], list[list[jax.Array]]]:
    """Rows of parameters, and two starts that have nothing in common."""
    rng = np.random.default_rng(3)
    rows = beat.system.parameters.pack(typical, 1) * np.exp(0.05 * rng.standard_normal((len(typical), WIDTH)))
    starts = rng.uniform(50.0, 150.0, (2, len(beat.system.state), WIDTH))
    return [jnp.asarray(row) for row in rows], [[jnp.asarray(row) for row in start] for start in starts]


@pytest.mark.parametrize("name", CIRCULATIONS)
def test_what_is_left_out_is_the_same_after_every_step_from_any_start(name: str):
    model = circulation(name)
    beat = BeatMap(model.system)
    with double():
        whole = tracing(beat, WIDTH, "float64")
        some = Varying(whole)
        rows, starts = patients(beat, model.values)
        left_out = [i for i in range(whole.size) if i not in some.moving]
        assert left_out  # every one has a vessel of constant elastance
        begun = [whole.begin(rows, start, STEPS) for start in starts]
        step = jax.jit(lambda carried, k: whole.plain(rows, STEPS, carried, k))
        for carried in begun:
            for k in range(SOME):
                carried = step(carried, k)
            for i in left_out:
                np.testing.assert_allclose(carried[i], begun[0][i], rtol=1e-15, atol=0.0)
        for i in some.moving[: len(beat.system.stores)]:  # volumes are no such rows
            assert not np.array_equal(begun[0][i], begun[1][i])


def test_a_beat_of_what_moves_is_the_beat_of_all():
    model = circulation("regazzoni_2022_b")
    beat = BeatMap(model.system)
    with double():
        whole = tracing(beat, WIDTH, "float64")
        rows, (start, _) = patients(beat, model.values)
        found = []
        for functions in (whole, Varying(whole)):
            carried = functions.begin(rows, start, STEPS)
            step = jax.jit(lambda carried, k, functions=functions: functions.plain(rows, STEPS, carried, k))
            for k in range(SOME):
                carried = step(carried, k)
            assert len(carried) == functions.size
            found.append(functions.ends(carried))
        for one, other in zip(found[0][0], found[1][0], strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-12)  # XLA joins products and sums differently


class FourRows(Tracing):
    """Rows: a sum; what never changes; what is 1 at first and then 2; what never changes but is read at the end."""

    def __init__(self) -> None:
        self.beat, self.size, self.row = BeatMap(small_loop()), 4, jax.ShapeDtypeStruct((WIDTH,), "float32")
        self.rows, self.count = [self.row], jax.ShapeDtypeStruct((), "int32")

    def begin(self, rows: Any, state: Any, steps: Any) -> list[Any]:
        return [state[0], 2.0 * rows[0], jnp.full(WIDTH, 1.0, "float32"), rows[0] + 1.0]

    def plain(self, rows: Any, steps: Any, carried: Any, k: Any) -> list[Any]:
        return [carried[0] + carried[1], 2.0 * rows[0], jnp.full(WIDTH, 2.0, "float32"), rows[0] + 1.0]

    def ends(self, carried: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return (carried[0] * carried[3],), ()


def test_a_row_is_carried_that_begins_otherwise_or_is_read_at_the_end():
    assert moving(FourRows()) == (0, 2, 3)
