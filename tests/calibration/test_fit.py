"""Real patients become twins that fit, say what they do not know, and report what contradicts itself."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

import hemotwin as ht
from hemotwin.calibration import fit
from hemotwin.calibration.fit import calibrate
from hemotwin.core.errors import InputError, UnknownNameError
from hemotwin.core.status import Status
from hemotwin.records.record import MeasurementSet
from tests.calibrated import cuff_only, nothing_usable, patients, reading, twins


def row(patient, observable, modality=None):
    found = [
        r for r in twins()[patient].fit if r.observable == observable and (modality is None or r.modality == modality)
    ]
    assert len(found) == 1
    return found[0]


def quantity(patient, name):
    return next(q for q in twins()[patient].quantities if q.name == name)


@pytest.mark.parametrize("patient", ["P1", "P2", "P3", "T233"])
def test_every_counted_value_is_fitted_within_its_noise(patient):
    counted = [r for r in twins()[patient].fit if r.counted]
    assert max(abs(r.difference) / r.sd for r in counted) < 1.6
    assert sum((r.difference / r.sd) ** 2 for r in counted) < len(counted)


def test_values_of_p1_are_those_of_its_row_and_its_fit_is_close():
    assert (row("P1", "pa_pressure_mean").measured, row("P1", "pcwp_mean").measured) == (48.0, 4.0)
    assert abs(row("P1", "pa_pressure_mean").difference) < 4.0
    assert abs(row("P1", "cardiac_output").difference) < 0.4


def test_a_twin_is_the_same_whoever_is_calibrated_beside():
    """Starts and draws to the last bit; states as near as steady beats are solved, from other first guesses."""
    model = ht.circulation("adult")
    mine = next(one for one in patients() if one.patient == "P2")
    alone = calibrate(model, [mine], starts=3, draws=24, steps=model.steps)["P2"].posterior
    beside = twins()["P2"].posterior
    for name in ("z", "parameters"):
        np.testing.assert_array_equal(alone[name].values, beside[name].values)
    for name in ("states", "readings"):
        np.testing.assert_allclose(alone[name].values, beside[name].values, rtol=1e-6)


def test_no_parameter_is_far_out():
    assert max(abs(q.z) for patient in ("P1", "P2", "P3", "T233") for q in twins()[patient].quantities) < 3.0


def test_a_heart_rate_that_was_not_recorded_is_free_and_said():
    assert any("Heart rate was not recorded" in text for text in twins()["P1"].assumptions)
    assert not any("Heart rate was not recorded" in text for text in twins()["CUFF"].assumptions)
    rate = quantity("P1", "heart_rate")
    assert rate.verdict != "informed" and rate.high - rate.low > 20.0
    assert quantity("CUFF", "heart_rate").verdict == "informed"


def test_an_unknown_age_is_said():
    assert any("Age unknown" in text for text in twins()["T233"].assumptions)
    assert not any("Age unknown" in text for text in twins()["P1"].assumptions)


def test_a_derived_mean_is_shown_and_never_counted():
    derived = row("P1", "map")
    assert derived.measured == pytest.approx(88.0)
    assert not derived.counted and derived.sd is None and derived.left_out is None
    assert derived.verdict == "derived, not counted"


def test_a_zero_error_of_the_atrial_trace_is_reported_as_a_conflict():
    """P3's atrial minimum (20) lies 17 mmHg above its ventricular minimum: traces were not recorded together."""
    shift = quantity("P3", "offset.ra")
    assert 4.5 < shift.value < 8.0
    assert any(re.search(r"right atrial .* zero offset of \+\d", text) for text in twins()["P3"].conflicts)
    assert abs(quantity("P1", "offset.ra").value) < 3.0
    assert not any("zero offset" in text for text in twins()["P1"].conflicts)


def test_two_methods_that_disagree_are_both_used_and_reported():
    fick, thermal = row("T233", "cardiac_output", "fick"), row("T233", "cardiac_output", "thermodilution")
    assert fick.counted and thermal.counted
    assert (fick.measured, thermal.measured) == (7.34, 10.33)
    assert fick.fitted == pytest.approx(thermal.fitted)
    assert 7.9 < fick.fitted < 9.3
    assert any("7.34" in text and "10.33" in text for text in twins()["T233"].conflicts)


def test_each_method_is_predicted_by_the_other():
    fick, thermal = row("T233", "cardiac_output", "fick"), row("T233", "cardiac_output", "thermodilution")
    assert fick.left_out > fick.fitted > thermal.left_out


def test_a_cuff_informs_resistance_and_little_else():
    one = twins()["CUFF"]
    assert set(one.informed) == {"systemic.resistance", "heart_rate"}
    assert one.status in (Status.OK, Status.STEP_LIMIT)
    output = next(o for o in one.unmeasured if o.observable == "cardiac_output")
    assert output.high - output.low > 2.0


def test_one_patient_without_values_does_not_stop_the_others():
    assert twins().patients == ["P1", "P2", "P3", "T233", "CUFF"]
    assert list(twins().skipped) == ["NONE"]
    assert "no usable measurement" in twins().skipped["NONE"]
    assert twins().status["NONE"] == Status.UNIDENTIFIABLE
    with pytest.raises(UnknownNameError, match="NONE"):
        twins()["NONE"]


