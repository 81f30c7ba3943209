"""No more digits than the unit and the interval deserve."""

from __future__ import annotations

import math

import pytest

from hemotwin.core.rounding import amount, interval, parameter, recorded, rounded, shown_unit, signed, significant, span


@pytest.mark.parametrize(
    ("value", "unit", "half", "text"),
    [
        (112.36, "mmHg", None, "112.4"),
        (112.36, "mmHg", 9.1, "112"),
        (5.34, "mmHg", 2.5, "5.3"),
        (4.267, "L/min", 0.42, "4.27"),
        (5.36, "L/min", 2.31, "5.4"),
        (-3.04, "mmHg", None, "−3.0"),
        (math.nan, "mmHg", None, "–"),
        (None, "mmHg", None, "–"),
    ],
)
def test_a_wide_interval_takes_digits_away(value, unit, half, text):
    assert amount(value, unit, half) == text


def test_both_ends_of_an_interval_carry_the_same_decimals():
    assert interval(3.6, 31.4, "mmHg") == "4 to 31"
    assert interval(2.84, 7.8, "mmHg") == "2.8 to 7.8"
    assert interval(-1.04, 2.0, "mmHg", plus=True) == "−1.0 to +2.0"
    assert interval(None, 2.0, "mmHg") == ""


def test_a_difference_that_rounds_to_nothing_has_no_sign():
    assert signed(-0.02, "mmHg") == "0.0"
    assert signed(0.31, "mmHg") == "+0.3"
    assert signed(-0.31, "mmHg") == "−0.3"


def test_a_recorded_value_keeps_the_digits_it_came_with():
    assert [recorded(v) for v in (112.0, 4.25, 101.25, 0.0, -2.0)] == ["112", "4.25", "101.25", "0", "−2"]


def test_significant_figures_never_become_powers_of_ten():
    assert [significant(v) for v in (0.0001234, 0.612, 9.996, 1702.4, 0.0)] == [
        "0.000123",
        "0.612",
        "10.00",
        "1702",
        "0",
    ]


def test_a_model_quantity_in_a_clinical_unit_is_written_as_a_reading():
    assert parameter(8.2345, "mmHg") == "8.2"
    assert parameter(71.4, "1/min") == "71"
    assert parameter(0.6123, "mmHg s/mL") == "0.612"


def test_units_are_written_for_people_whichever_way_they_are_spelt():
    written = {"1": "", "[wood'U]": "WU", "Wood units": "WU", "dyn.s/cm5": "dyn·s/cm⁵", "dyn s/cm5": "dyn·s/cm⁵",
               "mmHg s/mL": "mmHg·s/mL", "mmHg": "mmHg", "L/min/m2": "L/min/m²"}  # fmt: skip
    assert {unit: shown_unit(unit) for unit in written} == written


def test_a_number_that_rounds_to_nothing_has_no_sign():
    assert amount(-0.04, "mmHg") == "0.0" and signed(-0.04, "mmHg") == "0.0"
    assert interval(-0.3, 29.0, "mmHg") == "0 to 29"
    assert amount(-0.06, "mmHg") == "−0.1"


def test_numbers_of_a_plain_table_have_the_decimals_of_print_and_no_noise():
    assert rounded(0.001125, "mmHg") == 0.0 and str(rounded(-1.2e-7, "dyn s/cm5")) == "0.0"
    assert rounded(4.1817, "L/min") == 4.18 and rounded(116.6, "mmHg", 33.0) == 117.0 and rounded(None, "mL") is None
    assert math.isnan(rounded(math.nan, "mmHg") or 0.0)
    assert span(-1.54, 27.8, "mmHg") == "-2 to 28" and span(None, 1.0, "mmHg") is None
    assert span(1148.2, 2037.4, "dyn s/cm5") == "1148 to 2037"
