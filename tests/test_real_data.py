"""Real records may be absent, but when they are at hand no test may look away."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MARKED = "import pytest\n@pytest.mark.real_data\n"
READS = MARKED + "def test_reads(data_folder):\n    assert data_folder.is_dir()\n"
SKIPS = MARKED + "def test_skips(data_folder):\n    pytest.skip('the file is gone')\n"
SKIPS_BY_MARK = MARKED + "@pytest.mark.skipif(True, reason='not today')\ndef test_skips(data_folder): pass\n"
UNMARKED = "def test_reads(data_folder): pass\n"


def outcome(folder: Path, test: str, data: Path | None) -> tuple[int, str]:
    shutil.copy(Path(__file__).with_name("conftest.py"), folder)
    (folder / "test_one.py").write_text(test)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    real_data: real\n    gpu: gpu\n")
    environment = {key: value for key, value in os.environ.items() if key != "HEMOTWIN_DATA"}
    environment |= {"HEMOTWIN_DATA": str(data)} if data else {}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])  # conftest imports tests.types_checked
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_one.py"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_without_real_records_the_test_skips_and_says_how_to_get_them(tmp_path):
    code, text = outcome(tmp_path, READS + "def test_other(): pass\n", None)
    assert code == 0
    assert "1 passed, 1 skipped" in text


def test_with_real_records_the_test_runs(tmp_path):
    code, text = outcome(tmp_path, READS, tmp_path)
    assert code == 0
    assert "1 passed" in text


@pytest.mark.parametrize("test", [SKIPS, SKIPS_BY_MARK], ids=["inside", "by mark"])
def test_with_real_records_a_skip_fails_the_run(tmp_path, test):
    code, text = outcome(tmp_path, test, tmp_path)
    assert code == 1
    assert "skipped although HEMOTWIN_DATA is set" in text


def test_a_folder_that_is_not_there_fails_the_run(tmp_path):
    code, text = outcome(tmp_path, READS, tmp_path / "nowhere")
    assert code == 1
    assert "HEMOTWIN_DATA must be a folder" in text


def test_reading_real_records_without_the_marker_is_refused(tmp_path):
    code, text = outcome(tmp_path, UNMARKED, tmp_path)
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "must be marked real_data" in text
