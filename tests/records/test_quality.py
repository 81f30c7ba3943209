"""Derived readings and contradictions."""

import pytest

import hemotwin as ht
from hemotwin.core.configs import config_path, load_yaml
from hemotwin.core.errors import InputError
from hemotwin.records.quality_rules import load_rules

from .build import read_rows, values

RIGHT_HEART = ("A,pa_pressure_mean,40,mmHg", "A,pcwp,10,mmHg", "A,cardiac_output,5,L/min")


def kinds(records):
    return {m.observable: m.kind for m in records["A"]}


@pytest.mark.parametrize(
    ("mean", "kind"), [("88", "derived"), ("89", "exact"), ("88.00", "derived"), ("87.4", "exact"), ("95", "exact")]
)
def test_mean_that_is_the_formula_is_derived_and_any_other_is_measured(tmp_path, mean, kind):
    records = read_rows(tmp_path, "A,sbp,112,mmHg", "A,dbp,76,mmHg", f"A,map,{mean},mmHg")
    assert kinds(records)["map"] == kind


def test_mean_truncated_to_whole_numbers_is_still_the_formula(tmp_path):
    records = read_rows(tmp_path, "A,sbp,127,mmHg", "A,dbp,92,mmHg", "A,map,103,mmHg")  # 103.67
    assert kinds(records)["map"] == "derived"


def test_mean_of_another_method_is_measured(tmp_path):
    header = "patient,observable,value,unit,method"
    rows = ("A,sbp,112,mmHg,cuff", "A,dbp,76,mmHg,cuff", "A,map,88,mmHg,arterial line")
    assert kinds(read_rows(tmp_path, *rows, header=header))["map"] == "exact"


def test_mean_without_its_parts_is_evidence(tmp_path):
    assert kinds(read_rows(tmp_path, "A,map,88,mmHg"))["map"] == "exact"


def test_resistance_of_recorded_values_is_derived_and_alone_it_is_evidence(tmp_path):
    assert kinds(read_rows(tmp_path, *RIGHT_HEART, "A,pvr,6,Wood"))["pvr"] == "derived"
    alone = read_rows(tmp_path, "A,pvr,6,Wood", "A,cardiac_output,5,L/min")
    assert kinds(alone)["pvr"] == "exact" and values(alone)["pvr", "unspecified"] == pytest.approx(0.36)


def test_resistance_in_dynes_that_contradicts_its_parts_is_reported(tmp_path):
    records = read_rows(tmp_path, *RIGHT_HEART, "A,pvr,240,dyn.s/cm5")  # half of the 480 that the parts give
    assert kinds(records)["pvr"] == "derived"
    (sentence,) = records["A"].conflicts
    assert "is not the 0.36 mmHg.s/mL that (mPAP - PCWP)/CO of the record (" in sentence
    assert all(part in sentence for part in ("artery pressure 40 mmHg", "wedge pressure 10 mmHg", "output 5 L/min"))


def test_systemic_resistance_follows_from_cuff_pressure_too(tmp_path):
    rows = ("A,sbp,120,mmHg", "A,dbp,75,mmHg", "A,rap,5,mmHg", "A,co,5,L/min", "A,svr,17,Wood")
    assert kinds(read_rows(tmp_path, *rows))["svr"] == "derived"


def test_ejection_fraction_of_its_own_volumes_is_derived(tmp_path):
    records = read_rows(tmp_path, "A,lv_edv,120,mL", "A,lv_esv,50,mL", "A,lvef,58,%", "A,stroke_volume,70,mL")
    assert kinds(records) == {"lv_edv": "exact", "lv_esv": "exact", "lvef": "derived", "stroke_volume": "derived"}


def test_ejection_fraction_that_contradicts_the_volumes_stays_and_is_reported(tmp_path):
    records = read_rows(tmp_path, "A,lv_edv,120,mL", "A,lv_esv,50,mL", "A,lvef,35,%")
    assert kinds(records)["lvef"] == "exact"
    (flag,) = records["A"].flags
    assert "ejection fraction 35 % is not the 58.33 % that (EDV - ESV)/EDV" in flag.sentence
    assert "end-diastolic volume 120 mL, left ventricular end-systolic volume 50 mL" in flag.sentence
    assert flag.observables == ("lvef", "lv_edv", "lv_esv")