def test_patient_of_whose_draws_none_has_a_steady_beat_ends_with_a_reason_beside_the_others(monkeypatch, tmp_path):
    from hemotwin.calibration import sampling

    observed = sampling._observed

    def without_beats(cohort, model, parameters, guess, steps):
        found = observed(cohort, model, parameters, guess, steps)
        return {k: one if cohort.sets[k].patient == "P1" else broken(one) for k, one in found.items()}

    def broken(one):
        return type(one)(one.names, one.units, one.values,
                         one.solved._replace(status=np.full(len(one.sound), int(Status.NOT_PERIODIC))))  # fmt: skip

    monkeypatch.setattr(sampling, "_observed", without_beats)
    some = [one for one in patients() if one.patient in ("P1", "CUFF")]
    found = calibrate(ht.circulation("adult"), some, starts=1, draws=4, leave_out=False, steps=64)
    assert found.patients == ["P1"] and found.status["CUFF"] == Status.NOT_PERIODIC
    assert "units and values of the record" in found.skipped["CUFF"]
    assert ht.load(found.save(tmp_path / "t.zarr")).status["CUFF"] == Status.NOT_PERIODIC


def test_no_usable_patient_at_all_is_an_error_that_says_what_to_give():
    with pytest.raises(InputError, match=r"NONE: no usable measurement.*cuff pressure"):
        calibrate(ht.circulation("adult"), nothing_usable())


def test_of_many_without_a_usable_value_three_are_named_and_the_rest_counted():
    everyone = [dataclasses.replace(nothing_usable(), patient=f"N{number}") for number in range(300)]
    with pytest.raises(InputError, match="none of 300 patients has any") as caught:
        calibrate(ht.circulation("adult"), everyone)
    assert "N2: " in str(caught.value) and "N3" not in str(caught.value) and "; and 297 more)" in str(caught.value)
    with pytest.raises(InputError, match="but the patient has none") as alone:
        calibrate(ht.circulation("adult"), nothing_usable())
    assert "more" not in str(alone.value)


def test_one_free_quantity_is_enough():
    one = calibrate(
        ht.circulation("adult"), cuff_only(), free=("systemic.resistance",), starts=1, draws=2, leave_out=False
    )["CUFF"]
    assert [q.name for q in one.quantities if q.kind != "nuisance"] == ["systemic.resistance"]
    assert one.informed == ("systemic.resistance",)
    assert one.parameters["heart_rate"] != 71.0  # not free: the data cannot move it


@pytest.mark.parametrize(
    ("choice", "nearest"),
    [
        ({"free": ("systemic.resistence",)}, "systemic.resistance"),
        ({"prior": "adult_wid"}, "adult_wide"),
        ({"noise": "clinicle"}, "clinical"),
        ({"method": "gauss_newtn"}, "gauss_newton"),
    ],
)
def test_an_unknown_name_raises_with_the_nearest_one(choice, nearest):
    with pytest.raises(UnknownNameError, match=f"Did you mean `{nearest}`"):
        calibrate(ht.circulation("adult"), cuff_only(), **choice)


@pytest.mark.parametrize("choice", [{"starts": 0}, {"draws": 1}, {"seed": -1}])
def test_number_that_cannot_be_used_is_refused_by_its_name(choice):
    with pytest.raises(InputError, match=f"`{next(iter(choice))}` must be a whole number, at least"):
        calibrate(ht.circulation("adult"), cuff_only(), **choice)


def test_no_patients_are_refused():
    with pytest.raises(InputError, match="at least one patient"):
        calibrate(ht.circulation("adult"), [])


def test_two_records_of_one_name_are_refused_at_once_by_that_name():
    """Twins go by name: one of the two would be lost without a word."""
    one, other = cuff_only(), dataclasses.replace(cuff_only(), patient="B")
    with pytest.raises(InputError, match=r"`records` must hold each patient once, .* more than once: CUFF; calibrate"):
        calibrate(ht.circulation("adult"), [one, other, one])


def test_a_coarse_step_is_flagged_by_its_certificate():
    """The same fit on 64 steps a beat is solved, but not to be trusted, and says so."""
    coarse = calibrate(ht.circulation("adult"), patients(), starts=1, draws=2, leave_out=False, steps=64)["P1"]
    assert not coarse.certificate.ok
    assert coarse.status in (Status.STEP_LIMIT, Status.NOT_CONVERGED)
    assert "exceed their limits at 64 steps" in coarse.certificate.sentence
    assert not coarse.certificate.step_error_pressure < 10.0 * twins()["P1"].certificate.step_error_pressure


