"""Steps as straight-line arithmetic: what is counted, what is hoisted, and what is set apart."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from hemotwin.core.errors import HemotwinError, UnknownNameError
from hemotwin.core.smooth import safe_sqrt
from hemotwin.engine.backends.arithmetic import Arithmetic
from hemotwin.engine.backends.jacobian import eliminated
from hemotwin.engine.backends.pallas import PallasBeat
from hemotwin.engine.backends.rewriting import gathered_rare, joined, recomputed, rewrite, with_rare
from hemotwin.engine.backends.straight_line import Constant, Operation, Rare, StraightLine, run, trace
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


def event(c, v):
    """A long correction where v[0] > 0, and something outside that reads what the correction made."""
    moved = safe_sqrt(v[0] * v[1] + 1.0) * v[1] + safe_sqrt(v[1] + 2.0) / (v[0] * v[0] + 3.0) + jnp.exp(v[1])
    first = jnp.where(v[0] > 0.0, moved, v[1])
    return [first, jnp.where(v[0] > 0.0, first * moved, c[0])]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_rare_part_changes_no_value_whether_run_or_passed_by(sign: float):
    plain = joined(traced(event))
    apart = with_rare(plain)
    parts = [piece for piece in apart.body if isinstance(piece, Rare)]
    assert len(parts) == 1 and len(parts[0].operations) >= 10
    c, b = np.linspace(1.0, 2.0, WIDTH), np.linspace(0.1, 0.9, WIDTH)
    for a in (sign * np.linspace(0.5, 1.0, WIDTH), np.where(np.arange(WIDTH) == 5, 0.7, -0.7)):
        for found, expected in zip(computed(apart, c, a, b), computed(plain, c, a, b), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_what_reads_a_rare_part_waits_for_what_the_part_reads():
    """The first choice reads the part and stands before the sum that the part's other half reads."""

    def two_halves(c, v):
        first = jnp.where(v[0] > 0.0, jnp.exp(v[1]) * safe_sqrt(v[1] + 2.0), v[1])
        late = v[0] * v[1] - 3.0
        return [first, late, jnp.where(v[0] > 0.0, jnp.exp(late) * safe_sqrt(late * late + 1.0), c[0])]

    plain = joined(traced(two_halves))
    apart = with_rare(plain)
    kinds = [isinstance(piece, Rare) for piece in apart.body]
    assert sum(kinds) == 1 and not kinds[-1]
    inputs = np.linspace(1.0, 2.0, WIDTH), np.linspace(-1.0, 1.0, WIDTH), np.linspace(0.1, 0.9, WIDTH)
    for found, expected in zip(computed(apart, *inputs), computed(plain, *inputs), strict=True):
        np.testing.assert_array_equal(found, expected)


def two_events(c, v):
    """Two independent corrections, for v[0] > 0 and for v[1] > 0.5, and one that needs the first's outcome."""
    long = lambda x, y: jnp.exp(x) * safe_sqrt(x * y + 3.0) / (y * y + 2.0) + safe_sqrt(y + 4.0) * jnp.exp(y)  # noqa: E731
    first = jnp.where(v[0] > 0.0, long(v[0], v[1]), v[1])
    second = jnp.where(v[1] > 0.5, long(v[1], c[0]), v[0])
    return [first, second, jnp.where(first > 1.5, long(first, second), c[0])]


def test_rare_parts_that_need_not_wait_run_in_one_place_and_change_no_value():
    plain = joined(traced(two_events))
    apart = with_rare(plain)
    gathered = gathered_rare(apart)
    number = lambda line: [len(piece.outputs) for piece in line.body if isinstance(piece, Rare)]  # noqa: E731
    assert number(apart) == [1, 1, 1] and number(gathered) == [2, 1]
    c, b = np.linspace(1.0, 2.0, WIDTH), np.linspace(0.1, 0.9, WIDTH)
    for a in (np.full(WIDTH, -0.5), np.linspace(-1.0, 1.0, WIDTH)):
        for low in (b, 0.4 * b):
            for found, expected in zip(computed(gathered, c, a, low), computed(plain, c, a, low), strict=True):
                np.testing.assert_allclose(found, expected, rtol=1e-15)  # XLA joins products within a branch


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
    for piece in line.body:
        inside = piece.operations if isinstance(piece, Rare) else (piece,)
        local = set(made) if isinstance(piece, Rare) else made
        for operation in inside:
            assert {i for i in operation.inputs if isinstance(i, int)} <= local
            local.add(operation.output)
        made |= set(piece.outputs) if isinstance(piece, Rare) else set()
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
