"""Rows of tangents that a shut valve or an extreme out of reach leave idle are recognised, and only they."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.engine.backends.jacobian import Jacobian, Row, eliminated
from hemotwin.engine.backends.native import call
from hemotwin.engine.backends.native.idle import Idle, idle_rows
from hemotwin.engine.backends.native.program import native_program
from hemotwin.engine.backends.native.tangents import TangentKernel
from hemotwin.engine.backends.rewriting import rewrite
from hemotwin.engine.backends.straight_line import Constant, Operation, StraightLine, trace
from hemotwin.engine.beat import compiled
from hemotwin.engine.precision import double
from tests.engine.kernels import STEPS, patients, small_beat

ROW = jax.ShapeDtypeStruct((8,), "float64")
STATES = 4


def linearised(step) -> tuple[StraightLine, Jacobian]:
    """A step of four carried rows and one parameter, whose direction is the parameter's, with its derivatives."""
    found: list[Jacobian] = []

    def more(builder, operations, outputs):
        sources = list(range(1, 1 + STATES))
        found.append(eliminated(builder, operations, sources, [0], outputs, 4, "float64", read=range(STATES)))
        return [d for row in found[0].rows for _, d in (*row.edges, *row.seeds)]

    with double():
        line = trace(lambda c, v: step(c[0], v), [ROW], [ROW] * STATES, rewrite, more)
    return line, found[0]


def idle_of(step) -> dict[int, Idle]:
    """Rows that may be idle, by the carried row that they replace."""
    line, jacobian = linearised(step)
    place = {vertex: i for i, vertex in enumerate(jacobian.outputs)}
    return {place[vertex]: idle for vertex, idle in idle_rows(line, jacobian).items()}


def test_a_flow_behind_a_shut_valve_is_idle_and_a_plain_one_is_not():
    def step(c, v):
        shut, plain = (v[i] * v[1] + c * v[2] * v[3] for i in (0, 1))
        return [jnp.where(v[3] > v[1], shut, 0.0), plain, v[2], v[3]]

    found = idle_of(step)
    assert set(found) == {0} and found[0].kept is None and len(found[0].zero) == 3


def test_a_choice_between_two_flows_is_never_idle():
    assert idle_of(lambda c, v: [jnp.where(v[3] > v[1], v[0] * v[1] * v[2], c * v[1] * v[2]), v[1], v[2], v[3]]) == {}


def test_an_extreme_keeps_its_row_and_waits_for_the_derivative_by_the_parameter_too():
    def step(c, v):
        reached = jnp.maximum(v[0], v[1] * v[2] + c * v[3])
        return [jnp.where(v[3] > v[1], reached, v[0]), v[1], v[2], v[3]]

    found = idle_of(step)
    assert set(found) == {0} and found[0].kept is not None and len(found[0].zero) == 4  # three edges and the seed


def test_a_derivative_that_is_shared_with_another_source_is_looked_at_too():
    """Value 5 is the derivative by the row itself and by source 1: where it is 1 the row moves with that source."""
    none, one = (Constant(x, "float64") for x in (0.0, 1.0))
    body = (
        Operation("gt", (2, 3), 4, "bool"), Operation("select_n", (4, none, one), 5, "float64"),
        Operation("mul", (1, 2), 6, "float64"), Operation("select_n", (4, none, 6), 7, "float64"),
        Operation("select_n", (4, 6, 0), 8, "float64"),
    )  # fmt: skip
    edges = ((0, 5), (1, 5), (2, 7), (3, 7))
    line = StraightLine(0, STATES, (), body, (8, 1, 2, 3, *(operand for _, operand in edges)))
    found = idle_rows(line, Jacobian(STATES, (Row(STATES, edges, ()),), (STATES, 1, 2, 3)))
    assert found == {STATES: Idle((5, 7), 5)}


def test_an_extreme_that_a_parameter_moves_in_every_step_is_not_idle():
    def step(c, v):
        reached = jnp.maximum(v[0], v[1] * v[2] * v[3])
        return [jnp.where(v[3] > v[1], reached, v[0]) + c, v[1], v[2], v[3]]

    assert idle_of(step) == {}


def test_few_products_are_not_worth_a_branch():
    assert idle_of(lambda c, v: [jnp.where(v[3] > v[1], v[0] * v[1], 0.0), v[1], v[2], v[3]]) == {}


def test_derivatives_that_cancel_out_in_every_step_are_nothing_to_look_at():
    def step(c, v):
        return [v[0] + v[1] + v[2] + v[3] - v[1] - v[0] - v[2] - v[3], v[1], v[2], v[3]]

    assert idle_of(step) == {}


def test_products_behind_a_mask_are_left_to_the_rare_part():
    """A derivative is 0 where its mask is: what multiplies it need not be computed there."""
    line, _ = linearised(lambda c, v: [c * v[0] * jnp.where(v[3] > v[1], v[1] * v[2] * v[3], 0.0), v[1], v[2], v[3]])
    last = {o.output: o for o in line.body}
    guarded = [last[o] for o in line.outputs[STATES:] if isinstance(o, int) and o in last]
    assert sum(o.name == "select_n" for o in guarded) >= 3  # the choice stands outside, its products inside


@pytest.mark.skipif(bool(call.why_not()), reason="native code needs a CPU and llvmlite")
def test_both_kinds_stand_in_a_beat_and_change_no_derivative():
    """The small loop: rows of its two valves, and its three extremes; against XLA, which leaves nothing out."""
    beat = small_beat()
    program = native_program(beat, "float64", 8, (0, 1, 2))
    kinds = [idle.kept is not None for idle in TangentKernel(program).idle.values()]
    assert kinds.count(True) == 3 and kinds.count(False) >= 2
    with double():
        rows, state = patients()
        for _ in range(2):
            state = compiled(beat, None)(rows, state, STEPS).state
            out = [
                compiled(type(beat)(beat.system, beat.reductions, backend=name), (0, 1, 2))(rows, state, STEPS)
                for name in ("native", "xla")
            ]
            for found, expected in zip(*out, strict=True):
                np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)
