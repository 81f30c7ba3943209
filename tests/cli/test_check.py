"""`hemotwin check` shows the fate of every row and needs no solver."""

from __future__ import annotations

import subprocess
import sys

from hemotwin.cli import main
from tests.cli.stand_ins import TABLE


def test_every_row_is_shown_with_its_fate(tmp_path, capsys):
    record = tmp_path / "two.csv"
    record.write_text(TABLE + "B,sbp,fast,mm[Hg]\n")
    assert main(["check", str(record)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("used") >= 4
    assert "quarantined" in shown
    assert "fast" in shown


def test_record_in_which_no_rule_found_anything_says_so(tmp_path, capsys):
    record = tmp_path / "two.csv"
    record.write_text(TABLE)
    assert main(["check", str(record)]) == 0
    assert "Quality of two.csv: no rule found anything." in capsys.readouterr().out


def test_record_with_nothing_usable_ends_with_two_and_names_a_fix(tmp_path, capsys):
    record = tmp_path / "empty.csv"
    record.write_text("patient,observable,value,unit\nA,sbp,high,mm[Hg]\n")
    assert main(["check", str(record)]) == 2
    message = capsys.readouterr().err
    assert "empty.csv" in message
    assert "cuff pressure" in message and "the patient has no usable measurement" in message
    record.write_text("patient,observable,value,unit\nA,sbp,high,mm[Hg]\nB,sbp,low,mm[Hg]\n")
    assert main(["check", str(record)]) == 2
    assert "none of 2 patients has a usable measurement" in capsys.readouterr().err


def test_one_patient_can_be_picked(tmp_path, capsys):
    record = tmp_path / "two.csv"
    record.write_text(TABLE)
    assert main(["check", str(record), "--patient", "B"]) == 0
    assert "\nA " not in capsys.readouterr().out
    assert main(["check", str(record), "--patient", "C"]) == 2
    assert "known names are: A, B" in capsys.readouterr().err


def test_checking_runs_with_jax_blocked(tmp_path):
    record = tmp_path / "two.csv"
    record.write_text(TABLE)
    code = (
        "import sys\nfor name in ('jax', 'jaxlib', 'equinox', 'diffrax', 'matplotlib'): sys.modules[name] = None\n"
        f"from hemotwin.cli import main\nsys.exit(main(['check', {str(record)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_visit_and_window_are_chosen_and_the_choice_is_said(tmp_path, capsys):
    record = tmp_path / "two.csv"
    record.write_text(
        "patient,observable,value,unit,time\nA,sbp,120,mmHg,2019-03-01\nA,sbp,140,mmHg,2020-03-01\nA,dbp,80,mmHg,2019-03-01\n"
    )
    assert main(["check", str(record), "--fate", "used"]) == 0
    shown = capsys.readouterr().out
    assert "140" in shown and "A: The visit: of 2020-03-01; in condition rest; chosen from 2 days" in shown
    assert "- Diastolic blood pressure 80 mmHg was taken 2019-03-01, 366 days before" in shown
    assert main(["check", str(record), "--fate", "used", "--visit", "2019-03-01", "--window", "3 h"]) == 0
    assert "120" in capsys.readouterr().out
    assert main(["check", str(record), "--visit", "someday"]) == 2
    assert "2019-05-01" in capsys.readouterr().err


def test_quality_is_summed_up_by_rule(tmp_path, capsys):
    record = tmp_path / "two.csv"
    record.write_text(TABLE + "B,sbp,fast,mm[Hg]\nB,pcwp,17,mmHg\nB,padp,14,mmHg\n")
    assert main(["check", str(record)]) == 0
    shown = capsys.readouterr().out
    assert "plausibility  pulmonary capillary wedge pressure above pulmonary artery diastolic pressure" in shown
    assert "quarantine" in shown


def test_recovered_value_is_offered_beside_the_rows(tmp_path, capsys):
    record = tmp_path / "one.csv"
    rows = "A,map,89,mmHg\nA,cardiac_output,5.0,L/min\nA,svr,1280,dyn.s/cm5\n"
    record.write_text(f"patient,observable,value,unit\n{rows}")
    assert main(["check", str(record)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Recovered, not counted: MAP - SVR x CO" in shown
    assert "gives back mean right atrial pressure 8.993 mmHg" in shown
