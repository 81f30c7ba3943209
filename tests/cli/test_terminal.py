"""What is printed keeps to the width of the terminal, and its notes hang below their tables."""

from __future__ import annotations

import os

import pytest

from hemotwin.cli import main
from hemotwin.cli.terminal import bullets, sentence, show
from hemotwin.core.table import Table
from tests.reports.test_account import cohort, sound

NOTE = "A twin is usable when its status is OK, its certificate holds and its beat repeats; wall time of calibrating. "


@pytest.mark.parametrize(("columns", "widest"), [(72, 72), (400, 110), (None, 110)])
def test_note_of_a_table_keeps_to_the_width_and_hangs(columns, widest, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: columns is not None)
    monkeypatch.setattr("shutil.get_terminal_size", lambda fallback: os.terminal_size((columns, 24)))
    show(Table(["figure", "value"], [["usable", 1]], note=NOTE * 2))
    first, *others = capsys.readouterr().out.splitlines()[3:]
    assert widest - 20 < len(first) <= widest and first.startswith("A twin")
    assert others and all(line.startswith("  ") and not line.startswith("   ") for line in others)
    assert max(map(len, others)) <= widest
    assert " ".join(" ".join([first, *others]).split()) == (NOTE * 2).strip()


def test_every_sentence_hangs_below_its_first_line(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda fallback: os.terminal_size((72, 24)))
    bullets("Status", [NOTE])
    sentence(NOTE)
    title, first, second, *_ = capsys.readouterr().out.strip().splitlines()
    assert (title, first[:3], second[:2]) == ("Status", "- A", "  ") and second[2] != " "


def test_words_that_are_longer_than_a_line_stay_whole(capsys):
    path = f"/data/{'x' * 120}/twins.zarr"
    show(Table(["figure"], [["1"]], note=f"Saved in {path}, whole."))
    assert path in capsys.readouterr().out


def test_account_of_saved_twins_is_no_wider_than_its_tables(tmp_path, capsys):
    saved = cohort(sound(), sound(), skipped={"C": "no usable measurement in the record"}).save(tmp_path / "t.zarr")
    assert main(["account", str(saved)]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 110
