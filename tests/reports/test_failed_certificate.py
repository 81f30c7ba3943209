"""No form shows the numbers of an answer whose certificate failed without saying so."""

from __future__ import annotations

import dataclasses
import html

import pytest

from hemotwin.calibration.twin import CalibratedTwins
from hemotwin.core.status import Status
from tests.reports.example_twin import example_twin

SAID = "Numerical errors exceed their limits at 80 steps: pressures within 1.2 mmHg."
GOOD = example_twin()
FAILED = dataclasses.replace(GOOD.certificate, ok=False, step_error_pressure=1.2, sentence=SAID)
COARSE = dataclasses.replace(GOOD, certificate=FAILED, status=Status.STEP_LIMIT)
COHORT = CalibratedTwins((COARSE,), {"P9": "no usable measurement in the record"}, {})

FORMS = {
    "a twin's table": lambda: repr(COARSE.table()),
    "a twin in a notebook": lambda: COARSE._repr_html_(),
    "a twin's note": lambda: COARSE.note,
    "a cohort's table": lambda: repr(COHORT.table()),
    "a cohort in a notebook": lambda: COHORT._repr_html_(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_failed_certificate_is_said_with_its_advice(form):
    text = html.unescape(FORMS[form]())
    assert SAID in text and Status.STEP_LIMIT.advice in text and "Not for clinical use." in text


def test_sound_numbers_have_the_disclaimer_alone():
    assert GOOD.note == "Not for clinical use."
    assert CalibratedTwins((GOOD,), {}, {}).table().note == "Not for clinical use."


def test_a_cohort_tells_the_status_of_each_patient_in_every_row():
    table = COHORT.table()
    assert set(table.column("status")) == {"step limit", "unidentifiable"}
    hidden = dataclasses.replace(COARSE, status=Status.NOT_CONVERGED)
    table = CalibratedTwins((hidden,), {}, {}).table()
    assert set(table.column("status")) == {"not converged, certificate failed"} and SAID in table.note
