"""Scenarios as changes of parameter rows, alike for every beat or in turn."""

from __future__ import annotations

import numpy as np
import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError

NAMES, ROWS = ("stressed_volume", "thorax.pressure"), np.array([[1655.0], [-4.0]])


def test_bleeding_takes_what_a_bolus_gives():
    lost, given = ht.scenario("bleeding", volume="500 mL"), ht.scenario("fluid_bolus", volume="500 mL")
    np.testing.assert_allclose(lost.applied(NAMES, ROWS)[:, 0], [1155.0, -4.0])
    np.testing.assert_allclose((lost & given).applied(NAMES, ROWS), ROWS)
    with pytest.raises(InputError, match="`volume` must lie between"):
        ht.scenario("bleeding", volume="5 L")


def test_a_breath_has_the_mean_of_its_curve_and_returns():
    """Half the swing on average; four beats take the mean of a raised cosine over a quarter turn: 1/2 -+ 1/pi."""
    rows = ht.scenario("breathing", swing="6 mmHg", beats_per_breath=4).in_turn(NAMES, ROWS)[:, 1, 0]
    assert rows.mean() == pytest.approx(-7.0)
    share = np.array([0.5 - 1.0 / np.pi, 0.5 + 1.0 / np.pi, 0.5 + 1.0 / np.pi, 0.5 - 1.0 / np.pi])
    np.testing.assert_allclose(rows, -4.0 - 6.0 * share, rtol=1e-12)


@pytest.mark.parametrize("beats", [2, 3, 4, 5, 14, 60])
def test_a_breath_of_any_number_of_beats_swings_about_half_its_depth(beats: int):
    """Two beats cut a raised cosine where it is half, and are 1/2 -+ 1/pi; three swing least, by 9 / (8 pi) sqrt(3)."""
    rows = ht.scenario("breathing", swing="6 mmHg", beats_per_breath=beats).in_turn(NAMES, ROWS)[:, 1, 0]
    assert rows.mean() == pytest.approx(-7.0)
    assert np.ptp(rows) >= 6.0 * 9.0 / (8.0 * np.pi) * np.sqrt(3.0) - 1e-9


def test_breathing_goes_with_another_scenario_but_not_with_itself_or_a_steady_prediction():
    breath = ht.scenario("breathing")
    both = breath & ht.scenario("bleeding", volume=500.0)
    assert both.in_turn(NAMES, ROWS).shape == (4, 2, 1)
    np.testing.assert_allclose(both.in_turn(NAMES, ROWS)[:, 0], 1155.0)
    with pytest.raises(InputError, match="must not be added"):
        breath & breath
    with pytest.raises(InputError, match="simulate it"):
        breath.applied(NAMES, ROWS)
    with pytest.raises(InputError, match="whole number from 2 to 60"):
        ht.scenario("breathing", beats_per_breath=1)


def test_wrong_setting_names_the_settings_and_a_pure_number_has_no_unit():
    with pytest.raises(InputError, match=r"got `vol`; known names are: volume, over, retained. Did you mean `volume`"):
        ht.scenario("fluid_bolus", vol="500 mL")
    with pytest.raises(InputError, match=r"`fall` must lie between 0 and 0\.9, but got 30\.$"):
        ht.scenario("inhaled_nitric_oxide", fall=30)


def test_the_catalog_says_what_a_scenario_takes():
    said = {row["name"]: row["what it is"] for row in ht.catalog("scenario").records()}
    assert 'Settings: volume="500 mL", over="10 min", retained=1.0.' in said["fluid_bolus"]


def test_unknown_quantity_names_the_near_ones_before_the_others():
    with pytest.raises(InputError, match=r"known names are: systemic\.resistance, .*, \.\.\.\. Did you mean"):
        ht.circulation("adult").with_values({"systemic.resistence": 1.0})
