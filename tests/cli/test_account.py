"""`hemotwin account` on saved twins."""

from __future__ import annotations

import json

from hemotwin.cli import main
from tests.reports.test_account import cohort, sound, uninformed


def test_figures_reasons_and_json_of_saved_twins(tmp_path, capsys):
    saved = cohort(sound(), uninformed(), skipped={"C": "no usable measurement in the record"}).save(
        tmp_path / "t.zarr"
    )
    assert main(["account", str(saved), "--json", str(tmp_path / "a.json")]) == 0
    shown = capsys.readouterr().out
    assert "1 of 3 (33 %)" in shown and "no usable measurement" in shown and "10.0" in shown
    assert shown.rstrip().endswith("Not for clinical use.")
    assert json.loads((tmp_path / "a.json").read_text())["usable"] == 1


def test_a_folder_of_twins_is_counted_as_one(tmp_path, capsys):
    for twin in cohort(sound(), sound()):
        twin.save(tmp_path / f"twin-{twin.patient}" / "twin.zarr")
    assert main(["account", str(tmp_path)]) == 0
    assert "2 of 2 (100 %)" in capsys.readouterr().out


def test_hundreds_without_a_twin_do_not_push_the_figures_out_of_a_terminal(tmp_path, capsys, monkeypatch):
    skipped = {f"P{number:03d}": "no usable measurement in the record" for number in range(300)}
    saved = cohort(sound(), skipped=skipped, patients=301).save(tmp_path / "t.zarr")
    asked = ["account", str(saved), "--json", str(tmp_path / "a.json")]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(asked) == 0
    shown = capsys.readouterr().out
    assert "\nP019 " in shown and "P020" not in shown and "280 more in the file of --json FILE" in shown
    assert len(shown.splitlines()) < 60 and max(map(len, shown.splitlines())) <= 110
    assert "300 patients: no twin: no usable measurement in the record." in shown
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    assert main(asked) == 0
    piped = capsys.readouterr().out
    assert all(name in piped for name in skipped) and " more in the file" not in piped
    assert len(json.loads((tmp_path / "a.json").read_text())["by_patient"]) == 301


def test_what_is_no_twin_ends_with_two(tmp_path, capsys):
    assert main(["account", str(tmp_path)]) == 2
    assert "that hemotwin saved" in capsys.readouterr().err
