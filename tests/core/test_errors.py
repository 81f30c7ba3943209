"""Messages of our own errors."""

import pytest

from hemotwin.core.errors import HemotwinError, InputError, UnknownNameError, nearest, required


def test_unknown_name_says_what_is_known_and_what_was_meant():
    error = UnknownNameError("circulation", "adlt", ["adult", "bozkurt"])
    assert str(error) == (
        "circulation must be a known name, but got `adlt`; known names are: adult, bozkurt. Did you mean `adult`?"
    )


def test_every_error_is_caught_as_ours_and_as_the_builtin_it_stands_for():
    assert issubclass(InputError, HemotwinError) and issubclass(InputError, ValueError)
    assert issubclass(UnknownNameError, KeyError)


@pytest.mark.parametrize(("name", "wanted"), [("HEART_RTE", ["heart_rate"]), ("xyz", [])])
def test_nearest_ignores_case_and_stays_silent_without_a_likeness(name, wanted):
    assert nearest(name, ["heart_rate", "stroke_volume"]) == wanted


@pytest.mark.parametrize(("given", "said"), [("ward.csv", "'ward.csv'"), (3, "3"), ({}, "a dict")])
def test_argument_of_another_kind_says_what_it_must_be_and_what_came(given, said):
    with pytest.raises(InputError, match=rf"`records` must be what ht.read returns, but got {said}\.$"):
        required("records", given, tuple, "what ht.read returns")
    required("records", (), tuple, "what ht.read returns")
