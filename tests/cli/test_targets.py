"""Where results cannot go is told before anything is computed, with a path that works."""

from __future__ import annotations

import os
import sys

import pytest

from hemotwin.calibration.twin import CalibratedTwins, load
from hemotwin.cli import main
from tests.cli.stand_ins import TABLE, install, twin_of


@pytest.fixture
def calls(monkeypatch):
    return install(monkeypatch)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder to stand in, beside a record and saved twins."""
    (tmp_path / "two.csv").write_text(TABLE)
    CalibratedTwins((twin_of("A"), twin_of("B")), {}, {}).save(tmp_path / "pair.zarr")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.mark.parametrize(
    ("asked", "fix"),
    [
        (["readiness", "../two.csv", "--json"], "--json {}readiness.json"),
        (["readiness", "../two.csv", "--html"], "--html {}readiness.html"),
        (["account", "../pair.zarr", "--json"], "--json {}account.json"),
        (["bench", "--quick", "--json"], "--json {}bench.json"),
        (["export", "../pair.zarr", "--to", "csv", "--out"], "--out {}pair.csv"),
    ],
)
@pytest.mark.parametrize(("given", "within"), [(".", ""), ("there", "there/")])
def test_folder_in_the_place_of_a_file_is_refused_before_anything_is_shown(asked, fix, given, within, here, capsys):
    (here / "there").mkdir()
    assert main([*asked, given]) == 2
    shown = capsys.readouterr()
    assert f"is a folder: give a file, as in {fix.format(within)}." in shown.err and shown.out == ""


@pytest.mark.parametrize("to", ["fhir", "rocrate"])
def test_several_files_are_given_a_folder_with_a_name(to, here, capsys):
    assert main(["export", "../pair.zarr", "--to", to, "--out", "."]) == 2
    name = "pair.fhir" if to == "fhir" else "pair.crate"
    assert f"give a name in it, as in --out {name}." in capsys.readouterr().err and not os.listdir(here)
    assert main(["export", "../pair.zarr", "--to", to, "--out", name]) == 0


def test_twins_are_saved_under_a_name(here, calls, capsys):
    assert main(["calibrate", "../two.csv", "--out", "."]) == 2 and not calls
    assert "give a name in it, as in --out two.zarr." in capsys.readouterr().err and not os.listdir(here)


def test_twins_of_the_folder_one_stands_in_are_named_after_it(here, calls):
    (here / "two.csv").write_text(TABLE)
    assert main(["calibrate", "."]) == 0
    assert load(here / "here.zarr").patients == ["A", "B"]


def test_page_of_one_patient_goes_into_a_folder_that_is_named_like_a_page(here, calls):
    (here / "x.html").mkdir()
    assert main(["report", "../pair.zarr", "--patient", "A", "--out", "x.html"]) == 0
    assert os.listdir(here / "x.html") == ["A.html"]


def test_file_below_a_file_is_refused(here, capsys):
    (here / "taken").write_text("of the user")
    assert main(["readiness", "../two.csv", "--json", "taken/r.json"]) == 2
    assert f"because {here / 'taken'} is a file: give another path." in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="everything may be written to")
def test_file_in_a_folder_without_permission_is_refused(here, capsys):
    (here / "shut").mkdir(mode=0o500)
    assert main(["readiness", "../two.csv", "--json", "shut/r.json"]) == 2
    assert "may not be written to: give another path." in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["calibrate", "twin"])
@pytest.mark.parametrize(("option", "least"), [("--starts", 1), ("--keep", 2)])
def test_too_few_starts_or_draws_are_told_by_the_option_that_was_given(verb, option, least, calls, capsys):
    assert main([verb, "../two.csv", option, "0"]) == 2 and not calls
    assert f"{option} must be at least {least}, but got 0." in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["account", "readiness"])
def test_costs_that_are_not_there_are_told_as_missing(verb, here, capsys):
    (here / "costs.yaml").write_text("once: 1\n")
    what = "../pair.zarr" if verb == "account" else "../two.csv"
    assert main([verb, what, "--costs", "cost.yaml"]) == 2
    assert "`cost.yaml` is not there: give the path of a YAML file" in capsys.readouterr().err
