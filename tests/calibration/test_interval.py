"""A range or a limit counts as what it is: the probability that a reading with its error falls within it."""

from __future__ import annotations

import functools
import itertools

import jax
import numpy as np
import pytest
from scipy import special

import hemotwin as ht
from hemotwin.calibration.fit import calibrate
from hemotwin.calibration.interval import NARROW, range_cost
from hemotwin.calibration.likelihood import load_noise, reach_of
from hemotwin.calibration.linearised import catalog_cohort
from hemotwin.calibration.priors import load_prior
from hemotwin.core.errors import InputError
from hemotwin.engine.precision import double
from hemotwin.records.record import Measurement, MeasurementSet
from tests.calibrated import reading

HALVES = (2e-5, 1e-3, 0.05, 0.3, 1.0, 3.0, 20.0)
PLACES = (0.0, 1e-6, 0.02, 0.5, 1.0, 3.0, 10.0, 19.0, 21.0, 45.0, 60.0, 300.0)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(800)


NAMES = ("energy", "slope", "curvature", "residual", "residual_slope", "stiffness", "push")
SIZE = 64  # places evaluated at once, so that one program serves all tests


@jax.jit
def program(below, above):
    found = range_cost(below, above)
    return tuple(getattr(found, name) for name in NAMES)


def cost(below, above):
    """Cost in double precision, as plain arrays."""
    below, above = np.broadcast_arrays(np.asarray(below, dtype=float), np.asarray(above, dtype=float))
    padded = [np.resize(side, SIZE) for side in (below, above)]
    with double():
        found = program(*padded)
    return {name: np.asarray(part)[: below.size].reshape(below.shape) for name, part in zip(NAMES, found, strict=True)}


def by_quadrature(low, high):
    """(log P, -E[v], 1 - Var[v]) of a standard normal v cut off at both ends, from 800 Gauss-Legendre nodes."""
    high = min(high, 40.0)
    low = max(low, high - 40.0 - 40.0 / max(1.0, abs(high))) if high > -1.0 else max(low, high + 50.0 / high)
    v, w = 0.5 * (low + high) + 0.5 * (high - low) * NODES, 0.5 * (high - low) * WEIGHTS
    top = high if high < 0.0 else max(low, 0.0)
    density = w * np.exp(-0.5 * (v**2 - top**2))
    whole = density.sum()
    mean = density @ v / whole
    return np.log(whole) - 0.5 * top**2 - 0.5 * np.log(2 * np.pi), -mean, 1.0 - density @ (v - mean) ** 2 / whole


@pytest.mark.parametrize("half", HALVES)
def test_cost_of_an_interval_is_that_of_its_probability(half):
    """Against quadrature, to the rounding of P (eps/half) and, beyond 50 sds, the limit of the curvature (4/50^4)."""
    for u in PLACES:
        found = cost(-half - u, half - u)
        middle, (log_p, slope, curvature) = by_quadrature(-half, half)[0], by_quadrature(-half - u, half - u)
        assert found["energy"] == pytest.approx(middle - log_p, rel=1e-9, abs=1e-9)
        assert found["slope"] == pytest.approx(slope, rel=1e-8, abs=1e-8)
        assert found["curvature"] == pytest.approx(curvature, abs=2e-6)


