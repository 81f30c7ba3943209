"""Parts that only few lanes need: they change no value, whether they run or are passed by, alone or together.

The line without parts is the reference; what a lane gets must not depend on what its neighbours need.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.smooth import safe_sqrt
from hemotwin.engine.backends import arithmetic, rare
from hemotwin.engine.backends.arithmetic import Arithmetic
from hemotwin.engine.backends.demand import sunk
from hemotwin.engine.backends.rare import MOST_PARTS, chosen, gathered_rare, with_rare
from hemotwin.engine.backends.rewriting import joined
from hemotwin.engine.backends.straight_line import Constant, Operation, Rare, StraightLine, Votes, run
from hemotwin.engine.precision import double
from tests.engine.test_straight_line import WIDTH, computed, traced

ROUNDING = 2e-15  # compilers join products with sums, in a branch other ones


def jitted(line: StraightLine) -> Callable[..., list[np.ndarray]]:
    def answers(*inputs: Any) -> list[Any]:
        values = dict(enumerate(inputs))
        run(line.prologue, Arithmetic(WIDTH, False), values)
        Arithmetic(WIDTH, False).run(line.body, values)
        return [o.value if isinstance(o, Constant) else values[o] for o in line.outputs]

    compiled = jax.jit(answers)

    def in_double(*inputs: np.ndarray) -> list[np.ndarray]:
        with double():
            return [np.asarray(x) for x in compiled(*inputs)]

    return in_double


def parts(line: StraightLine) -> list[Rare | Votes]:
    return [piece for piece in line.body if isinstance(piece, Rare | Votes)]


def equal_however_many_need_it(line: StraightLine, plain: StraightLine) -> None:
    """Where no lane, one lane and every lane is positive, in either input."""
    found, expected = jitted(line), jitted(plain)
    c, one = np.linspace(1.0, 2.0, WIDTH), np.where(np.arange(WIDTH) == 5, 0.7, -0.7)
    kinds = (np.linspace(-1.0, -0.5, WIDTH), one, one[::-1], np.linspace(0.5, 1.0, WIDTH))
    for a in kinds:
        for b in kinds:
            for got, want in zip(found(c, a, b), expected(c, a, b), strict=True):
                np.testing.assert_allclose(got, want, rtol=ROUNDING)


def event(c, v):
    """A long correction where v[0] > 0, and something outside that reads what the correction made."""
    moved = safe_sqrt(v[0] * v[1] + 1.0) * v[1] + safe_sqrt(v[1] + 2.0) / (v[0] * v[0] + 3.0) + jnp.exp(v[1])
    first = jnp.where(v[0] > 0.0, moved, v[1])
    return [first, jnp.where(v[0] > 0.0, first * moved, c[0])]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_rare_part_changes_no_value_whether_run_or_passed_by(sign: float):
    plain = joined(traced(event))
    apart = with_rare(plain)
    assert len(parts(apart)) == 1 and len(parts(apart)[0].operations) >= 10
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


def test_what_a_predicate_waits_for_by_way_of_another_part_stays_outside():
    """The second predicate reads the first part's choice; the first part reads what only the second's lanes need."""

    def entangled(c, v):
        long = lambda x: jnp.exp(x) * safe_sqrt(x * x + 3.0) / (x * x + 2.0)  # noqa: E731
        first = jnp.where(v[0] > 0.0, long(v[1]), v[1])
        late = long(c[0] * v[1])
        return [jnp.where(first > 0.5, late + jnp.where(v[0] > 0.0, long(late), v[1]), 0.0)]

    plain = joined(traced(entangled))
    apart = with_rare(plain)
    known = {*range(apart.inputs), *(operation.output for operation in apart.prologue)}
    for piece in apart.body:
        assert {i for i in piece.reads if isinstance(i, int)} <= known
        known |= piece.makes
    assert len(parts(apart)) == 2
    equal_however_many_need_it(sunk(chosen(apart)), plain)


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
    number = lambda line: [len(piece.outputs) for piece in parts(line)]  # noqa: E731
    assert number(apart) == [1, 1, 1] and number(gathered) == [2, 1]
    c, b = np.linspace(1.0, 2.0, WIDTH), np.linspace(0.1, 0.9, WIDTH)
    for a in (np.full(WIDTH, -0.5), np.linspace(-1.0, 1.0, WIDTH)):
        for low in (b, 0.4 * b):
            for found, expected in zip(computed(gathered, c, a, low), computed(plain, c, a, low), strict=True):
                np.testing.assert_allclose(found, expected, rtol=1e-15)  # XLA joins products within a branch


@pytest.mark.parametrize(("least", "places"), [(100, [2]), (1000, [])])
def test_a_place_with_little_to_pass_by_has_no_vote(least: int, places: list[int]):
    """What ran there runs always: the last part of the three alone, then all; no value changes."""
    plain = joined(traced(two_events))
    gathered = gathered_rare(sunk(chosen(with_rare(plain))), least=least)
    assert [len(piece.outputs) for piece in parts(gathered)] == places
    equal_however_many_need_it(gathered, plain)
    equal_however_many_need_it(gathered_rare(with_rare(plain), least=least), plain)


def test_parts_that_waited_for_a_place_without_a_vote_wait_no_longer():
    def small_then_large(c, v):
        first = jnp.where(v[0] > 0.0, long(v[0], v[1]), v[1])
        return [first, jnp.where(first > 0.5, long(v[1], first) + long(first, v[1]) + long(first, v[0]), v[0])]

    plain = joined(traced(small_then_large))
    apart = sunk(chosen(with_rare(plain)))
    assert len(parts(gathered_rare(apart))) == 2
    (only,) = parts(gathered_rare(apart, least=120))
    assert isinstance(only, Rare)
    equal_however_many_need_it(gathered_rare(apart, least=120), plain)


def long(x, y):
    """Dear enough for a part of its own."""
    return jnp.exp(x) * jnp.sqrt(x * x + 3.0) / (y * y + 2.0) + jnp.sqrt(y * y + 4.0) * jnp.exp(y)


def test_a_choice_is_made_inside_the_part_and_passing_by_gives_the_other_value():
    plain = joined(traced(lambda c, v: [jnp.where(v[0] > 0.0, long(v[0], v[1]), v[1] * c[0]), v[0] + v[1]]))
    inside = chosen(with_rare(plain))
    (part,) = parts(inside)
    assert inside.always["select_n"] == 0 and [o.name for o in part.operations].count("select_n") > 0
    assert len(part.outputs) == 1 and dict(part.otherwise).keys() == set(part.outputs)
    equal_however_many_need_it(inside, plain)
    equal_however_many_need_it(sunk(inside), plain)


def test_a_choice_whose_other_value_follows_from_the_part_stays_outside():
    """The second choice falls back on what the first one gave."""

    def both(c, v):
        first = jnp.where(v[0] > 0.0, long(v[0], v[1]), v[1])
        return [first, jnp.where(v[0] > 0.0, long(v[1], v[0]), first * c[0])]

    plain = joined(traced(both))
    inside = chosen(with_rare(plain))
    assert inside.always["select_n"] == 1 and len(parts(inside)) == 1
    equal_however_many_need_it(inside, plain)


def test_a_part_waits_for_the_other_values_of_its_choices():
    """The other value is made after the part would have run."""

    def late(c, v):
        return [jnp.where(v[0] > 0.0, long(v[0], c[0]), jnp.exp(v[1]) - v[0])]

    plain = joined(traced(late))
    inside = chosen(with_rare(plain))
    kinds = [isinstance(piece, Rare) for piece in inside.body]
    assert kinds.count(True) == 1 and kinds[-1]
    equal_however_many_need_it(inside, plain)


def test_choices_upon_choices_take_one_vote():
    """As a valve that closes, opens or does neither: the second choice falls back on the first."""

    def valve(c, v):
        first = jnp.where(v[0] > 0.0, long(v[0], v[1]), v[0] * v[1])
        return [jnp.where(v[1] > 0.0, long(v[1], c[0]), first)]

    plain = joined(traced(valve))
    apart = chosen(with_rare(plain))
    together = gathered_rare(apart)
    assert len(parts(apart)) == 2 and len(parts(together)) == 1
    (part,) = parts(together)
    product = next(o for o in together.body if isinstance(o, Operation) and o.name == "mul")
    assert together.always["select_n"] == 0 and part.otherwise == ((part.outputs[0], product.output),)
    for line in (apart, together, sunk(together)):
        equal_however_many_need_it(line, plain)


def six_events(c, v):
    """Six corrections by six predicates, one of them dearer and two of which share most of their work."""
    common = long(v[0], v[1])
    half = lambda x: common * jnp.exp(x) + jnp.sqrt(x * x + 1.0) * jnp.exp(-x)  # noqa: E731
    shared = [jnp.where(x > 0.6, half(x), x) for x in v]
    apart = [jnp.where(v[0] < y, long(v[1] + y, v[0] * y), v[0]) for y in (-0.6, -0.65, -0.8)]
    return [*shared, *apart, jnp.where(v[1] < -0.6, long(v[0] + 0.1, v[1] + 0.5) * long(c[0], v[0] + 0.2), c[0])]


def test_one_vote_tells_which_parts_run_and_there_are_no_more_than_it_can_count(monkeypatch: pytest.MonkeyPatch):
    plain = joined(traced(six_events))
    apart = sunk(chosen(with_rare(plain)))
    assert len(parts(apart)) == 6
    (votes,) = parts(gathered_rare(apart))
    assert isinstance(votes, Votes) and len(votes.parts) == MOST_PARTS
    assert sorted(len(part.outputs) for part in votes.parts) == [1, 1, 1, 1, 2]
    equal_however_many_need_it(gathered_rare(apart), plain)
    monkeypatch.setattr(rare, "MOST_PARTS", 3)
    (votes,) = parts(gathered_rare(apart))
    assert isinstance(votes, Votes) and len(votes.parts) == 3
    equal_however_many_need_it(gathered_rare(apart), plain)


def test_more_parts_than_one_number_counts_take_several(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(arithmetic, "WORD", 8)  # two counts of up to 8 lanes, so that five parts take three numbers
    plain = joined(traced(six_events))
    equal_however_many_need_it(gathered_rare(sunk(chosen(with_rare(plain)))), plain)


def test_a_part_runs_only_when_a_lane_needs_it(monkeypatch: pytest.MonkeyPatch):
    """Counted by what the branches return: a vote for nobody gives what is otherwise, without computing."""
    line = gathered_rare(sunk(chosen(with_rare(joined(traced(six_events))))))
    ran: list[bool] = []
    monkeypatch.setattr(
        arithmetic.lax, "cond", lambda need, yes, no: ran.append(bool(need)) or (yes() if need else no())
    )
    c, quiet = np.ones(WIDTH), np.zeros(WIDTH)
    one = np.where(np.arange(WIDTH) == 3, -0.62, 0.0)
    for a, b in ((quiet, quiet), (one, quiet), (quiet, one), (one, one)):
        ran.clear()
        computed(line, c, a, b)
        needed = (a is one) + (b is one)
        assert ran[0] == (needed > 0) and len(ran) == (1 + MOST_PARTS if needed else 1)
        assert sum(ran[1:]) == needed
