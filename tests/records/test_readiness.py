"""What a data set is good for: the level falls by the documented step, and further data never lower it."""

import itertools
import json
import random
import subprocess
import sys
import textwrap

import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError
from hemotwin.records.codes import info, observables
from hemotwin.records.inventory import Fact, Inventory
from hemotwin.records.ladder import ladder, left_without
from hemotwin.records.needs import examination_of, examinations, missing, questions, serves, twins
from hemotwin.records.readiness import assess, load_costs
from hemotwin.records.readiness_tables import as_dict, lead, tables
from hemotwin.records.without_twin import where_no_twin, why_no_twin

from .build import table

# 5.0 million calls, the start included, take 1.4 s of one core of a small virtual machine (3.11, without a profiler).
TWO_SECONDS_OF_CALLS = 7_000_000
HEADER = "patient,observable,value,unit,time,method"
CATHETER = (
    ("sbp", 127, "mmHg", "cuff"), ("dbp", 92, "mmHg", "cuff"), ("pa_pressure_mean", 51, "mmHg", "catheter"),
    ("pcwp_mean", 17, "mmHg", "catheter"), ("ra_pressure_mean", 18, "mmHg", "catheter"),
    ("cardiac_output", 6.3, "L/min", "thermodilution"), ("heart_rate", 90, "/min", "monitor"),
)  # fmt: skip
GOVERNANCE = {
    "steward": "Ward 7", "licence": "CC-BY-4.0", "consent": [{"patient": "A", "purpose": "", "decision": "permit"}],
}  # fmt: skip


def rows(patient="A", day="2019-03-01", without=()):
    for name, value, unit, method in CATHETER:
        cells = [patient, name, str(value), "" if "unit" in without else unit, "" if "time" in without else day,
                 "" if "method" in without else method]  # fmt: skip
        yield ",".join(cells)


def assessed(folder, *lines, governance=None):
    path = folder / "t.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return assess(ht.read(path, governance=governance or {}))


def test_complete_record_with_consent_stands_on_the_top_rung(tmp_path):
    found = assessed(tmp_path, *rows(), governance=GOVERNANCE)
    assert found.level == 7 == ladder()[-1].level
    assert found.patients[0].twins == ("arterial", "systemic", "right_heart", "whole")


@pytest.mark.parametrize("gap", ["unit", "time", "method"])
def test_taking_something_away_lowers_the_level_by_the_documented_step(tmp_path, gap):
    found = assessed(tmp_path, *rows(without=(gap,)), governance=GOVERNANCE)
    assert found.level == left_without()[gap]
    (cost,) = [one for one in found.gaps if one.name == gap]
    assert (cost.lacking, cost.of, cost.level_without_gap) == (7, 7, 7)


def test_without_consent_steward_or_licence_the_top_rung_is_out_of_reach(tmp_path):
    for key in GOVERNANCE:
        rest = {name: value for name, value in GOVERNANCE.items() if name != key}
        assert assessed(tmp_path, *rows(), governance=rest).level == left_without()["consent"] == 6, key


def test_taking_away_more_leaves_the_lowest_of_the_steps(tmp_path):
    assert assessed(tmp_path, *rows(without=("method", "time"))).level == 2
    assert assessed(tmp_path, *rows(without=("method", "time", "unit"))).level == 1
    assert assessed(tmp_path, "A,shoe_size,43,cm,,").level == 0


def test_levels_between_need_one_side_and_then_the_whole_circulation(tmp_path):
    lines = list(rows())
    assert assessed(tmp_path, lines[0]).level == 4
    assert assessed(tmp_path, *lines[:2], lines[5]).level == 5
    assert assessed(tmp_path, *lines[2:4], lines[5]).level == 5
    assert assessed(tmp_path, *lines[:6]).level == 6


def test_readings_of_two_visits_serve_no_twin_together(tmp_path):
    lines = list(rows())
    assert assessed(tmp_path, *lines[:2], lines[5].replace("2019-03-01", "2019-04-01")).level == 4


def table_of(found, title):
    (table,) = [one for one in tables(found) if one.title == title]
    return list(table.records())


