"""The page of a readiness report: one file, no network, every name escaped."""

import re

import hemotwin as ht
from hemotwin.records.readiness import assess
from hemotwin.reports.missingness import missingness
from hemotwin.reports.readiness_page import page, write_page

HEADER = "patient,observable,value,unit,time,method\n"


def readiness(folder, text):
    (folder / "t.csv").write_text(HEADER + text)
    return assess(ht.read(folder / "t.csv"))


def test_page_needs_nothing_from_outside_and_says_what_it_is_not_for(tmp_path):
    text = page(readiness(tmp_path, "A,sbp,120,mmHg,2020-01-01,cuff\n"))
    assert "Not for clinical use." in text and "<script" not in text
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//|url\(|@import", text)


def test_name_of_a_patient_is_no_markup(tmp_path):
    text = page(readiness(tmp_path, "<b>A</b>&,sbp,120,mmHg,2020-01-01,cuff\n"))
    assert "<b>A</b>" not in text and "&lt;b&gt;A&lt;/b&gt;&amp;" in text


def test_cell_shows_visit_other_time_unusable_and_missing(tmp_path):
    rows = "A,sbp,120,mmHg,2020-01-01,\nA,dbp,80,mmHg,2020-01-01,\nA,co,5,L/min,2010-01-01,\nA,hr,70,,2020-01-01,\n"
    picture = missingness(readiness(tmp_path, rows))
    said = dict(re.findall(r'<rect class="(\w+)"[^>]*><title>A: ([^<]+)</title>', picture["svg"]))
    assert said["visit"].endswith("in the best visit") and "cardiac output at another time only" in said["other"]
    assert said["unusable"] == "heart rate recorded, not usable" and said["none"].endswith("missing")


def test_many_patients_become_patterns_that_count_them(tmp_path):
    rows = "".join(f"P{k},sbp,120,mmHg,,\n" + (f"P{k},dbp,80,mmHg,,\n" if k % 4 else "") for k in range(80))
    picture = missingness(readiness(tmp_path, rows))
    assert picture["caption"].startswith("80 patients in 2 patterns")
    assert "60 patients" in picture["svg"] and "20 patients" in picture["svg"] and "P7" not in picture["svg"]


def test_page_appears_whole_and_leaves_no_draft(tmp_path):
    target = tmp_path / "out" / "r.html"
    assert write_page(readiness(tmp_path, "A,sbp,120,mmHg,,\n"), target) == target
    assert [path.name for path in target.parent.iterdir()] == ["r.html"]


def test_front_door_gives_the_report_its_page_and_its_tables(tmp_path):
    (tmp_path / "t.csv").write_text(HEADER + "<A>,sbp,120,mmHg,2020-01-01,cuff\n<A>,dbp,80,mmHg,2020-01-01,cuff\n")
    (tmp_path / "costs.yaml").write_text(
        "currency: EUR\nexaminations: {cuff: 5, right_heart_catheter: 1500, echo: 180}\n"
    )
    found = ht.readiness(ht.read(tmp_path / "t.csv"), costs=tmp_path / "costs.yaml", path=tmp_path / "r.html")
    assert found.level == 4 and repr(found).startswith("<Readiness of t.csv: Readiness level 4 of 7")
    assert (tmp_path / "r.html").read_text() == page(found)
    assert found.worklist[0].cost == 180  # of what gives a flow the echocardiogram asks least of the patient
    assert {"Level by level", "Worklist"} <= found.tables().keys()
    assert "Not for clinical use." in found._repr_html_() and "<A>" not in found._repr_html_()
