"""Every observable has a noise, in its own unit, from the same file for everyone."""

from __future__ import annotations

import copy

import pytest
import yaml

from hemotwin.calibration.likelihood import load_noise
from hemotwin.core.configs import config_path
from hemotwin.core.errors import InputError, UnknownNameError
from hemotwin.records.codes import observables
from hemotwin.records.record import Measurement


def reading(observable, value, modality="unspecified", **more):
    return Measurement(
        "P1", observable, value, observables()[observable].unit, modality=modality, origin="row 3", **more
    )


@pytest.fixture
def noise():
    return load_noise("clinical")


def test_every_observable_has_a_noise_in_its_own_unit(noise):
    assert set(noise.rules) == set(observables())
    for name, ways in noise.rules.items():
        assert {rule.unit for rule in ways.values()} == {observables()[name].unit}, name


def test_every_noise_is_positive_even_for_a_reading_of_zero(noise):
    for name, ways in noise.rules.items():
        for rule in ways.values():
            assert rule.at(0.0) > 0.0 and rule.source, name


@pytest.mark.parametrize(
    ("observable", "modality", "value", "sd"),
    [
        ("sbp", "cuff", 118, 8), ("dbp", "cuff", 74, 8), ("pa_pressure_systolic", "catheter", 86, 4),
        ("pa_pressure_diastolic", "catheter", 32, 4), ("pa_pressure_mean", "catheter", 48, 3),
        ("pcwp_mean", "catheter", 4, 3), ("ra_pressure_max", "catheter", 14, 3), ("ra_pressure_min", "catheter", 5, 3),
        ("ra_pressure_mean", "catheter", 8, 3), ("rv_pressure_max", "catheter", 87, 5),
        ("rv_pressure_min", "catheter", 3, 5), ("rv_edp", "catheter", 9, 5), ("heart_rate", "monitor", 70, 3),
        ("cardiac_output", "thermodilution", 4.0, 0.48), ("cardiac_output", "fick", 7.34, 0.12 * 7.34),
    ],
)  # fmt: skip
def test_noise_of_a_catheter_report_is_the_one_of_the_published_fits(noise, observable, modality, value, sd):
    assert noise.sd(reading(observable, float(value), modality)) == pytest.approx(sd)
    if modality != "monitor":
        assert noise.sd(reading(observable, float(value))) == pytest.approx(sd)


def test_echo_is_noisier_than_magnetic_resonance(noise):
    for name in ("lv_edv", "lv_esv", "lvef", "rv_edv", "rvef", "la_volume_max", "stroke_volume"):
        assert noise.sd(reading(name, 60.0, "echo")) > noise.sd(reading(name, 60.0, "cmr")), name


def test_an_sd_in_the_record_goes_before_the_usual_one(noise):
    assert noise.sd(reading("sbp", 118.0, "cuff", sd=2.5)) == 2.5


@pytest.mark.parametrize("wrong", [0.0, -3.0, float("nan")])
def test_an_sd_that_is_not_positive_is_refused_with_patient_row_and_fix(noise, wrong):
    with pytest.raises(InputError, match=r"P1 sbp \(row 3\): sd must be above 0 mmHg.*leave it out"):
        noise.sd(reading("sbp", 118.0, sd=wrong))


def test_an_interval_takes_the_noise_at_its_middle(noise):
    between = reading("cardiac_output", None, "fick", kind="interval", lower=4.0, upper=6.0)
    assert noise.sd(between) == pytest.approx(0.6)
    assert noise.sd(reading("cardiac_output", None, "fick", kind="censored", upper=10.0)) == pytest.approx(1.2)


def test_unknown_names_are_refused_with_the_nearest(noise):
    with pytest.raises(UnknownNameError, match="`lvef`"):
        noise.rule("lveff")
    with pytest.raises(UnknownNameError, match="`clinical`"):
        load_noise("clinicle")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows["sbp"].pop("unit"), "sbp: `unit` must be given"),
        (lambda rows: rows["sbp"].pop("any"), "sbp: `any` must be given"),
        (lambda rows: rows["sbp"]["any"].pop("source"), "sbp any: `source` must be given"),
        (lambda rows: rows["sbp"].update(cath=rows["sbp"]["any"]), "`cath` is not a known key.*`catheter`"),
        (lambda rows: rows["sbp"]["any"].update(sd=0), "`sd` must be a finite number above 0"),
        (lambda rows: rows["sbp"]["any"].update(relative=0.1), "either `sd`, or `relative` with `least`"),
        (lambda rows: rows["cardiac_output"]["any"].pop("least"), "`relative` with `least`"),
        (lambda rows: rows.update(sbp=[8]), "sbp must be a mapping"),
    ],
)
def test_a_malformed_noise_file_is_refused_where_it_stands(tmp_path, change, message):
    content = copy.deepcopy(yaml.safe_load(config_path("noise", "clinical.yaml").read_text(encoding="utf-8")))
    change(content["observables"])
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_noise(path)
