"""Units are read in UCUM and in clinical spelling, and converted exactly."""

import pytest

from hemotwin.core.errors import InputError, UnitError
from hemotwin.core.units import convert, factor, known_units, parse_amount, parse_unit, same_dimension

MERCURY = 133.322387415  # Pa in 1 mmHg, conventional


@pytest.mark.parametrize(
    ("value", "unit", "to", "wanted"),
    [
        (16, "kPa", "mmHg", 16000 / MERCURY),
        (100, "mm[Hg]", "mmHg", 100),
        (10, "cm[H2O]", "mmHg", 980.665 / MERCURY),
        (5, "L/min", "mL/s", 5000 / 60),
        (5000, "mL/min", "L/min", 5),
        (3, "L/min/m2", "L/(min.m2)", 3),
        (1, "[wood'U]", "mmHg.s/mL", 0.06),
        (1, "[wood'U]", "dyn.s/cm5", MERCURY * 0.6),
        (1200, "dyn.s/cm5", "mmHg.s/mL", 1200 / (MERCURY * 10)),
        (72, "{beats}/min", "1/min", 72),
        (1.2, "Hz", "/min", 72),
        (0.55, "1", "%", 55),
        (55, "%", "1", 0.55),
        (150, "[lb_av]", "kg", 68.0388555),
        (1.75, "m", "cm", 175),
        (70, "[in_i]", "cm", 177.8),
        (18, "mo", "a", 1.5),
        (300, "ms", "s", 0.3),
        (1, "J", "mmHg.mL", 1e6 / MERCURY),
        (1.5, "L", "mL", 1500),
    ],
)
def test_conversion_is_exact_to_the_last_digit(value, unit, to, wanted):
    assert convert(value, unit, to) == pytest.approx(wanted, rel=1e-15)


@pytest.mark.parametrize(
    ("written", "ucum"),
    [
        ("mmHg", "mm[Hg]"),
        ("MMHG", "mm[Hg]"),
        ("mm Hg", "mm[Hg]"),
        ("kpa", "kPa"),
        ("cmH2O", "cm[H2O]"),
        ("l/min", "L/min"),
        ("LPM", "L/min"),
        ("liters per minute", "L/min"),
        ("bpm", "/min"),
        ("beats/min", "/min"),
        ("Wood units", "[wood'U]"),
        ("WU", "[wood'U]"),
        ("dyn·s·cm⁻⁵", "dyn.s/cm5"),
        ("dynes*s/cm^5", "dyn.s/cm5"),
        ("mL/m²", "mL/m2"),
        ("ml", "mL"),
        ("cc", "mL"),
        ("lbs", "[lb_av]"),
        ("years", "a"),
        ("percent", "%"),
        ("mmHg·min/L", "[wood'U]"),
    ],
)
def test_clinical_spelling_means_its_ucum_unit(written, ucum):
    one, other = parse_unit(written), parse_unit(ucum)
    assert (one.factor, one.dimension) == (other.factor, other.dimension)


def test_round_trip_returns_the_number():
    for unit, to in [("kPa", "mmHg"), ("dyn.s/cm5", "mmHg.s/mL"), ("[lb_av]", "kg"), ("L/min", "mL/s")]:
        assert convert(convert(17.3, unit, to), to, unit) == pytest.approx(17.3, rel=1e-15)
        assert factor(unit, to) * factor(to, unit) == pytest.approx(1, rel=1e-15)


def test_every_listed_unit_can_be_read():
    assert all(parse_unit(unit).factor > 0 for unit in known_units())


def test_unknown_unit_names_the_nearest():
    with pytest.raises(UnitError, match=r"unit `mmHq` is not known; nearest known units: mmHg"):
        parse_unit("mmHq")


@pytest.mark.parametrize("text", ["", "   "])
def test_missing_unit_is_refused_with_the_fix(text):
    with pytest.raises(UnitError, match="unit is missing: write it beside the value"):
        parse_unit(text)


@pytest.mark.parametrize(
    "text", ["furlong", "/", "mm[Hg", "L/min)", "((((", "L//min", "m99", "1/0", "kkg", "10*99", "x" * 10_000, "m" * 59]
)
def test_nonsense_unit_is_refused_by_name(text):
    with pytest.raises(UnitError, match="is not known"):
        parse_unit(text)


def test_other_dimension_is_refused():
    with pytest.raises(UnitError, match=r"`mmHg` cannot be converted to mL"):
        convert(1, "mmHg", "mL")
    assert not same_dimension("mmHg", "mL") and same_dimension("kPa", "cmH2O")


def test_powers_of_ten_are_powers():
    assert convert(2, "10*3.mL", "L") == pytest.approx(2)


@pytest.mark.parametrize(
    ("amount", "unit", "wanted"),
    [
        ("500 mL", "mL", 500),
        ("0.5 L", "mL", 500),
        ("10 min", "s", 600),
        (3, "mL", 3),
        ("30%", "1", 0.3),
        ("250", "mL", 250),
    ],
)
def test_amount_is_read_with_its_unit(amount, unit, wanted):
    assert parse_amount(amount, unit) == pytest.approx(wanted, rel=1e-15)


@pytest.mark.parametrize(
    "amount", ["much", "5 mmHg", "nan", float("nan"), float("inf"), "1e99999 mL", "", "5 5 mL", True]
)
def test_amount_that_is_none_is_refused_by_name(amount):
    with pytest.raises(InputError, match="`volume` must be"):
        parse_amount(amount, "mL", name="volume")
