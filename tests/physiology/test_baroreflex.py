"""The arterial baroreflex by itself: its rest, its directions, its time scales."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError, UnknownNameError
from hemotwin.engine.precision import double
from hemotwin.physiology.reflexes.baroreflex import Baroreflex

REST = (118.3, 74.2, 91.5)  # mmHg: largest, smallest, mean
VALUES = (70.0, 0.872, 1655.0, 2.75, 0.477)  # in the order of `acts_on`
PERIOD = 60.0 / 70.0


def rows(numbers: tuple[float, ...]) -> tuple[Any, ...]:
    return tuple(jnp.asarray(x, float) for x in numbers)


@jax.jit
def after(beats: Any, sensed: Any) -> Any:
    """States after so many beats of one pressure, from rest."""
    move = lambda _, states: Baroreflex().after_beat(states, tuple(sensed), rows(REST), PERIOD)  # noqa: E731
    return jax.lax.fori_loop(0, beats, move, rows((0.0,) * len(Baroreflex.states)))


def held(sensed: tuple[float, ...], seconds: float) -> dict[str, float]:
    """What is in force after a pressure was held for some time."""
    states = after(round(seconds / PERIOD), jnp.array(sensed))
    return dict(zip(Baroreflex.acts_on, map(float, Baroreflex().acting(states, VALUES)), strict=True))


def lowered(by: float) -> tuple[float, ...]:
    return tuple(p - by for p in REST)


def test_rest_is_its_fixed_point():
    with double():
        states = after(300, jnp.array(REST))
        np.testing.assert_allclose(np.array(states), 0.0, atol=1e-15)
        np.testing.assert_allclose(list(held(REST, 300.0).values()), VALUES, rtol=1e-15)


def test_the_falling_curve_stands_in_for_the_pulse_at_rest():
    """An independent run of the continuous equations on the adult's own pulse, with the sigmoid centred 1.3 mmHg above
    its mean, has mean drive 1.3418 and mean vagal rate 4.571 spikes/s: held to 3 %."""
    with double():
        drive, vagal = Baroreflex().drives(rows(REST), REST[2], REST[2] + 1.3)
    assert float(drive) == pytest.approx(1.3418, rel=0.03)
    assert float(vagal) == pytest.approx(4.571, rel=0.03)


def test_a_lower_pressure_quickens_the_heart_and_tightens_the_vessels():
    with double():
        less, more = held(lowered(20.0), 300.0), held(lowered(-20.0), 300.0)
    for name, rest in zip(Baroreflex.acts_on, VALUES, strict=True):
        assert less[name] > rest > more[name], name


def test_a_smaller_pulse_at_the_same_mean_is_felt():
    with double():
        found = held((REST[2] + 8.0, REST[2] - 5.0, REST[2]), 300.0)
    assert found["heart_rate"] != pytest.approx(VALUES[0], abs=0.5)


def test_heart_rate_answers_within_seconds_and_the_veins_within_a_minute():
    with double():
        found = {seconds: held(lowered(20.0), seconds) for seconds in (5.0, 60.0, 300.0)}
    reached = lambda name, rest, at: (found[at][name] - rest) / (found[300.0][name] - rest)  # noqa: E731
    early = {n: reached(n, rest, 5.0) for n, rest in zip(Baroreflex.acts_on, VALUES, strict=True)}
    assert early["heart_rate"] > early["systemic.resistance"] > early["stressed_volume"]
    assert early["heart_rate"] > 0.9 and early["stressed_volume"] < 0.25
    assert reached("stressed_volume", VALUES[2], 60.0) > 0.9


def test_no_pressure_drives_it_beyond_what_a_heart_can_do():
    with double():
        for sensed in ((0.0, 0.0, 0.0), (300.0, 250.0, 270.0), (90.0, 90.0, 90.0)):
            found = held(sensed, 300.0)
            assert 0.6 * VALUES[0] < found["heart_rate"] < 1.6 * VALUES[0]
            assert all(0.5 * rest < found[name] < 1.6 * rest for name, rest in zip(found, VALUES, strict=True))


def test_its_slopes_are_finite_without_a_pulse_and_at_its_threshold():
    with double():
        slope = jax.jit(jax.jacfwd(lambda sensed: after(1, sensed)))
        for sensed in ((90.0, 90.0, 90.0), (250.0, 200.0, 215.0), (0.0, 0.0, 0.0)):
            assert np.all(np.isfinite(np.array(slope(jnp.array(sensed)))))


def test_its_quantities_join_those_of_the_model():
    model = ht.circulation("adult", reflex="baroreflex", **{"baroreflex.venous_time": 30.0})
    assert model.values["baroreflex.venous_time"] == 30.0
    assert model.all_quantities["baroreflex.resistance_gain"].unit == "1"
    assert "with baroreflex" in repr(model)
    assert not any(name.startswith("baroreflex") for name in ht.circulation("adult").values)
    with pytest.raises(InputError, match="venous_time"):
        ht.circulation("adult", reflex="baroreflex", **{"baroreflex.venous_time": 3e4})


def test_a_circulation_that_lacks_what_it_acts_on_and_an_unknown_reflex_are_refused():
    with pytest.raises(InputError, match=r"lacks .* that 'baroreflex' needs"):
        ht.circulation("bozkurt_2019_healthy", reflex="baroreflex")
    with pytest.raises(UnknownNameError, match="baroreflex"):
        ht.circulation("adult", reflex="baroreflx")
