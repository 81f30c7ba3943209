"""A killed `hemotwin twin` leaves no half-written twin: the whole run, stopped without warning while it writes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

RECORD = Path(__file__).parents[2] / "configs" / "records" / "ph9" / "P1.json"
PATIENCE = 300.0  # s, a cold compilation included


def run_twin(out: Path) -> subprocess.Popen:
    """The verb in a process of its own."""
    command = [sys.executable, "-m", "hemotwin.cli", "twin", str(RECORD), "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def first_entry(out: Path, writer: subprocess.Popen, name: str) -> None:
    """Wait until something of that name stands somewhere below `out`."""
    end = time.monotonic() + PATIENCE
    while not any(out.rglob(name)):
        assert writer.poll() is None, "the run ended before it wrote"
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.mark.slow
def test_a_killed_run_leaves_no_twin_and_the_next_one_is_whole(tmp_path):
    """Killed when the twin stands and its page does not; the next run finishes and sweeps the leftover away."""
    killed = run_twin(tmp_path)
    first_entry(tmp_path, killed, "twin.zarr")
    killed.kill()
    killed.wait(timeout=30)
    names = [entry.name for entry in tmp_path.iterdir()]
    assert names and all(name.startswith(".twin-P1.") for name in names)
    assert not any(tmp_path.rglob("report.html"))
    assert run_twin(tmp_path).wait(timeout=PATIENCE) == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["twin-P1"]
    assert {entry.name for entry in (tmp_path / "twin-P1").iterdir()} >= {"twin.zarr", "waves.zarr", "report.html"}
