"""`hemotwin readiness` on the command line."""

import json

import pytest

from hemotwin.cli import main
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
