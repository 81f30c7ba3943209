"""The table of names and codes: every code is valid, and no name means two things."""

import csv
from collections import Counter

import pytest

import hemotwin as ht
from hemotwin.core.configs import config_path, load_yaml
from hemotwin.core.units import parse_unit
from hemotwin.records.codes import find_code, find_modality, find_name, modalities, normalise, observables, sex_of
from hemotwin.records.fhir_codes import resolve

from .build import concept, observation, read_bundle

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


def verhoeff_holds(number: str) -> bool:
    """Whether the last digit of a SNOMED CT identifier is that of Verhoeff's dihedral scheme."""
    flip = [int(digit) for digit in "1576283094"]
    total = 0
    for place, digit in enumerate(reversed(number)):
        moved = int(digit)
        for _ in range(place % 8):
            moved = flip[moved]
        total = _dihedral(total, moved)
    return total == 0


def _dihedral(a: int, b: int) -> int:
    """The product of two elements of the dihedral group of order 10."""
    if a < 5:
        return (a + b) % 5 if b < 5 else 5 + (a + b - 5) % 5
    return 5 + (a - 5 - b) % 5 if b < 5 else (a - b) % 5


def test_every_snomed_code_has_its_check_digit():
    parts = [*ENTRIES.values(), *DATA["panels"].values(), *DATA["generic"].values()]
    codes = [str(code) for entry in parts for code in entry.get("snomed", ())]
    assert len(codes) > 30 and [code for code in codes if not verhoeff_holds(code)] == []
    assert not verhoeff_holds("271649007") and not verhoeff_holds("276149006")  # one digit off, two digits swapped


def test_every_code_has_a_source_and_no_source_another_code():
    sources = load_yaml(config_path("codes", "code_sources.yaml"))["sources"].values()
    assert all(one["label"] for one in sources)
    sections = ("observables", "covariates", "panels", "generic", "recognised")
    for system in ("loinc", "snomed", "mdc"):
        ours = {
            str(code["code"] if isinstance(code, dict) else code)
            for section in sections
            for entry in DATA[section].values()
            for code in entry.get(system, ())
        }
        assert ours == {str(code) for one in sources for code in one.get(system, ())}, system


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
        ("Sys BP", "sbp"),
        ("Diast", "dbp"),
        ("PAPm", "pa_pressure_mean"),
        ("PCW", "pcwp_mean"),
        ("C.O.", "cardiac_output"),
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


@pytest.mark.parametrize(("unit", "fate"), [("dyn.s.m2/cm5", "derived"), ("dyn.s/(cm5.m2)", "quarantined")])
def test_resistance_index_divided_by_the_surface_area_is_set_aside_with_the_unit_it_should_have(tmp_path, unit, fate):
    (row,) = read_bundle(tmp_path, observation(concept("8837-7"), 2000, unit)).rows
    assert row.fate == fate
    assert fate == "derived" or "which is in dyn.s.m2/cm5" in row.reason


@pytest.mark.parametrize(
    ("codes", "parent", "meaning"),
    [
        (("8480-6", "8440-0"), ("76284-9",), "pa_pressure_systolic"),  # the most specific code wins
        (("8480-6",), ("76284-9",), "pa_pressure_systolic"),  # the panel says where
        (("8480-6",), ("55284-4",), "sbp"),
        (("8480-6",), ("99999-9",), None),  # a panel that is not known says nothing
        (("8440-0",), ("85354-9",), None),  # the code contradicts its panel
        (("8867-4", "8480-6"), None, "heart_rate"),
        (("8867-4", "8741-1"), None, None),
        (("2708-6", "59408-5"), None, "spo2"),  # the narrower one is meant
    ],
)
def test_panel_first_then_the_most_specific_code_and_a_conflict_means_nothing(codes, parent, meaning):
    coded = lambda several: None if several is None else [("loinc", code) for code in several]  # noqa: E731
    found = resolve(coded(codes) or [], coded(parent))
    assert (found.target.name if found.target else None) == meaning
    assert meaning is not None or found.problem


@pytest.mark.real_data
def test_both_traps_of_the_published_intensive_care_profiles_are_found(data_folder):
    folder = data_folder / "fhir_mii_icu"
    (one,) = ht.read(folder / "pulmonalarterieller-blutdruck.json")
    assert {m.observable for m in one} == {"pa_pressure_systolic", "pa_pressure_diastolic", "pa_pressure_mean"}
    for name in ("systemischer", "pulmonal"):
        (row,) = ht.read(next(folder.glob(f"{name}*widerstandsindex.json"))).rows
        assert row.fate == "quarantined" and "dyn.s/(cm5.m2)" in row.reason and "is in dyn.s.m2/cm5" in row.reason
