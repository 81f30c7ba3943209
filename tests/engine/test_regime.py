"""What beats settle to, on maps whose answer has a closed form."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.errors import InputError
from hemotwin.core.status import Status
from hemotwin.engine.cycle import Beats
from hemotwin.engine.precision import double
from hemotwin.engine.regime import LEAST_CYCLES, LONGEST, SETTLE, WARM_UP, WINDOW, Regimes, regime

GOLDEN = 0.5 * (np.sqrt(5.0) - 1.0)  # of a turn per beat: no cycle of any length comes near


class Toy(Beats):
    """A map x -> f(x, k) of one lane's state, k the beat within the forcing, as the engine's `Beats`."""

    def __init__(self, rule: Callable[[Any, int], Any], size: int, forcing: int = 1) -> None:
        self.repeat, self.counts, self.plain, self.tangents = forcing, np.ones(size), 0, 0
        rules = [functools.partial(lambda k, x: rule(x, k), k) for k in range(forcing)]
        self.programs = [(lanes(one), lanes(jax.jacfwd(one))) for one in rules]

    @property
    def forcing(self) -> int:
        return self.repeat

    @property
    def weights(self) -> np.ndarray:
        return self.counts

    def after(self, state: Any, beat: int) -> np.ndarray:
        self.plain += 1
        return np.asarray(self.programs[beat % self.forcing][0](jnp.asarray(state)))

    def linearised(self, state: Any, beat: int) -> tuple[np.ndarray, np.ndarray]:
        self.tangents += 1
        end, slope = (program(jnp.asarray(state)) for program in self.programs[beat % self.forcing])
        return np.asarray(end), np.array(slope)

    def alive(self, state: Any) -> np.ndarray:
        return np.ones(state.shape[1], bool)


def lanes(function: Any) -> Any:
    return jax.jit(jax.vmap(function, in_axes=-1, out_axes=-1))


def found(rule: Callable[[Any, int], Any], guess: list[list[float]], forcing: int = 1, **settings: Any) -> Regimes:
    with double():
        return regime(Toy(rule, len(guess), forcing), np.array(guess), **settings)


def turn(angle: float, size: float) -> np.ndarray:
    c, s = size * np.cos(angle), size * np.sin(angle)
    return np.array([[c, -s], [s, c]])


def test_a_stable_steady_beat_is_solved_with_its_time_constant():
    told = found(lambda x, k: 3.0 + 0.5 * (x - 3.0), [[10.0, -4.0]])
    np.testing.assert_array_equal(told.status, int(Status.OK))
    np.testing.assert_allclose(told.states[0], 3.0, rtol=1e-12)
    np.testing.assert_allclose(told.time_constant, 1.0 / np.log(2.0), rtol=1e-9)


@pytest.mark.parametrize("multiplier", [-1.002, -1.05, -1.5])
def test_a_multiplier_beyond_minus_one_gives_two_beats_in_turn(multiplier: float):
    """x' = m x + x^3 about 100: the two beats are 100 +- a with m a + a^3 = -a, so a = sqrt(-1 - m).

    The steady beat is solved by Newton as well as any other: only its multiplier says that nothing stays there. From it
    (the second lane) sixty-four plain beats at -1.002 grow a disturbance by an eighth: only Newton kept off the steady
    beat gets further. What is left of the residual (1e-9) over 1 - multiplier (0.008) is 1e-7, or 1e-9 of the value.
    """
    told = found(lambda x, k: 100.0 + multiplier * (x - 100.0) + (x - 100.0) ** 3, [[100.3, 100.0]])
    np.testing.assert_array_equal(told.status, int(Status.ALTERNANS))
    np.testing.assert_array_equal(told.period, 2)
    pair = np.sort(told.states[:2, 0], axis=0)
    expected = 100.0 + np.sqrt(-1.0 - multiplier) * np.array([[-1.0, -1.0], [1.0, 1.0]])
    np.testing.assert_allclose(pair, expected, rtol=1e-9)
    np.testing.assert_allclose(told.mean[0], 100.0, rtol=1e-9)
    slope = multiplier + 3.0 * (-1.0 - multiplier)  # of the beat at either of the two
    np.testing.assert_allclose(told.multiplier, slope**2, rtol=1e-6, atol=1e-9)


def test_a_forcing_of_four_beats_gives_its_own_cycle():
    """x' = x / 2 + b_k: x_0 = sum of b_(3-j) 2^-j over one round, divided by 1 - 1/16."""
    b = np.array([1.0, -2.0, 5.0, 0.5])
    told = found(lambda x, k: 0.5 * x + b[k], [[0.0]], forcing=4)
    first = sum(b[3 - j] * 0.5**j for j in range(4)) / (1.0 - 0.5**4)
    expected = [first]
    for k in range(3):
        expected.append(0.5 * expected[-1] + b[k])
    assert Status(int(told.status[0])) == Status.BEAT_CYCLE and told.period[0] == 4
    np.testing.assert_allclose(told.states[:4, 0, 0], expected, rtol=1e-12)
    assert np.all(np.isnan(told.states[4:]))
    np.testing.assert_allclose(told.mean[0, 0], np.mean(expected), rtol=1e-12)
    np.testing.assert_allclose(told.time_constant[0], 1.0 / np.log(2.0), rtol=1e-9)


