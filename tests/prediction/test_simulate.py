"""A bare model runs: its steady beat, and beat after beat through a scenario."""

from __future__ import annotations

import functools
from unittest.mock import Mock

import numpy as np
import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError
from hemotwin.core.status import Status
from hemotwin.physiology.observable import Observer
from hemotwin.prediction import counted


@functools.cache
def at_rest():
    return ht.simulate(ht.circulation("adult"))


@functools.cache
def infused():
    return ht.simulate(ht.circulation("adult"), ht.scenario("fluid_bolus", volume="500 mL", over="10 s"), beats=40)


def test_the_adult_rests_at_its_printed_values():
    printed = {
        "sbp": 118.3, "dbp": 74.2, "map": 91.5, "cardiac_output": 5.41, "lv_edv": 131.9, "lv_esv": 54.6,
        "pcwp_mean": 8.00, "ra_pressure_mean": 3.99, "pa_pressure_systolic": 22.0, "pa_pressure_diastolic": 9.0,
    }  # fmt: skip
    assert at_rest().status == Status.OK and at_rest().residual < 1e-9
    assert at_rest().steps == 400 and 0.0 < at_rest().step_error < 1.0
    for name, value in printed.items():
        assert at_rest().readings[name] == pytest.approx(value, abs=0.3, rel=0.01), name


def test_volume_given_arrives_beat_by_beat_and_stays():
    history = infused().history["reading"].sel(observable="ra_pressure_mean").values
    assert len(history) == 40
    assert np.all(np.diff(history[:10]) > 0.0)
    assert history[-1] == pytest.approx(infused().readings["ra_pressure_mean"])
    assert history[-1] > at_rest().readings["ra_pressure_mean"] + 1.0


def test_many_beats_reach_the_steady_beat_after_the_scenario():
    steady = ht.simulate(ht.circulation("adult"), ht.scenario("fluid_bolus", volume="500 mL", over="10 s"))
    for name in ("sbp", "ra_pressure_mean", "pcwp_mean", "lv_edv"):
        assert infused().readings[name] == pytest.approx(steady.readings[name], rel=0.01), name


def test_beats_without_a_scenario_stay_where_they_are():
    run = ht.simulate(ht.circulation("adult"), beats=3)
    assert run.residual < 1e-6
    for name, value in at_rest().readings.items():
        assert run.readings[name] == pytest.approx(value, rel=1e-6, abs=1e-6), name


def test_counted_beats_are_certified_on_fewer_steps_as_the_steady_beat_is():
    """On so few steps the systolic pressure is off by 1 mmHg: counted or not, the answer says so."""
    coarse = ht.simulate(ht.circulation("adult"), beats=3, steps=40)
    assert coarse.status == ht.simulate(ht.circulation("adult"), steps=40).status == Status.STEP_LIMIT
    assert coarse.step_error > 1.0 and not coarse.certificate.ok and coarse.certificate.volume_balance < 1e-6
    text = repr(coarse.table()) + coarse._repr_html_()
    assert text.count("Numerical errors exceed their limits at 40 steps") == 2 and "certificate holds" not in text


def test_on_the_least_steps_a_run_says_that_it_is_none():
    """Its error would be judged from half as many steps and a quarter."""
    for asked in ({}, {"beats": 2}):
        assert ht.simulate(ht.circulation("adult"), steps=20, **asked).status == Status.NONFINITE


def test_a_sound_run_carries_its_certificate():
    steady, few = at_rest().certificate, ht.simulate(ht.circulation("adult"), beats=2)
    assert steady.ok and steady.periodicity < 1e-9 and steady.volume_balance < 1e-6
    assert 0.0 < steady.step_error_volume < 0.1 and steady.jacobian_difference is None
    assert few.status == Status.OK and few.certificate.ok and 0.0 < few.step_error < 1.0
    assert steady.sentence in at_rest().note and few.certificate.sentence in few.note


def test_beats_on_the_way_are_not_called_steady():
    run = ht.simulate(ht.circulation("adult"), ht.scenario("breathing", beats_per_breath=4), beats=7)
    assert run.status == Status.OK and run.residual > 1.0 and run.certificate.periodicity is None
    assert "Solved" not in run.note and "certificate holds" not in run.note
    assert (
        "Beat 7 of the 7 asked for, where no steady one was sought" in run.note and f"{run.residual:.2g} mL" in run.note
    )
    assert "beat 7, OK" in repr(run)


def test_beats_that_start_from_no_steady_beat_say_so(monkeypatch):
    observed = counted.observe

    def found_from(least):
        def observe(*arguments):
            found = observed(*arguments)
            if arguments[-1] < least:
                found.solved.status[:] = int(Status.NOT_PERIODIC)
            return type(found)(found.names, found.units, found.values, found.solved)

        return observe

    monkeypatch.setattr(counted, "observe", found_from(np.inf))
    run = ht.simulate(ht.circulation("adult"), beats=2, steps=400)
    assert run.status == Status.NOT_PERIODIC and Status.NOT_PERIODIC.advice in run.note
    monkeypatch.setattr(counted, "observe", found_from(800))
    run = ht.simulate(ht.circulation("adult"), beats=2)
    assert run.status == Status.OK and run.steps == 1600  # the first whose half has a start too


@pytest.mark.parametrize(
    ("half", "quarter", "status"),
    [
        ((100.01, Status.OK), (105.0, Status.OK), Status.STEP_LIMIT),
        ((100.01, Status.OK), (105.0, Status.NOT_PERIODIC), Status.OK),
        ((100.01, Status.NOT_PERIODIC), (100.05, Status.OK), Status.STEP_LIMIT),
    ],
)
def test_beats_from_a_start_that_was_not_found_neither_fail_a_run_nor_pass_it(monkeypatch, half, quarter, status):
    monkeypatch.setattr(counted, "volume_balance", lambda *given: 0.0)
    observer, one = Mock(spec=Observer, units=("mmHg",)), np.zeros((3, 1))
    fine, *coarser = (
        counted.Counted(observer, np.array([[value]]), np.ones(1), one, one, 0.0, start, True, start, 400, None)
        for value, start in ((100.0, Status.OK), half, quarter)
    )
    assert counted._judged(ht.circulation("adult"), fine, *coarser, steps=400).status == status


def test_beats_of_which_one_cannot_be_are_unphysiological(monkeypatch):
    monkeypatch.setattr(counted, "possible", lambda *given: np.array([False]))
    assert ht.simulate(ht.circulation("adult"), beats=2, steps=400).status == Status.UNPHYSIOLOGICAL


def test_no_beats_and_valves_without_inertance_are_refused():
    with pytest.raises(InputError, match="`beats`"):
        ht.simulate(ht.circulation("adult"), beats=0)
    with pytest.raises(InputError, match="inertial"):
        ht.simulate(ht.circulation("adult", valves="closed_form"))


def test_the_table_has_units_and_the_warning():
    text = repr(at_rest().table())
    assert "mmHg" in text and "Not for clinical use." in text
