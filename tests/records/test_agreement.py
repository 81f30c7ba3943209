"""Several rows of one channel at one moment come to one value, a range or a contradiction, in whatever order."""

import random
from typing import Any

import pytest

import hemotwin as ht
from hemotwin.records.evidence import evidence_sha256
from hemotwin.records.values import plain_time

from .build import checked, read_rows, table

HEADER = "patient,observable,value,unit,time,condition,sd"
NOON = "2020-03-01T12:00"


def said(folder, *values: str, observable: str = "sbp", unit: str = "mmHg", time: str = NOON) -> tuple[Any, Any, Any]:
    """The one measurement (or None) that rows of one moment come to, and the fates of the rows."""
    rows = [f"A,{observable},{value},{unit},{time},,{sd}" for value, _, sd in (v.partition("~") for v in values)]
    records = read_rows(folder, *rows, header=HEADER)
    return next(iter(records["A"]), None), [row.fate for row in records.rows], records


def test_values_that_are_one_as_far_as_they_are_written_keep_the_most_exact(tmp_path):
    one, fates, _ = said(tmp_path, "120", "120.4", "120.4")
    assert one.value == 120.4 and sorted(fates) == ["duplicate", "duplicate", "used"]
    one, _, _ = said(tmp_path, "110-130", "121", "<140")
    assert (one.kind, one.value) == ("exact", 121)
    one, _, _ = said(tmp_path, "120", "120~4", "120~6")
    assert one.sd == 6


def test_repeats_are_kept_as_the_range_that_they_span_and_all_their_rows_are_used(tmp_path):
    one, fates, records = said(tmp_path, "120", "126", "120", "123")
    assert (one.kind, one.value, one.lower, one.upper) == ("interval", None, 120, 126)
    assert fates == ["used", "used", "duplicate", "used"]
    assert "3 values" not in records.rows[0].reason and "kept together as 120 to 126 mmHg" in records.rows[0].reason
    assert records.rows[1].reason.endswith(f"with {one.origin}")
    assert any("kept together as 120 to 126 mmHg" in sentence for sentence in records["A"].conflicts)
    assert records.rule_counts["repeats_at_one_moment"] == 1


@pytest.mark.parametrize(("least", "most"), [("120", "133"), ("120-125", "126"), ("<119", "120")])
def test_values_further_apart_than_repeats_leave_none_and_the_twin_says_so(tmp_path, least, most):
    one, fates, records = said(tmp_path, least, most)
    assert one is None and fates == ["quarantined"] * 2
    assert all("contradiction: the record gives systolic blood pressure" in row.reason for row in records.rows)
    assert any("none of these values is used" in sentence for sentence in records["A"].conflicts)
    assert records.rule_counts["contradiction_at_one_moment"] == 1


def test_contradiction_of_another_visit_is_no_concern_of_this_one(tmp_path):
    rows = (f"A,sbp,120,mmHg,{NOON},,", "A,co,5,L/min,2018-01-01,,", "A,co,9,L/min,2018-01-01,,")
    records = read_rows(tmp_path, *rows, header=HEADER)
    assert records["A"].conflicts == () and records.rule_counts["contradiction_at_one_moment"] == 1


def test_rows_of_a_range_share_its_fate_when_the_visit_is_another(tmp_path):
    rows = (f"A,sbp,120,mmHg,{NOON},,", "A,co,5.1,L/min,2018-01-01,,", "A,co,5.3,L/min,2018-01-01,,")
    records = read_rows(tmp_path, *rows, header=HEADER)
    assert [row.fate for row in records.rows] == ["used", "quarantined", "quarantined"]


def test_body_size_takes_the_middle_of_repeats_and_none_of_a_contradiction(tmp_path):
    records = read_rows(tmp_path, "A,weight,70,kg", "A,weight,71,kg", "A,height,170,cm", "A,height,180,cm")
    assert records["A"].covariates == {"weight": 70.5}


