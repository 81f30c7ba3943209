"""The priors say what their files say, for the patient at hand."""

from __future__ import annotations

import copy
import math
import subprocess
import sys

import numpy as np
import pytest
import yaml

from hemotwin.calibration.priors import load_prior
from hemotwin.core.configs import config_path
from hemotwin.core.errors import InputError, UnknownNameError
from hemotwin.core.units import parse_unit
from hemotwin.physiology.model import circulation

NAMES = ("adult_healthy", "adult_wide")
REFERENCE = {"age": 45.0, "bsa": 1.75}


@pytest.fixture(params=NAMES)
def prior(request):
    return load_prior(request.param)


@pytest.fixture
def edited(tmp_path):
    """Write the wide prior after a change to its content; gives the path."""
    content = yaml.safe_load(config_path("priors", "adult_wide.yaml").read_text(encoding="utf-8"))

    def write(change):
        mine = copy.deepcopy(content)
        change(mine)
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(mine), encoding="utf-8")
        return path

    return write


def test_every_prior_is_of_a_quantity_of_the_circulation_in_its_unit_and_inside_its_bounds(prior):
    known = circulation(prior.circulation).all_quantities
    for q in prior.quantities:
        if q.kind == "nuisance":
            continue
        assert q.name in known, q.name
        mine, its = parse_unit(q.unit), parse_unit(known[q.name].unit)
        assert (mine.factor, mine.dimension) == (its.factor, its.dimension), q.name
        assert known[q.name].bounds[0] <= q.low < q.high <= known[q.name].bounds[1], q.name


def test_healthy_medians_are_the_values_of_the_default_circulation():
    model = circulation("adult")
    medians = load_prior("adult_healthy").for_patient(REFERENCE).medians
    assert medians == pytest.approx({name: model.values[name] for name in medians}, rel=1e-12)


def test_wide_prior_differs_from_healthy_only_by_factor_and_spread():
    healthy, wide = (load_prior(name) for name in NAMES)
    for one, other in zip(healthy.quantities, wide.quantities, strict=True):
        for key in (
            "name",
            "symbol",
            "unit",
            "kind",
            "median",
            "low",
            "high",
            "bsa_exponent",
            "factor_male",
            "age_slope",
        ):
            assert getattr(one, key) == getattr(other, key), (one.name, key)
        assert (
            other.sd > one.sd
            or one.kind == "fixed"
            or one.name in ("mitral_valve.resistance", "tricuspid_valve.resistance")
        )


def test_twenty_quantities_are_free_and_only_the_wide_prior_has_zero_offsets():
    healthy, wide = (load_prior(name) for name in NAMES)
    assert len(healthy.default_free) == 20
    assert wide.default_free == (*healthy.default_free, "offset.ra", "offset.rv")
    assert healthy.offset_of("ra_pressure_max") is None
    assert wide.offset_of("ra_pressure_max") == wide.offset_of("ra_a_wave") == "offset.ra"
    assert wide.offset_of("rv_edp") == "offset.rv"
    assert wide.offset_of("pcwp_mean") is None


def test_medians_scale_with_sex_age_and_body_size():
    one = load_prior("adult_wide").for_patient({"sex": "female", "age": 65, "height": 160.0, "weight": 90.0})
    assert one.bsa == pytest.approx(2.0)  # Mosteller: sqrt(160 x 90 / 3600)
    assert one.medians["pulmonary.resistance"] == pytest.approx(0.035 * 2.5 * 1.75 / 2.0 * math.exp(0.004 * 20))
    assert one.medians["aorta.compliance"] == pytest.approx(1.385 * 0.85 * 2.0 / 1.75 * math.exp(-0.012 * 20))
    assert one.medians["heart_rate"] == pytest.approx(70 * 1.1 * 1.03)
    assert one.fixed["systemic_arteries.compliance"] == pytest.approx(0.345 * 0.85 * 2.0 / 1.75 * math.exp(-0.006 * 20))
    assert one.notes == ()


