"""A what-if is paired with its baseline, draw by draw, and moves what physiology says it moves."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError, UnknownNameError
from hemotwin.core.status import Status
from tests.calibrated import twins


@functools.cache
def outcome(name):
    one = ht.scenario(name) if name != "fluid_bolus" else ht.scenario(name, volume="500 mL", over="10 min")
    return ht.predict(twins(), one)


def change(name, patient, observable):
    """Paired change of every sound draw, the best mode first."""
    data = outcome(name)[patient].dataset
    found = (data["after"] - data["baseline"]).sel(observable=observable)
    return found.values[data["sound"].values.astype(bool)]


@pytest.mark.parametrize("patient", ["P1", "P2", "P3", "T233", "CUFF"])
def test_nitric_oxide_lowers_pulmonary_resistance_and_pressure_in_every_draw(patient):
    assert np.all(change("inhaled_nitric_oxide", patient, "pvr") < 0.0)
    if (
        patient != "CUFF"
    ):  # where little is known of the lung, a few draws have almost no pulmonary arteriolar resistance
        assert np.all(change("inhaled_nitric_oxide", patient, "pa_pressure_mean") < 0.0)


@pytest.mark.parametrize("patient", ["P1", "P2", "P3", "T233", "CUFF"])
def test_a_fluid_bolus_raises_atrial_pressure_and_output_in_every_draw(patient):
    assert np.all(change("fluid_bolus", patient, "ra_pressure_mean") > 0.0)
    assert np.all(change("fluid_bolus", patient, "cardiac_output") > 0.0)


def test_half_the_volume_moves_the_atrium_less():
    less = ht.predict(twins()["P1"], ht.scenario("fluid_bolus", volume="250 mL"))["P1"]["ra_pressure_mean"]
    more = outcome("fluid_bolus")["P1"]["ra_pressure_mean"]
    assert less.baseline == pytest.approx(more.baseline)
    assert 0.3 * more.change < less.change < 0.7 * more.change


def test_the_baseline_is_the_twin_itself():
    for twin in twins():
        prediction = outcome("inhaled_nitric_oxide")[twin.patient]
        for r in twin.fit:
            if r.observable not in ("ra_pressure_max", "ra_pressure_min", "rv_pressure_max", "rv_pressure_min"):
                assert prediction[r.observable].baseline == pytest.approx(r.fitted, abs=0.02), r.observable


def test_pairing_keeps_the_change_narrower_than_either_side():
    row = outcome("inhaled_nitric_oxide")["P1"]["pa_pressure_mean"]
    assert row.change == pytest.approx(row.after - row.baseline)
    assert row.change_low < row.change < row.change_high
    assert row.change_high - row.change_low < row.baseline_high - row.baseline_low


def test_failed_draws_are_counted_and_a_sound_prediction_is_certified():
    for prediction in outcome("fluid_bolus"):
        sound = prediction.dataset["sound"].values[1:]
        assert prediction.failed == int(np.sum(~sound.astype(bool))) and prediction.draws == len(sound)
        assert prediction.status == Status.OK and prediction.step_error < 0.1
        judged = prediction.certificate
        assert judged.ok and 0.0 < judged.step_error < 1.0 and 0.0 < judged.step_error_volume < 0.1
        assert judged.periodicity < 1e-6 and judged.volume_balance < 1e-6 and judged.jacobian_difference is None


def test_the_certificate_of_the_baseline_speaks_for_the_what_if_too():
    judged = dataclasses.replace(twins()["P1"].certificate, ok=False, sentence="Numerical errors exceed their limits.")
    coarse = dataclasses.replace(twins()["P1"], certificate=judged, status=Status.NOT_CONVERGED)
    found = ht.predict(coarse, ht.scenario("fluid_bolus", volume="500 mL"), draws=2)
    assert found["P1"].status == Status.STEP_LIMIT and found["P1"].certificate.ok
    for note in (found["P1"].note, found.table().note):
        assert judged.sentence in note and Status.NOT_CONVERGED.advice in note


def test_more_blood_than_a_draw_has_leaves_it_out_and_its_status_says_why():
    """A draw's stressed volume below its lowest bound: no beat of it counts, those of others do where they can."""
    least = ht.circulation("adult").all_quantities["stressed_volume"].bounds[0]
    twin = twins()["P1"]
    stressed = twin.posterior["parameters"].sel(parameter="stressed_volume").values
    found = ht.predict(twin, ht.scenario("bleeding", volume=float(np.median(stressed)) - least), draws=20)["P1"]
    status = found.dataset["status"].values
    kept = np.r_[0, np.arange(int(twin.posterior.attrs["modes"]), len(stressed))][:21]
    emptied = stressed[kept] < np.median(stressed)
    assert 0 < emptied.sum() < 21
    np.testing.assert_array_equal(status[emptied], int(Status.UNPHYSIOLOGICAL))
    np.testing.assert_array_equal(found.dataset["sound"].values, status == int(Status.OK))
    assert emptied[1:].sum() <= found.failed == np.sum(status[1:] != int(Status.OK)) < 20


