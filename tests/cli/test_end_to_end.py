"""From a cohort's export to its twins on the command line: everyone has a twin or a reason, and nothing is guessed.

On real records, with the cheapest settings that still fit every patient; minutes, so marked slow.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import hemotwin as ht
from hemotwin.cli import main
from hemotwin.core.status import Status

pytestmark = [pytest.mark.slow, pytest.mark.real_data]

SOURCES = {
    "fhir_synthea_r4/hf_patients_trimmed.ndjson": (49, set()),
    "omop_synthea27nj": (28, set()),
    "waveforms_wfdb/041s": (1, set()),
    "waveforms_wfdb": (5, {"03700181"}),  # whose one pressure is none of a patient
    "rhc_patient233": (1, set()),
}


@pytest.fixture(scope="module", params=SOURCES)
def calibrated(request, data_folder, tmp_path_factory):
    """(source, records, twins, folder, what the terminal showed) after `hemotwin calibrate` with two starts."""
    folder = tmp_path_factory.mktemp("cohort")
    capture = request.config.pluginmanager.getplugin("capturemanager")
    source = data_folder / request.param
    with capture.global_and_fixture_disabled():
        shown = _run(["calibrate", str(source), "--starts", "2", "--out", str(folder / "twins.zarr")])
    return request.param, ht.read(source), ht.load(folder / "twins.zarr"), folder, shown


def _run(arguments: list[str]) -> str:
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        assert main(arguments) == 0
    return out.getvalue()


def test_everyone_has_a_twin_or_a_reason(calibrated):
    name, records, twins, _, shown = calibrated
    count, without = SOURCES[name]
    assert len(records) == count and {*twins.patients, *twins.skipped} == {*records.patients}
    assert set(twins.skipped) == without and not set(twins.patients) & without
    assert all(reason.startswith("no usable measurement: ") for reason in twins.skipped.values())
    end = shown[shown.index(f"{count} patient{'s' if count > 1 else ''} = ") :]
    for patient in twins.skipped:
        assert f"{patient}: " in end
    for twin in twins:
        assert Status(twin.status) <= Status.UNIDENTIFIABLE, (twin.patient, twin.status)
        assert f"Twin of {twin.patient}\n" in shown and (twin.status == Status.OK or twin.patient in end)


def test_counts_in_are_counts_out(calibrated):
    _, records, twins, _, _ = calibrated
    counts = records.summary()
    assert counts["rows"] == sum(counts[fate] for fate in ("used", "derived", "duplicate", "quarantined"))
    assert sum(len(one.counted) for one in records) == sum(row.counted for twin in twins for row in twin.fit)


def test_nothing_in_a_twin_was_not_in_the_record(calibrated):
    """Each value fitted is a counted reading of that patient, each covariate one of the record's, none filled in."""
    name, records, twins, _, _ = calibrated
    for twin in twins:
        record = records[twin.patient]
        recorded = {(m.observable, m.modality): m for m in record.counted}
        fitted = {(row.observable, row.modality): row for row in twin.fit if row.counted}
        assert fitted.keys() == recorded.keys()
        for channel, row in fitted.items():
            assert row.measured == recorded[channel].value and row.origin == recorded[channel].origin
        assert twin.covariates.items() <= record.covariates.items()
        for wanted, words in (("age", "Age unknown"), ("sex", "Sex unknown")):
            assert any(words in one for one in twin.assumptions) == (wanted not in record.covariates)
        has_rate = any(m.observable == "heart_rate" for m in record.counted)
        assert any("Heart rate was not recorded" in one for one in twin.assumptions) != has_rate
        child = record.covariates.get("age", 40.0) < 18.0
        assert any("prior of adults is extrapolated" in one for one in twin.assumptions) == child
    if name.endswith(".ndjson"):
        assert not [row for twin in twins for row in twin.fit if row.observable == "heart_rate"]


def test_readiness_said_before_what_the_calibration_took(calibrated):
    _, records, twins, _, _ = calibrated
    for one in ht.readiness(records).patients:
        fitted = {row.observable for row in twins[one.patient].fit} if one.patient in twins.patients else set()
        assert fitted - {row.observable for row in records[one.patient].measurements if row.kind == "recovered"} == {
            name for name in one.now if name not in records[one.patient].covariates
        }


def test_a_twin_of_it_answers_a_what_if_and_has_its_page(calibrated):
    _, _, twins, folder, _ = calibrated
    patient = twins.patients[0]
    saved = str(folder / "twins.zarr")
    shown = _run(["predict", saved, "--patient", patient, "--scenario", "fluid_bolus", "--draws", "8"])
    assert "fluid bolus" in shown and shown.rstrip().endswith("Not for clinical use.")
    _run(["report", saved, "--patient", patient, "--no-what-if", "--out", str(folder / "page.html")])
    page = Path(folder / "page.html").read_text(encoding="utf-8")
    assert f"Twin of {patient}" in page and "Not for clinical use" in page
