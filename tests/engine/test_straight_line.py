"""Steps as straight-line arithmetic: what is counted, what is hoisted, and what is set apart."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from hemotwin.core.errors import HemotwinError, UnknownNameError
from hemotwin.engine.backends.arithmetic import Arithmetic
from hemotwin.engine.backends.jacobian import eliminated
from hemotwin.engine.backends.pallas import PallasBeat
from hemotwin.engine.backends.rewriting import joined, recomputed, rewrite
from hemotwin.engine.backends.straight_line import Constant, Operation, Rare, StraightLine, Votes, run, trace
from hemotwin.engine.folded import folded
from hemotwin.engine.precision import double
from tests.engine.kernels import NAMES, TYPICAL, patients, small_beat, small_loop

WIDTH = 8
ROW = jax.ShapeDtypeStruct((WIDTH,), "float64")


def traced(function, invariants: int = 1, varying: int = 2) -> StraightLine:
    with double():
        return trace(function, [ROW] * invariants, [ROW] * varying, rewrite)


def computed(line: StraightLine, *inputs: np.ndarray) -> list[np.ndarray]:
    with double():
        values = {i: jnp.asarray(x) for i, x in enumerate(inputs)}
        run(line.prologue, Arithmetic(WIDTH, False), values)
        Arithmetic(WIDTH, False).run(line.body, values)
        return [np.asarray(o.value if isinstance(o, Constant) else values[o]) for o in line.outputs]


def test_what_is_invariant_is_formed_once_and_equal_operations_once():
    line = traced(lambda c, v: [v[0] * (c[0] * c[0]) + 0.0, (c[0] * c[0]) * v[0] * 1.0])
    assert line.always == {"mul": 1} and [o.name for o in line.prologue] == ["mul"]
    assert line.outputs[0] == line.outputs[1]


def test_division_by_an_invariant_multiplies_and_a_product_joins_its_sums():
    line = joined(traced(lambda c, v: [v[0] / c[0] + v[1], v[1] - 2.0 * (v[0] * 3.0)]))
    assert line.always == {"fma": 1, "fnma": 1} and [o.name for o in line.prologue] == ["reciprocal"]
    c, a, b = (np.linspace(1.0, 2.0, WIDTH) + i for i in range(3))
    for found, expected in zip(computed(line, c, a, b), (a / c + b, b - 6.0 * a), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_a_product_that_more_than_sums_read_stays():
    line = joined(traced(lambda c, v: [v[0] * v[1] + c[0], jnp.maximum(v[0] * v[1], 0.0)]))
    assert line.always == {"mul": 1, "add": 1, "max": 1}


@pytest.mark.parametrize(
    ("function", "left"),
    [
        (lambda c, v: [v[0] - (v[0] - v[1])], {}),
        (lambda c, v: [(v[0] - v[1]) + v[1], v[1] + (v[0] - v[1])], {}),
        (lambda c, v: [(v[0] - v[1]) + (v[1] - c[0])], {"sub": 1}),
        (lambda c, v: [c[0] * v[0] + c[0] * (v[1] - v[0])], {"mul": 1}),
        (lambda c, v: [v[1] * (v[0] - c[0]) + (v[1] - v[0]) * v[1]], {"sub": 1, "mul": 1}),
        (lambda c, v: [v[0] - v[0] + v[1]], {}),
        (lambda c, v: [v[1] - v[0] * -v[1]], {"fma": 1}),
        (lambda c, v: [1.0 / v[0] + v[1] * v[0] ** -2], {"reciprocal": 1, "mul": 1, "fma": 1}),
        (lambda c, v: [lax.logistic(-v[0])], {"exp": 1, "add": 1, "reciprocal": 1}),
    ],
)
def test_what_was_taken_away_and_put_back_costs_nothing(function, left):
    """The sums that are left are exact in another order, so that the values agree to rounding of the larger terms."""
    line = joined(traced(function))
    assert line.always == left
    c, a, b = (np.linspace(1.0, 2.0, WIDTH) + i for i in range(3))
    with double():
        expected = [np.asarray(x) for x in function([jnp.asarray(c)], [jnp.asarray(a), jnp.asarray(b)])]
    for found, want in zip(computed(line, c, a, b), expected, strict=True):
        np.testing.assert_allclose(found, want, rtol=1e-14)


def test_what_is_cheap_to_make_of_invariants_may_be_made_in_every_step():
    plain = traced(lambda c, v: [v[0] * (c[0] * c[0] + 2.0), v[1] * jnp.exp(c[0] + 1.0), v[0] / (c[0] * c[0])])
    again = recomputed(plain)
    assert {o.name for o in again.prologue} >= {"exp", "add"} and "mul" not in {o.name for o in again.prologue[-1:]}
    assert again.always["mul"] == plain.always["mul"] + 1 and again.always["add"] == 1
    inputs = [np.linspace(1.0, 2.0, WIDTH) + i for i in range(3)]
    for found, expected in zip(computed(again, *inputs), computed(plain, *inputs), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_direction_pushed_through_the_local_jacobian_is_the_derivative():
    """Sources are the two varying inputs, the seed the invariant; the last two inputs are the direction."""

    def step(c, v):
        inner = jnp.where(v[0] > 1.3, v[0] * jnp.exp(c[0] * v[1]), v[1] ** 2)
        return [inner / (1.0 + v[0] ** 2), jnp.maximum(inner, v[1]) * c[0]]

    with double():
        line = trace(
            lambda c, v: step(c, v[:2]), [ROW, ROW], [ROW] * 4, rewrite,
            lambda builder, operations, outputs: eliminated(
                builder, operations, [2, 3], [0], outputs, 1, "float64"
            ).pushed(builder, [4, 5], [1], "float64"),
        )  # fmt: skip
        rows = [jnp.linspace(1.0, 1.6, WIDTH) + 0.1 * i for i in range(6)]
        c, seed, *v, one, two = rows
        found = computed(line, *map(np.asarray, rows))
        ends, pushed = jax.jvp(lambda c, *v: step([c], v), (c, *v), (seed, one, two))
    for got, expected in zip(found, (*ends, *pushed), strict=True):
        np.testing.assert_allclose(got, np.asarray(expected), rtol=1e-14)


def test_every_value_is_made_before_it_is_read():
    """A part that runs at one place must come after what it reads and before what reads it: the whole small beat."""
    beat = small_beat()
    with double():
        line = PallasBeat(beat.system, beat.reductions).program("float64").line
    made = set(line.kept()) | set(range(line.invariants, line.inputs))
    assert any(isinstance(piece, Votes) for piece in line.body)
    for piece in line.body:
        parts = piece.parts if isinstance(piece, Votes) else (piece,) if isinstance(piece, Rare) else ()
        outside = set(made)
        for part in parts:
            local = set(outside)
            assert part.predicate in made and {i for _, i in part.otherwise if isinstance(i, int)} <= outside
            for operation in part.operations:
                assert {i for i in operation.inputs if isinstance(i, int)} <= local
                local.add(operation.output)
            assert set(part.outputs) <= local
            outside |= set(part.outputs)
        if isinstance(piece, Operation):
            assert {i for i in piece.inputs if isinstance(i, int)} <= made
            made.add(piece.output)
        else:
            assert set(piece.outputs) <= outside and {i for _, i in piece.otherwise if isinstance(i, int)} <= made
            made |= set(piece.outputs)
    assert {o for o in line.outputs if isinstance(o, int)} <= made
    assert sum(line.rare.values()) > 100, "opening and closing of two valves and four extremes are rare"


def test_a_program_has_its_own_type_whatever_the_callers_setting():
    with double(False):
        line = PallasBeat(small_beat().system).program("float64").line
    assert {o.dtype for o in line.prologue if o.dtype.startswith("float")} == {"float64"}


@pytest.mark.parametrize("name", ["cos", "sin"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_turns_are_exact_to_a_few_roundings_over_ten_beats(name: str, dtype: str):
    with double(dtype == "float64"):
        x = jnp.linspace(-35.0, 35.0, 20001, dtype=dtype)
        found = Arithmetic(x.size, False)(Operation(name, (0,), 1, dtype), [x])
        expected = getattr(np, name)(np.asarray(x, float))
    # the reduction loses the size of the argument, 35, in units of the last place of 1
    assert np.max(np.abs(np.asarray(found, float) - expected)) <= 4.0 * np.finfo(dtype).eps


@pytest.mark.parametrize("name", ["exp", "log"])
def test_series_of_float64_for_a_gpu_are_right_to_a_few_last_places(name: str):
    """Interpreted, products are rounded before they are added: three roundings more than on a device."""
    with double():
        wide = jnp.linspace(-700.0, 700.0, 20001) if name == "exp" else jnp.geomspace(1e-300, 1e300, 20001)
        near = jnp.linspace(-1.0, 1.0, 20001) if name == "exp" else jnp.linspace(0.5, 2.0, 20001)
        for given in (wide, near):
            arithmetic = Arithmetic(given.size, False)
            found = (arithmetic.exponential if name == "exp" else arithmetic.logarithm)(given)
            expected = getattr(np, name)(np.asarray(given))
            unit = np.finfo(float).eps * np.maximum(np.abs(expected), 0.0 if name == "exp" else 0.1)
            assert np.max(np.abs(np.asarray(found) - expected) / unit) <= 4.0


def test_odd_arguments_of_these_series_have_the_values_of_ieee_or_nearly():
    """An exponential stops at e^709 and at e^-708, which is nothing beside 1; NaN and the logarithm's ends stay."""
    with double():
        odd = jnp.asarray([jnp.nan, jnp.inf, -jnp.inf, 800.0, -800.0, 0.0, -1.0])
        arithmetic = Arithmetic(odd.size, False)
        power, log = np.asarray(arithmetic.exponential(odd)), np.asarray(arithmetic.logarithm(odd))
    assert np.isnan(power[0]) and np.all(power[[1, 3]] > 8e307) and np.all(power[[2, 4]] < 1e-307) and power[5] == 1.0
    assert np.isnan(log[[0, 2, 4, 6]]).all() and log[1] == np.inf and log[5] == -np.inf
    assert log[3] == pytest.approx(np.log(800.0), rel=1e-15)


def test_loops_and_captured_arrays_are_refused_by_name():
    with pytest.raises(HemotwinError, match="`while`"):
        traced(lambda c, v: [lax.while_loop(lambda x: x[0] > 0.0, lambda x: x - 1.0, v[0])])
    with pytest.raises(HemotwinError, match="capture arrays"):
        traced(lambda c, v: [v[0] + np.arange(float(WIDTH))])


def test_folded_parameters_become_numbers_and_change_no_beat():
    system = folded(small_loop(), {"total": TYPICAL[4], "rate": TYPICAL[0]})
    assert system.parameters.names == NAMES[1:4]
    assert system is folded(small_loop(), {"rate": TYPICAL[0], "total": TYPICAL[4]})
    with pytest.raises(UnknownNameError, match="parameter"):
        folded(small_loop(), {"totl": 1.0})
    with double():
        rows, _ = patients(count=1)
        rows = rows.at[0].set(TYPICAL[0]).at[4].set(TYPICAL[4])
        p, full = system.read(tuple(rows[1:4])), small_loop().read(tuple(rows))
        assert float(system.period(p)) == float(small_loop().period(full)[0])
        assert {k: float(np.ravel(v)[0]) for k, v in p.items()} == {k: float(v[0]) for k, v in full.items()}
