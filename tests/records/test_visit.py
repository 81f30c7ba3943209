"""A twin is of one visit and one condition; the choice is said, and what is too far apart is flagged, not merged."""

import random

import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError
from hemotwin.records.reading import Reading
from hemotwin.records.visit import Selection, choose, condition_of

from .build import checked, table, values

HEADER = "patient,observable,value,unit,time,condition"


def read(folder, *rows, **asked):
    return checked(ht.read(table(folder, *rows, header=HEADER), **asked))


CATHETER = ("A,co,4.2,L/min,2019-03-01T09:00,", "A,mpap,41,mmHg,2019-03-01T09:10,", "A,pcwp,12,mmHg,2019-03-01T09:10,")
CLINIC = ("A,sbp,128,mmHg,2020-06-01T10:00,", "A,dbp,79,mmHg,2020-06-01T10:00,")


def names(records, patient="A"):
    return {m.observable for m in records[patient]}


def test_latest_visit_is_the_default_and_the_other_is_flagged_not_merged(tmp_path):
    records = read(tmp_path, *CATHETER, *CLINIC)
    assert names(records) == {"sbp", "dbp"}
    assert sum("Cardiac output 4.2 L/min was taken 2019-03-01" in text for text in records["A"].conflicts) == 1
    assert [row.fate for row in records.rows].count("quarantined") == 3
    assert all("choose with --visit or --window" in row.reason for row in records.rows[:3])


def test_choice_is_reported(tmp_path):
    records = read(tmp_path, *CATHETER, *CLINIC)
    assert records["A"].choice == "The visit: of 2020-06-01T10:00; in condition rest; chosen from 2 days with readings."
    assert records["A"].choice in repr(records["A"].table())


@pytest.mark.parametrize("visit", ["2019-03-01", "2019-03", "2019-03-01T09:30", "fullest"])
def test_visit_chooses_another(tmp_path, visit):
    assert names(read(tmp_path, *CATHETER, *CLINIC, visit=visit)) == {"cardiac_output", "pa_pressure_mean", "pcwp_mean"}


def test_window_of_dates_holds_everything_inside_it(tmp_path):
    records = read(tmp_path, *CATHETER, *CLINIC, window="2019-01-01/2020-12-31")
    assert len(names(records)) == 5 and records["A"].conflicts == ()
    assert "within the window asked for, readings 458 days apart" in records["A"].choice


def test_window_of_a_duration_replaces_the_usual_reach(tmp_path):
    rows = ("A,co,4.2,L/min,2020-06-01T08:00,", "A,sbp,128,mmHg,2020-06-01T10:00,")
    assert names(read(tmp_path, *rows)) == {"cardiac_output", "sbp"}
    assert names(read(tmp_path, *rows, window="1 h")) == {"sbp"}
    assert len(names(read(tmp_path, *CATHETER, *CLINIC, window="3 years"))) == 5


def test_visit_that_a_patient_does_not_have_leaves_no_reading_and_says_so(tmp_path):
    records = read(tmp_path, *CLINIC, visit="2011-01-01")
    assert records["A"].measurements == ()
    assert all("not of the visit that was asked for: it is of 2020-06-01T10:00" in row.reason for row in records.rows)


def test_shape_of_the_heart_keeps_for_months_and_a_pressure_for_a_day(tmp_path):
    rows = (*CLINIC, "A,lvef,35,%,2020-04-10,", "A,rap,9,mmHg,2020-05-20,", "A,lv_edv,200,mL,2019-01-10,")
    records = read(tmp_path, *rows)
    assert names(records) == {"sbp", "dbp", "lvef"}
    assert sorted(text.split(" was taken")[0] for text in records["A"].conflicts) == [
        "Left ventricular end-diastolic volume 200 mL", "Mean right atrial pressure 9 mmHg",
    ]  # fmt: skip


def test_nearest_echo_on_either_side_is_taken(tmp_path):
    rows = (*CLINIC, "A,lvef,35,%,2020-04-10,", "A,lvef,40,%,2020-06-20,")
    assert values(read(tmp_path, *rows))["lvef", "unspecified"] == 40


def test_dates_without_a_clock_are_one_day_whatever_the_hour(tmp_path):
    rows = ("A,sbp,128,mmHg,2020-06-01,", "A,co,5,L/min,2020-06-01T23:00,", "A,dbp,79,mmHg,2020-05-29,")
    assert names(read(tmp_path, *rows)) == {"sbp", "cardiac_output"}


def test_reading_without_a_time_belongs_to_the_visit_unless_one_was_asked_for(tmp_path):
    rows = (*CLINIC, "A,co,5,L/min,,")
    records = read(tmp_path, *rows)
    assert "cardiac_output" in names(records) and "1 reading(s) without a time" in records["A"].choice
    asked = read(tmp_path, *rows, visit="2020-06-01")
    assert "cardiac_output" not in names(asked) and "it has no time, and a visit was asked for" in asked.rows[2].reason


