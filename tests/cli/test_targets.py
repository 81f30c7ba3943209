"""Where results cannot go is told before anything is computed, with a path that works."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hemotwin.calibration.twin import CalibratedTwins, load
from hemotwin.cli import main
from hemotwin.cli.targets import writable_file
from hemotwin.core.errors import InputError
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


def test_what_is_written_in_place_need_not_have_room_beside_it(here, monkeypatch):
    (here / "shut").mkdir()
    there, new = here / "shut" / "r.json", here / "shut" / "new.json"
    there.write_text("of before")
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != here / "shut")
    writable_file("--json", str(there), "r.json", in_place=True)
    for path, in_place in ((there, False), (new, True)):
        with pytest.raises(InputError, match=r"shut may not be written to: give another path\."):
            writable_file("--json", str(path), "r.json", in_place=in_place)
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != there)
    with pytest.raises(InputError, match=r"it may not be written to: give another path\."):
        writable_file("--json", str(there), "r.json", in_place=True)


def test_a_target_below_a_folder_that_may_not_be_searched_is_refused_in_words(here, monkeypatch):
    """As the system answers there: no path below can be looked at, and the folder may be written to in name alone."""
    (here / "shut").mkdir()
    stat, access = os.stat, os.access

    def refused(path, *given, **named):
        if isinstance(path, (str, os.PathLike)) and here / "shut" in Path(path).parents:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *given, **named)

    shut = lambda path, mode: not mode & os.X_OK if Path(path) == here / "shut" else access(path, mode)  # noqa: E731
    monkeypatch.setattr("os.stat", refused)
    monkeypatch.setattr("os.access", shut)
    for in_place in (False, True):
        with pytest.raises(InputError, match=r"shut may not be written to: give another path\."):
            writable_file("--json", "shut/deep/r.json", "r.json", in_place=in_place)


@pytest.mark.skipif(sys.platform == "win32", reason="has no such device")
def test_a_device_may_be_written_to():
    writable_file("--json", "/dev/null", "bench.json", in_place=True)


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
