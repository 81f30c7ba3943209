"""What a benchmark has measured is kept, however it ends, and a bar that it did not reach is short."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BARS = Path(__file__).parents[2] / "benchmarks" / "bars.py"


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The module, with results in a folder of their own and the compilation cache left as it is."""
    monkeypatch.setenv("HEMOTWIN_BENCHMARK_RESULTS", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["trial"])
    spec = importlib.util.spec_from_file_location("bars_under_test", BARS)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "enable", lambda: None)
    return module


def read(folder: Path) -> dict[str, Any]:
    """The one results file of a folder."""
    (only,) = folder.iterdir()
    return json.loads(only.read_text()) | {"file": only.name}


def test_what_was_measured_is_saved_before_the_end(bars: ModuleType, tmp_path: Path):
    one = bars.Bars("trial", "")
    one.figure("speed", 3.0, "ms")
    found = read(tmp_path)
    assert found["bars"]["speed"]["measured"] == 3.0
    assert not found["finished"] and found["file"].endswith(".unfinished.json")


def test_the_end_leaves_one_file_that_is_finished(bars: ModuleType, tmp_path: Path):
    one = bars.Bars("trial", "")
    one.most("speed", 3.0, 4.0, "ms")
    assert one.finish() == 0
    found = read(tmp_path)
    assert found["finished"] and "unfinished" not in found["file"]


def test_an_announced_bar_that_is_not_measured_is_short_and_says_why(
    bars: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    one = bars.Bars("trial", "")
    for name in ("measured", "failed"):
        one.expect(name, "<= 4", "ms")
    one.most("measured", 3.0, 4.0, "ms")
    for name in ("measured", "failed"):
        one.lacking(name, "refused by the compiler")
    assert one.finish() == 1
    found = read(tmp_path)["bars"]
    assert found["measured"]["verdict"] == "ok"
    assert found["failed"]["verdict"] == "short" and found["failed"]["reason"] == "refused by the compiler"
    assert "bar failed none <= 4 short (refused by the compiler)" in capsys.readouterr().out


def test_a_quick_look_saves_nothing(bars: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["trial", "--quick"])
    one = bars.Bars("trial", "")
    one.figure("speed", 3.0, "ms")
    one.finish()
    assert not list(tmp_path.iterdir())


def test_a_benchmark_that_hangs_is_ended_though_nothing_can_be_written(
    bars: ModuleType, monkeypatch: pytest.MonkeyPatch
):
    ended: list[int] = []
    timers: list[Any] = []
    monkeypatch.setattr(bars.os, "_exit", ended.append)
    monkeypatch.setattr(bars.threading.Timer, "start", lambda timer: timers.append(timer))

    def full(*given: Any, **named: Any) -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr(bars.Bars, "finish", full)
    bars.Bars("trial", "").end_after(60.0)
    with pytest.raises(OSError, match="no space"):  # the stand-in for the end of the process returns
        timers[0].function()
    assert ended == [1]


def test_a_benchmark_that_hangs_is_ended_with_what_it_has(
    bars: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ended: list[int] = []
    monkeypatch.setattr(bars.os, "_exit", ended.append)
    timers: list[Any] = []
    monkeypatch.setattr(bars.threading.Timer, "start", lambda timer: timers.append(timer))
    one = bars.Bars("trial", "")
    one.expect("late", "<= 4", "ms")
    one.figure("speed", 3.0, "ms")
    one.end_after(60.0)
    timers[0].function()
    assert ended == [1]
    found = read(tmp_path)
    assert not found["finished"]
    assert found["bars"]["speed"]["measured"] == 3.0 and found["bars"]["late"]["verdict"] == "short"