def test_given_body_surface_area_goes_before_height_and_weight():
    assert load_prior("adult_wide").for_patient({"bsa": 1.9, "height": 160.0, "weight": 90.0}).bsa == 1.9


def test_unknown_covariates_take_the_reference_and_say_so(prior):
    nothing, reference = prior.for_patient({}), prior.for_patient(REFERENCE)
    assert nothing.medians == reference.medians
    assert [note.split(" unknown")[0] for note in nothing.notes] == ["Sex", "Age", "Body surface area"]
    only_height = prior.for_patient({"sex": "male", "age": 50, "height": 170.0})
    assert only_height.bsa == 1.75 and "(weight missing)" in only_height.notes[0]


def test_a_child_is_told_to_be_extrapolated(prior):
    assert "below 18 y" in prior.for_patient({"age": 8.6, "sex": "male", "bsa": 0.94}).notes[0]


@pytest.mark.parametrize("wrong", [{"age": -1}, {"height": math.nan, "weight": 70}, {"bsa": 0}, {"weight": "70"}])
def test_covariates_that_are_no_positive_numbers_are_refused(prior, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        prior.for_patient(wrong)


def test_covariance_holds_the_printed_spreads_and_correlations():
    one = load_prior("adult_wide").for_patient({})
    sd, at = one.sd, one.names.index
    np.testing.assert_allclose(sd[at("pulmonary.resistance")], 0.95)
    np.testing.assert_allclose(sd[at("offset.ra")], 4.0)
    correlation = one.covariance / np.outer(sd, sd)
    np.testing.assert_allclose(correlation, correlation.T)
    assert correlation[at("pulmonary.resistance"), at("pulmonary_arteries.compliance")] == pytest.approx(-0.75)
    assert correlation[at("heart_rate"), at("systemic.resistance")] == pytest.approx(-0.25)
    assert correlation[at("heart_rate"), at("offset.ra")] == 0.0
    np.testing.assert_allclose(one.factor @ one.factor.T, one.covariance, atol=1e-14)
    assert np.all(np.triu(one.factor, 1) == 0.0)


def test_covariance_is_well_conditioned_for_any_choice_of_free_quantities(prior):
    able = [q.name for q in prior.quantities if q.sd > 0.0]
    assert np.linalg.eigvalsh(prior.correlation(able)).min() > 0.15
    rng = np.random.default_rng(0)
    for _ in range(20):
        some = rng.choice(able, size=rng.integers(1, len(able)), replace=False)
        if set(some) - set(prior.nuisances):
            assert np.all(np.diag(prior.for_patient({}, [str(name) for name in some]).factor) > 0.0)


def test_whitened_draws_have_the_prior_as_their_distribution():
    one = load_prior("adult_wide").for_patient(REFERENCE)
    z = np.random.default_rng(1).standard_normal((len(one.names), 40000))
    draws = one.values(one.centre[:, None] + one.factor @ z)
    assert np.median(draws["pulmonary.resistance"]) == pytest.approx(0.0875, rel=0.03)
    assert np.std(np.log(draws["pulmonary.resistance"])) == pytest.approx(0.95, rel=0.02)
    assert np.std(draws["offset.ra"]) == pytest.approx(4.0, rel=0.02)


def test_values_theta_and_z_go_round():
    one = load_prior("adult_wide").for_patient({"sex": "male", "age": 70, "bsa": 2.1})
    z = np.linspace(-2.0, 2.0, len(one.names))
    theta = one.centre + one.factor @ z
    values = one.values(theta)
    assert all(isinstance(value, float) for value in values.values())
    np.testing.assert_allclose(one.theta(values), theta, rtol=1e-12)
    np.testing.assert_allclose(one.whitened(theta), z, atol=1e-10)
    without = {name: value for name, value in values.items() if name != "stressed_volume"}
    with pytest.raises(InputError, match="stressed_volume"):
        one.theta(without)


def test_a_quantity_is_either_free_or_fixed_and_unscaled_states_stay_with_the_model():
    prior = load_prior("adult_wide")
    one = prior.for_patient({}, ["systemic.resistance", "systemic_arteries.compliance", "aorta.compliance"])
    assert one.names == (
        "systemic.resistance",
        "systemic_arteries.compliance",
        "aorta.compliance",
        "offset.ra",
        "offset.rv",
    )
    assert not set(one.names) & set(one.fixed)
    assert one.covariance[1, 2] == pytest.approx(0.6 * 0.35 * 0.45)
    assert set(one.fixed) | set(one.names) == {q.name for q in prior.quantities if q.kind != "fixed"}
    assert "pericardium.effusion" not in one.fixed  # set on the model for tamponade, and not undone by the prior


@pytest.mark.parametrize(
    ("free", "message"),
    [
        (["systemic.resistence"], "systemic.resistance"),
        (["mitral_valve.regurgitant_area"], "has none"),
        (["heart_rate", "heart_rate"], "once"),
        (["offset.ra"], "at least one"),
        ([], "at least one"),
    ],
)
def test_a_free_set_that_cannot_be_is_refused(free, message):
    with pytest.raises(InputError, match=message):
        load_prior("adult_wide").for_patient({}, free)


def test_a_value_beyond_the_range_is_refused_with_range_and_unit():
    q = load_prior("adult_wide")["heart_rate"]
    assert q.check(180) == 180.0
    with pytest.raises(InputError, match=r"between 35 and 180 1/min, but got 300"):
        q.check(300)


def test_an_unknown_prior_is_named_with_the_nearest():
    with pytest.raises(UnknownNameError, match="`adult_healthy`"):
        load_prior("adult_helthy")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row.update(medain=1.0), "medain.*`median`"),
        (lambda row: row.pop("unit"), "heart_rate: `unit` must be given"),
        (lambda row: row.pop("source"), "heart_rate: `source` must be given"),
        (lambda row: row.pop("age_slope"), "`age_slope` must be given"),
        (lambda row: row.update(source=" "), "`source` must be text"),
        (lambda row: row.update(unit="mmHgg"), "unit `mmHgg` is not known"),
        (lambda row: row.update(sd=0), "`sd` must be above 0"),
        (lambda row: row.update(median=300), "between `low` and `high`"),
        (lambda row: row.update(median="seventy"), "`median` must be a finite number, but got 'seventy'"),
        (lambda row: row.update(factor_male=0), "`factor_male` must be a finite number above 0"),
        (lambda row: row.update(free="maybe"), "true or false"),
        (lambda row: row.update(kind="log-normal"), "`lognormal`"),
        (lambda row: row.update(adds_to=["sbp"]), "`adds_to` is not a known key"),
    ],
)
def test_a_malformed_quantity_is_refused_where_it_stands(edited, change, message):
    path = edited(lambda content: change(content["quantities"]["heart_rate"]))
    with pytest.raises(InputError, match=message) as caught:
        load_prior(path)
    assert "mine.yaml heart_rate" in str(caught.value)


@pytest.mark.parametrize(
    ("pair", "value", "message"),
    [
        (["heart_rate", "heart_rat"], 0.1, "`heart_rate`"),
        (["heart_rate", "systemic.resistance"], 0.1, "once"),
        (["heart_rate", "heart_rate"], 0.1, "different"),
        (["heart_rate", "stressed_volume"], 1.0, "between -1 and 1"),
        (["pulmonary.resistance", "stressed_volume"], 0.99, "contradict"),
    ],
)
def test_correlations_that_cannot_be_are_refused(edited, pair, value, message):
    path = edited(lambda content: content["correlations"].append({"between": pair, "value": value}))
    if message == "contradict":  # needs a third that both follow
        more = {"between": ["pulmonary_arteries.compliance", "stressed_volume"], "value": 0.99}
        path = edited(lambda content: content["correlations"].extend([{"between": pair, "value": value}, more]))
    with pytest.raises(InputError, match=message):
        load_prior(path)


def test_priors_need_no_jax():
    code = (
        "import sys; from hemotwin.calibration.priors import load_prior\n"
        "load_prior('adult_wide'); assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