def test_cost_of_a_limit_is_that_of_the_normal_tail():
    u = np.array([-8.0, -3.0, -1.0, 0.0, 0.5, 2.0, 10.0, 19.0, 21.0, 45.0, 100.0])
    found = cost(np.full(u.shape, -np.inf), -u)
    ratio = np.exp(-0.5 * u**2 - 0.5 * np.log(2 * np.pi) - special.log_ndtr(-u))
    np.testing.assert_allclose(found["energy"], -special.log_ndtr(-u), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(found["slope"], ratio, rtol=1e-11)
    np.testing.assert_allclose(found["curvature"], ratio * (ratio - u), atol=2e-6)
    np.testing.assert_allclose(found["energy"][3], np.log(2.0))  # at the limit itself half of all readings lie beyond


def test_sides_are_mirror_images():
    u = np.linspace(-30.0, 30.0, 61)
    above, below = cost(-1.0 - u, 2.0 - u), cost(-2.0 + u, 1.0 + u)
    for name, sign in (("energy", 1), ("slope", -1), ("curvature", 1), ("residual", -1)):
        np.testing.assert_allclose(above[name], sign * below[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (-0.2, 0.7), (-np.inf, 0.4), (1.5, np.inf)])
def test_derivatives_are_those_of_the_energy(low, high):
    """Against central differences: their error is step^2 and the rounding of the energy over the step."""
    u, step = np.array([-2.0, -0.3, 0.0, 0.6, 2.5, 12.0]), 1e-5
    here, more, less = (cost(low - u - by, high - u - by) for by in (0.0, step, -step))
    np.testing.assert_allclose(here["slope"], (more["energy"] - less["energy"]) / (2 * step), atol=1e-8)
    np.testing.assert_allclose(here["curvature"], (more["slope"] - less["slope"]) / (2 * step), atol=1e-8)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (-np.inf, 0.0), (0.0, np.inf), (-1e-3, 1e-3)])
def test_residual_is_the_signed_root_of_twice_the_cost_with_its_derivative(low, high):
    u, step = np.array([-4.0, -1.0, -0.2, 0.3, 2.0, 25.0]), 1e-5
    found = cost(low - u, high - u)
    np.testing.assert_allclose(0.5 * found["residual"] ** 2, found["energy"], atol=1e-15)
    numeric = cost(low - u - step, high - u - step)["residual"] - cost(low - u + step, high - u + step)["residual"]
    # differences of roots lose half the digits; deep inside a limit the cost itself is near the rounding of 1
    far_in = found["energy"] < 1e-10
    np.testing.assert_allclose(np.where(far_in, 0, numeric / (2 * step)), np.where(far_in, 0, found["residual_slope"]),
                               atol=2e-5)  # fmt: skip
    np.testing.assert_allclose(found["stiffness"] * found["push"], found["slope"], rtol=1e-12)
    np.testing.assert_allclose(found["stiffness"] ** 2, found["curvature"], rtol=1e-12, atol=1e-279)


@pytest.mark.parametrize("half", [0.0, 1e-9, 0.9 * NARROW])
def test_range_without_width_is_a_normal_error_exactly(half):
    u = np.array([-1e5, -50.0, -1.0, 0.0, 0.3, 7.0, 1e3])
    found = cost(-half - u, half - u)
    np.testing.assert_allclose(found["energy"], 0.5 * u**2, rtol=1e-9)
    np.testing.assert_allclose(found["residual"], u, rtol=1e-9)
    np.testing.assert_allclose(found["push"], u, rtol=1e-9)
    assert np.all(found["curvature"] == 1.0)


def test_cost_narrows_to_the_normal_one_and_joins_it_without_a_step():
    u = np.array([0.0, 0.5, 3.0, 20.0])
    for half in (1e-2, 1e-3, 1.01 * NARROW):
        found = cost(-half - u, half - u)
        np.testing.assert_allclose(found["energy"], 0.5 * u**2, atol=(half * u.max()) ** 2 / 6 + 1e-9)
        np.testing.assert_allclose(found["slope"], u, atol=half**2 * u.max() + 1e-9)


def test_nothing_overflows_however_far_outside():
    for u in (1e3, 1e6, 1e9):
        for below, above in ((-2.0 - u, -u), (-np.inf, -u), (u, np.inf), (u, u + 2.0)):
            found = cost(below, above)
            assert all(np.isfinite(value) for value in found.values())
            assert abs(found["slope"]) == pytest.approx(u, rel=1e-5) and 0.0 <= found["curvature"] <= 1.0


def grid_sd(low, high, sd):
    """Posterior sd of z ~ N(0, 1) when z + sd e is seen between low and high, on a grid."""
    z = np.linspace(-8.0, 8.0, 8001)
    likelihood = special.ndtr((high - z) / sd) - special.ndtr((low - z) / sd)
    weight = likelihood * np.exp(-0.5 * z**2)
    weight /= weight.sum()
    return np.sqrt(weight @ z**2 - (weight @ z) ** 2)


