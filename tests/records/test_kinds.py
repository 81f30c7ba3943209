"""The kind of a value is decided by the value, and only exact kinds are counted as numbers."""

import pytest

from hemotwin.core.configs import config_path, load_yaml
from hemotwin.core.units import parse_unit
from hemotwin.records.codes import observables
from hemotwin.records.values import ValueProblem, parse_value

from .build import read_rows, values


def bounds(records, name, patient="A"):
    return next((m.kind, m.value, m.lower, m.upper) for m in records[patient] if m.observable == name)


@pytest.mark.parametrize("text", ["55-60", "55 - 60", "55\u201360", "55 to 60", "55..60"])
def test_range_becomes_an_interval(tmp_path, text):
    assert bounds(read_rows(tmp_path, f"A,lvef,{text},%"), "lvef") == ("interval", None, 55, 60)


@pytest.mark.parametrize(("text", "lower", "upper"), [("<10", None, 10), ("≤ 10", None, 10), (">60", 60, None)])
def test_limit_becomes_censored(tmp_path, text, lower, upper):
    assert bounds(read_rows(tmp_path, f"A,lvef,{text},%"), "lvef") == ("censored", None, lower, upper)


def test_bounds_are_converted_with_their_unit(tmp_path):
    kind, _, lower, upper = bounds(read_rows(tmp_path, "A,co,4000-5000,mL/min"), "cardiac_output")
    assert (kind, lower, upper) == ("interval", 4, 5)


def test_word_becomes_ordinal_with_its_published_range_and_own_unit(tmp_path):
    records = read_rows(tmp_path, "A,rap,Elevated,", "B,rap,normal,mmHg", "C,rap,purple,mmHg")
    assert bounds(records, "ra_pressure_mean") == ("ordinal", None, 10, 20)
    assert bounds(records, "ra_pressure_mean", "B") == ("ordinal", None, 0, 5)
    assert records["C"].measurements == () and "text where a number" in records.rows[2].reason


def test_half_point_is_a_range_and_a_whole_number_beside_it_a_number(tmp_path):
    records = read_rows(tmp_path, "A,lvef,57.5,%", "B,lvef,20,%", "C,lvef,62.5,%", "D,lvef,57,%")
    assert bounds(records, "lvef") == ("interval", None, 55, 60)
    assert bounds(records, "lvef", "B")[:2] == ("exact", 20) and bounds(records, "lvef", "D")[:2] == ("exact", 57)
    assert bounds(records, "lvef", "C") == ("interval", None, 60, 65)
    assert records.rule_counts["binned_value"] == 2


def test_half_point_in_a_column_of_decimals_is_a_number(tmp_path):
    records = read_rows(tmp_path, "A,lvef,57.5,%", "B,lvef,41.7,%")
    assert bounds(records, "lvef")[:2] == ("exact", 57.5)


def test_half_point_with_its_own_error_is_a_number(tmp_path):
    records = read_rows(tmp_path, "A,lvef,57.5,%,3", header="patient,observable,value,unit,sd")
    assert bounds(records, "lvef")[:2] == ("exact", 57.5)


def test_range_is_shown_and_enters_no_array(tmp_path):
    records = read_rows(tmp_path, "A,lvef,55-60,%", "A,sbp,120,mmHg")
    assert "55 to 60" in repr(records["A"].table()) and len(records["A"].counted) == 2
    channels, value, _, mask = records.arrays()
    assert value[mask].tolist() == [120] and len(channels) == 2


@pytest.mark.parametrize(("text", "kind"), [("55-60", "derived"), (">50", "derived"), ("preserved", "derived"),
                                             ("40-45", "interval"), ("<50", "censored")])  # fmt: skip
def test_range_that_holds_what_the_volumes_give_is_no_evidence_of_its_own(tmp_path, text, kind):
    header = "patient,observable,value,unit,method"
    rows = ("A,lv_edv,120,mL,echo", "A,lv_esv,50,mL,echo", f"A,lvef,{text},%,echo")  # 58.3 %
    assert bounds(read_rows(tmp_path, *rows, header=header), "lvef")[0] == kind
    other = (*rows[:2], f"A,lvef,{text},%,cmr")  # another examination says something of its own
    assert bounds(read_rows(tmp_path, *other, header=header), "lvef")[0] != "derived"


def test_mean_pressure_known_as_a_range_is_not_taken_for_the_formula(tmp_path):
    assert bounds(read_rows(tmp_path, "A,sbp,120,mmHg", "A,dbp,80,mmHg", "A,map,90-96,mmHg"), "map")[0] == "interval"


def test_range_repeats_itself_and_contradicts_another(tmp_path):
    records = read_rows(tmp_path, "A,lvef,55-60,%", "A,lvef,55 to 60,%", "A,lvef,40-45,%")
    assert [row.fate for row in records.rows] == ["quarantined"] * 3 and len(records["A"]) == 0
    assert "from 40 to 60 %" in records.rows[0].reason
    records = read_rows(tmp_path, "A,lvef,55-60,%", "A,lvef,57,%", "A,lvef,<65,%")
    assert [row.fate for row in records.rows] == ["duplicate", "used", "duplicate"]


def test_order_of_a_range_is_impossible_only_when_all_of_it_is(tmp_path):
    assert len(values(read_rows(tmp_path, "A,sbp,120,mmHg", "A,dbp,110-130,mmHg"))) == 2
    assert values(read_rows(tmp_path, "A,sbp,120,mmHg", "A,dbp,125-130,mmHg")) == {}


def test_range_outside_what_is_plausible_is_quarantined(tmp_path):
    (row,) = read_rows(tmp_path, "A,lvef,55-600,%").rows
    assert row.fate == "quarantined" and "600 % is outside" in row.reason


@pytest.mark.parametrize("text", ["60-55", "-", "to", "<", "55-", "5-6-7", "1/2"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(ValueProblem):
        parse_value(text, "lvef")


def test_negative_range_is_read():
    assert (parse_value("-5--2").lower, parse_value("-5 to -2").upper) == (-5, -2)


def test_every_word_has_a_range_inside_the_plausible_one_and_a_source():
    data = load_yaml(config_path("codes", "ordinals.yaml"))
    for name, entry in data["ordinals"].items():
        parse_unit(entry["unit"])
        words = [word for grade in entry["grades"] for word in grade["words"]]
        assert len(words) == len(set(words)) and all(word == word.lower() for word in words)
        for grade in entry["grades"]:
            low, high = grade["range"]
            assert observables()[name].low <= low < high <= observables()[name].high, grade
            assert grade["source"] in data["sources"]
