"""Free values are logarithms where the prior is lognormal, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from hemotwin.calibration.transforms import from_free, to_free


@pytest.mark.parametrize("kind", ["lognormal", "normal", "nuisance", "fixed"])
def test_free_and_natural_values_go_round(kind):
    values = np.array([0.003, 1.0, 70.0, 5000.0])
    np.testing.assert_allclose(from_free(kind, to_free(kind, values)), values, rtol=1e-13)


def test_only_lognormal_quantities_are_fitted_as_logarithms():
    assert to_free("lognormal", 70.0) == pytest.approx(4.248495242)
    assert to_free("normal", -4.0) == -4.0
    assert from_free("nuisance", -2.5) == -2.5


def test_every_free_value_of_a_lognormal_quantity_is_positive():
    assert np.all(from_free("lognormal", np.array([-50.0, 0.0, 50.0])) > 0.0)
