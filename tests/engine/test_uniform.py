"""What follows from the number of a step alone is made for many steps at once, and is what each step would make."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.system import System
from hemotwin.engine.backends.native import call
from hemotwin.engine.backends.native.program import SLOW, native_program
from hemotwin.engine.backends.native.uniform import Uniform, uniform
from hemotwin.engine.backends.pallas import on_backend
from hemotwin.engine.backends.straight_line import Operation, operations_of
from hemotwin.engine.beat import BeatMap, compiled
from hemotwin.engine.precision import double
from hemotwin.physiology.model import circulation
from tests.engine.kernels import REDUCTIONS, patients, small_loop

pytestmark = [
    pytest.mark.skipif(bool(call.why_not()), reason="native code needs a CPU and llvmlite"),
    pytest.mark.filterwarnings("error:this circulation runs on XLA"),  # else XLA would be compared with itself
]
WIDTH = 8  # float64 in the widest vectors


def in_phase() -> System:
    """A loop whose drive depends on the share of the beat alone: a power, and a choice by a mask."""

    def drive(p, t):
        phase = t / (60.0 / p["rate"])
        return jnp.exp(1.7 * jnp.log(jnp.where(phase < 0.4, phase, 0.7 - 0.7 * phase) + 0.1))

    return dataclasses.replace(small_loop(), name="in phase", activations=(drive,))


def table_of(system: System) -> Uniform:
    program = native_program(BeatMap(system), "float64", WIDTH, None)
    numbers = frozenset((program.parameters, program.parameters + 1 + program.carried))
    return uniform(program.step.line, numbers, "float64", SLOW)


@pytest.mark.parametrize("steps", [1, WIDTH - 1, WIDTH, WIDTH + 1, 5 * WIDTH + 3])
def test_any_number_of_steps_has_the_beat_of_xla(steps: int):
    """Float64, differing by rounding; three beats in a call begin the table anew each time."""
    assert table_of(in_phase()).values
    with double():
        rows, state = patients(count=WIDTH + 3)
        native, xla = (on_backend(BeatMap(in_phase(), REDUCTIONS), name) for name in ("native", "xla"))
        for found, expected in zip(compiled(native, None)(rows, state, steps), compiled(xla, None)(rows, state, steps),
                                   strict=True):  # fmt: skip
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
        together = call.native_beat(native, rows, state, steps, 3, None)
        assert together is not None
        for _ in range(3):
            state = compiled(native, None)(rows, state, steps).state
        np.testing.assert_array_equal(np.asarray(together[0]), np.asarray(state))


@pytest.mark.parametrize("name", ["adult", "regazzoni_2022_b"])
def test_the_table_is_made_of_nothing_that_patients_differ_in(name: str):
    system = circulation(name).system
    program, found = native_program(BeatMap(system), "float64", WIDTH, None), table_of(system)
    line = program.step.line
    differs = set(range(line.inputs)) - {program.parameters, program.parameters + 1 + program.carried}
    for operation in operations_of(line):
        if not differs.isdisjoint(operation.inputs):
            differs.add(operation.output)
    assert differs.isdisjoint(o.output for o in found.operations) and differs.isdisjoint(found.values)
    kept = {piece.output for piece in found.body if isinstance(piece, Operation)}
    assert kept.isdisjoint(found.values)
    assert {o.output for piece in line.body for o in getattr(piece, "operations", (piece,))} >= kept


def test_an_onset_that_patients_share_takes_the_logarithm_of_time_out_of_their_steps():
    """`adult` with fixed onsets: no logarithm is left in the steps; where onsets are free, it stays."""
    from hemotwin.engine.folded import folded

    model = circulation("adult")
    fixed = folded(model.system, {n: v for n, v in model.values.items() if n != "heart_rate"})
    logarithms = lambda system: [p.name for p in table_of(system).body if isinstance(p, Operation)].count("log")  # noqa: E731
    assert logarithms(fixed) == 0 and [o.name for o in table_of(fixed).operations].count("log") == 2
    assert logarithms(model.system) > 0


def test_little_stays_in_the_step():
    """The share of the beat alone is not worth a table."""
    short = dataclasses.replace(small_loop(), name="short", activations=(lambda p, t: p["rate"] * t / 600.0,))
    found = table_of(short)
    line = native_program(BeatMap(short), "float64", WIDTH, None).step.line
    assert not found.values and not found.operations and found.body == line.body
