"""The table of names and codes: every code is valid, and no name means two things."""

import csv
from collections import Counter

import pytest

from hemotwin.core.configs import config_path, load_yaml
from hemotwin.core.units import parse_unit
from hemotwin.records.codes import find_code, find_modality, find_name, modalities, normalise, observables, sex_of

DATA = load_yaml(config_path("codes", "observables.yaml"))
ENTRIES = {name: entry for part in ("observables", "covariates", "recognised") for name, entry in DATA[part].items()}


def loinc_codes():
    for entry in [*ENTRIES.values(), *DATA["panels"].values(), *DATA["generic"].values()]:
        for code in entry.get("loinc", ()):
            yield code["code"] if isinstance(code, dict) else code


def check_digit(number: str) -> int:
    """Luhn's modulus 10 as LOINC uses it: every second digit from the right is doubled."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return -total % 10


def test_every_loinc_code_has_its_check_digit():
    for code in loinc_codes():
        number, digit = code.split("-")
        assert check_digit(number) == int(digit), code


def test_no_code_and_no_name_means_two_things():
    for system in ("loinc", "snomed", "mdc"):
        codes = Counter(
            str(code["code"] if isinstance(code, dict) else code)
            for entry in ENTRIES.values()
            for code in entry.get(system, ())
        )
        assert [code for code, count in codes.items() if count > 1] == []
    words = Counter(
        word
        for name, entry in ENTRIES.items()
        for word in {normalise(w) for w in (name, entry["label"], *entry.get("aliases", ()))}
    )
    assert [word for word, count in words.items() if count > 1] == []


def test_every_observable_has_unit_range_and_source():
    for name, about in observables().items():
        parse_unit(about.unit)
        assert about.low is not None and about.high is not None and about.low < about.high, name
        assert about.source, name
        assert about.modality in modalities(), name


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("RV pressure systolic", "rv_pressure_max"),
        ("rv_pressure_diastolic", "rv_pressure_min"),
        ("ra-pressure-systolic", "ra_pressure_max"),
        ("cvp_mean", "ra_pressure_mean"),
        ("PCWP", "pcwp_mean"),
        ("body_height", "height"),
        ("8440-0", "pa_pressure_systolic"),
    ],
)
def test_clinic_words_reach_our_names(word, name):
    found = find_name(word)
    assert found is not None and found.name == name


@pytest.mark.parametrize(
    ("text", "modality"),
    [
        ("Fick (estimated VO2)", "fick"),
        ("Thermodilution", "thermodilution"),
        ("Non-invasive oscillometric", "cuff"),
        ("invasive arterial line", "catheter"),
        ("2D echo biplane Simpson", "echo"),
        ("cardiac MRI", "cmr"),
        ("usual care", None),
        ("", None),
    ],
)
def test_method_text_reaches_its_modality(text, modality):
    assert find_modality(text) == modality


def test_sex_is_read_in_any_case_and_never_guessed():
    assert [sex_of(text) for text in ("M", "female", "Weiblich", "other", "")] == [
        "male",
        "female",
        "female",
        None,
        None,
    ]


@pytest.mark.real_data
def test_codes_agree_with_the_published_table(data_folder):
    renamed = {
        "rv_pressure_systolic": "rv_pressure_max", "rv_pressure_diastolic": "rv_pressure_min",
        "ra_pressure_systolic": "ra_pressure_max", "ra_pressure_diastolic": "ra_pressure_min",
        "cvp_mean": "ra_pressure_mean",
        "lv_pressure_systolic": "lv_pressure_max", "body_height": "height", "body_weight": "weight",
    }  # fmt: skip
    with (data_folder / "loinc.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["code"] and not row["observable"].startswith("(panel)")]
    assert len(rows) > 90
    for row in rows:
        found = find_code(("loinc", row["code"]))
        assert found is not None and found.name == renamed.get(row["observable"], row["observable"]), row["code"]