def test_values_that_a_calibration_sets_aside_are_not_among_those_taken_now(tmp_path):
    """The level stays with what is recorded, so that data never lower it; what is taken now agrees with the twin."""
    lines = [line.replace("dbp,92", "dbp,192") for line in rows()]
    found = assessed(tmp_path, *lines)
    (one,) = found.patients
    assert found.level == 6 and {"sbp", "dbp"} <= one.names  # each by itself is sound
    assert one.now == {m.observable for m in found.records["A"].counted} and not {"sbp", "dbp"} & one.now
    assert "whole" in one.twins and one.twins_now == ("right_heart",)
    (row,) = table_of(found, "Held back")
    assert row["patient"] == "A" and "127 mmHg is not above diastolic blood pressure 192 mmHg" in row["why not now"]
    pressure = next(row for row in table_of(found, "Reading by reading") if row["reading"] == "systolic blood pressure")
    assert (pressure["in their best visit"], pressure["taken now"]) == (1, 0)
    assert "A calibration now takes 5 readings of 1 of 1 patient." in lead(found)
    data = as_dict(found)
    assert data["twins"]["whole"] == 1 and data["twins_now"]["whole"] == 0
    assert data["patients"][0]["twins_now"] == ["right_heart"] and data["patients"][0]["no_twin"] == ""


def test_another_visit_that_holds_more_is_named_with_how_to_choose_it(tmp_path):
    found = assessed(tmp_path, *rows(), "A,sbp,118,mmHg,2021-01-01,cuff")
    (row,) = table_of(found, "Held back")
    assert "another visit of 2019-03-01 in condition rest holds more" in row["why not now"]
    assert not [table for table in tables(assessed(tmp_path, *rows())) if table.title == "Held back"]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["A,sbp,high,mmHg,,"], "systolic blood pressure (values that are no number, range, limit or known word)"),
        (["A,sbp,120,,,"], "systolic blood pressure (values without a unit that is needed)"),
        (["A,sbp,80,mmHg,,", "A,dbp,120,mmHg,,"],
         "diastolic blood pressure (systolic blood pressure not above diastolic blood pressure)"),
        (["A,sbp,120,mmHg,,", "A,sbp,190,mmHg,,"], "(values of one moment that contradict each other)"),
        (["A,shoe,43,cm,,"], "nothing that a twin can use is recorded"),
    ],
)  # fmt: skip
def test_patient_without_a_twin_has_a_reason_that_quotes_no_value(tmp_path, lines, why):
    found = assessed(tmp_path, *rows("B"), *lines)
    reason = why_no_twin(found.records, "A")
    assert why in reason and not {"high", "43", "190"} & set(reason.split())
    assert [row["why not now"] for row in table_of(found, "Held back") if row["patient"] == "A"] == [reason]


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        (["A,sbp,high,mmHg,,", "A,shoe,43,cm,,"], "line 2"),
        (["A,sbp,80,mmHg,,", "A,dbp,120,mmHg,,"], "line 2, line 3"),
        (["A,shoe,43,cm,,"], "line 2"),
        ([f"A,{name},high,mmHg,," for name in ("sbp", "dbp", "map", "pasp", "pcwp", "mpap")],
         "line 2, line 3, line 4, line 5 and more"),
        (["A,height,170,cm,,"], ""),
    ],
)  # fmt: skip
def test_rows_of_a_patient_without_a_twin_are_found(tmp_path, lines, where):
    path = tmp_path / "t.csv"
    path.write_text("\n".join([HEADER, *lines, "B,sbp,high,mmHg,,"]) + "\n")
    assert where_no_twin(ht.read(path), ["A"]) == ({"A": where.replace("line", "t.csv line")} if where else {})


