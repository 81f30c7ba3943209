"""Programs are kept under the digest of their sources only while these are what the process runs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hemotwin import core
from hemotwin.engine import sources


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only source file, older than this process."""
    one = tmp_path / "step.py"
    one.write_text("h = 1")
    monkeypatch.setattr(sources, "_files", lambda: [("step.py", one)])
    monkeypatch.setattr(core, "BEGAN", time.time() + 1.0)
    return one


def test_what_is_older_than_the_process_is_what_it_runs(file: Path):
    assert sources.unchanged()


def test_an_edit_under_a_running_process_is_seen(file: Path):
    before = sources.digest()
    file.write_text("h = 2")
    later = core.BEGAN + 1.0
    os.utime(file, (later, later))
    assert not sources.unchanged() and sources.digest() != before


def test_an_installer_that_keeps_the_time_of_writing_is_seen(file: Path, monkeypatch: pytest.MonkeyPatch):
    os.utime(file, (0.0, 0.0))  # the file's place is as young as ever
    monkeypatch.setattr(core, "BEGAN", time.time() - 60.0)
    assert not sources.unchanged()


def test_a_file_that_is_gone_is_a_change(file: Path):
    file.unlink()
    assert not sources.unchanged()


def test_all_rooms_that_a_program_is_made_of_are_seen():
    seen = {name for name, _ in sources._files()}
    assert {"system.py", "beat.py", "backends/native/kernel.py", "circulations/adult.py", "surrogate.py"} <= seen
