"""The readings of every circulation are those stored with the tests: it only tells that something has changed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from hemotwin.core.registry import known

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "reference_beats.py"
CLOSE = 1e-6  # relative: native code and XLA, and processors, round in different orders


def module():
    spec = importlib.util.spec_from_file_location("reference_beats", SCRIPT)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.parametrize("name", known("circulation"))
def test_readings_are_those_stored(name: str):
    reference = module()
    stored = json.loads(reference.STORED.read_text())
    moved = reference.differences(stored[name], reference.readings_now(name), CLOSE)
    assert not moved, "\n".join([*moved, "run python scripts/reference_beats.py, and with --write when it is meant"])


def test_a_reading_that_moves_comes_or_goes_is_named():
    reference = module()
    told = reference.differences({"a": 1.0, "b": 2.0, "c": None}, {"a": 1.0 + 1e-3, "b": 2.0, "d": 4.0})
    assert [line.partition(":")[0] for line in told] == ["a", "d"]
    assert "+0.001" in told[0] and "None -> 4.0" in told[1]