@pytest.mark.parametrize("how", ["", "echo"])
def test_of_output_and_stroke_volume_one_stays_evidence(tmp_path, how):
    header = "patient,observable,value,unit,method"
    rows = (f"A,stroke_volume,70,mL,{how}", "A,heart_rate,70,/min,", f"A,cardiac_output,4.9,L/min,{how}")
    assert sorted(kinds(read_rows(tmp_path, *rows, header=header)).values()) == ["derived", "exact", "exact"]


def test_index_of_a_recorded_output_is_derived(tmp_path):
    rows = ("A,height,170,cm", "A,weight,70,kg", "A,cardiac_output,5,L/min", "A,cardiac_index,2.75,L/min/m2")
    assert kinds(read_rows(tmp_path, *rows)) == {"cardiac_output": "exact", "cardiac_index": "derived"}


def test_index_without_an_output_is_evidence(tmp_path):
    rows = ("A,height,170,cm", "A,weight,70,kg", "A,cardiac_index,2.75,L/min/m2")
    assert kinds(read_rows(tmp_path, *rows)) == {"cardiac_index": "exact"}


def test_recorded_surface_area_gives_way_to_height_and_weight(tmp_path):
    records = read_rows(tmp_path, "A,height,170,cm", "A,weight,70,kg", "A,bsa,2.4,m2")
    assert records["A"].covariates["bsa"] == pytest.approx(1.818, abs=1e-3)
    assert "body surface area 2.40 m2 is not that of" in records["A"].conflicts[0]
    assert read_rows(tmp_path, "A,bsa,1.9,m2")["A"].covariates == {"bsa": 1.9}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (("A,ra_pressure_min,12,mmHg", "A,rv_pressure_min,3,mmHg"), "lies 9 mmHg above right ventricular minimum"),
        (("A,pcwp,17,mmHg", "A,padp,14,mmHg"), "wedge pressure 17 mmHg lies 3 mmHg above pulmonary artery diastolic"),
        (("A,pasp,30,mmHg", "A,rvsp,24,mmHg"), "lies 6 mmHg above right ventricular systolic pressure 24"),
        (("A,mpap,92,mmHg", "A,map,31,mmHg"), "lies 61 mmHg above mean arterial pressure 31 mmHg: the two channels"),
        (("A,pasp,125,mmHg", "A,sbp,90,mmHg"), "lies 35 mmHg above systolic blood pressure 90 mmHg: the two channels"),
        (("A,rap,34,mmHg", "A,mpap,12,mmHg"), "lies 22 mmHg above mean pulmonary artery pressure 12 mmHg: blood would"),
        (
            ("A,co,3,L/min", "A,hr,60,/min", "A,lv_edv,160,mL", "A,lv_esv,60,mL"),
            "Stroke volume is 50 mL from cardiac output",
        ),
    ],
)
def test_contradiction_is_reported_and_its_readings_stay(tmp_path, rows, words):
    records = read_rows(tmp_path, *rows)
    assert any(words in text for text in records["A"].conflicts), records["A"].conflicts
    assert all(row.fate == "used" for row in records.rows)


@pytest.mark.parametrize(
    "rows",
    [
        ("A,ra_pressure_min,8,mmHg", "A,rv_pressure_min,3,mmHg"),  # 5 mmHg is not more than 5
        ("A,pcwp,14,mmHg", "A,padp,14,mmHg"),
        ("A,pasp,100,mmHg", "A,sbp,90,mmHg"),  # 10 mmHg is not more than 10
        ("A,co,4.9,L/min", "A,hr,70,/min", "A,lv_edv,130,mL", "A,lv_esv,60,mL"),
        ("A,hr,90,/min", "A,co,6.3,L/min", "A,lvef,12,%", "A,lv_edv,600,mL"),  # extreme but consistent
    ],
)
def test_what_agrees_is_no_conflict(tmp_path, rows):
    records = read_rows(tmp_path, *rows)
    assert records["A"].conflicts == () and all(row.fate == "used" for row in records.rows)


