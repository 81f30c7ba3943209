"""A value left out does not come back by arithmetic, and nothing else is hidden with it."""

from __future__ import annotations

import math

import pytest

from hemotwin.calibration.exact_functions import load_exact_functions, removed_with
from hemotwin.records.codes import observables

VOLUMES = ["lv_edv", "lv_esv", "lvef"]
CATHETER = [
    "sbp",
    "dbp",
    "pa_pressure_systolic",
    "pa_pressure_diastolic",
    "pa_pressure_mean",
    "pcwp_mean",
    "cardiac_output",
]


@pytest.mark.parametrize(
    ("left_out", "present", "hidden"),
    [
        ("lv_edv", VOLUMES, {"lvef"}),
        ("lv_esv", VOLUMES, {"lvef"}),
        ("lvef", VOLUMES, {"lv_esv"}),
        ("rvef", ["rvef", "rv_edv"], set()),
        ("cardiac_output", ["cardiac_output", "cardiac_index"], {"cardiac_index"}),
        ("cardiac_output", ["cardiac_output", "stroke_volume", "heart_rate"], {"stroke_volume"}),
        ("cardiac_output", ["cardiac_output", "stroke_volume"], set()),
        ("cardiac_index", ["cardiac_index", "stroke_volume_index", "heart_rate"], {"stroke_volume_index"}),
        ("heart_rate", ["cardiac_output", "stroke_volume", "heart_rate"], {"stroke_volume"}),
        ("pcwp_mean", ["pcwp_mean", "pvr", "pa_pressure_mean", "cardiac_output"], {"pvr"}),
        ("pcwp_mean", ["pcwp_mean", "pvr", "pa_pressure_mean"], set()),
        ("pvr", ["pvr", "pcwp_mean", "pa_pressure_mean", "cardiac_output"], {"cardiac_output"}),
        ("e_wave", ["e_wave", "a_wave", "mv_e_a_ratio"], {"mv_e_a_ratio"}),
        ("ra_pressure_max", ["ra_pressure_max", "ra_a_wave", "ra_pressure_min"], {"ra_a_wave"}),
        ("ra_v_wave", ["ra_pressure_max", "ra_v_wave", "ra_a_wave"], {"ra_pressure_max"}),
    ],
)
def test_no_more_is_hidden_than_gives_the_value_back(left_out, present, hidden):
    assert removed_with(left_out, present) == hidden


def test_a_catheter_report_hides_nothing_with_its_measured_mean():
    """The mean is no exact function of systolic and diastolic: left out, it asks the model for the form of the wave."""
    assert all(removed_with(name, CATHETER) == set() for name in CATHETER)


def test_a_resistance_computed_from_a_rule_of_thumb_mean_goes_with_the_pressures():
    known = ["sbp", "dbp", "svr", "ra_pressure_mean", "cardiac_output"]
    assert removed_with("sbp", known) == removed_with("cardiac_output", known) == {"svr"}
    assert removed_with("sbp", [*known, "map"]) == set()  # with a measured mean, svr says nothing of the systolic


def test_an_output_by_thermodilution_is_not_tied_to_volumes_by_echo():
    echo = [(name, "echo") for name in VOLUMES]
    rest = [("cardiac_output", "thermodilution"), ("heart_rate", "monitor")]
    assert removed_with(("lv_edv", "echo"), [*echo, *rest]) == {("lvef", "echo")}
    assert removed_with(rest[0], [*echo, *rest]) == set()
    computed = {("stroke_volume", "echo"), ("lvef", "echo")}
    assert removed_with(("lv_edv", "echo"), [*echo, ("stroke_volume", "echo"), *rest]) == computed


def test_the_other_method_of_the_same_observable_stays_as_evidence():
    two = [("cardiac_output", "thermodilution"), ("cardiac_output", "fick"), ("cardiac_index", "fick")]
    assert removed_with(two[0], two) == set()
    assert removed_with(two[1], two) == {("cardiac_index", "fick")}


def test_an_index_of_unknown_origin_is_hidden_to_be_safe():
    two = [("cardiac_output", "thermodilution"), ("cardiac_index", "unspecified")]
    assert removed_with(two[0], two) == {two[1]}


def test_nothing_gives_a_value_back_when_everything_else_was_recorded():
    functions, everything = load_exact_functions(), list(observables())
    for name in everything:
        rest = set(everything) - removed_with(name, everything) - {name}
        assert not functions.follows(name, rest, everything), name
        assert name == "heart_rate" or "heart_rate" in rest


def test_only_the_mean_of_a_cuff_is_computed_by_its_examination():
    assert load_exact_functions().computed == {("map", "cuff")}
    assert (
        removed_with(("sbp", "cuff"), [("sbp", "cuff"), ("dbp", "cuff"), ("map", "cuff")]) == set()
    )  # recorded: counts


def test_every_name_in_the_relations_is_an_observable():
    functions = load_exact_functions()
    named = set(functions.hide_first) | functions.one_examination
    named |= {name for members, _ in functions.relations for name in members}
    named |= {name for pair in functions.repeats for name in pair}
    assert named <= set(observables())


def test_relations_hold_for_one_set_of_numbers():
    """The arithmetic behind the file, so that a member in the wrong relation shows."""
    v = {"lv_edv": 132.0, "lv_esv": 54.9, "heart_rate": 70.0, "map": 91.4, "ra_pressure_mean": 4.0, "bsa": 1.75}
    sv = v["lv_edv"] - v["lv_esv"]
    ef = 100.0 * (1.0 - v["lv_esv"] / v["lv_edv"])
    assert sv == pytest.approx(v["lv_edv"] * ef / 100.0) == pytest.approx(v["lv_esv"] * ef / (100.0 - ef))
    output = v["heart_rate"] * sv / 1000.0
    svr = (v["map"] - v["ra_pressure_mean"]) / (output * 1000.0 / 60.0)
    assert math.isclose(output, 5.397) and svr == pytest.approx(0.9717, rel=1e-3)
