"""`hemotwin readiness` on the command line."""

import json

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