def test_two_sexes_or_birth_dates_leave_none(tmp_path):
    from .build import read_bundle

    assert read_rows(tmp_path, "A,sex,m,", "A,sex,f,", "A,sbp,120,mmHg")["A"].covariates == {}
    person = {"resourceType": "Patient", "id": "A"}
    seen = {"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/A"},
            "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}, "effectiveDateTime": "2020-06-01",
            "valueQuantity": {"value": 70, "unit": "/min"}}  # fmt: skip
    finer = read_bundle(tmp_path, person | {"birthDate": "1960"}, person | {"birthDate": "1960-05-02"}, seen)
    assert finer["A"].covariates == {"age": 60}
    apart = read_bundle(tmp_path, person | {"birthDate": "1960"}, person | {"birthDate": "1961-05-02"}, seen)
    assert apart["A"].covariates == {}


def test_later_value_of_the_day_wins_over_repeats_and_contradictions_before_it(tmp_path):
    rows = ("A,sbp,120,mmHg,2020-03-01T09:00,,", "A,sbp,150,mmHg,2020-03-01T09:00,,", f"A,sbp,128,mmHg,{NOON},,")
    records = read_rows(tmp_path, *rows, header=HEADER)
    assert [row.fate for row in records.rows] == ["quarantined", "quarantined", "used"]


@pytest.mark.parametrize(
    ("text", "plain"),
    [("2020-03-01 09:30:00", "2020-03-01T09:30"), ("2020-03-01T09:30:05.000Z", "2020-03-01T09:30:05.000Z"),
     ("2020-03-01T00:00:00", "2020-03-01"), ("2020-03-01T00:00:00+00:00", "2020-03-01T00:00Z"), ("2020", "2020"),
     ("12.5", "12.5"), ("monday", "monday"), ("", None), (None, None)],
)  # fmt: skip
def test_one_moment_is_written_in_one_form(text, plain):
    assert plain_time(text) == plain


def drawn(draw, count):
    """Rows of a few channels whose values agree, repeat or contradict each other, at few moments and in few states."""
    values = ("120", "120.4", "121", "126", "150", "110-130", "<119", ">100", "16 kPa")
    for _ in range(count):
        name = draw.choice(["sbp", "sbp", "lvef", "weight", "sex", "co"])
        value, _, unit = draw.choice(values).partition(" ")
        value, unit = {
            "sex": (draw.choice("mf"), ""), "weight": (draw.choice(["70", "70.2", "71", "90"]), "kg"),
            "lvef": (draw.choice(["40", "42", "57.5", "55-60"]), "%"), "co": (draw.choice(["5", "5.2", "9"]), "L/min"),
        }.get(name, (value, unit or "mmHg"))  # fmt: skip
        time = draw.choice(["", NOON, f"{NOON}:00", "2020-03-01", "2020-03-01T00:00", "2020-02-28", "2020-01-15"])
        state = draw.choice(["", "", "baseline", "dobutamine"])
        yield f"{draw.choice('AAB')},{name},{value},{unit},{time},{state},{draw.choice(['', '', '5'])}"


def test_order_of_rows_and_files_never_counts(tmp_path):
    draw = random.Random(11)
    for number in range(15):
        rows = list(drawn(draw, draw.randint(2, 14)))
        met = set()
        for again in range(3):
            draw.shuffle(rows)
            folder = tmp_path / f"{number}-{again}"
            folder.mkdir()
            cut = draw.randint(0, len(rows))
            for name, part in (("a.csv", rows[:cut]), ("b.csv", rows[cut:])):
                if part:
                    table(folder, *part, header=HEADER, name=name)
            records = checked(ht.read(folder))
            said = sorted(one.conflicts for one in records)
            met.add(
                (evidence_sha256(records), str(said), str(records.summary()), str(sorted(records.rule_counts.items())))
            )
        assert len(met) == 1, rows
