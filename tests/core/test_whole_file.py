"""A file appears whole or not at all, however many write it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hemotwin.core.whole_file import whole_file, write_whole

KILLED = """
import os, sys
from hemotwin.core.whole_file import whole_file
with whole_file(sys.argv[1]) as draft:
    draft.write_text("half")
    os._exit(9)
"""


def test_of_two_writers_at_the_same_time_the_last_to_finish_wins(tmp_path):
    page = tmp_path / "page.html"
    with whole_file(page) as slow:
        slow.write_text("slow, ")
        write_whole(page, "quick")
        assert page.read_text() == "quick"
        with slow.open("a") as more:
            more.write("and whole")
    assert page.read_text() == "slow, and whole"
    assert os.listdir(tmp_path) == ["page.html"]


def test_failure_leaves_the_earlier_file_as_it_was(tmp_path):
    write_whole(tmp_path / "page.html", "earlier")
    with pytest.raises(ValueError, match="in the middle"), whole_file(tmp_path / "page.html") as draft:
        draft.write_text("half")
        raise ValueError("in the middle")
    assert (tmp_path / "page.html").read_text() == "earlier"
    assert os.listdir(tmp_path) == ["page.html"]


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path):
    page = tmp_path / "deep" / "page.html"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(page)], timeout=60)
    assert ended.returncode == 9 and len(os.listdir(page.parent)) == 1 and not page.exists()
    write_whole(page, "whole")
    assert os.listdir(page.parent) == ["page.html"]