def test_patient_without_a_reading_of_the_visit_asked_for_is_told_so(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\n".join([HEADER, *rows(), "B,sbp,120,mmHg,2021-01-01,cuff"]) + "\n")
    reason = why_no_twin(ht.read(path, visit="2019-03-01"), "B")
    assert reason == "no usable measurement: systolic blood pressure is not of the visit and condition that were chosen"


def test_readings_of_two_conditions_serve_no_twin_together(tmp_path):
    path = tmp_path / "t.csv"
    lines = [f"{line},{'exercise' if 'cardiac_output' in line else 'rest'}" for line in rows()]
    path.write_text("\n".join([f"{HEADER},condition", *lines]) + "\n")
    assert assess(ht.read(path)).level == 4


def test_level_is_that_of_the_best_patient_and_the_others_are_counted(tmp_path):
    found = assessed(tmp_path, *rows(), "B,sbp,120,mmHg,,", "C,sbp,120,,,")
    assert found.level == 6 and [one.level for one in found.patients] == [6, 2, 1]
    assert [found.reached(level) for level in (1, 2, 3, 6)] == [3, 2, 1, 1]


def test_level_does_not_depend_on_the_visit_that_a_twin_is_made_of(tmp_path):
    found = assessed(tmp_path, *rows(), "A,sbp,118,mmHg,2021-01-01,cuff")
    assert found.level == 6 and found.patients[0].date == "2019-03-01"


def test_further_data_never_lower_the_level(tmp_path):
    draw = random.Random(5)
    names = [*observables(), "height", "weight", "sex", "age", "nonsense"]

    def line():
        name = draw.choice(names)
        if draw.random() < 0.5 and name in observables():  # a sound reading of some visit
            about = info(name)
            value, unit, how = f"{about.low + draw.random() * (about.high - about.low):.3g}", about.unit, "catheter"
        else:
            value = draw.choice(["", "x", "-1", "0", "5", "57.5", "120", "9999", "<10", "55-60", "elevated"])
            unit, how = draw.choice(["", "kg", "mmHg"]), draw.choice(["", "cuff", "x"])
        when = draw.choice(["", "2019-03-01", "2019-03-02", "2019-02-28T23:00", "2020-01-01", "soon"])
        return f"{draw.choice('AB')},{name},{value},{unit},{when},{how}"

    for _ in range(12):
        kept, level = [one for one in rows() if draw.random() < 0.9], 0
        for _ in range(4):
            now = assessed(tmp_path, *kept, "Z,sbp,120,mmHg,,", governance=GOVERNANCE).level
            assert now >= level
            level = now
            kept = [*kept, *(line() for _ in range(draw.randint(1, 8)))]
            draw.shuffle(kept)


def test_worklist_names_the_fewest_measurements_and_what_gives_them(tmp_path):
    found = assessed(tmp_path, *list(rows())[:2], *rows("B"), *list(rows("C"))[:6])
    tasks = {task.patient: task for task in found.worklist}
    assert (tasks["A"].twin, tasks["A"].lacks, tasks["A"].examinations) == ("systemic", ("cardiac_output",), ("echo",))
    assert tasks["C"].twin == "whole_with_volumes" and set(tasks["C"].lacks) == {"lv_edv", "lv_esv"}
    assert found.worklist[0].patient == "A"  # the shortest way first


def test_own_costs_price_the_worklist(tmp_path):
    (tmp_path / "costs.yaml").write_text("currency: EUR\nexaminations: {echo: 180, cuff: 5}\n")
    costs = load_costs(tmp_path / "costs.yaml")
    (tmp_path / "t.csv").write_text("\n".join([HEADER, *list(rows())[:2]]) + "\n")
    found = assess(ht.read(tmp_path / "t.csv"), costs)
    assert found.worklist[0].cost == 180 and "180 EUR" in "".join(map(str, tables(found)))
    assert assess(ht.read(tmp_path / "t.csv")).worklist[0].cost is None


@pytest.mark.parametrize(
    ("text", "words"),
    [("examinations: {ecco: 1}", "did you mean `echo`"), ("examinations: {echo: free}", "must be a number"),
     ("currency: EUR", "must hold `currency` and costs")],
)  # fmt: skip
def test_costs_that_are_not_understood_are_refused(tmp_path, text, words):
    (tmp_path / "costs.yaml").write_text(text)
    with pytest.raises(InputError, match=words):
        load_costs(tmp_path / "costs.yaml")


def test_missing_heart_rate_is_in_the_table_though_nobody_has_it(tmp_path):
    found = assessed(tmp_path, *list(rows())[:6])
    (table,) = [one for one in tables(found) if one.title == "Reading by reading"]
    rate = next(row for row in table.records() if row["reading"] == "heart rate")
    assert (rate["patients with it"], rate["without"]) == (0, 1)


def test_report_as_data_is_plain_json_and_repeats_itself(tmp_path):
    found = assessed(tmp_path, *rows(), "B,map,89,mmHg,,", "B,co,5.0,L/min,,", "B,svr,1280,dyn.s/cm5,,")
    data = json.loads(json.dumps(as_dict(found)))
    assert data["disclaimer"] == "Not for clinical use." and data["level"] == 6
    assert data["patients"][1]["recovered"][0]["observable"] == "ra_pressure_mean"
    assert (
        sum(data["counts"][fate] for fate in ("used", "derived", "duplicate", "quarantined")) == data["counts"]["rows"]
    )
    (table,) = [one for one in tables(found) if one.title == "Recovered"]
    assert next(table.records())["reading"] == "mean right atrial pressure"
    assert as_dict(found) == as_dict(assess(found.records))
    assert lead(found).startswith("Readiness level 6 of 7:")


def test_every_need_names_readings_that_exist_and_an_examination_gives_them():
    for one in (*twins().values(), *questions().values()):
        for ways in (*one.needs.values(), *one.sharpens.values()):
            assert ways
            for name in frozenset().union(*ways):
                assert info(name) and name in examination_of(name).gives
        everything = frozenset(observables()) | {"height", "weight"}
        assert serves(one, everything) and missing(one, everything) == ()
        assert not serves(one, ()) and serves(one, missing(one, ()))
    assert all(
        examination.gives <= {*observables(), "height", "weight", "bsa"} for examination in examinations().values()
    )


def test_circulations_and_scenarios_named_are_registered():
    from hemotwin.core.registry import known

    assert {one.circulation for one in twins().values()} <= set(known("circulation"))
    assert {one.scenario for one in questions().values() if one.scenario} <= set(known("scenario"))


def test_ladder_counts_from_nought_to_seven_and_asks_more_on_every_rung():
    rungs = ladder()
    assert [rung.level for rung in rungs] == list(range(8))
    assert all(set(low.asks) <= set(high.asks) for low, high in itertools.pairwise(rungs))


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["fhir_mii_icu", "fhir_us_core", "rhc_patient233", "waveforms_wfdb"])
def test_every_folder_has_a_report_that_lists_every_patient(data_folder, name):
    records = ht.read(data_folder / name)
    found = assess(records)
    assert [one.patient for one in found.patients] == records.patients and 1 <= found.level < 7
    assert all(len(table) for table in tables(found)) and json.dumps(as_dict(found))


