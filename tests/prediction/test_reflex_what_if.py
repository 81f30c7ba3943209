"""A what-if under a reflex: every draw settles with its own, about its own rest, and the answer says so."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

import hemotwin as ht
from hemotwin.calibration import certified
from hemotwin.calibration.summary import Readings
from hemotwin.core.errors import InputError, UnknownNameError
from hemotwin.core.status import Status
from hemotwin.engine.precision import double
from hemotwin.physiology.model import Model
from hemotwin.physiology.scenario import Scenario, all_scenarios
from hemotwin.prediction import paired
from hemotwin.prediction.outcome import Prediction
from hemotwin.prediction.regulated import answered
from hemotwin.prediction.simulate import Run
from tests.calibrated import twins

PATIENTS = ["P1", "P2", "P3", "T233", "CUFF"]
TENTH = 540.0  # mL, of the reference adult's blood
GAINS = ("contractility_gain", "resistance_gain", "venous_gain", "sympathetic_period_gain", "vagal_period_gain")
# Gains at their upper bounds and almost no delay: the loop overshoots, and beats repeat in a cycle of several.
STRONG = {"contractility_gain": 1.0, "contractility_time": 0.5, "resistance_gain": 1.0, "resistance_time": 0.5,
          "sympathetic_delay": 0.1}  # fmt: skip
COARSE = 100  # steps per beat where only lanes are compared


@functools.cache
def bled(patient: str, lost: float = TENTH, reflex: str | None = "baroreflex", draws: int | None = None) -> Prediction:
    return ht.predict(twins()[patient], bleeding(lost), reflex=reflex, draws=draws)[patient]


def bleeding(lost: float) -> Scenario:
    return ht.scenario("bleeding", volume=lost, over="10 s")


def alone(patient: str, **gains: float) -> Model:
    """The model at the best mode of a patient, with the reflex."""
    own = {f"baroreflex.{name}": value for name, value in gains.items()}
    return ht.circulation("adult", reflex="baroreflex").with_values({**twins()[patient].parameters, **own})


def compared(prediction: Prediction, run: Run, tolerance: float) -> None:
    """The best mode's readings against those of a run; an index is of another body there."""
    after = prediction.dataset["after"].isel(draw=0)
    for name, value in run.readings.items():
        if not name.endswith("_index"):
            assert float(after.sel(observable=name)) == pytest.approx(value, rel=tolerance, abs=tolerance), name


