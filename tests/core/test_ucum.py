"""The unit table and its aliases against an independent reading of UCUM (ucumvert over pint)."""

import random

import pytest
from ucumvert import PintUcumRegistry

from hemotwin.core.units import _ALIASES, _ATOMS, _PREFIXES, known_units, parse_unit

TOLERANCE = 1e-5  # UCUM rounds the millimetre of mercury by 3 parts in a million; nothing else differs
WORDS = {  # clinical spellings that UCUM does not have, and what they mean in it
    "mmHg": "mm[Hg]", "cmH2O": "cm[H2O]", "bpm": "/min", "Wood": "[wood'U]", "mmHg.s/mL": "mm[Hg].s/mL",
    "mmHg.mL": "mm[Hg].mL", "lb": "[lb_av]", "years": "a",
}  # fmt: skip
AXES = ("[length]", "[mass]", "[time]")


@pytest.fixture(scope="module")
def ucum():
    return PintUcumRegistry()


def agree(ucum, text, meaning=None):
    """Factor to SI and powers of metre, kilogram, second of our reading, against those of the library."""
    ours, theirs = parse_unit(text), ucum.from_ucum(meaning or text)
    assert float(ours.factor) == pytest.approx(theirs.to_base_units().magnitude, rel=TOLERANCE), text
    powers = theirs.dimensionality
    assert ours.dimension == tuple(powers.get(axis, 0) for axis in AXES), text
    assert set(powers) <= set(AXES), text


def test_every_unit_of_the_table_is_that_of_ucum(ucum):
    for atom, (_, _, takes_prefix) in _ATOMS.items():
        agree(ucum, atom)
        for prefix in _PREFIXES if takes_prefix else ():
            text = f"{prefix}{atom}"
            # "min" is a minute and no milli-inch; "Mm" is a clinic's capital and no megametre
            capital = prefix == "M" and text.lower() in _ALIASES
            if text not in _ATOMS and not capital and text != "hbar":  # the library takes it for Planck's constant
                agree(ucum, text)


def test_every_alias_means_a_unit_of_ucum(ucum):
    for alias, target in _ALIASES.items():
        agree(ucum, target)
        assert parse_unit(alias).factor == parse_unit(target).factor, alias
        assert parse_unit(alias).dimension == parse_unit(target).dimension, alias


def test_every_usual_unit_is_one_of_ucum_or_a_known_spelling(ucum):
    for text in known_units():
        agree(ucum, text, WORDS.get(text))


def test_products_and_quotients_are_read_alike(ucum):
    draw = random.Random(0)
    atoms = [atom for atom in _ATOMS if atom != "%"]
    for _ in range(300):
        parts = [draw.choice(atoms) + draw.choice(["", "", "2", "-1"]) for _ in range(draw.randint(1, 3))]
        agree(ucum, parts[0] + "".join(draw.choice("./") + part for part in parts[1:]))
