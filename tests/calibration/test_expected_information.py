"""What a record is expected to teach: exact on a linear circulation, and what the real one then finds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import hemotwin as ht
from hemotwin.calibration.expected_information import expected_information
from hemotwin.calibration.lanes import prepare
from hemotwin.calibration.likelihood import load_noise
from hemotwin.calibration.priors import load_prior
from hemotwin.core.errors import InputError, UnknownNameError
from hemotwin.physiology.observable import all_observables
from hemotwin.records.readiness import Costs
from hemotwin.records.readiness_expected import IDENTIFIED, NOT_INFORMED, PARTLY
from hemotwin.records.record import MeasurementSet
from tests.calibrated import RECORD, cuff_only, nothing_usable, reading
from tests.linear_circulation import install, slopes

MODEL = ht.circulation("adult")
SIZE = 22  # free quantities and zero errors of adult_wide


@pytest.fixture
def linear(monkeypatch):
    install(monkeypatch)


def covariance(factors):
    """Posterior covariance in z of readings {name: noise sd}."""
    names, precision = list(all_observables()), np.eye(SIZE)
    for name, sd in factors.items():
        row = slopes(SIZE)[names.index(name)] / sd
        precision += np.outer(row, row)
    return np.linalg.inv(precision)


def factor():
    """Factor of the prior of the patient with a cuff, quantities in the order of the problem."""
    cohort = prepare(MODEL, [cuff_only()], load_prior("adult_wide"), load_noise("clinical"), None)
    return cohort.data.factor[:, :, 0], cohort.problem.free


def step(one, name, kind="readings", by=None):
    return next(s for s in getattr(one, kind) if s.name == name and by in (None, s.examination))


CUFF = {"sbp": 8.0, "dbp": 8.0, "heart_rate": 3.0}  # noise of the clinical file


def test_contraction_is_that_of_the_linear_normal_posterior(linear):
    (one,) = expected_information(MODEL, [cuff_only()]).patients
    rows, free = factor()
    posterior = np.sqrt(np.diag(rows @ covariance(CUFF) @ rows.T)) / np.linalg.norm(rows, axis=1)
    assert [q.name for q in one.quantities] == list(free)
    np.testing.assert_allclose([q.contraction for q in one.quantities], posterior[: len(free)], rtol=1e-10)
    assert one.values == 3


def test_verdicts_follow_the_documented_limits(linear):
    found = expected_information(MODEL, [cuff_only()])
    assert (found.identified_below, found.partly_below) == (0.7, 0.9)
    seen = set()
    for one in found.patients:
        for q in one.quantities:
            expected = IDENTIFIED if q.contraction < 0.7 else PARTLY if q.contraction < 0.9 else NOT_INFORMED
            assert q.verdict == expected
            seen.add(q.verdict)
    assert seen == {IDENTIFIED, PARTLY, NOT_INFORMED}


def test_gain_is_the_fall_of_the_entropy_of_the_quantities_in_bits(linear):
    (one,) = expected_information(MODEL, [cuff_only()]).patients
    free = len(factor()[1])
    before, after = covariance(CUFF), covariance({**CUFF, "pcwp_mean": 3.0})
    nats = 0.5 * (np.linalg.slogdet(before[:free, :free])[1] - np.linalg.slogdet(after[:free, :free])[1])
    assert step(one, "pcwp_mean").gain == pytest.approx(nats / np.log(2.0))


def test_a_reading_taken_gives_what_was_promised(linear):
    """The quantity that a reading was to narrow most has that contraction once the reading is there."""
    one = expected_information(MODEL, [cuff_only()]).patients[0]
    promised = step(one, "pcwp_mean")
    more = dataclasses.replace(
        cuff_only(),
        measurements=(*cuff_only().measurements, reading("CUFF", "pcwp_mean", 9.0, "mmHg", modality="catheter")),
    )
    after = expected_information(MODEL, [more]).patients[0]
    was, now = ({q.name: q for q in p.quantities}[promised.narrows].contraction for p in (one, after))
    assert now == pytest.approx(was * (1.0 - promised.narrows_by))
    newly = {q.name for q in after.named(IDENTIFIED)} - {q.name for q in one.named(IDENTIFIED)}
    assert set(promised.identifies) == newly


def test_more_values_never_widen_an_expectation_of_a_linear_circulation(linear):
    without = dataclasses.replace(cuff_only(), patient="LESS", measurements=cuff_only().measurements[:1])
    more, less = expected_information(MODEL, [cuff_only(), without]).patients
    assert (more.values, less.values) == (3, 1)
    assert all(a.contraction >= b.contraction - 1e-12 for a, b in zip(less.quantities, more.quantities, strict=True))


def test_what_is_recorded_or_computed_from_it_is_not_proposed(linear):
    record = MeasurementSet("X", {"bsa": 1.8}, (
        reading("X", "lv_edv", 120.0, "mL", modality="echo"), reading("X", "lv_esv", 50.0, "mL", modality="echo"),
        reading("X", "cardiac_output", 5.0, "L/min", modality="thermodilution"),
    ))  # fmt: skip
    (one,) = expected_information(MODEL, [record]).patients
    proposed = {(s.name, s.examination) for s in one.readings}
    names = {name for name, _ in proposed}
    assert not names & {"lv_edv", "lv_esv", "cardiac_output", "cardiac_index"}
    assert ("lvef", "echo") not in proposed  # it follows from the two volumes of the same echocardiogram
    assert ("lvef", "cmr") in proposed  # another method is evidence of its own


def test_the_mean_of_a_cuff_is_nothing_new_beside_its_systolic_and_diastolic(linear):
    unsaid = tuple(dataclasses.replace(m, modality="unspecified") for m in cuff_only().measurements)
    for record in (cuff_only(), dataclasses.replace(cuff_only(), measurements=unsaid)):
        (one,) = expected_information(MODEL, [record]).patients
        assert ("map", "cuff") not in {(s.name, s.examination) for s in one.readings}
        assert "cuff" not in {s.name for s in one.examinations}
        assert step(one, "map", by="arterial_line").gain > 0.0  # another method integrates the wave


@pytest.mark.parametrize("way", ["cuff", "unspecified", "catheter"])
def test_the_mean_of_a_cuff_is_nothing_new_beside_the_diastolic_that_it_brings(way, linear):
    systolic = MeasurementSet("X", {}, (reading("X", "sbp", 120.0, "mmHg", modality=way),))
    (one,) = expected_information(MODEL, [systolic]).patients
    proposed = {(s.name, s.examination) for s in one.readings}
    assert ("map", "cuff") not in proposed and {("dbp", "cuff"), ("map", "arterial_line")} <= proposed
    assert step(one, "cuff", "examinations").readings == ("dbp",)
    assert step(one, "cuff", "examinations").gain == step(one, "dbp", by="cuff").gain  # no more than it promises alone
    assert set(step(one, "arterial_line", "examinations").readings) == {"dbp", "map"}


def test_what_an_examination_brings_is_counted_once_beside_what_is_recorded(linear):
    def brought(modality):
        edv = reading("X", "lv_edv", 120.0, "mL", modality=modality)
        (one,) = expected_information(MODEL, [MeasurementSet("X", {"bsa": 1.8}, (edv,))]).patients
        return set(step(one, "echo", "examinations").readings)

    follow = {"lvef", "stroke_volume", "cardiac_output"}  # from both volumes, one of them recorded
    for modality in ("echo", "unspecified"):
        assert "lv_esv" in brought(modality) and not follow & brought(modality)
    assert {"lv_esv", "stroke_volume"} <= brought("cmr")  # which says nothing of two volumes by echo


def test_a_cuff_counts_two_pressures_and_an_arterial_line_three(linear):
    (one,) = expected_information(MODEL, [nothing_usable()]).patients
    assert step(one, "cuff", "examinations").readings == ("sbp", "dbp")
    assert step(one, "arterial_line", "examinations").readings == ("sbp", "dbp", "map")


def test_an_index_needs_a_body_size(linear):
    (one,) = expected_information(MODEL, [cuff_only()]).patients  # neither height and weight nor surface area
    assert not {s.name for s in one.readings} & {"cardiac_index", "stroke_volume_index"}


def test_an_examination_counts_each_piece_of_evidence_once(linear):
    (one,) = expected_information(MODEL, [cuff_only()]).patients
    echo = step(one, "echo", "examinations")
    assert {"lv_edv", "lv_esv"} <= set(echo.readings)
    assert not {"lvef", "stroke_volume", "cardiac_output", "mv_e_a_ratio"} & set(echo.readings)
    assert echo.gain > max(s.gain for s in one.readings if s.examination == "echo" and s.name in echo.readings)


def test_patients_are_counted_in_words_that_agree(linear):
    told: list[str] = []
    expected_information(MODEL, [cuff_only()], progress=told.append)
    expected_information(MODEL, [cuff_only(), nothing_usable()], progress=told.append)
    assert [words.partition(" at ")[0] for words in told] == ["linearised 1 patient", "linearised 2 patients"]


def test_what_is_asked_about_leads_the_ranking(linear):
    found = expected_information(MODEL, [cuff_only()], about=("pvr", "lv.maximal_elastance"))
    (one,) = found.patients
    assert [q.name for q in one.asked] == ["pvr", "lv.maximal_elastance"]
    shares = [s.asked for s in one.readings]
    assert shares == sorted(shares, reverse=True) and shares[0] > 0.0
    by_bits = [s.gain for s in one.readings]
    assert by_bits != sorted(by_bits, reverse=True)


def test_costs_weigh_examinations_and_what_has_none_is_not_priced(linear):
    found = expected_information(MODEL, [cuff_only()], costs=Costs("EUR", {"echo": 200.0}))
    (one,) = found.patients
    echo, cmr = (step(one, name, "examinations") for name in ("echo", "cmr"))
    assert echo.cost == 200.0 and echo.cost_per_bit == pytest.approx(200.0 / echo.gain)
    assert cmr.cost is None and cmr.cost_per_bit is None


def test_a_patient_with_nothing_usable_is_placed_by_the_prior_and_told_what_to_measure(linear):
    (one,) = expected_information(MODEL, [nothing_usable()]).patients
    assert one.values == 0 and all(q.contraction == pytest.approx(1.0) for q in one.quantities)
    assert {q.verdict for q in one.quantities} == {NOT_INFORMED}
    assert one.readings and one.examinations


def test_two_methods_of_one_reading_are_pooled_by_their_noise(linear):
    rows = (reading("X", "cardiac_output", 5.0, "L/min", modality="fick", sd=0.6),
            reading("X", "cardiac_output", 6.0, "L/min", modality="echo", sd=1.2))  # fmt: skip
    both, good = (MeasurementSet("X", {}, rows[:n]) for n in (2, 1))
    two, one = expected_information(MODEL, [both, dataclasses.replace(good, patient="Y")]).patients
    rows, _ = factor()
    pooled = covariance({"cardiac_output": (0.6**-2 + 1.2**-2) ** -0.5})
    expected = np.sqrt(np.diag(rows @ pooled @ rows.T)) / np.linalg.norm(rows, axis=1)
    np.testing.assert_allclose([q.contraction for q in two.quantities], expected[:20], rtol=1e-10)
    assert min(q.contraction for q in two.quantities) < min(q.contraction for q in one.quantities)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"about": ("pvrr",)}, UnknownNameError, "Did you mean `pvr`"),
        ({"draws": 3}, InputError, "even number"),
        ({"prior": "adult_wid"}, InputError, "adult_wide"),
    ],
)
def test_what_cannot_be_asked_is_refused(linear, options, error, said):
    with pytest.raises(error, match=said):
        expected_information(MODEL, [cuff_only()], **options)


@pytest.mark.slow
def test_the_expectation_of_real_patients_is_what_their_twins_find():
    """P1 to P3: the quantities that the twin calls informed, and contractions within 0.1 of those of the fit.

    The twin's are those at its mode, the expected ones a mean over draws around a placing without a fit.
    """
    records = ht.read(RECORD).select(["P1", "P2", "P3"])
    found = expected_information(MODEL, list(records))
    twins = ht.calibrate(MODEL, records, starts=4, draws=2, leave_out=False)
    for one in found.patients:
        actual = {q.name: q for q in twins[one.patient].quantities}
        off = [abs(q.contraction - actual[q.name].contraction) for q in one.quantities]
        assert np.mean(off) < 0.04 and max(off) < 0.2
        called, informed = {q.name for q in one.named(IDENTIFIED)}, set(twins[one.patient].informed)
        assert len(called ^ informed) <= 1  # one may lie at the limit


@pytest.mark.slow
def test_an_expectation_does_not_depend_on_who_else_is_in_the_export():
    records = list(ht.read(RECORD).select(["P1", "P2"]))
    (alone,), (_, beside) = (
        expected_information(MODEL, some).patients for some in ([records[1]], records)
    )  # fmt: skip
    for a, b in zip(alone.quantities, beside.quantities, strict=True):
        assert a.contraction == pytest.approx(b.contraction, rel=1e-9)
