"""A folder appears whole or not at all, whatever ends the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from hemotwin.cli.whole import whole_folder

WRITER = """
import sys, time
from hemotwin.cli.whole import whole_folder
with whole_folder(sys.argv[1]) as draft:
    (draft / "half").write_text("half")
    print("half written", flush=True)
    time.sleep(60)
"""


def killed_in_the_middle(target, number=signal.SIGKILL) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(target)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline().strip() == "half written"
    writer.send_signal(number)
    writer.wait(timeout=30)


def test_folder_appears_with_all_its_files(tmp_path):
    with whole_folder(tmp_path / "twin-A") as draft:
        (draft / "deep").mkdir()
        (draft / "deep" / "page").write_text("whole")
        assert not (tmp_path / "twin-A").exists()
    assert (tmp_path / "twin-A" / "deep" / "page").read_text() == "whole"
    assert os.listdir(tmp_path) == ["twin-A"]


def test_later_result_takes_the_place_of_the_earlier_one(tmp_path):
    for text in ("first", "second"):
        with whole_folder(tmp_path / "twin-A") as draft:
            (draft / text).write_text(text)
    assert os.listdir(tmp_path / "twin-A") == ["second"]
    assert os.listdir(tmp_path) == ["twin-A"]


def test_failure_leaves_the_earlier_result_as_it_was(tmp_path):
    with whole_folder(tmp_path / "twin-A") as draft:
        (draft / "first").write_text("first")
    with pytest.raises(ValueError, match="in the middle"), whole_folder(tmp_path / "twin-A") as draft:
        (draft / "second").write_text("half")
        raise ValueError("in the middle")
    assert os.listdir(tmp_path / "twin-A") == ["first"]
    assert os.listdir(tmp_path) == ["twin-A"]


def test_kill_leaves_nothing_but_a_hidden_draft_that_the_next_run_removes(tmp_path):
    killed_in_the_middle(tmp_path / "twin-A")
    left = os.listdir(tmp_path)
    assert len(left) == 1
    assert left[0].startswith(".twin-A.")
    with whole_folder(tmp_path / "twin-A") as draft:
        (draft / "page").write_text("whole")
    assert os.listdir(tmp_path) == ["twin-A"]


def test_draft_of_a_run_that_still_lives_is_left_alone(tmp_path):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "twin-A")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout.readline().strip() == "half written"
        with whole_folder(tmp_path / "twin-A") as draft:
            (draft / "page").write_text("whole")
        assert (tmp_path / f".twin-A.{writer.pid}.partial" / "half").exists()
    finally:
        writer.kill()
        writer.wait(timeout=30)


def test_result_moved_aside_by_a_killed_run_is_put_back(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(timeout=30)
    time.sleep(0.01)
    aside = tmp_path / f".twin-A.{gone.pid}.former"
    aside.mkdir()
    (aside / "page").write_text("earlier")
    with pytest.raises(ValueError, match="again"), whole_folder(tmp_path / "twin-A"):
        raise ValueError("again")
    assert (tmp_path / "twin-A" / "page").read_text() == "earlier"
    assert os.listdir(tmp_path) == ["twin-A"]