def test_a_scenario_that_changes_nothing_leaves_every_draw_at_its_rest():
    """Rest is the reflex's fixed point: both beats are solved to 1e-9 mL, and no reading is a thousand times that."""
    data = bled("P1", 0.0).dataset
    assert data["sound"].values.all()
    np.testing.assert_allclose(data["after"].values, data["baseline"].values, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("patient", ["P1", "CUFF"])
def test_the_best_mode_answers_as_the_model_does_alone(patient):
    """`simulate` starts from the relaxed circulation, one lane by itself; both Newtons end at 1e-9 mL."""
    run = ht.simulate(alone(patient), bleeding(TENTH), steps=int(twins()[patient].provenance["steps"]))
    assert run.status == bled(patient).status == Status.OK
    compared(bled(patient), run, 1e-6)


@pytest.mark.slow
def test_four_hundred_beats_lead_where_the_best_mode_was_solved():
    """Beat by beat, without Newton: of the slowest arm, 36 beats, e^-11 of the change is left."""
    compared(bled("P1"), ht.simulate(alone("P1"), bleeding(TENTH), beats=400), 1e-4)


@pytest.mark.parametrize("patient", PATIENTS)
def test_a_tenth_of_the_blood_costs_less_pressure_and_quickens_the_heart_in_every_draw(patient):
    on, off = bled(patient), bled(patient, reflex=None)
    assert (on.draws, on.failed, on.status) == (off.draws, off.failed, Status.OK)
    change = lambda one, name: (one.dataset["after"] - one.dataset["baseline"]).sel(observable=name).values  # noqa: E731
    assert np.all(change(off, "map") < change(on, "map")) and np.all(change(on, "map") < 0.0)
    assert np.all(change(on, "heart_rate") > 0.1) and np.all(change(off, "heart_rate") == 0.0)
    assert np.all(change(on, "svr") > 0.0)
    assert on["heart_rate"].change_low > 0.0


def test_waves_last_as_long_as_the_beat_that_the_reflex_has_set():
    found = bled("P1")
    for waves, rate in ((found.waves, found["heart_rate"].after), (found.baseline_waves, found["heart_rate"].baseline)):
        assert float(waves["time"].values[-1]) == pytest.approx(60.0 / rate)


def test_a_reflex_without_gain_is_none():
    gains = {name: 0.0 for name in GAINS}  # noqa: C420
    without = ht.predict(twins()["P1"], bleeding(TENTH), reflex="baroreflex", reflex_gains=gains)["P1"]
    plain = bled("P1", reflex=None)
    np.testing.assert_allclose(without.dataset["after"].values, plain.dataset["after"].values, rtol=1e-6, atol=1e-6)
    assert "with contractility_gain 0, " in without.note and without.dataset.attrs["baroreflex.venous_gain"] == 0.0


def test_a_lane_that_fails_never_touches_the_others():
    """So many lanes that most start from what others were solved to; a first and a late lane are broken."""
    model, kept = ht.circulation("adult", reflex="baroreflex"), twins()["P1"].posterior
    lanes = np.arange(132) % kept.sizes["draw"]
    before, rest, bsa = kept["parameters"].values[:, lanes], kept["states"].values[:, lanes], np.full(132, 1.75)
    after = bleeding(TENTH).applied(model.system.parameters.names, before)
    broken, row = after.copy(), model.system.parameters.index("stressed_volume")
    broken[row, 2], broken[row, 130] = -9000.0, np.nan
    with double():
        sound, hurt = (answered(model, before, rest, rows, bsa, COARSE) for rows in (after, broken))
    others = np.delete(np.arange(132), [2, 130])
    assert sound.readings.sound.all() and list(np.flatnonzero(~hurt.readings.sound)) == [2, 130]
    np.testing.assert_allclose(hurt.readings.values[:, others], sound.readings.values[:, others], rtol=1e-7, atol=1e-7)
    assert np.isnan(hurt.readings.values[:, [2, 130]]).all() and np.all(hurt.status[others] == int(Status.OK))
    assert int(hurt.status[2]) != int(Status.OK) and int(hurt.status[130]) == int(Status.NONFINITE)


def test_beats_of_which_no_single_one_is_steady_are_read_as_means_and_the_status_says_so():
    found = ht.predict(twins()["P1"], bleeding(TENTH), reflex="baroreflex", reflex_gains=STRONG, draws=1)["P1"]
    run = ht.simulate(alone("P1", **STRONG), bleeding(TENTH), steps=int(twins()["P1"].provenance["steps"]))
    assert found.status == run.status == Status.BEAT_CYCLE and found.certificate.ok
    assert not found.dataset["sound"].values[0] and found.dataset["status"].values[0] == int(Status.BEAT_CYCLE)
    compared(found, run, 1e-6)


def test_means_are_taken_on_as_many_steps_as_they_need_too():
    """Of a twin as if it had been solved on 100: there the means are off by more than their limit."""
    twin = twins()["P1"]
    coarse = dataclasses.replace(twin, provenance={**twin.provenance, "steps": 100})
    found, fine = (ht.predict(one, bleeding(TENTH), reflex="baroreflex", reflex_gains=STRONG, draws=1)["P1"]
                   for one in (coarse, twin))  # fmt: skip
    assert found.provenance["steps"] == 400 and found.status == Status.BEAT_CYCLE and found.certificate.ok
    np.testing.assert_allclose(found.dataset["after"].values[:, 0], fine.dataset["after"].values[:, 0], rtol=1e-6)
    np.testing.assert_array_equal(found.dataset["status"].values, fine.dataset["status"].values)


def test_a_cycle_whose_certificate_failed_is_still_told_as_a_cycle(monkeypatch):
    twin = twins()["P1"]
    monkeypatch.setattr("hemotwin.calibration.certificate.PRESSURE_LIMIT", 1e-9)
    monkeypatch.setattr(certified, "FINER", 1)
    found = ht.predict(twin, bleeding(TENTH), reflex="baroreflex", reflex_gains=STRONG, draws=1)["P1"]
    assert found.status == Status.BEAT_CYCLE and not found.certificate.ok
    assert Status.BEAT_CYCLE.advice in found.note and found.certificate.sentence in found.note


def test_means_about_a_rest_that_was_not_found_pass_no_certificate(monkeypatch):
    """On fewer steps than the twin's; no finer ones are tried here."""
    twin, again = twins()["P1"], paired.solved_again

    def lost(*given):
        found = again(*given)
        return Readings(found.names, found.units, found.values,
                        found.solved._replace(status=np.full(len(found.sound), int(Status.NOT_PERIODIC))))  # fmt: skip

    monkeypatch.setattr(paired, "solved_again", lost)
    monkeypatch.setattr(certified, "FINER", 1)
    found = ht.predict(twin, bleeding(TENTH), reflex="baroreflex", reflex_gains=STRONG, draws=0)["P1"]
    assert found.status == Status.BEAT_CYCLE and not found.certificate.ok


def test_means_of_beats_of_which_one_cannot_be_are_unphysiological(monkeypatch):
    followed = paired.followed
    monkeypatch.setattr(paired, "followed", lambda *given: followed(*given)._replace(possible=False))
    found = ht.predict(twins()["P1"], bleeding(TENTH), reflex="baroreflex", reflex_gains=STRONG, draws=1)["P1"]
    assert found.status == Status.UNPHYSIOLOGICAL == found.dataset["status"].values[0]


def test_a_loss_that_no_reflex_can_meet_is_called_unphysiological_and_its_draws_left_out():
    found = bled("P1", 3000.0, draws=1)
    assert found.status == Status.UNPHYSIOLOGICAL
    assert (found.draws, found.failed) == (1, 1)


def test_an_answer_under_a_reflex_is_certified(monkeypatch):
    assert 0.0 < bled("P1").step_error < 0.1
    monkeypatch.setattr("hemotwin.calibration.certificate.PRESSURE_LIMIT", 1e-9)
    assert ht.predict(twins()["P1"], bleeding(TENTH), reflex="baroreflex", draws=1)["P1"].status == Status.STEP_LIMIT


def test_the_answer_says_which_reflex_acts_and_that_its_gains_are_not_the_patient_s():
    with_it, without = bled("P1"), bled("P1", reflex=None)
    assert (with_it.reflex, without.reflex) == ("baroreflex", None)
    assert with_it.provenance["reflex"] == with_it.dataset.attrs["reflex"] == "baroreflex"
    for text in (repr(with_it.table()), repr(with_it), with_it.label):
        assert ", with baroreflex" in text
    for text in (with_it.description, with_it.note):
        assert "The baroreflex acts about each draw's own rest" in text and "not fitted to the patient" in text
    assert without.description.endswith(" No reflex acts.") and "reflex" not in without.note + without.label
    every = ht.predict(twins(), bleeding(0.0), draws=0, reflex="baroreflex")
    assert ", with baroreflex" in repr(every.table()) and ", with baroreflex" in repr(every)


def test_no_scenario_says_that_a_reflex_does_not_act():
    assert not [name for name, make in all_scenarios().items() if "reflex" in make().description]


def test_what_a_reflex_cannot_do_is_refused():
    twin = twins()["P1"]
    with pytest.raises(UnknownNameError, match="Did you mean `baroreflex`"):
        ht.predict(twin, bleeding(TENTH), reflex="baroreflx")
    with pytest.raises(UnknownNameError, match=r"Did you mean `baroreflex\.venous_gain`"):
        ht.predict(twin, bleeding(TENTH), reflex="baroreflex", reflex_gains={"venous_gains": 1.0})
    with pytest.raises(InputError, match="resistance_gain"):
        ht.predict(twin, bleeding(TENTH), reflex="baroreflex", reflex_gains={"resistance_gain": 7.0})
    with pytest.raises(InputError, match="`reflex_gains` must go with a reflex"):
        ht.predict(twin, bleeding(TENTH), reflex_gains={"resistance_gain": 0.1})
    with pytest.raises(InputError, match=r"lacks .* that 'baroreflex' needs"):
        ht.predict(dataclasses.replace(twin, circulation="bozkurt_2019_healthy", provenance={}), bleeding(TENTH),
                   reflex="baroreflex")  # fmt: skip
    with pytest.raises(InputError, match="must lead to one steady beat"):
        ht.predict(twin, ht.scenario("breathing"), reflex="baroreflex")
