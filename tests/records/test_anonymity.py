"""k holds over all that an export shows of a person, times and site included, and rounding leaves no way back."""

from __future__ import annotations

import csv

import pytest

import hemotwin as ht
from hemotwin.cli import main
from hemotwin.core.errors import InputError
from hemotwin.records.anonymity import as_shown, check_steps, coarser_times, shown_of, smallest_class, time_pattern
from hemotwin.records.policy import load_policy
from hemotwin.records.secret import new_secret
from tests.records.build import table

HEADER = "patient,observable,value,unit,time"


def test_pattern_of_times_is_days_apart_and_times_of_day_and_not_the_date():
    early = ["2020-01-31T08:30", "2020-02-14", None, "2020-01-31T08:30"]
    moved = ["2013-05-01T08:30", "2013-05-15", "2013-05-01T08:30"]
    assert time_pattern(early) == time_pattern(moved) == ((0, 8.5 * 3600), (14, None))
    assert time_pattern(["2013-05-01T08:31"]) != time_pattern(["2013-05-01T08:30"])
    assert time_pattern(["2013-05-01", "2013-05-16"]) != time_pattern(["2013-05-01", "2013-05-15"])
    assert time_pattern([None, "", "soon"]) == ()


@pytest.mark.parametrize(
    ("step", "shown"),
    [
        (1, ["2020-01-31", "2020-02-02", "2020-02-14", None, "2020", "2020-01", "soon"]),
        (7, ["2020-01-31", "2020-01-31", "2020-02-14", None, "2020", "2020-01", "soon"]),
        (None, [None] * 7),
    ],
)
def test_times_become_coarser_and_what_is_coarse_stays(step, shown):
    given = ["2020-01-31T23:59+05:00", "2020-02-02T08:00", "2020-02-14", None, "2020", "2020-01", "soon"]
    assert coarser_times(given, step) == shown


def test_seconds_become_whole_days():
    assert coarser_times(["86500", "345700.5"], 1) == ["86400", "345600"]


def people(tmp_path, *times):
    rows = [f"P{k},{what},{value},{unit},{time}" for k, time in enumerate(times)
            for what, value, unit in (("age", 60, "a"), ("sbp", 120, "mmHg"))]  # fmt: skip
    return table(tmp_path, *rows, header=HEADER)


def test_time_of_day_splits_a_crowd_and_the_day_alone_does_not(tmp_path):
    records = ht.read(people(tmp_path, "2020-01-31T08:30", "2021-03-01T09:45", "2019-07-07T08:30"))
    assert smallest_class(shown_of(one) for one in records) == 1
    assert smallest_class(shown_of(as_shown(one, {"time": 1})) for one in records) == 3
    assert smallest_class(shown_of(as_shown(one, {"time": None})) for one in records) == 3


def test_site_is_one_of_what_people_must_share(tmp_path):
    records = ht.read(people(tmp_path, "2020-01-31", "2021-03-01"))
    assert smallest_class(shown_of(one, site) for one, site in zip(records, "AA", strict=True)) == 2
    assert smallest_class(shown_of(one, site) for one, site in zip(records, "AB", strict=True)) == 1


def test_command_line_refuses_times_of_day_until_they_are_rounded(tmp_path, capsys):
    path = people(tmp_path, "2020-01-31T08:30", "2021-03-01T09:45")
    key, out = new_secret(tmp_path / "key"), tmp_path / "out.csv"
    given = ["deidentify", str(path), "--key-file", str(key), "--out", str(out), "--k", "2"]
    assert main(given) == 2 and not out.exists()
    said = capsys.readouterr().err
    assert "2-anonymous in times" in said and "08:30" not in said and "2020" not in said
    assert main([*given, "--round", "time=1"]) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()[1:]))
    assert {len(row["time"]) for row in rows if row["observable"] == "sbp"} == {10}
    assert main([*given, "--round", "time=none"]) == 0
    assert {row["time"] for row in csv.DictReader(out.read_text().splitlines()[1:])} == {""}


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"agee": 5}, "`agee` cannot be rounded; known are sex, age"),
        ({"age": 0}, "step of `age` must be a number above 0"),
        ({"age": True}, "step of `age` must be a number above 0"),
        ({"sex": 2}, "step of `sex` must be null"),
        ({"time": 0.5}, "step of `time` must be a whole number of days"),
    ],
)
def test_step_that_rounds_nothing_is_refused_in_a_policy_too(tmp_path, step, words):
    with pytest.raises(InputError, match=words):
        check_steps(step, "--round")
    name, value = next(iter(step.items()))
    (tmp_path / "mine.yaml").write_text(f"purpose: research\nexport: {{round: {{{name}: {str(value).lower()}}}}}\n")
    with pytest.raises(InputError, match=rf"mine\.yaml: `export.round`: .*{words}"):
        load_policy(tmp_path / "mine.yaml")


def test_policies_for_others_keep_no_time_of_day():
    assert load_policy("research").rounding["time"] == 1 and load_policy("open").rounding["time"] is None