def test_mean_outside_its_extremes_is_quarantined_alone(tmp_path):
    records = read_rows(tmp_path, "A,pasp,60,mmHg", "A,padp,25,mmHg", "A,mpap,15,mmHg")
    assert [row.fate for row in records.rows] == ["used", "used", "quarantined"]
    assert "is not between pulmonary artery diastolic pressure 25 mmHg" in records.rows[2].reason
    (told,) = records["A"].conflicts  # the twin lacks the value, so its page says why
    assert told.endswith("check the three values; the mean is not used.")
    assert "mean pulmonary artery pressure outside its extremes" in str(records.quality())


def test_zero_right_ventricular_end_diastolic_pressure_is_a_reading(tmp_path):
    assert values(read_rows(tmp_path, "A,rvedp,0,mmHg")) == {("rv_edp", "catheter"): 0}


def test_contradiction_names_both_values_and_widens_their_errors(tmp_path):
    records = read_rows(tmp_path, "A,pcwp,17,mmHg", "A,padp,14,mmHg")
    (flag,) = records["A"].flags
    assert (flag.rule, flag.category, flag.severity, flag.consequence) == (
        "wedge_above_pa_diastolic", "plausibility", "warning", "widen",
    )  # fmt: skip
    assert "17 mmHg lies 3 mmHg above pulmonary artery diastolic pressure 14 mmHg" in flag.sentence
    sd = {m.observable: m.sd for m in records["A"]}
    assert sd["pcwp_mean"] == pytest.approx((3**2 + 3**2 / 2) ** 0.5)
    assert sd["pa_pressure_diastolic"] == pytest.approx((4**2 + 3**2 / 2) ** 0.5)
    assert {m.quality for m in records["A"]} == {"wedge_above_pa_diastolic"}


def test_wider_error_never_falls_below_the_one_in_use():
    noise = load_yaml(config_path("noise", "clinical.yaml"))["observables"]
    for rule in load_rules().values():
        if rule.consequence == "widen" and rule.check == "gap":
            for name, usual in zip((rule.limits["above"], rule.limits["below"]), rule.limits["usual"], strict=True):
                assert usual >= noise[name]["any"]["sd"], rule.name
        elif rule.consequence == "widen":
            assert all(rule.limits["usual"] >= noise[name]["any"]["sd"] for name in rule.limits["of"])


def test_error_that_is_wider_already_stays_so_that_reading_twice_widens_once(tmp_path):
    header = "patient,observable,value,unit,sd"
    records = read_rows(tmp_path, "A,pcwp,17,mmHg,9", "A,padp,14,mmHg,", header=header)
    assert {m.observable: m.sd for m in records["A"]}["pcwp_mean"] == 9


def test_wedge_above_the_mean_pulmonary_pressure_is_reported(tmp_path):
    records = read_rows(tmp_path, "A,pcwp,22,mmHg", "A,mpap,18,mmHg")
    assert [flag.rule for flag in records["A"].flags] == ["wedge_above_pa_mean"]


def test_volume_against_the_one_that_ejection_fraction_and_output_imply(tmp_path):
    extreme = ("A,hr,90,/min", "A,co,6.3,L/min", "A,lvef,12,%")  # 70 mL of 583 mL
    assert read_rows(tmp_path, *extreme)["A"].flags == ()
    assert read_rows(tmp_path, *extreme, "A,lv_edv,600,mL")["A"].flags == ()
    (flag,) = read_rows(tmp_path, *extreme, "A,lv_edv,250,mL")["A"].flags
    assert "250 mL is not the 583.3 mL that left ventricular ejection fraction 12 %" in flag.sentence
    assert "stroke volume of 70 mL (cardiac output (unspecified) / heart rate) imply" in flag.sentence


