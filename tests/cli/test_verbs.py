"""Twin, calibrate, predict and report, with calibration and prediction replaced by ready answers."""

from __future__ import annotations

import os

import pytest

from hemotwin.calibration.twin import CalibratedTwins, load
from hemotwin.cli import main
from hemotwin.core.status import Status
from tests.cli.stand_ins import TABLE, install, twin_of


@pytest.fixture
def calls(monkeypatch):
    return install(monkeypatch)


@pytest.fixture
def record(tmp_path):
    path = tmp_path / "two.csv"
    path.write_text(TABLE)
    return path


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "pair.zarr"
    CalibratedTwins((twin_of("A"), twin_of("B")), {}, {}).save(path)
    return path


def folders(path) -> list[str]:
    return sorted(name for name in os.listdir(path) if "twin" in name)


def test_twin_leaves_file_waves_and_page_for_every_patient(record, tmp_path, calls, capsys):
    import xarray as xr

    assert main(["twin", str(record), "--out", str(tmp_path)]) == 0
    assert folders(tmp_path) == ["twin-A", "twin-B"]
    assert sorted(os.listdir(tmp_path / "twin-A")) == ["report.html", "twin.zarr", "waves.zarr"]
    assert load(tmp_path / "twin-A" / "twin.zarr").patients == ["A"]
    waves = xr.open_zarr(tmp_path / "twin-A" / "waves.zarr", consolidated=False)
    assert waves.identical(twin_of("A").waves)
    assert [call[1] for call in calls if call[0] == "predict"] == ["inhaled_nitric_oxide", "fluid_bolus"] * 2
    shown = capsys.readouterr()
    assert shown.out.rstrip().endswith("Not for clinical use.")
    assert "Conflicts" in shown.out
    assert "Assumptions" in shown.out
    assert "s] fitted" in shown.err


def test_no_line_of_the_terminal_is_wider_than_110_columns(record, tmp_path, calls, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["twin", str(record), "--out", str(tmp_path), "--patient", "A"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("The page:")]
    assert len(lines) > 40
    assert max(map(len, lines)) <= 110


def test_a_pipe_has_no_width_and_gets_whole_names(record, tmp_path, calls, capsys, monkeypatch):
    asked = ["twin", str(record), "--out", str(tmp_path), "--patient", "A"]
    assert main(asked) == 0
    piped = capsys.readouterr().out
    names = [row.label for row in twin_of("A").fit]
    names += [row.label for row in twin_of("A").quantities if row.verdict != "prior"]
    assert "…" not in piped and all(f"\n{name} " in piped for name in names)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(asked) == 0
    assert "…" in capsys.readouterr().out


def test_every_measured_value_stands_in_the_table_of_the_terminal(record, tmp_path, calls, capsys):
    main(["twin", str(record), "--out", str(tmp_path), "--patient", "A"])
    shown = capsys.readouterr().out
    for row in twin_of("A").fit:
        assert f"{row.measured:g}" in shown, row.label


def test_calibrate_ends_with_every_patient_once_and_the_reason_without_a_twin(record, tmp_path, calls, capsys):
    calls.status["B"] = Status.UNIDENTIFIABLE
    record.write_text(TABLE + "C,sbp,80,mm[Hg]\nC,dbp,120,mm[Hg]\n")
    assert main(["calibrate", str(record), "--out", str(tmp_path / "x.zarr")]) == 0
    shown = capsys.readouterr()
    assert "3 patients = 1 ok + 1 unidentifiable + 1 without a twin" in shown.out
    end = " ".join(shown.out[shown.out.index("3 patients =") :].split())
    assert f"unidentifiable (1): {Status.UNIDENTIFIABLE.advice} B." in end
    pressures = "systolic blood pressure, diastolic blood pressure"
    why = f"no usable measurement: {pressures} (systolic blood pressure not above diastolic blood pressure)"
    assert f"C: {why}" in end and f"no twin of C: {why} (two.csv line 6, two.csv line 7)" in shown.err
    assert load(tmp_path / "x.zarr").skipped["C"].startswith(why)


def test_file_of_a_patient_without_a_twin_is_not_named_where_the_policy_asks_for_pseudonyms(tmp_path, calls, capsys):
    record = tmp_path / "Zwickelhuber.csv"
    rows = [f"{row},research" for row in (*TABLE.splitlines()[1:], "C,sbp,high,mm[Hg]")]
    record.write_text("\n".join(["patient,observable,value,unit,consent", *rows]) + "\n")
    (tmp_path / "Zwickelhuber_governance.yaml").write_text("policy: research\n")
    assert main(["calibrate", str(record), "--out", str(tmp_path / "x.zarr")]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "no twin of C" in line]
    assert len(told) == 1 and "Zwickelhuber" not in told[0]


def test_choices_reach_the_calibration(record, tmp_path, calls):
    main(["calibrate", str(record), "--out", str(tmp_path / "x.zarr"), "--prior", "adult_healthy", "--seed", "7",
          "--starts", "3", "--noise", "clinical", "--keep", "50"])  # fmt: skip
    options = calls[0][1]
    assert {name: options[name] for name in ("prior", "noise", "seed", "starts", "draws")} == {
        "prior": "adult_healthy", "noise": "clinical", "seed": 7, "starts": 3, "draws": 50,
    }  # fmt: skip
    assert load(tmp_path / "x.zarr").patients == ["A", "B"]


def test_failed_patient_does_not_keep_the_others_from_their_twin(record, tmp_path, calls, capsys):
    calls.status["A"] = Status.NOT_CONVERGED
    assert main(["twin", str(record), "--out", str(tmp_path)]) == 0
    assert folders(tmp_path) == ["twin-B"]
    assert Status.NOT_CONVERGED.advice in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["twin", "calibrate"])
