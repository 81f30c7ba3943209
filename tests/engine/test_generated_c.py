"""The C that `benchmarks/generated_c.py` compares with is one program of the step that native code runs."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from hemotwin.engine.backends.native.program import native_program
from hemotwin.engine.backends.straight_line import Rare
from hemotwin.engine.beat import BeatMap
from hemotwin.physiology.model import circulation

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def generated_c(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark as a module; it finds its neighbours as a script does."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    spec = importlib.util.spec_from_file_location("generated_c", BENCHMARKS / "generated_c.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_makes_every_value_once_though_several_rare_parts_make_it(generated_c: ModuleType):
    program = native_program(BeatMap(circulation("regazzoni_2022_a").system), "float32", 16, None)
    pieces = program.step.line.body
    made = Counter(o.output for piece in pieces for o in (piece.operations if isinstance(piece, Rare) else (piece,)))
    assert max(made.values()) > 1  # what only rare parts read is made in each of them
    text = generated_c.Writer(program).written()
    defined = Counter(re.findall(r"^const (?:real|whole) (\w+) =", text, flags=re.MULTILINE))
    assert max(defined.values()) == 1
    assert {f"s{output}" for output in made} <= defined.keys()