REST = ("A,hr,70,/min,2020-06-01,rest", "A,co,5,L/min,2020-06-01,baseline", "A,sbp,120,mmHg,2020-06-01,")
EXERCISE = ("A,hr,130,/min,2020-06-01,peak exercise", "A,co,11,L/min,2020-06-01,exercise")


def test_rest_is_the_default_condition_and_another_is_set_aside_with_the_fix(tmp_path):
    records = read(tmp_path, *EXERCISE, *REST)
    assert {m.observable: m.value for m in records["A"]} == {"heart_rate": 70, "cardiac_output": 5, "sbp": 120}
    assert "a twin is of one condition, choose with --condition" in records.rows[0].reason


def test_condition_chooses_and_takes_no_reading_that_does_not_say(tmp_path):
    records = read(tmp_path, *EXERCISE, *REST, condition="exercise")
    assert {m.observable: m.value for m in records["A"]} == {"heart_rate": 130, "cardiac_output": 11}
    assert records["A"].choice.endswith("in condition exercise.")


def test_record_of_one_condition_is_of_that_condition(tmp_path):
    assert len(names(read(tmp_path, *EXERCISE))) == 2


@pytest.mark.parametrize(
    ("text", "name"),
    [("Supine rest", "rest"), (None, "rest"), ("20 W ergometer", "exercise"), ("Dobutamine 5", "dobutamine 5"),
     ("on ECMO 3 L/min", "on ecmo 3 l/min"), ("sitting", "sitting"), ("interest", "interest")],
)  # fmt: skip
def test_words_of_a_condition(text, name):
    assert condition_of(text) == name


@pytest.mark.parametrize("asked", [{"window": "24"}, {"window": "3 mmHg"}, {"window": "-1 h"}, {"visit": "last week"},
                                   {"window": "2020-02-01/2019-01-01"}, {"window": "soon"}])  # fmt: skip
def test_what_cannot_be_a_window_or_visit_is_refused_with_how_to_write_it(tmp_path, asked):
    with pytest.raises(InputError, match=r"24 h or 30 d|2019-05-01"):
        read(tmp_path, *CLINIC, **asked)


def test_every_reading_is_taken_or_set_aside_and_one_is_taken_for_each_channel():
    draw, names = random.Random(3), ["sbp", "lvef", "cardiac_output"]
    for _ in range(300):
        readings = [
            Reading("A", draw.choice(names), draw.randint(1, 3), None, draw.choice(["cuff", "x"]),
                    f"2020-01-{when:02d}" if when else None, when * 86400.0 if when else None,
                    draw.choice([None, "rest", "exercise", "odd"]), 1.0, row)
            for row in range(draw.randint(0, 9))
            for when in [draw.choice([0, 1, 2, 3, 20, 28])]
        ]  # fmt: skip
        visit = draw.choice(["latest", "fullest", "2020-01-02", "2020-01-03T01:00"])
        choice = choose(readings, Selection.of(draw.choice([None, "3 d", "2020-01-01/2020-01-03"]), visit))
        rows = [one.row for one in choice.taken] + [one.row for one, _, _ in choice.aside]
        assert sorted(rows) == list(range(len(readings)))
        assert len({(one.name, one.modality) for one in choice.taken}) == len(choice.taken)
        assert len({condition_of(one.condition) for one in choice.taken if one.condition}) <= 1


def test_body_size_of_another_year_is_said(tmp_path):
    records = read(tmp_path, *CLINIC, "A,weight,70,kg,2017-01-01,", "A,height,170,cm,2020-05-01,")
    assert any("Body weight 70 kg was taken 2017-01-01" in text for text in records["A"].conflicts)
    assert records["A"].covariates["weight"] == 70


def test_encounter_of_a_fhir_observation_chooses_its_visit(tmp_path):
    from .build import bundle, concept, observation

    def rate(value, time, encounter):
        more = {"encounter": {"reference": f"Encounter/{encounter}"}} if encounter else {}
        return observation(concept("8867-4"), value, "/min", effectiveDateTime=time, **more)

    weight = observation(concept("29463-7"), 70, "kg", effectiveDateTime="2020-01-01")
    path = bundle(
        tmp_path, rate(70, "2020-01-01T10:00:00", "e1"), rate(90, "2020-01-01T15:00:00", "e2"),
        rate(80, "2020-01-01T09:00:00", ""), weight,
    )  # fmt: skip
    assert values(checked(ht.read(path)))["heart_rate", "unspecified"] == 90
    for visit in ("id:e1", "Encounter/e1"):
        records = checked(ht.read(path, visit=visit))
        assert values(records)["heart_rate", "unspecified"] == 70 and records["A"].covariates["weight"] == 70
    assert "encounter e1" in records["A"].choice
    with pytest.raises(InputError, match="no usable reading names the encounter `e3`"):
        ht.read(path, visit="id:e3")
