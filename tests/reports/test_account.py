"""The account: a twin is usable or not by the documented rule, and no cost is shown that was not given."""

from __future__ import annotations

import dataclasses
import json

import pytest

import hemotwin as ht
from hemotwin.calibration.twin import CalibratedTwins
from hemotwin.core.errors import InputError
from hemotwin.core.status import Status
from hemotwin.reports.account import reasons_against
from tests.reports.example_twin import example_twin

SECONDS = {
    "prepare": 1.0,
    "compile": 40.0,
    "fit": 20.0,
    "posterior": 9.0,
}  # of three patients: 10 s each, compiling apart
COSTS = """
currency: EUR
examinations: {cuff: 4, right_heart_catheter: 1000}
compute_per_hour: 36
staff_per_hour: 60
staff_minutes_per_patient: 20
once: 300
"""


def sound():
    """The example twin as a calibration that went well leaves it."""
    twin = example_twin()
    return dataclasses.replace(
        twin, status=Status.OK, certificate=dataclasses.replace(twin.certificate, ok=True, periodicity=1e-9)
    )


def cohort(*changed, skipped=None, patients: int | None = 3):
    """Twins A, B, ... of one calibration."""
    facts = {"seconds": SECONDS, "patients": patients, "record_sha256": "abc", "device": "x86_64 CPU"}
    named = tuple(dataclasses.replace(twin, patient="ABC"[k]) for k, twin in enumerate(changed))
    return CalibratedTwins(tuple(twin.with_provenance(facts) for twin in named), skipped or {}, facts)


def with_interval(end):
    twin = sound()
    return dataclasses.replace(twin, unmeasured=(dataclasses.replace(twin.unmeasured[0], high=end),))


def uninformed():
    twin = sound()
    return dataclasses.replace(twin, quantities=tuple(dataclasses.replace(q, verdict="prior") for q in twin.quantities))


def certified(**changes):
    twin = sound()
    return dataclasses.replace(twin, certificate=dataclasses.replace(twin.certificate, **changes))


def test_a_sound_twin_has_nothing_against_it():
    assert reasons_against(sound()) == ()


@pytest.mark.parametrize(
    ("twin", "said"),
    [
        (dataclasses.replace(sound(), status=Status.NOT_CONVERGED), "status not converged"),
        (certified(ok=False), "certificate"),
        (certified(periodicity=1e-3), "does not repeat"),
        (certified(periodicity=float("nan")), "does not repeat"),
        (with_interval(float("inf")), "not finite"),
        (with_interval(float("nan")), "not finite"),
        (uninformed(), "informed no quantity"),
    ],
)
def test_each_condition_alone_makes_a_twin_unusable_and_is_named(twin, said):
    (reason,) = reasons_against(twin)
    assert said in reason


def test_fraction_counts_patients_without_a_twin_and_gives_their_reason():
    found = ht.account(cohort(sound(), uninformed(), skipped={"C": "no usable measurement in the record"}))
    assert (found.usable, found.fraction) == (1, pytest.approx(1 / 3))
    assert found.reasons() == {
        "the data informed no quantity": 1, "no twin: no usable measurement in the record": 1,
    }  # fmt: skip


def test_seconds_are_those_recorded_per_patient_with_compiling_apart():
    found = ht.account(cohort(sound(), sound(), sound()))
    assert found.seconds_per_patient == pytest.approx(10.0)
    assert found.compile_seconds == 40.0
    assert found.seconds["fit"] == pytest.approx(20.0 / 3.0)


def test_twins_of_one_calibration_saved_one_by_one_share_its_seconds():
    found = ht.account(list(cohort(sound(), sound())))
    assert found.seconds_per_patient == pytest.approx(10.0) and len(found.runs) == 1


def test_twins_that_do_not_say_how_many_they_were_have_no_seconds_per_patient(tmp_path):
    (tmp_path / "c.yaml").write_text("compute_per_hour: 36")
    found = ht.account(cohort(sound(), patients=None), costs=tmp_path / "c.yaml")
    assert found.seconds_per_patient is None and found.spent == {} and found.without_seconds


def test_without_costs_no_money_is_shown_anywhere():
    found = ht.account(cohort(sound(), sound()))
    assert found.cost_per_patient is None and found.cost_per_usable_twin is None
    assert "cost" not in json.dumps(found.plain()) and "cost" not in "".join(map(str, found.tables()))


def test_cost_is_that_of_the_inputs_added_by_hand(tmp_path):
    (tmp_path / "c.yaml").write_text(COSTS)
    found = ht.account(cohort(sound(), uninformed(), skipped={"C": "nothing"}), costs=tmp_path / "c.yaml")
    # two twins, each of a cuff and a catheter (thermodilution and Fick are the same catheter)
    assert found.spent["examinations"] == 2 * (4 + 1000)
    assert found.spent["computing"] == pytest.approx((3 * 10 + 40) * 36 / 3600)
    assert found.spent["staff"] == 3 * 20 and found.spent["once"] == 300
    total = 2008 + 0.7 + 60 + 300
    assert found.cost_per_patient == pytest.approx(total / 3)
    assert found.cost_per_usable_twin == pytest.approx(total)
    assert "EUR" in str(found.tables()[0])


def test_an_examination_without_a_cost_is_named_and_not_guessed(tmp_path):
    (tmp_path / "c.yaml").write_text("examinations: {cuff: 4}")
    found = ht.account(cohort(sound(), sound()), costs=tmp_path / "c.yaml")
    assert found.spent == {"examinations": 8.0}
    assert found.unpriced == {"right_heart_catheter": 2}
    assert "right-heart catheterisation (2)" in str(found.tables()[-1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("compute_per_hr: 3", "did you mean `compute_per_hour`"),
        ("examinations: {ecco: 3}", "did you mean `echo`"),
        ("once: -1", "`once` must be a number from 0"),
        ("staff_per_hour: 60", "must be given together"),
        ("currency: EUR", "must hold"),
    ],
)
def test_costs_that_are_not_understood_are_refused(tmp_path, text, said):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InputError, match=said):
        ht.account(cohort(sound()), costs=tmp_path / "c.yaml")


def test_the_same_patient_twice_is_refused():
    with pytest.raises(InputError, match="holds more than once: A"):
        ht.account([cohort(sound()), cohort(sound())])
