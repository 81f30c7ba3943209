"""The front of the command line: quick help, one message per error, exit codes that scripts can rely on."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from hemotwin.cli import VERBS, main

HEAVY = ("jax", "xarray", "matplotlib", "pandas", "numpy")


def test_help_comes_within_half_a_second():
    took = []
    for _ in range(5):
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "hemotwin.cli", "--help"], capture_output=True, text=True, timeout=60
        )
        took.append(time.perf_counter() - began)
        assert done.returncode == 0, done.stderr
    assert min(took) < 0.5


@pytest.mark.parametrize("verb", [verb for verb, *_ in VERBS])
def test_help_of_a_verb_loads_no_heavy_library(verb):
    code = (
        "import contextlib, io, sys\nfrom hemotwin.cli import main\n"
        f"with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): main([{verb!r}, '--help'])\n"
        f"print(*[name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_every_verb_stands_in_the_help_beside_not_for_clinical_use(capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(verb in shown for verb, *_ in VERBS)
    assert "Not for clinical use" in shown


def test_unknown_verb_ends_with_two(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["treat"])
    assert stopped.value.code == 2
    assert "treat" in capsys.readouterr().err


def test_option_that_a_verb_does_not_have_shows_how_that_verb_is_used(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["map", "ward.csv", "--patient", "A"])
    assert stopped.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith("usage: hemotwin map ") and "unrecognized arguments: --patient A" in shown


@pytest.mark.parametrize("verb", ["show", "account", "report", "lineage"])
def test_missing_twin_is_told_as_missing_with_what_is_near(verb, tmp_path, capsys):
    (tmp_path / "ward.zarr").mkdir()
    assert main([verb, str(tmp_path / "wrd.zarr")]) == 2
    shown = capsys.readouterr().err
    assert "wrd.zarr` is not there" in shown and f"Did you mean `{tmp_path / 'ward.zarr'}`" in shown


def test_missing_record_ends_with_two_and_names_it(tmp_path, capsys):
    assert main(["check", str(tmp_path / "nobody.csv")]) == 2
    shown = capsys.readouterr()
    assert "nobody.csv" in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_folder_that_is_no_twin_ends_with_two_and_says_so(tmp_path, capsys):
    assert main(["predict", str(tmp_path), "--scenario", "fluid_bolus"]) == 2
    assert "saved" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), 130), (FileNotFoundError(2, "No such file", "lost.csv"), 2), (BrokenPipeError(), 0)],
)
def test_what_ends_a_run_early_decides_the_exit_code(error, code, monkeypatch, capfd):
    def stop(options):
        raise error

    monkeypatch.setattr("hemotwin.cli.catalog.run", stop)
    monkeypatch.setattr("os.dup2", lambda *_: None)
    assert main(["catalog"]) == code


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)])
def test_a_process_that_is_cut_short_ends_at_once(error, code, monkeypatch, capfd):
    """An interpreter that ends as usual crashes around programs still under way; a caller of `main` goes on."""

    class Left(Exception):
        pass

    def leave(code):
        raise Left(code)

    def stop(options):
        print("so far")
        raise error

    monkeypatch.setattr("hemotwin.cli.catalog.run", stop)
    monkeypatch.setattr("os._exit", leave)
    monkeypatch.setattr("sys.argv", ["hemotwin", "catalog"])
    with pytest.raises(Left, match=str(code)):
        main()
    assert capfd.readouterr().out == "so far\n"
    if code == 130:
        assert main(["catalog"]) == code
    else:
        with pytest.raises(SystemExit):
            main(["catalog"])


def test_programming_mistake_is_not_swallowed(monkeypatch):
    def stop(options):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("hemotwin.cli.catalog.run", stop)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        main(["catalog"])


def test_catalog_takes_every_kind_that_it_lists():
    from hemotwin.cli.catalog import KINDS
    from hemotwin.physiology.catalog import SHOWN

    assert KINDS == SHOWN


def test_catalog_lists_the_what_ifs(capsys):
    assert main(["catalog", "scenario"]) == 0
    shown = capsys.readouterr().out
    assert "fluid_bolus" in shown
    assert "inhaled_nitric_oxide" in shown