def test_a_coarse_twin_without_one_on_finer_steps_stays_and_is_not_skipped(monkeypatch):
    """Who has a twin is not among those who have none, whatever becomes of the second fit."""
    whole, rounds = twins()["P1"], []
    coarse = dataclasses.replace(whole, certificate=dataclasses.replace(whole.certificate, step_error=3.0))
    assert not coarse.certificate.values_ok

    def run(job, cohort, number):
        rounds.append(number)
        if len(rounds) == 1:
            return [coarse]
        cohort.skipped["P1"] = "no steady beat"
        return []

    monkeypatch.setattr(fit.Job, "run", run)
    found = calibrate(ht.circulation("adult"), patients()[:1], starts=1, draws=2, leave_out=False)
    assert rounds == [400, 800, 1600, 3200]
    assert [twin.patient for twin in found] == ["P1"] and not found.skipped


def slow() -> MeasurementSet:
    """A cuff pressure and a slow heart: of a beat that long 400 steps are long ones."""
    rows = (("sbp", 152.0, "mmHg"), ("dbp", 70.0, "mmHg"), ("heart_rate", 45.0, "1/min"))
    return MeasurementSet("SLOW", {"sex": "female", "age": 61.0}, tuple(reading("SLOW", *row) for row in rows))


@pytest.mark.slow
def test_a_patient_without_a_fit_on_the_default_steps_has_a_twin_on_finer_ones_and_the_others_stay():
    """With pulmonary veins at their stiffest bound no beat of a slow heart is followed on 400 steps."""
    model, choices = ht.circulation("adult", **{"pulmonary_veins.compliance": 0.01}), {"draws": 24, "leave_out": False}
    both, beside = [slow(), patients()[0]], patients()[0].patient
    coarse, found = (calibrate(model, both, starts=1, steps=steps, **choices) for steps in (400, None))
    assert coarse.patients == [beside] and "Tried on 400 steps per beat" in coarse.skipped["SLOW"]
    assert found.patients == ["SLOW", beside] and not found.skipped
    one = found["SLOW"]
    assert one.provenance["steps"] > 400 and one.certificate.ok and one.status == Status.OK
    assert max(abs(row.difference) / row.sd for row in one.fit) < 1.0
    assert one.sampling.failed <= 0.05 * one.sampling.proposed
    assert found[beside].provenance["steps"] == 400 and found[beside].sha256 == coarse[beside].sha256


@pytest.mark.parametrize(("steps", "tried"), [(None, [400, 800, 1600, 3200]), (64, [64])])
def test_a_patient_who_has_no_twin_on_any_steps_is_told_on_how_many(monkeypatch, steps, tried):
    rounds = []

    def run(job, cohort, number):
        rounds.append(number)
        cohort.skipped["P1"] = Status.NOT_PERIODIC.advice
        return []

    monkeypatch.setattr(fit.Job, "run", run)
    found = calibrate(ht.circulation("adult"), [patients()[0], nothing_usable()], starts=1, draws=2, steps=steps)
    assert rounds == tried and found.status["P1"] == Status.NOT_PERIODIC
    assert found.skipped["P1"] == f"{Status.NOT_PERIODIC.advice} Tried on {tried[-1]} steps per beat."
    assert "steps" not in found.skipped["NONE"]


@pytest.mark.parametrize(("failed", "impossible", "tried"), [(20, 0, [400]), (21, 0, [400, 800]), (60, 40, [400])])
def test_a_twin_with_many_draws_lost_is_fitted_again_on_twice_the_steps(monkeypatch, failed, impossible, tried):
    whole, rounds = twins()["P1"], []

    def run(job, cohort, number):
        rounds.append(number)
        lost = dataclasses.replace(whole.sampling, proposed=400, failed=failed if number == 400 else 0,
                                   impossible=impossible if number == 400 else 0)  # fmt: skip
        return [dataclasses.replace(whole, sampling=lost)]

    monkeypatch.setattr(fit.Job, "run", run)
    found = calibrate(ht.circulation("adult"), patients()[:1], starts=1, draws=2, leave_out=False)
    assert rounds == tried and found["P1"].provenance["steps"] == tried[-1]


def test_a_twin_whose_volumes_cannot_be_is_fitted_once(monkeypatch):
    whole, rounds = twins()["P1"], []
    bad = dataclasses.replace(whole.certificate, step_error_pressure=np.inf, ok=False)

    def run(job, cohort, number):
        rounds.append(number)
        return [dataclasses.replace(whole, certificate=bad, status=Status.UNPHYSIOLOGICAL)]

    monkeypatch.setattr(fit.Job, "run", run)
    calibrate(ht.circulation("adult"), patients()[:1], starts=1, draws=2, leave_out=False)
    assert rounds == [400]


def test_provenance_says_what_made_the_twin():
    facts = twins()["P1"].provenance
    assert (facts["prior"], facts["noise"], facts["method"]) == ("adult_wide", "clinical", "gauss_newton")
    assert (facts["starts"], facts["seed"], facts["precision"]) == (3, 0, "float64")


def test_heart_rate_that_was_recorded_and_set_aside_is_not_said_to_be_unrecorded(tmp_path):
    record = tmp_path / "fast.csv"
    record.write_text("patient,observable,value,unit\nA,sbp,120,mmHg\nA,dbp,80,mmHg\nA,hr,700,1/min\n")
    twin = calibrate(ht.circulation("adult"), ht.read(record), starts=2, draws=2, leave_out=False)["A"]
    assert any(text.startswith("No heart rate could be used") for text in twin.assumptions)