def test_a_draw_whose_volumes_cannot_be_after_the_scenario_is_left_out_and_the_note_says_why():
    """A loss that leaves stressed volumes within their bounds, and veins that hold less than nothing."""
    twin, lost = twins()["P1"], 1400.0
    found = ht.predict(twin, ht.scenario("bleeding", volume=lost))["P1"]
    stressed = twin.posterior["parameters"].sel(parameter="stressed_volume").values
    least = ht.circulation("adult").all_quantities["stressed_volume"].bounds[0]
    kept = np.r_[0, np.arange(int(twin.posterior.attrs["modes"]), len(stressed))]
    within, status = stressed[kept] - lost >= least, found.dataset["status"].values
    assert np.any(status[within] == int(Status.UNPHYSIOLOGICAL))
    np.testing.assert_array_equal(found.dataset["sound"].values, status == int(Status.OK))
    assert f"{24 - found.failed} of 24 posterior draws; left out: {found.failed} unphysiological." in found.note


@pytest.mark.parametrize("stored", [True, False])
def test_a_draw_whose_volumes_cannot_be_at_rest_is_left_out_too(stored):
    """As its twin says, or, of a twin that was never asked, as its volumes at the onset say."""
    twin, spoiled = twins()["P1"], twins()["P1"].posterior.copy(deep=True)
    second = int(twin.posterior.attrs["modes"]) + 1  # of the draws
    if stored:
        spoiled["sound"][second], spoiled["status"][second] = False, int(Status.UNPHYSIOLOGICAL)
    else:
        spoiled = spoiled.drop_vars("status")
        spoiled["states"][0, second] += 1e4  # mL
    bolus = ht.scenario("fluid_bolus", volume="500 mL")
    found, whole = (ht.predict(dataclasses.replace(twin, posterior=one), bolus, draws=3)["P1"] for one in
                    (spoiled, twin.posterior))  # fmt: skip
    np.testing.assert_array_equal(found.dataset["status"].values, [0, 0, int(Status.UNPHYSIOLOGICAL), 0])
    assert found.failed == 1 and found.left_out == "1 unphysiological" and not whole.failed and not whole.left_out
    others = [0, 1, 3]
    np.testing.assert_allclose(found.dataset["after"].values[:, others], whole.dataset["after"].values[:, others],
                               rtol=1e-9, atol=1e-9)  # fmt: skip


def test_draws_that_are_come_to_slowly_are_kept_and_counted():
    found = ht.predict(twins()["P1"], ht.scenario("fluid_bolus", volume="500 mL"), draws=3)["P1"]
    status = found.dataset["status"].copy(data=[0, int(Status.DRIFTING), 0, int(Status.ALTERNANS)])
    sound = found.dataset["sound"].copy(data=[True, True, True, False])
    told = dataclasses.replace(found, failed=1, dataset=found.dataset.assign(status=status, sound=sound))
    assert "2 of 3 posterior draws, 1 of them drifting; left out: 1 alternans." in told.note


def test_a_twin_that_is_given_twice_is_refused():
    with pytest.raises(InputError, match="`twins` must hold each patient once, but holds more than once: P1; give"):
        ht.predict([twins()["P1"], twins()["P1"]], ht.scenario("fluid_bolus"))


def test_unknown_names_and_settings_raise_with_a_suggestion():
    with pytest.raises(UnknownNameError, match="Did you mean `fluid_bolus`"):
        ht.scenario("fluid_bolos")
    with pytest.raises(InputError, match="volume"):
        ht.scenario("fluid_bolus", volume="90 L")
    with pytest.raises(UnknownNameError, match="Did you mean `pvr`"):
        outcome("inhaled_nitric_oxide")["P1"]["pvrr"]


def test_a_prediction_prints_its_interval_and_its_warning():
    text = repr(outcome("inhaled_nitric_oxide")["P1"].table())
    assert "Not for clinical use." in text and "change" in text
