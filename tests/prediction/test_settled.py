"""What a model settles to with a reflex at work, and where no single beat is steady."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import hemotwin as ht
from hemotwin.calibration.summary import Readings
from hemotwin.core.errors import InputError
from hemotwin.core.registry import known
from hemotwin.core.status import Status
from hemotwin.engine.forward import Forward
from hemotwin.engine.precision import double
from hemotwin.prediction.settled import resting, settled
from hemotwin.prediction.simulate import Run

BLOOD = 5400.0  # mL, of the reference adult
STRONG = {  # gains at their upper bounds and almost no delay: the loop overshoots
    "baroreflex.contractility_gain": 1.0, "baroreflex.contractility_time": 0.5, "baroreflex.resistance_gain": 1.0,
    "baroreflex.resistance_time": 0.5, "baroreflex.sympathetic_delay": 0.1,
}  # fmt: skip


@functools.cache
def run(given: float = 0.0, reflex: str | None = None, beats: int | None = None, **values: Any) -> Run:
    """The adult after `given` mL (negative: lost)."""
    model = ht.circulation("adult", reflex=reflex, **values)
    if given == 0.0:
        return ht.simulate(model)
    name = "fluid_bolus" if given > 0.0 else "bleeding"
    return ht.simulate(model, ht.scenario(name, volume=abs(given), over=10.0), beats=beats)


def change(reading: str, given: float, reflex: str | None) -> float:
    return run(given, reflex).readings[reading] - run().readings[reading]


@pytest.mark.slow
def test_rest_is_the_same_with_a_reflex_as_without():
    assert run(reflex="baroreflex").readings == run().readings


@pytest.mark.slow
@pytest.mark.parametrize(("share", "off", "on", "rate"), [(0.1, 72, 82, 75), (0.2, 47, 69, 82), (0.3, None, 52, 95)])
def test_a_bleed_meets_the_pressures_and_rates_of_an_independent_run(share: float, off: int | None, on: int, rate: int):
    """Mean pressure without and with reflex and heart rate, from the continuous equations with their true delays, read
    135 s after the loss; printed to whole numbers, and per-beat sampling may add as much again."""
    with_it = run(-share * BLOOD, "baroreflex")
    assert with_it.status == Status.OK
    if off is not None:  # 30 % leave too little pressure to live on without reflex, and are refused
        assert run(-share * BLOOD).readings["map"] == pytest.approx(off, abs=1.0)
    assert with_it.readings["map"] == pytest.approx(on, abs=2.0)
    assert with_it.readings["heart_rate"] == pytest.approx(rate, abs=2.0)


@pytest.mark.slow
def test_a_tenth_of_the_blood_lost_costs_what_donors_lose():
    """Mean pressure -12 to +2 % and cardiac output -22 to -5 % after 10 %, of donation studies."""
    rest, bled = run().readings, run(-0.1 * BLOOD, "baroreflex").readings
    assert -0.12 <= bled["map"] / rest["map"] - 1.0 <= 0.02
    assert -0.22 <= bled["cardiac_output"] / rest["cardiac_output"] - 1.0 <= -0.05


@pytest.mark.slow
def test_volume_lost_quickens_the_heart_and_tightens_the_vessels_and_volume_given_does_not():
    for given, sign in ((-500.0, 1.0), (500.0, -1.0)):
        assert sign * change("heart_rate", given, "baroreflex") > 1.0
        assert sign * change("svr", given, "baroreflex") > 0.01
        assert 0.0 < -sign * change("map", given, "baroreflex") < -sign * change("map", given, None)


@pytest.mark.slow
def test_the_solved_steady_state_is_where_four_hundred_beats_lead():
    solved, beaten = run(-500.0, "baroreflex"), run(-500.0, "baroreflex", 400)
    assert solved.residual < 1e-9 and "steady beat" in solved.regime
    for name, value in solved.readings.items():
        assert beaten.readings[name] == pytest.approx(value, rel=1e-6, abs=1e-6), name


@pytest.mark.slow
def test_beats_show_pressure_fall_first_and_recover_as_the_reflex_comes_in():
    history = run(-500.0, "baroreflex", 400).history
    assert history is not None
    pressure = history["reading"].sel(observable="map").values
    lowest = int(np.argmin(pressure))
    assert 5 < lowest < 60
    assert pressure[lowest] < pressure[-1] < pressure[0]
    ends = history["time"].values
    rate = history["reading"].sel(observable="heart_rate").values
    np.testing.assert_allclose(np.diff(ends), 60.0 / rate[1:], rtol=1e-9)


@pytest.mark.slow
def test_a_reflex_that_needs_minutes_is_reported_as_a_drift_with_its_end_solved():
    found = run(-500.0, "baroreflex", **{"baroreflex.venous_time": 300.0})
    assert found.status == Status.DRIFTING and found.residual < 1e-9
    assert "time constant 305 beats" in found.regime
    assert found.readings["map"] == pytest.approx(run(-500.0, "baroreflex").readings["map"], abs=0.01)


@pytest.mark.slow
def test_a_reflex_that_overshoots_is_reported_by_the_mean_of_a_window_and_never_looped_on():
    found = run(-500.0, "baroreflex", **STRONG)
    assert found.status == Status.WINDOW_MEAN and "means over 32 beats" in found.regime
    assert found.history is not None and found.history.sizes["beat"] == 32
    pressures = found.history["reading"].sel(observable="map").values
    assert found.readings["map"] == pytest.approx(pressures.mean())
    assert np.ptp(pressures) > 5.0
    assert found.status.advice in repr(found.table())


def test_more_blood_than_the_vessels_hold_under_pressure_cannot_be_lost():
    with pytest.raises(InputError, match=r"`bleeding` must leave a living circulation: `stressed_volume` .* -345 mL"):
        run(-2000.0)
    with pytest.raises(InputError, match="`stressed_volume`"):
        run(-2000.0, beats=3)


def test_a_reflex_without_a_steady_rest_is_refused():
    lane = Forward(np.full((3, 1), 50.0), np.array([2.0]), np.array([int(Status.NOT_PERIODIC)]), np.zeros((0, 1)))
    with pytest.raises(InputError, match=r"steady beat at rest .* NOT_PERIODIC"):
        resting(Readings((), (), np.zeros((0, 1)), lane))


def test_a_reflex_is_refused_where_rest_is_to_be_found_from_a_record():
    with pytest.raises(InputError, match="without a reflex"):
        ht.calibrate(ht.circulation("adult", reflex="baroreflex"), [])


@pytest.mark.slow
def test_a_steady_beat_that_beats_leave_is_not_shown_as_steady(monkeypatch: pytest.MonkeyPatch):
    """The adult never leaves its steady beat: the search is called with the trial made to doubt, and confirms it."""
    monkeypatch.setattr("hemotwin.prediction.settled.RETURNED", 0.0)
    found = ht.simulate(ht.circulation("adult"))
    assert found.status == Status.OK and found.regime.startswith("a steady beat, time constant 3")
    assert found.readings == run().readings


@pytest.mark.slow
def test_a_cycle_that_only_a_long_step_has_is_not_told():
    """At 20 beats a minute and almost no pulmonary resistance 400 steps alternate; on 1,600 and more one beat is steady
    at less than half the pressure."""
    values: dict[str, Any] = {"heart_rate": 20.0, "pulmonary.resistance": 1e-4}
    model = ht.circulation("adult", **values)
    rows, size = model.system.parameters.pack(model.values, 1), np.array([1.75])
    with double():
        long, found = (settled(model, rows, rows[None], size, 400, *finest) for finest in ([400], []))
    assert "cycle of 2 beats" in long.told.sentence(0) and "the step error is" in long.told.sentence(0)
    assert found.status == Status.OK and found.steps > 400 and found.error <= 1.0
    assert found.each[tuple(known("observable")).index("sbp"), 0] == pytest.approx(76.9, abs=0.1)


@pytest.mark.slow
def test_a_breath_and_a_reflex_are_solved_on_finer_steps_where_rest_is_unstable_on_the_default():
    narrow: dict[str, Any] = {"pulmonary_veins.compliance": 0.01}
    found = ht.simulate(ht.circulation("adult", **narrow), ht.scenario("breathing", beats_per_breath=3))
    assert found.status == Status.BEAT_CYCLE and found.steps > 400
    bled = run(-300.0, "baroreflex", **narrow)
    assert bled.status == Status.OK and bled.steps > 400


DIVERGES: dict[str, Any] = {
    "heart_rate": 143.58, "lv.passive_elastance": 5.0, "rv.active_elastance": 0.0, "ra.passive_elastance": 0.001,
    "aortic_valve.resistance": 0.2, "systemic.inertance": 0.1, "venous_return.resistance": 1e-4,
}  # fmt: skip


@pytest.mark.slow
def test_beats_that_diverge_are_no_mean_of_a_window_and_their_step_error_is_told():
    found = ht.simulate(ht.circulation("regazzoni_2022_a", **DIVERGES))
    assert found.status == Status.NONFINITE
    assert "until they overflow" in found.regime and "the step error is" in found.regime


@pytest.mark.slow
def test_a_breath_longer_than_a_dozen_beats_is_a_cycle_too():
    found = ht.simulate(ht.circulation("adult"), ht.scenario("breathing", beats_per_breath=14))
    assert found.status == Status.BEAT_CYCLE and "cycle of 14 beats" in found.regime


@pytest.mark.slow
def test_a_loss_that_no_reflex_can_meet_is_called_unphysiological():
    assert run(-2400.0, "baroreflex").status == Status.UNPHYSIOLOGICAL


@pytest.mark.slow
def test_breathing_is_a_cycle_of_its_beats_and_the_right_heart_fills_as_the_left_empties():
    """Inspiration draws blood to the right heart and keeps it from the left: stroke volumes move apart."""
    breath = ht.scenario("breathing", swing="5 mmHg", beats_per_breath=4)
    solved = ht.simulate(ht.circulation("adult"), breath)
    beaten = ht.simulate(ht.circulation("adult"), breath, beats=80)
    assert solved.status == Status.BEAT_CYCLE and "cycle of 4 beats" in solved.regime
    assert solved.history is not None and beaten.history is not None
    cycle, last = solved.history["reading"], beaten.history["reading"].isel(beat=slice(-4, None))
    np.testing.assert_allclose(cycle.values, last.values, rtol=1e-6, atol=1e-6)
    systolic = cycle.sel(observable="sbp").values
    assert 1.0 < np.ptp(systolic) < 10.0 and np.argmin(systolic) == 2  # late in inspiration
    assert "lowest beat" in repr(solved.table())