def test_a_forcing_that_repeats_sooner_than_it_says_has_the_shorter_period():
    told = found(lambda x, k: 0.5 * x + (k % 2), [[0.0]], forcing=4)
    assert told.period[0] == 2
    assert found(lambda x, k: 0.5 * x + 1.0, [[0.0]], forcing=4).status[0] == int(Status.OK)


def test_a_slow_multiplier_tells_its_time_constant_and_where_it_goes():
    told = found(lambda x, k: jnp.array([0.999, 0.3]) * (x - 7.0) + 7.0, [[0.0], [0.0]])
    assert Status(int(told.status[0])) == Status.DRIFTING and told.period[0] == 1
    np.testing.assert_allclose(told.states[0, :, 0], 7.0, rtol=1e-10)
    np.testing.assert_allclose(told.time_constant[0], -1.0 / np.log(0.999), rtol=1e-6)
    assert "999 beats" in told.sentence(0) and "was solved" in told.sentence(0)


def test_a_steady_loss_is_a_drift_without_end():
    told = found(lambda x, k: x * jnp.array([1.0, 0.5]) - jnp.array([0.1, 0.0]), [[50.0], [1.0]])
    assert Status(int(told.status[0])) == Status.DRIFTING and told.period[0] == 0
    assert told.time_constant[0] > 1e9
    np.testing.assert_allclose(told.residual[0], 0.1, rtol=1e-9)
    assert "no end was found" in told.sentence(0)


@pytest.mark.parametrize(("growth", "length"), [(3.5, 4), (3.83, 3), (3.55, 8)])
def test_the_logistic_map_has_its_known_cycles(growth: float, length: int):
    told = found(lambda x, k: growth * x * (1.0 - x), [[0.5, 0.71]])
    np.testing.assert_array_equal(told.status, int(Status.BEAT_CYCLE))
    np.testing.assert_array_equal(told.period, length)
    np.testing.assert_array_less(np.abs(told.multiplier), 1.0)


def test_beats_that_never_repeat_get_the_mean_of_a_stated_window():
    """Chaos (logistic map at 3.9), and a turn by the golden section that a cubic loss keeps at radius 1."""
    chaos = found(lambda x, k: 3.9 * x * (1.0 - x), [[0.4]])
    rotation = turn(2.0 * np.pi * GOLDEN, 1.0)
    circle = found(lambda x, k: rotation @ x * (1.1 - 0.1 * jnp.sum(x**2)), [[0.5], [0.0]])
    for told in (chaos, circle):
        assert Status(int(told.status[0])) == Status.WINDOW_MEAN
        assert told.period[0] == 0 and told.window[0] == WINDOW
        assert np.all(told.low < told.mean) and np.all(told.mean < told.high)
    assert abs(circle.mean[0, 0]) < 0.1 and circle.high[0, 0] > 0.9


@pytest.mark.parametrize("forcing", [31, 40])
def test_a_forcing_as_long_as_the_window_has_a_mean_too(forcing: int):
    """A slow breath whose cycle does not close: no two of its moves would be seen in a window of 32 beats."""
    rotation = turn(2.0 * np.pi * GOLDEN, 1.0)
    slow = Toy(lambda x, k: rotation @ x * (1.1 - 0.1 * jnp.sum(x**2)), 2)
    slow.repeat, slow.programs = forcing, slow.programs * forcing  # its beats are alike: one program does for all
    with double():
        told = regime(slow, np.array([[0.5], [0.0]]), longest=forcing)
    assert Status(int(told.status[0])) == Status.WINDOW_MEAN
    assert told.window[0] == LEAST_CYCLES * forcing