@pytest.mark.parametrize("number", ["0", "-1", "999", "9999"])
def test_number_that_stands_for_missing_is_named_as_such(tmp_path, number):
    records = read_rows(tmp_path, f"A,heart_rate,{number},/min")
    assert f"{number} probably stands for a missing value" in records.rows[0].reason
    assert records.rule_counts == {"zero_as_missing": 1}


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("A,nonsense,1,mmHg", "code_known"),
        ("A,sbp,120,", "unit_given"),
        ("A,sbp,120,kg", "unit_fits"),
        ("A,sbp,unknown,mmHg", "value_given"),
        ("A,sbp,twelve,mmHg", "value_readable"),
        ("A,sbp,301,mmHg", "value_in_range"),
    ],
)
def test_row_that_is_set_aside_falls_under_its_rule(tmp_path, row, rule):
    records = read_rows(tmp_path, row)
    assert records.rule_counts == {rule: 1}
    found, empty = records.quality().records()
    if found["rule"] == load_rules()["no_value"].label:
        found, empty = empty, found
    assert found["rule"] == load_rules()[rule].label and found["consequence"] == "quarantine"
    assert empty["count"] == 1


SHARED = ("height,171,cm", "weight,70,kg", "age,61,a", "sbp,127,mmHg", "dbp,92,mmHg", "co,6.3,L/min", "pcwp,17,mmHg")


def test_two_patients_who_share_most_values_are_a_likely_repeat_visit(tmp_path):
    rows = [f"{who},{row}" for who in "AB" for row in SHARED]
    records = read_rows(tmp_path, *rows, "A,rap,9,mmHg", "B,rap,11,mmHg", "C,sbp,127,mmHg", "C,dbp,92,mmHg")
    (flag,) = records.flags
    assert flag.rule == "likely_repeat_visit" and flag.patients == ("A", "B")
    assert "A and B share 7 of 8 values to the digit" in flag.sentence


def test_values_that_everyone_has_make_no_repeat_visit(tmp_path):
    rows = [f"P{k},{row}" for k in range(60) for row in SHARED]
    assert read_rows(tmp_path, *rows).flags == ()


def test_few_shared_values_make_no_repeat_visit(tmp_path):
    assert read_rows(tmp_path, *[f"{who},{row}" for who in "AB" for row in SHARED[:4]]).flags == ()


def test_patient_without_a_value_is_listed(tmp_path):
    records = read_rows(tmp_path, "A,sbp,junk,mmHg", "B,sbp,120,mmHg")
    (flag,) = records.flags
    assert flag.patients == ("A",) and flag.sentence == "No usable value: A." and "A" in records.patients


def test_every_rule_is_one_of_the_three_categories_and_a_made_up_one_is_refused(tmp_path):
    assert {rule.category for rule in load_rules().values()} == {"conformance", "completeness", "plausibility"}
    path = tmp_path / "quality.yaml"
    path.write_text("rules: {x: {category: style, severity: error, consequence: note, check: row}}")
    with pytest.raises(InputError, match=r"quality\.yaml x: `category` must be one of conformance"):
        load_rules(path)


@pytest.mark.real_data
def test_stroke_volume_mismatch_of_26_of_80_magnetic_resonance_subjects_is_found(data_folder):
    columns = {
        "edv": {"observable": "lv_edv", "unit": "mL", "modality": "cmr"},
        "esv": {"observable": "lv_esv", "unit": "mL", "modality": "cmr"},
        "sv_av": {"observable": "stroke_volume", "unit": "mL", "modality": "flow4d"},
    }
    records = ht.read(
        data_folder / "flow4d_80subjects" / "subjects_summary.csv", mapping={"patient": "subject", "columns": columns}
    )
    found = [one.patient for one in records if "stroke_volume_against_output" in {flag.rule for flag in one.flags}]
    apart = {one.patient: {m.observable: m.value for m in one} for one in records}
    expected = [name for name, m in apart.items() if abs((m["lv_edv"] - m["lv_esv"]) / m["stroke_volume"] - 1) > 0.2]
    assert found == expected and len(records) == 80
    assert len(found) == 26


def test_child_is_flagged_at_the_age_below_which_the_prior_is_extrapolated(tmp_path):
    from hemotwin.calibration.priors import ADULT_FROM

    assert load_rules()["below_adult_age"].limit("adult_from") == ADULT_FROM
    for age, flagged in (("17", 1), ("18", 0)):
        records = read_rows(tmp_path, "A,sbp,112,mmHg", f"A,age,{age},a")
        assert len([flag for flag in records["A"].flags if flag.rule == "below_adult_age"]) == flagged
        assert records["A"].conflicts == ()
