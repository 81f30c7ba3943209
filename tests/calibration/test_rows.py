"""Claims of the interval of draws: what it holds of the posterior, and how sure that is."""

from __future__ import annotations

import numpy as np
import pytest

from hemotwin.calibration.rows import span

SETS = 4000  # of draws; a share of .84 of them is known to .006


@pytest.mark.parametrize("share", [0.90, 0.95])
def test_an_interval_holds_its_share_in_five_of_six_sets_of_draws(share: float):
    """84 %: one sd of a normal. For draws of the uniform distribution the share is the distance of the ends."""
    low, high = span(np.random.default_rng(0).random((SETS, 400)), share)
    held = high - low
    assert np.mean(held >= share) == pytest.approx(0.84, abs=0.02)
    # an interval of the plain quantiles holds its share on average, and less in half of the sets
    plain = np.diff(np.quantile(np.random.default_rng(0).random((SETS, 400)), [0.5 - share / 2, 0.5 + share / 2], 1).T)
    assert np.mean(plain >= share) < 0.5
    assert np.mean(held) - share == pytest.approx(np.sqrt(share * (1.0 - share) / 402), rel=0.1)


def test_few_draws_give_their_extremes_and_many_the_quantiles():
    few, many = np.arange(10.0), np.linspace(0.0, 1.0, 1_000_001)
    assert span(few).tolist() == [0.0, 9.0]
    np.testing.assert_allclose(span(many), [0.025, 0.975], atol=2e-4)
