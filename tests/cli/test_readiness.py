"""`hemotwin readiness` on the command line."""

import json

import pytest

import hemotwin as ht
from hemotwin.cli import main
from hemotwin.core.errors import InputError
from tests import linear_circulation
from tests.cli.stand_ins import TABLE


def test_report_goes_to_terminal_json_and_page(tmp_path, capsys):
    record = tmp_path / "two.csv"
    record.write_text(TABLE)
    assert main(["readiness", str(record), "--json", str(tmp_path / "r.json"), "--html", str(tmp_path / "r.html")]) == 0
    shown = capsys.readouterr().out
    for title in ("Readiness level", "Level by level", "Reading by reading", "What it can serve", "Worklist"):
        assert title in shown
    assert shown.rstrip().endswith("Not for clinical use.")
    assert json.loads((tmp_path / "r.json").read_text())["of"] == 7
    assert "<svg" in (tmp_path / "r.html").read_text()


def test_worklist_of_many_is_cut_on_a_terminal_alone(tmp_path, capsys, monkeypatch):
    record, names = tmp_path / "ward.csv", [f"P{number:02d}" for number in range(24)]
    record.write_text("patient,observable,value,unit\n" + "".join(f"{name},sbp,121,mmHg\n" for name in names))
    assert main(["readiness", str(record)]) == 0
    piped = capsys.readouterr().out
    assert all(f"\n{name} " in piped for name in names) and "more in the" not in piped
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["readiness", str(record)]) == 0
    shown = capsys.readouterr().out
    assert "\nP19 " in shown and "\nP20 " not in shown and "4 more in the JSON and HTML files." in shown


def test_record_of_nothing_usable_is_level_nought_or_one_and_no_error(tmp_path, capsys):
    record = tmp_path / "empty.csv"
    record.write_text("patient,observable,value,unit\nA,sbp,high,mm[Hg]\nB,shoe,43,cm\n")
    assert main(["readiness", str(record)]) == 0
    assert "Readiness level 1 of 7" in capsys.readouterr().out


def test_unknown_costs_end_with_two(tmp_path, capsys):
    record, costs = tmp_path / "two.csv", tmp_path / "costs.yaml"
    record.write_text(TABLE)
    costs.write_text("examinations: {ecco: 1}")
    assert main(["readiness", str(record), "--costs", str(costs)]) == 2
    assert "did you mean `echo`" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["readiness", "calibrate", "twin"])
def test_failure_to_read_names_nobody_where_the_policy_asks_for_pseudonyms(tmp_path, capsys, verb):
    record = tmp_path / "Zwickelhuber.csv"
    record.write_text("patient;blood of Zwickelhuber\nZwickelhuber,1\n")
    policy = tmp_path / "Zwickelhuber_governance.yaml"
    policy.write_text("policy: care\n")
    assert main([verb, str(record)]) == 2
    assert "Zwickelhuber" in capsys.readouterr().err
    policy.write_text("policy: research\n")
    for more in ([], ["--patient", "nobody"]):
        assert main([verb, str(record), *more]) == 2
        told = capsys.readouterr()
        assert "Zwickelhuber" not in told.out + told.err
        assert "only `hemotwin check` at the source tells it" in told.err
    assert main(["check", str(record)]) == 2
    assert "Zwickelhuber" in capsys.readouterr().err
    record.write_text("patient,observable,value,unit,consent\nZwickelhuber,sbp,120,mmHg,research\n")
    assert main([verb, str(record), "--patient", "nobody"]) == 2  # whose names are near is not told either
    told = capsys.readouterr()
    assert "Zwickelhuber" not in told.out + told.err


def test_deep_shows_what_to_expect_and_measure_next_in_terminal_json_and_page(tmp_path, capsys, monkeypatch):
    linear_circulation.install(monkeypatch)
    record, costs = tmp_path / "two.csv", tmp_path / "costs.yaml"
    record.write_text(TABLE)
    costs.write_text("currency: EUR\nexaminations: {echo: 180}\n")
    out = [str(tmp_path / name) for name in ("r.json", "r.html")]
    asked = ["readiness", str(record), "--deep", "--costs", str(costs), "--json", out[0], "--html", out[1]]
    assert main(asked) == 0
    shown = capsys.readouterr().out
    for text in ("What a calibration is expected to learn", "Best next reading", "Best next examination", "cost, EUR",
                 "before any fit", "prior adult_wide", "identified: below 0.7"):  # fmt: skip
        assert text in shown
    found = json.loads((tmp_path / "r.json").read_text())["expected"]
    assert [one["patient"] for one in found["patients"]] == ["A", "B"]
    echo = next(s for s in found["patients"][0]["examinations"] if s["name"] == "echo")
    assert echo["cost_per_bit"] == pytest.approx(180 / echo["gain"])
    page = (tmp_path / "r.html").read_text()
    assert "Expected to be identified" in page and "A: systemic resistance" in page and "Best next reading" in page


def test_deep_of_one_patient_lists_every_quantity_and_serves_what_is_asked(tmp_path, capsys, monkeypatch):
    linear_circulation.install(monkeypatch)
    record = tmp_path / "two.csv"
    record.write_text(TABLE)
    assert main(["readiness", str(record), "--patient", "A", "--deep", "--about", "pvr"]) == 0
    shown = capsys.readouterr().out
    assert "What you ask about" in shown and "narrows what you ask by" in shown and "over the draws" in shown
    assert "Assumed and left aside" in shown and "Age unknown" in shown


def test_a_question_without_deep_is_refused(tmp_path, capsys):
    record = tmp_path / "two.csv"
    record.write_text(TABLE)
    assert main(["readiness", str(record), "--about", "pvr"]) == 2
    assert "add --deep" in capsys.readouterr().err
    with pytest.raises(InputError, match="deep=True"):
        ht.readiness(ht.read(record), about=["pvr"])


def test_python_gives_the_same_as_the_command(tmp_path, monkeypatch):
    linear_circulation.install(monkeypatch)
    record = tmp_path / "two.csv"
    record.write_text(TABLE)
    found = ht.readiness(ht.read(record), deep=True)
    assert found.expected is not None and [one.patient for one in found.expected.patients] == ["A", "B"]
    assert "Best next reading" in found.tables()
    assert ht.readiness(ht.read(record)).expected is None


def test_without_jax_deep_says_what_to_install(tmp_path, monkeypatch):
    record = tmp_path / "two.csv"
    record.write_text(TABLE)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install jax"):
        ht.readiness(ht.read(record), deep=True)


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_report_never_takes_the_place_of_the_record(option, tmp_path, capsys):
    record = tmp_path / "two.csv"
    record.write_text(TABLE)
    assert main(["readiness", str(record), option, str(tmp_path / "." / "two.csv")]) == 2
    assert "must be another file than the record" in capsys.readouterr().err
    assert record.read_text() == TABLE


def test_file_that_is_not_there_is_told_by_every_verb_that_takes_one(tmp_path, capsys):
    for words in (["map", "none.csv"], ["mock", str(tmp_path / "x.csv"), "--like", "none.csv"]):
        assert main(words) == 2
        shown = capsys.readouterr().err
        assert "none.csv" in shown and ("is not there" in shown or "is no file" in shown)