def laplace_sd(low, high, sd):
    """The same by Newton's method on cost and prior, as the fit has it."""
    z = 0.0
    for _ in range(40):
        found = cost((low - z) / sd, (high - z) / sd)
        z -= 0.5 * (found["slope"] / sd + z) / (1.0 + found["curvature"] / sd**2)
    return float(1.0 / np.sqrt(1.0 + found["curvature"] / sd**2))


def test_posterior_narrows_from_the_prior_to_that_of_a_number():
    """Each range within the last. Where one is much wider than the noise the exact posterior is cut off on both sides,
    and the curvature at its mode makes it wider by a tenth at most."""
    halves = (6.0, 3.0, 1.5, 0.8, 0.4, 0.1, 0.0)
    spreads = [laplace_sd(0.5 - h, 0.5 + h, 0.6) for h in halves]
    assert all(one > other for one, other in itertools.pairwise(spreads))
    assert spreads[0] == pytest.approx(1.0, abs=1e-3)
    assert spreads[-1] == pytest.approx(1.0 / np.sqrt(1.0 + 0.6**-2), rel=1e-12)
    for half, spread in zip(halves[:-1], spreads[:-1], strict=True):
        assert 0.999 < spread / grid_sd(0.5 - half, 0.5 + half, 0.6) < 1.11
    assert laplace_sd(0.1, 0.9, 0.6) == pytest.approx(grid_sd(0.1, 0.9, 0.6), rel=0.01)


@pytest.mark.parametrize(("limit", "sd", "error"), [(0.5, 0.6, 0.04), (0.5, 2.0, 0.01), (-1.5, 0.3, 0.19)])
def test_posterior_of_a_limit_is_near_the_exact_one(limit, sd, error):
    """The tighter a limit that the prior contradicts, the more skewed its posterior and the narrower Laplace's."""
    assert laplace_sd(-np.inf, limit, sd) == pytest.approx(grid_sd(-np.inf, limit, sd), rel=error)


def test_reach_of_numbers_ranges_and_limits():
    of = lambda **more: reach_of(Measurement("P", "lvef", more.pop("value", None), "%", origin="row 2", **more))  # noqa: E731
    assert of(value=57.0) == (57.0, 0.0, 0.0)
    assert of(kind="interval", lower=55.0, upper=60.0) == (57.5, 2.5, 2.5)
    assert of(kind="censored", upper=30.0) == (30.0, np.inf, 0.0)
    assert of(kind="censored", lower=60.0) == (60.0, 0.0, np.inf)
    for bounds in ({}, {"lower": 60.0, "upper": 55.0}):
        with pytest.raises(InputError, match=r"P lvef \(row 2\): a reading without a value must have a bound"):
            of(kind="interval", **bounds)


def test_before_a_fit_a_range_is_expected_to_tell_less_than_a_number_and_a_limit_nothing():
    noise, model = load_noise("clinical"), ht.circulation("adult")
    sets = [
        patient("grade", atrial("grade", "ordinal", 10.0, 20.0)),
        patient("limit", atrial("limit", "censored", 2.0)),
    ]
    found = catalog_cohort(model, sets, load_prior("adult_wide"), noise, None)
    row = found.problem.observables.index("ra_pressure_mean")
    assert found.data.value[row, 0] == 15.0 and found.data.mask[row].tolist() == [1.0, 0.0]
    assert found.data.sd[row, 0] == pytest.approx(np.hypot(3.0, 10.0 / np.sqrt(12.0)))  # noise and a uniform's spread
    assert "is a limit: it counts in a fit" in found.left_aside[1][0] and not found.problem.ranges


# --- in a calibration


def patient(name, *more):
    """Cuff, heart rate and output of one man, and whatever else was read of him."""
    rows = (
        reading(name, "sbp", 118.0, "mmHg", modality="cuff"), reading(name, "dbp", 74.0, "mmHg", modality="cuff"),
        reading(name, "heart_rate", 72.0, "1/min", modality="monitor"),
        reading(name, "cardiac_output", 5.2, "L/min", modality="thermodilution"),
    )  # fmt: skip
    body = {"sex": "male", "age": 58.0, "height": 176.0, "weight": 79.0, "bsa": 1.97}
    return MeasurementSet(name, body, (*rows, *more))


