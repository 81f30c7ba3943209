"""Many twins on a terminal are a line each; a pipe and few twins get whole tables."""

from __future__ import annotations

import pytest

from hemotwin.calibration.twin import CalibratedTwins, load
from hemotwin.cli import main
from hemotwin.core.status import Status
from tests.cli.stand_ins import install, twin_of

NAMES = [f"P{number:02d}" for number in range(24)]


@pytest.fixture
def calls(monkeypatch):
    return install(monkeypatch)


def record(tmp_path, names):
    path = tmp_path / "ward.csv"
    rows = [f"{name},{reading},{value},mm[Hg]" for name in names for reading, value in (("sbp", 121), ("dbp", 79))]
    path.write_text("\n".join(["patient,observable,value,unit", *rows, "Z,sbp,high,mm[Hg]"]) + "\n")
    return str(path)


def on_a_terminal(monkeypatch, stream="stdout"):
    monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)


def test_calibration_of_many_shows_figures_reasons_and_the_first_patients(tmp_path, calls, capsys, monkeypatch):
    calls.status |= dict.fromkeys(NAMES[1:4], Status.UNIDENTIFIABLE) | {NAMES[4]: Status.NOT_CONVERGED}
    on_a_terminal(monkeypatch)
    out = tmp_path / "x.zarr"
    assert main(["calibrate", record(tmp_path, NAMES), "--out", str(out)]) == 0
    shown, told = capsys.readouterr()
    words = " ".join(shown.split())
    assert told.count("the twin is not usable") == 3  # a file gets all
    assert "ward.csv: 25 patients, 49 rows = 48 used + 1 quarantined." in words
    assert "25 patients = 20 ok + 3 unidentifiable + 1 not converged + 1 without a twin" in words
    assert f"3 patients: status unidentifiable: {Status.UNIDENTIFIABLE.advice}" in words and "usable twins" in words
    assert "\nP19 " in shown and "P20" not in shown and "5 more where the output goes to a file or a pipe" in words
    assert f"hemotwin show {out} --patient ID" in words and "Assumptions" not in shown
    assert max(len(line) for line in shown.splitlines() if str(out) not in line) <= 110
    assert len(shown.splitlines()) < 60 and load(out).patients == NAMES


def test_pipe_gets_the_tables_of_every_twin(tmp_path, calls, capsys):
    assert main(["calibrate", record(tmp_path, NAMES), "--out", str(tmp_path / "x.zarr")]) == 0
    piped = capsys.readouterr().out
    assert all(f"Twin of {name}\n" in piped for name in NAMES) and " more" not in piped
    assert main(["show", str(tmp_path / "x.zarr")]) == 0
    assert capsys.readouterr().out == piped


def test_few_twins_keep_their_tables_on_a_terminal(tmp_path, calls, capsys, monkeypatch):
    on_a_terminal(monkeypatch)
    assert main(["calibrate", record(tmp_path, NAMES[:3]), "--out", str(tmp_path / "x.zarr")]) == 0
    shown = capsys.readouterr().out
    assert all(f"Twin of {name}\n" in shown for name in NAMES[:3]) and "Patient by patient" not in shown


def test_twins_of_many_are_written_each_and_shown_a_line_each(tmp_path, calls, capsys, monkeypatch):
    on_a_terminal(monkeypatch)
    assert main(["twin", record(tmp_path, NAMES[:4]), "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "Patient by patient" in shown and "Twin of" not in shown and "what if" not in shown
    assert all((tmp_path / f"twin-{name}" / "report.html").is_file() for name in NAMES[:4])


def test_saved_twins_are_shown_as_they_were_calibrated(tmp_path, capsys, monkeypatch):
    saved = tmp_path / "x.zarr"
    twins = tuple(twin_of(name) for name in NAMES[:5])
    CalibratedTwins(twins, {"Z": "no usable measurement: nothing."}, twins[0].provenance).save(saved)
    on_a_terminal(monkeypatch)
    assert main(["show", str(saved)]) == 0
    glance = capsys.readouterr().out
    assert "6 patients = 5 ok + 1 without a twin" in glance and "no twin: no usable measurement" in glance
    assert main(["show", str(saved), "--patient", "P03"]) == 0
    whole = capsys.readouterr().out
    assert "Twin of P03\n" in whole and "Assumptions" in whole and "P02" not in whole
    assert main(["show", str(saved), "--patient", "Z"]) == 2
    refused = capsys.readouterr().err
    assert "patient 'Z' has no twin: no usable measurement: nothing." in refused and ".." not in refused


def test_reasons_of_many_stop_after_twenty_on_a_terminal_alone(tmp_path, calls, capsys, monkeypatch):
    calls.status |= dict.fromkeys(NAMES, Status.UNIDENTIFIABLE)
    asked = ["calibrate", record(tmp_path, NAMES), "--out", str(tmp_path / "x.zarr")]
    assert main(asked) == 1
    assert capsys.readouterr().err.count("the twin is not usable") == 24
    on_a_terminal(monkeypatch, "stderr")
    assert main(asked) == 1
    told = capsys.readouterr().err
    assert told.count("the twin is not usable") == 20 and "... and 4 more" in told
    on_a_terminal(monkeypatch)  # where the reasons stand in what is shown
    assert main(asked) == 1
    assert "the twin is not usable" not in capsys.readouterr().err


def test_long_names_are_whole_so_that_one_can_ask_for_them(tmp_path, capsys, monkeypatch):
    names = [f"{number:08}-ef9f-48ef-b4ec-fb6092b14302" for number in range(4)]
    twins = tuple(twin_of(name, Status.DRAWS_UNRELIABLE) for name in names)
    CalibratedTwins(twins, {"Z": "no usable measurement: " + "x" * 200}, twins[0].provenance).save(tmp_path / "x.zarr")
    on_a_terminal(monkeypatch)
    assert main(["show", str(tmp_path / "x.zarr")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(any(line.startswith(f"{name} ") for line in lines) for name in names)
    table = lines[lines.index("Patient by patient") : -3]
    assert max(map(len, table)) <= 110
