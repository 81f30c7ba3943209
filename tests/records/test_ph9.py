"""The nine patients that ship with hemotwin, as a table and as bundles."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import hemotwin as ht
from hemotwin.core.configs import config_path

from .build import checked

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def table():
    return checked(ht.read(config_path("records", "ph9.csv")))


def test_nine_patients_and_no_control(table):
    assert table.patients == [f"P{k}" for k in range(1, 10)]


def test_computed_systemic_mean_is_shown_and_never_counted(table):
    assert table.summary() == {"patients": 9, "rows": 140, "used": 131, "derived": 9, "duplicate": 0, "quarantined": 0}
    derived = [(m.patient, m.observable) for one in table for m in one if not m.counted]
    assert derived == [(f"P{k}", "map") for k in range(1, 10)]
    channels, _, _, mask = table.arrays()
    assert ("map", "cuff") not in channels and mask.sum() == 99


def test_missing_heart_rate_and_age_stay_missing(table):
    assert not any(m.observable == "heart_rate" for one in table for m in one)
    assert [one.patient for one in table if "age" not in one.covariates] == ["P6", "P7", "P8", "P9"]


def test_atrial_minimum_above_ventricular_minimum_is_a_conflict_of_five_patients(table):
    assert [one.patient for one in table if one.conflicts] == ["P2", "P3", "P4", "P5", "P8"]
    assert "lies 17 mmHg above right ventricular minimum pressure 3 mmHg" in table["P3"].conflicts[0]
    assert all(m.kind != "derived" for m in table["P3"] if m.observable in ("ra_pressure_min", "rv_pressure_min"))


def test_readings_carry_how_they_were_taken(table):
    how = {m.observable: m.modality for m in table["P1"]}
    assert (how["sbp"], how["cardiac_output"], how["pa_pressure_mean"]) == ("cuff", "thermodilution", "catheter")


def test_bundles_hold_the_same_patients_as_the_table(table):
    bundles = checked(ht.read(config_path("records", "ph9")))
    for one in table:
        other = bundles[one.patient]
        assert other.covariates == one.covariates and other.conflicts == one.conflicts
        assert [(m.channel, m.value, m.kind) for m in other] == [(m.channel, m.value, m.kind) for m in one]


def test_bundles_are_what_the_script_makes(tmp_path):
    script = ROOT / "scripts" / "make_ph9_bundles.py"
    if not script.exists():
        pytest.skip("the script is kept in the repository, not in the package")
    command = [sys.executable, str(script), "--into", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, env={"PYTHONPATH": str(ROOT)})
    for path in sorted(tmp_path.iterdir()):
        assert path.read_bytes() == (config_path("records", "ph9") / path.name).read_bytes()


def test_bundle_states_source_licence_and_ucum():
    data = json.loads((config_path("records", "ph9") / "P1.json").read_text())
    assert data["meta"]["source"] == "https://doi.org/10.1098/rsif.2022.0735"
    assert data["meta"]["tag"][0]["code"] == "CC-BY-4.0"
    quantities = [entry["resource"]["valueQuantity"] for entry in data["entry"] if "valueQuantity" in entry["resource"]]
    assert all(quantity["system"] == "http://unitsofmeasure.org" for quantity in quantities)
