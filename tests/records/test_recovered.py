"""A value that was never recorded comes back from one that was computed with it: offered, never counted."""

import pytest

from .build import read_rows

SVR = ("A,map,89,mmHg", "A,cardiac_output,5.0,L/min", "A,svr,1280,dyn.s/cm5")


def offered(records, patient="A"):
    return {m.observable: m for m in records[patient] if m.kind == "recovered"}


def test_resistance_gives_back_the_right_atrial_pressure(tmp_path):
    records = read_rows(tmp_path, *SVR)
    (one,) = offered(records).values()
    # 80 dyn s/cm5 to a mmHg min/L is a rounding of 79.99; the digits written leave less than 1.5 mmHg to either side
    assert one.observable == "ra_pressure_mean" and one.value == pytest.approx(9.0, abs=0.02)
    assert one.lower < 9 < one.upper and one.upper - one.lower < 3
    assert "MAP - SVR x CO from systemic vascular resistance" in one.origin


def test_recovered_value_is_shown_and_never_counted(tmp_path):
    records = read_rows(tmp_path, *SVR)
    assert "recovered" in repr(records["A"].table()) and "1 recovered" in repr(records["A"])
    assert "ra_pressure_mean" not in {m.observable for m in records["A"].counted}
    assert "ra_pressure_mean" not in {channel[0] for channel in records.arrays()[0]}
    assert {m.observable: m.kind for m in records["A"]}["svr"] == "exact"  # the evidence, counted once


def test_recorded_value_is_not_recovered_and_the_resistance_is_derived(tmp_path):
    records = read_rows(tmp_path, *SVR, "A,rap,12,mmHg")
    assert offered(records) == {} and {m.observable: m.kind for m in records["A"]}["svr"] == "derived"


def test_resistance_of_recorded_values_stays_derived(tmp_path):
    rows = ("A,pa_pressure_mean,40,mmHg", "A,pcwp,10,mmHg", "A,co,5,L/min", "A,pvr,6,Wood")
    records = read_rows(tmp_path, *rows)
    assert offered(records) == {} and {m.observable: m.kind for m in records["A"]}["pvr"] == "derived"


@pytest.mark.parametrize(
    ("rows", "name", "value"),
    [
        (("A,mpap,40,mmHg", "A,co,5,L/min", "A,pvr,6,Wood"), "pcwp_mean", 10),
        (("A,pcwp,10,mmHg", "A,co,5,L/min", "A,pvr,6,Wood"), "pa_pressure_mean", 40),
        (("A,mpap,40,mmHg", "A,pcwp,10,mmHg", "A,pvr,6,Wood"), "cardiac_output", 5),
        (("A,sbp,120,mmHg", "A,dbp,75,mmHg", "A,co,5,L/min", "A,svr,17,Wood"), "ra_pressure_mean", 5),
        (("A,co,5,L/min", "A,stroke_volume,70,mL"), "heart_rate", 71.4286),
        (("A,lvef,60,%", "A,lv_edv,120,mL"), "lv_esv", 48),
    ],
)
def test_each_part_comes_back_from_the_others(tmp_path, rows, name, value):
    assert offered(read_rows(tmp_path, *rows))[name].value == pytest.approx(value, rel=1e-5)


def test_output_over_an_imaged_stroke_volume_is_no_heart_rate(tmp_path):
    rows = ("A,co,5,L/min,thermodilution", "A,stroke_volume,70,mL,cmr")
    assert offered(read_rows(tmp_path, *rows, header="patient,observable,value,unit,method")) == {}


def test_two_outputs_that_give_different_values_give_none(tmp_path):
    rows = ("A,map,89,mmHg,", "A,co,5.0,L/min,fick", "A,co,4.0,L/min,thermodilution", "A,svr,1280,dyn.s/cm5,")
    assert offered(read_rows(tmp_path, *rows, header="patient,observable,value,unit,method")) == {}


def test_impossible_result_is_reported_instead(tmp_path):
    records = read_rows(tmp_path, "A,map,60,mmHg", "A,co,8.0,L/min", "A,svr,1280,dyn.s/cm5")
    assert offered(records) == {}
    assert any("gives back mean right atrial pressure -68" in text for text in records["A"].conflicts)


def test_range_gives_nothing_back(tmp_path):
    assert offered(read_rows(tmp_path, "A,map,85-90,mmHg", "A,co,5.0,L/min", "A,svr,1280,dyn.s/cm5")) == {}