@pytest.mark.real_data
def test_fifty_patients_are_assessed_without_jax_in_as_many_calls_as_two_seconds_hold(data_folder, tmp_path):
    """Calls of functions are the same in every run, whatever else the machine does; a clock is not."""
    code = f"""
        import cProfile, json, sys
        for name in ("jax", "jaxlib", "equinox", "diffrax", "matplotlib", "xarray", "pandas"):
            sys.modules[name] = None
        profile = cProfile.Profile()
        profile.enable()
        from hemotwin.cli import main
        folder, out = {str(data_folder / "fhir_synthea_r4")!r}, {str(tmp_path)!r}
        status = main(["readiness", folder, "--json", out + "/r.json", "--html", out + "/r.html"])
        profile.disable()
        with open(out + "/calls.json", "w") as file:
            json.dump(sum(one.callcount for one in profile.getstats()), file)
        sys.exit(status)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True)
    data = json.loads((tmp_path / "r.json").read_text())
    assert data["counts"]["patients"] == 49 and data["level"] == 3
    assert data["twins"]["arterial"] == 49 and data["twins"]["systemic"] == 0
    assert json.loads((tmp_path / "calls.json").read_text()) < TWO_SECONDS_OF_CALLS


def test_work_grows_with_the_patients_and_no_faster(tmp_path):
    paths = []
    for patients in (200, 50, 100, 200):  # the first for what is made once
        lines = [f"P{k},{name},{value + k / 1000},{unit},2019-03-01,{method}" for k in range(patients)
                 for name, value, unit, method in CATHETER]  # fmt: skip
        paths.append(str(table(tmp_path, *lines, header=HEADER, name=f"t{len(paths)}.csv")))
    code = f"""
        import cProfile
        import hemotwin as ht
        from hemotwin.records.readiness import assess
        for path in {paths!r}:
            profile = cProfile.Profile()
            profile.enable()
            assess(ht.read(path))
            profile.disable()
            print(sum(one.callcount for one in profile.getstats()))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True)
    _, few, more, many = map(int, done.stdout.split())
    assert many - more < 2.02 * (more - few)  # twice as many patients: twice the calls, to a per cent


def test_date_and_condition_are_those_of_the_best_visit_in_every_run(tmp_path):
    lines = (
        "A,sbp,120,mmHg,2020-01-01,",
        "A,dbp,80,mmHg,2020-01-01,",
        "A,co,5,L/min,2020-01-01,",
        "A,hr,70,/min,2021-01-01,monitor",
    )
    (one,) = assessed(tmp_path, *lines).patients
    assert one.level == 4 and one.date == "2020-01-01" and one.names == {"sbp", "dbp", "cardiac_output"}
    (one,) = assessed(tmp_path, "A,co,5,L/min,2019-01-01,fick", "A,rvedp,0,mmHg,2024-01-01,catheter").patients
    assert one.date == "2024-01-01" and one.names == {"rv_edp"}


def test_facts_come_in_one_order_in_every_run():
    inventory = Inventory()
    for day in (None, 3, 1):
        for name in ("sbp", "age", "dbp", "heart_rate"):
            inventory.add("A", Fact(name, True, day=day))
    facts = [(fact.name, fact.day) for fact in inventory.of("A")]
    assert facts == [(name, day) for name in ("age", "dbp", "heart_rate", "sbp") for day in (None, 1, 3)]