def test_lanes_are_judged_one_by_one_and_one_that_overflows_alone():
    def rule(x: Any, k: int) -> Any:
        resting, alternating, growing = 0.5 * x + 50.0, -1.05 * x + x**3, 2.0 * x - x**2
        return jnp.where(x > 50.0, resting, jnp.where(x < -10.0, growing, alternating))

    together, quiet = found(rule, [[90.0, 0.1, -20.0]]), found(rule, [[90.0, 0.1, 90.0]])
    assert [Status(int(s)) for s in together.status] == [Status.OK, Status.ALTERNANS, Status.NONFINITE]
    np.testing.assert_array_equal(together.states[..., :2], quiet.states[..., :2])


def test_what_grows_from_beat_to_beat_has_no_mean_though_it_has_not_overflowed():
    """x' = -1.5 x from 1: 1e17 after a hundred beats, by turns on either side."""
    told = found(lambda x, k: -1.5 * x, [[1.0]])
    assert np.isfinite(told.mean[0, 0]) and Status(int(told.status[0])) == Status.NONFINITE
    assert told.sentence(0) == "the numbers grow from beat to beat until they overflow"


class Bounded(Toy):
    """The same, of which states above 1.05 in size cannot be."""

    def possible(self, state: Any, beat: int) -> np.ndarray:
        return np.all(np.abs(state) < 1.05, axis=0)


@pytest.mark.parametrize(("size", "status"), [(1.0, Status.WINDOW_MEAN), (1.2, Status.UNPHYSIOLOGICAL)])
def test_beats_among_which_one_cannot_be_are_unphysiological(size: float, status: Status):
    """Beats that go round at a radius: in turn inside and outside what can be on each of the two axes."""
    rotation = turn(2.0 * np.pi * GOLDEN, 1.0)
    rule = lambda x, k: rotation @ x * (1.1 - 0.1 * jnp.sum(x**2) / size**2)  # noqa: E731
    with double():
        told = regime(Bounded(rule, 2), np.array([[0.5], [0.0]]))
    assert Status(int(told.status[0])) == status
    assert ("above all blood" in told.sentence(0)) == (status == Status.UNPHYSIOLOGICAL)
    assert "means over 32 beats" in told.sentence(0)


def test_a_steady_beat_or_a_cycle_that_cannot_be_is_unphysiological():
    with double():
        rest = regime(Bounded(lambda x, k: 3.0 + 0.5 * (x - 3.0), 1), np.array([[2.0]]))
        pair = regime(Bounded(lambda x, k: 0.9 - 1.05 * (x - 0.9) + (x - 0.9) ** 3, 1), np.array([[0.95]]))
    assert [Status(int(one.status[0])) for one in (rest, pair)] == [Status.UNPHYSIOLOGICAL] * 2
    assert rest.period[0] == 1 and pair.period[0] == 2


@pytest.mark.parametrize(("error", "words"), [(0.5, None), (3.21, "3.2 times its limit"), (np.inf, "unknown")])
def test_a_sentence_tells_a_step_error_beyond_its_limit_whatever_beats_do(error: float, words: str | None):
    for told in (found(lambda x, k: 3.9 * x * (1.0 - x), [[0.4]]), found(lambda x, k: 0.5 * x, [[0.4]])):
        plain, said = told.sentence(0), told._replace(error=np.array([error])).sentence(0)
        assert said == plain if words is None else said.startswith(plain) and f"the step error is {words}" in said


def test_the_number_of_beats_is_bounded_whatever_they_do():
    with double():
        toy = Toy(lambda x, k: 3.9 * x * (1.0 - x), 1)
        told = regime(toy, np.array([[0.4, 0.1, 0.77]]))
    assert toy.plain <= WARM_UP + SETTLE + WINDOW + LONGEST
    assert toy.plain + toy.tangents == told.beats <= 900


def test_a_forcing_longer_than_the_search_is_refused():
    with pytest.raises(InputError, match="`longest` must be at least"):
        found(lambda x, k: 0.5 * x, [[0.0]], forcing=9)