def atrial(name, kind, lower=None, upper=None, value=None):
    """A mean right atrial pressure of some kind."""
    return Measurement(name, "ra_pressure_mean", value, "mmHg", kind=kind, lower=lower, upper=upper,
                       modality="catheter", origin="typed here")  # fmt: skip


@functools.cache
def ranged():
    """One man whose right atrial pressure is told in six ways."""
    told = {
        "nothing": (), "wide": (atrial("wide", "interval", -5.0, 45.0),),
        "grade": (atrial("grade", "ordinal", 10.0, 20.0),), "narrow": (atrial("narrow", "interval", 14.9, 15.1),),
        "number": (atrial("number", "exact", value=15.0),), "limit": (atrial("limit", "censored", upper=2.0),),
    }  # fmt: skip
    sets = [patient(name, *rows) for name, rows in told.items()]
    model = ht.circulation("adult")
    return calibrate(model, sets, starts=3, draws=24, steps=model.steps)


def spread(name):
    """Posterior over prior sd of the stressed volume."""
    return next(q.contraction for q in ranged()[name].quantities if q.name == "stressed_volume")


def atrial_row(name):
    return next(row for row in ranged()[name].fit if row.observable == "ra_pressure_mean")


@pytest.mark.slow
def test_a_narrower_range_narrows_the_posterior_of_what_it_bears_on():
    """A range of a tenth of the noise does what a number does, to the 4 % that two times 200 draws leave open."""
    assert spread("nothing") >= spread("wide") - 1e-3
    assert spread("wide") > spread("grade") > spread("narrow")
    assert spread("narrow") == pytest.approx(spread("number"), rel=0.04)
    assert spread("limit") < spread("nothing")


@pytest.mark.slow
def test_a_fit_lies_where_the_range_leaves_it():
    assert atrial_row("narrow").fitted == pytest.approx(atrial_row("number").fitted, abs=0.05)
    assert atrial_row("grade").fitted < atrial_row("number").fitted
    free = {name: ranged()[name].posterior["readings"].sel(observable="ra_pressure_mean").values[0] for name in
            ("nothing", "wide")}  # fmt: skip
    assert free["wide"] == pytest.approx(free["nothing"], abs=0.3)  # what allows all that is possible says nothing
    assert atrial_row("limit").fitted < free["nothing"] < atrial_row("grade").fitted


@pytest.mark.slow
def test_the_fit_table_shows_the_range_that_was_read_and_counts_it():
    row = atrial_row("grade")
    assert (row.measured, row.lower, row.upper, row.shown, row.counted) == (None, 10.0, 20.0, "10 to 20", True)
    assert row.difference == min(row.fitted - 10.0, 0.0) and row.left_out is not None
    assert "10 to 20" in repr(ranged()["grade"].table()) and "below 2" in repr(ranged()["limit"].table())
    assert not [text for text in ranged()["grade"].assumptions if "left aside" in text]


@pytest.mark.slow
def test_twins_with_ranges_are_saved_reported_and_exported(tmp_path):
    from hemotwin.reports.export_table import export_rows
    from hemotwin.reports.fhir_bundle import fhir_bundle

    ranged().save(tmp_path / "r.zarr")
    back = ht.load(tmp_path / "r.zarr")
    assert back["grade"].fit == ranged()["grade"].fit
    page = ht.report(back["grade"], path=tmp_path / "r.html").read_text()
    assert "10 to 20" in page and 'class="range"' in page
    (row,) = [row for row in export_rows([back["grade"]]) if row["kind"] == "measured"
              and row["observable"] == "ra_pressure_mean"]  # fmt: skip
    assert (row["value"], row["low"], row["high"]) == (None, 10.0, 20.0)
    assert "measured 10 to 20 mmHg" in str(fhir_bundle(back["grade"]))