def test_failure_of_all_patients_ends_with_one_and_writes_nothing(verb, record, tmp_path, calls, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls.status.update(A=Status.NOT_PERIODIC, B=Status.NONFINITE)
    assert main([verb, str(record)]) == 1
    assert os.listdir(tmp_path) == ["two.csv"]


@pytest.mark.parametrize("verb", ["twin", "calibrate"])
@pytest.mark.parametrize(
    ("status", "code"),
    [(Status.UNIDENTIFIABLE, 1), (Status.DRAWS_UNRELIABLE, 1), (Status.STEP_LIMIT, 1), (Status.OK, 0)],
)
def test_exit_code_tells_whether_anybody_has_a_usable_twin(verb, status, code, record, tmp_path, calls, capsys):
    calls.status.update(A=status, B=Status.UNIDENTIFIABLE)
    out = tmp_path / ("out" if verb == "twin" else "x.zarr")
    assert main([verb, str(record), "--out", str(out)]) == code
    shown = capsys.readouterr()
    assert f"B: the twin is not usable: status unidentifiable: {Status.UNIDENTIFIABLE.advice}" in shown.err
    assert ("No patient has a usable twin" in shown.err) == bool(code)
    written = folders(out) if verb == "twin" else load(out).patients  # to be looked at
    assert written == (["twin-A", "twin-B"] if verb == "twin" else ["A", "B"])


def test_patient_without_a_usable_value_is_named_and_the_others_done(record, tmp_path, calls, capsys):
    record.write_text(TABLE + "C,sbp,high,mm[Hg]\n")
    assert main(["twin", str(record), "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert "no twin of C" in shown.err
    assert "Rows that could not be used" in shown.out
    assert folders(tmp_path) == ["twin-A", "twin-B"]


@pytest.mark.parametrize("verb", ["twin", "calibrate"])
def test_folder_of_the_user_is_never_replaced_and_nothing_is_computed(verb, record, tmp_path, calls, capsys):
    folder = tmp_path / "twin-A"
    folder.mkdir()
    (folder / "notes.txt").write_text("of the user")
    out = tmp_path if verb == "twin" else folder
    assert main([verb, str(record), "--out", str(out)]) == 2
    assert "hemotwin did not write (notes.txt): give another path" in capsys.readouterr().err
    assert (folder / "notes.txt").read_text() == "of the user" and not calls


def test_failure_while_writing_leaves_no_folder(record, tmp_path, calls, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no page today")

    monkeypatch.setattr("hemotwin.reports.report.report", broken)
    with pytest.raises(RuntimeError, match="no page today"):
        main(["twin", str(record), "--out", str(tmp_path)])
    assert folders(tmp_path) == []


@pytest.mark.parametrize("name", ["../escape", "a/b", ".hidden", "~", ""])
def test_name_of_a_patient_cannot_leave_the_folder(name, tmp_path):
    from hemotwin.cli.twin import file_name

    folder = tmp_path / f"twin-{file_name(name)}"
    assert folder.resolve().parent == tmp_path.resolve()


def test_settings_of_a_what_if_reach_the_prediction(saved, calls, capsys):
    given = [
        "--scenario",
        "fluid_bolus",
        "volume=250 mL",
        "over=5 min",
        "--scenario",
        "inhaled_nitric_oxide",
        "fall=0.2",
    ]
    assert main(["predict", str(saved), "--patient", "B", *given, "--draws", "10"]) == 0
    bolus, oxide = calls
    assert (bolus[2]["volume"], bolus[2]["over"], oxide[2]["fall"]) == (250.0, 300.0, 0.2)
    assert bolus[3] == {"draws": 10}
    assert "Not for clinical use." in capsys.readouterr().out


def test_reflex_with_its_gains_reaches_the_prediction_and_stands_beside_it(saved, calls, capsys):
    asked = ["predict", str(saved), "--patient", "B", "--scenario", "bleeding"]
    assert main([*asked, "--reflex", "baroreflex", "resistance_gain=0.2"]) == 0
    assert calls[0][3] == {"draws": None, "reflex": "baroreflex", "reflex_gains": {"resistance_gain": 0.2}}
    shown = capsys.readouterr()
    assert "B: loss of 500 mL of blood over 10 min, with baroreflex" in shown.out
    assert "with resistance_gain 0.2, else published gains, not fitted to the patient" in " ".join(shown.out.split())
    assert max(map(len, shown.out.splitlines())) <= 110
    assert main([*asked, "--reflex", "baroreflex"]) == 0
    assert calls[1][3] == {"draws": None, "reflex": "baroreflex"}


@pytest.mark.parametrize("verb", ["twin", "report", "export"])
def test_reflex_reaches_the_what_ifs_of_every_verb_that_asks_some(verb, saved, record, tmp_path, calls):
    target = {
        "twin": [str(record), "--patient", "A", "--out", str(tmp_path)],
        "report": [str(saved), "--patient", "A", "--out", str(tmp_path / "A.html")],
        "export": [str(saved), "--patient", "A", "--to", "csv", "--out", str(tmp_path / "A.csv")],
    }[verb]
    assert main([verb, *target, "--scenario", "bleeding", "--reflex", "baroreflex"]) == 0
    assert [call[3] for call in calls if call[0] == "predict"] == [{"reflex": "baroreflex"}]
    if verb == "export":
        assert "over 10 min, with baroreflex," in (tmp_path / "A.csv").read_text(encoding="utf-8").replace('"', "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["barroreflex"], "Did you mean `baroreflex`"),
        (["baroreflex", "resistance=0.2"], "baroreflex.resistance_gain"),
        (["baroreflex", "resistance_gain=9"], "resistance_gain"),
        (["baroreflex", "0.2"], "--reflex baroreflex: settings must be written as SETTING=VALUE"),
    ],
)
def test_reflex_that_makes_no_sense_ends_with_two_before_anything_runs(words, message, record, calls, capsys):
    assert main(["twin", str(record), "--reflex", *words]) == 2
    assert message in capsys.readouterr().err
    assert calls == []


def test_reflex_without_a_what_if_to_act_in_is_refused(saved, capsys):
    assert main(["report", str(saved), "--no-what-if", "--reflex", "baroreflex"]) == 2
    assert "--reflex must have a what-if to act in" in capsys.readouterr().err


def test_answer_of_a_twin_that_is_not_sound_says_so(tmp_path, calls, capsys):
    path = tmp_path / "pair.zarr"
    CalibratedTwins((twin_of("A"), twin_of("B", Status.UNIDENTIFIABLE)), {}, {}).save(path)
    assert main(["predict", str(path), "--scenario", "fluid_bolus"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    caution = f"Read with care, the twin is unidentifiable: {Status.UNIDENTIFIABLE.advice}"
    assert shown.count("Read with care") == 1 and shown.rindex(caution) > shown.rindex("B: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fluid_bolus", "500"], "SETTING=VALUE"),
        (["fluid_bolus", "volume=500 s"], "volume"),
        (["fluid_bolus", "colour=red"], "colour"),
        (["fluid_bolous"], "Did you mean `fluid_bolus`"),
    ],
)
def test_what_if_that_makes_no_sense_ends_with_two_before_anything_runs(words, message, record, calls, capsys):
    assert main(["twin", str(record), "--scenario", *words]) == 2
    assert message in capsys.readouterr().err
    assert calls == []


def test_report_is_written_beside_the_twin_of_a_patient(record, tmp_path, calls):
    main(["twin", str(record), "--out", str(tmp_path), "--patient", "A"])
    page = tmp_path / "twin-A" / "report.html"
    page.unlink()
    assert main(["report", str(tmp_path / "twin-A"), "--scenario", "inhaled_nitric_oxide"]) == 0
    assert page.read_text(encoding="utf-8") == "A: inhaled_nitric_oxide"


def test_report_without_what_ifs_is_the_real_page(saved, tmp_path):
    assert main(["report", str(saved), "--patient", "B", "--no-what-if", "--out", str(tmp_path / "mine.html")]) == 0
    page = (tmp_path / "mine.html").read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "not for clinical use" in page.lower()


def test_report_of_several_patients_is_one_page_each(saved, tmp_path, calls):
    assert main(["report", str(saved), "--out", str(tmp_path / "pages")]) == 0
    assert sorted(os.listdir(tmp_path / "pages")) == ["A.html", "B.html"]


@pytest.mark.parametrize("name", ["x.html", "x.htm", "there.txt"])
def test_page_for_several_patients_is_refused_and_a_folder_named_as_the_fix(name, saved, tmp_path, calls, capsys):
    (tmp_path / "there.txt").write_text("of the user")
    out = tmp_path / name
    assert main(["report", str(saved), "--out", str(out)]) == 2 and not calls
    fix = f"give a folder, as in --out {out.with_suffix('')}, or one patient with --patient ID"
    assert f"2 patients make 2 pages, but got {out}: {fix}" in capsys.readouterr().err
    assert not out.is_dir() and (tmp_path / "there.txt").read_text() == "of the user"
    assert main(["report", str(saved), "--patient", "A", "--out", str(tmp_path / "x.html")]) == 0
    assert (tmp_path / "x.html").is_file()


@pytest.mark.parametrize("name", ["there", "there.html"])
def test_folder_named_as_the_fix_is_not_the_file_that_stands_there(name, saved, tmp_path, calls, capsys):
    (tmp_path / "there").write_text("of the user")
    assert main(["report", str(saved), "--out", str(tmp_path / name)]) == 2 and not calls
    named = capsys.readouterr().err.partition("as in --out ")[2].partition(", or one patient")[0]
    assert named == str(tmp_path / "there-2")
    assert main(["report", str(saved), "--out", named]) == 0
    assert sorted(os.listdir(named)) == ["A.html", "B.html"]


def test_file_that_is_no_page_is_not_taken_for_a_folder_of_one_page(saved, tmp_path, calls, capsys):
    (tmp_path / "there").write_text("of the user")
    asked = ["report", str(saved), "--patient", "A", "--out"]
    assert main([*asked, str(tmp_path / "there")]) == 2 and not calls
    assert f"give a page, as in --out {tmp_path / 'there.html'}." in capsys.readouterr().err
    assert main([*asked, str(tmp_path / "there.html")]) == 0
    assert (tmp_path / "there").read_text() == "of the user" and (tmp_path / "there.html").is_file()


def test_unknown_patient_of_a_twin_file_ends_with_two_and_names_the_known(saved, capsys):
    assert main(["report", str(saved), "--patient", "Z"]) == 2
    assert "known names are: A, B" in capsys.readouterr().err


def test_name_with_hyphens_is_never_broken_between_lines(capsys):
    from hemotwin.cli.terminal import bullets

    names = [f"{k:08}-ef9f-48ef-b4ec-fb6092b14302" for k in range(9)]
    bullets("Patients", [", ".join(names)])
    shown = capsys.readouterr().out
    assert all(name in shown for name in names) and max(map(len, shown.splitlines())) <= 110


@pytest.mark.parametrize(
    ("verb", "what"), [("twin", "RECORD"), ("predict", "TWIN"), ("report", "TWIN"), ("export", "TWIN")]
)
def test_usage_shows_what_is_read_before_options_that_would_swallow_it(verb, what, capsys):
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: hemotwin {verb} {what} ")


def test_too_few_draws_for_an_interval_are_refused(saved, calls, capsys):
    assert main(["predict", str(saved), "--scenario", "fluid_bolus", "--draws", "0"]) == 2
    assert "--draws must be at least 2" in capsys.readouterr().err and not calls


def test_usual_what_ifs_of_the_help_are_those_asked():
    from hemotwin.cli.inputs import USUAL, WHAT_IFS, scenarios

    assert all(words[0] in USUAL for words in WHAT_IFS) and "500 mL over 10 min" in scenarios(None)[1].label


def test_patients_whose_names_make_one_file_name_never_replace_each_other(record, tmp_path, calls, capsys):
    record.write_text("patient,observable,value,unit\nA/B,sbp,120,mmHg\nA_B,sbp,130,mmHg\n")
    assert main(["twin", str(record), "--out", str(tmp_path)]) == 2
    assert "'A/B' and 'A_B' would both be written as A_B" in capsys.readouterr().err and not calls
    path = tmp_path / "two.zarr"
    CalibratedTwins((twin_of("A/B"), twin_of("A_B")), {}, {}).save(path)
    assert main(["report", str(path), "--out", str(tmp_path / "pages")]) == 2 and not calls
