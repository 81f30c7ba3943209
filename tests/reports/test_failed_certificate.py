"""No form shows the numbers of an answer whose certificate failed without saying so."""

from __future__ import annotations

import dataclasses
import html

import pytest

from hemotwin.calibration.twin import CalibratedTwins
from hemotwin.core.status import Status
from hemotwin.prediction.outcome import Predictions
from hemotwin.reports.fhir_bundle import fhir_bundle
from hemotwin.reports.report import page
from hemotwin.reports.tables import what_if_table
from tests.reports.example_twin import example_predictions, example_twin

SAID = "Numerical errors exceed their limits at 80 steps: pressures within 1.2 mmHg."
GOOD = example_twin()
FAILED = dataclasses.replace(GOOD.certificate, ok=False, step_error_pressure=1.2, sentence=SAID)
COARSE = dataclasses.replace(GOOD, certificate=FAILED, status=Status.STEP_LIMIT)
COHORT = CalibratedTwins((COARSE,), {"P9": "no usable measurement in the record"}, {})

WHAT_IF = dataclasses.replace(example_predictions()[0], certificate=FAILED, status=Status.STEP_LIMIT)
WHAT_IFS = Predictions(WHAT_IF.scenario, (WHAT_IF,))

FORMS = {
    "a twin's table": lambda: repr(COARSE.table()),
    "a twin in a notebook": lambda: COARSE._repr_html_(),
    "a twin's note": lambda: COARSE.note,
    "a cohort's table": lambda: repr(COHORT.table()),
    "a cohort in a notebook": lambda: COHORT._repr_html_(),
    "the page of a twin": lambda: page(COARSE),
    "a what-if's table": lambda: repr(WHAT_IF.table()),
    "a what-if in a notebook": lambda: WHAT_IF._repr_html_(),
    "a what-if's note": lambda: WHAT_IF.note,
    "a what-if's table on a terminal": lambda: repr(what_if_table(WHAT_IF)),
    "a what-if on a page": lambda: page(GOOD, WHAT_IF),
    "what-ifs' table": lambda: repr(WHAT_IFS.table()),
    "what-ifs in a notebook": lambda: WHAT_IFS._repr_html_(),
}


SOUND = example_predictions()[0]
BEHIND = {  # what-ifs that are sound themselves, over a baseline that is not
    "a coarse baseline": dataclasses.replace(
        SOUND, status=Status.STEP_LIMIT, twin_status=Status.STEP_LIMIT, baseline_certificate=FAILED
    ),
    "rough draws": dataclasses.replace(
        SOUND, twin_status=Status.DRAWS_UNRELIABLE, baseline_certificate=GOOD.certificate
    ),
}
WHAT_IF_FORMS = {
    "a what-if's note": lambda one: one.note,
    "a what-if's table on a terminal": lambda one: repr(what_if_table(one)),
    "a what-if on a page": lambda one: page(GOOD, one),
    "a what-if in a bundle": lambda one: str(fhir_bundle(GOOD, [one])),
}


@pytest.mark.parametrize("form", WHAT_IF_FORMS)
@pytest.mark.parametrize("behind", BEHIND)
def test_what_is_wrong_with_the_twin_alone_is_said_of_the_twin_itself(form, behind):
    one = BEHIND[behind]
    text = html.unescape(WHAT_IF_FORMS[form](one))
    told = f"{one.twin_status.advice} {one.baseline_certificate.sentence}"
    assert f"The twin itself: Status {one.twin_status.name.replace('_', ' ').lower()}: {told}" in text
    assert "The twin itself" not in html.unescape(WHAT_IF_FORMS[form](WHAT_IF))


def test_every_reading_of_a_what_if_in_a_bundle_names_the_twin_behind_it():
    entries = fhir_bundle(GOOD, [BEHIND["rough draws"]])["entry"]
    notes = [entry["resource"]["note"][0]["text"] for entry in entries
             if entry["resource"]["resourceType"] == "Observation"]  # fmt: skip
    notes = [note for note in notes if "what-if" in note]
    assert len(notes) == len(SOUND.rows) and all("The twin itself:" in note for note in notes)


def test_a_page_shows_no_status_of_a_what_if_that_is_sound():
    shown = page(GOOD, BEHIND["rough draws"])
    assert shown.count("<b>OK</b>") == page(GOOD).count("<b>OK</b>")  # that of the twin


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


def test_what_ifs_tell_the_status_of_each_patient_in_every_row():
    assert set(WHAT_IFS.table().column("status")) == {"step limit"} and "1 STEP_LIMIT" in repr(WHAT_IFS)
    sound = Predictions(WHAT_IF.scenario, example_predictions()[:1])
    assert set(sound.table().column("status")) == {"ok"} and sound.table().note == "Not for clinical use."


def test_a_figure_says_it_in_its_title():
    assert COARSE.plot().get_suptitle().startswith("Twin of P2: best explanation, without its intervals (step limit).")
    assert "(" not in GOOD.plot().get_suptitle()


def test_each_observation_of_a_bundle_says_it_by_itself():
    bundle = fhir_bundle(COARSE, [WHAT_IF])
    notes = [entry["resource"]["note"][0]["text"] for entry in bundle["entry"]
             if entry["resource"]["resourceType"] == "Observation"]  # fmt: skip
    assert len(notes) > 40 and all(SAID in note and Status.STEP_LIMIT.advice in note for note in notes)
    sound = str(fhir_bundle(GOOD, []))
    assert "exceed their limits" not in sound and Status.STEP_LIMIT.advice not in sound
