"""Native functions known from the cache: what one process has traced, another need not; nothing serves in its stead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hemotwin.core.reduction import Reduction
from hemotwin.engine import compile_cache
from hemotwin.engine.backends.native import call, handler, index
from hemotwin.engine.beat import BeatMap
from hemotwin.physiology.model import circulation
from tests.engine.kernels import small_beat

pytestmark = pytest.mark.skipif(bool(call.why_not()), reason=call.why_not() or "native code runs")

loaded: list[tuple[str, bytes]] = []


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache; what is taken from it is listed in `loaded` (XLA knows the function already)."""
    monkeypatch.setattr(compile_cache, "folder_in_use", lambda: tmp_path)
    monkeypatch.setattr(index, "register_code", lambda *what: loaded.append(what))
    loaded.clear()
    call._target.cache_clear()
    yield tmp_path
    call._target.cache_clear()


def beat(*reductions: Reduction) -> BeatMap:
    return BeatMap(circulation("regazzoni_2022_a").system, reductions)


def traced(one: BeatMap, dtype: str = "float64") -> Any:
    """The beat's function as a new process finds it, and whether the model was traced for it."""
    call._target.cache_clear()
    seen: list[Any] = []
    whole = call.native_program
    try:
        call.native_program = lambda *what: seen.append(what) or whole(*what)
        return call._target(one, dtype, None), bool(seen)
    finally:
        call.native_program = whole


def emitted(cache: Path, target: handler.Target) -> None:
    """The machine code in this cache, as the process that traced the beat leaves it there."""
    file = handler._code_file(target.name)
    assert file is not None and file.parent == cache
    compile_cache.keep(file, handler.with_seal(handler.code_of(target.name)))


def test_what_one_process_has_traced_another_need_not(cache: Path):
    first, again = traced(beat())
    assert again and not loaded
    emitted(cache, first)
    assert traced(beat()) == (first, False)
    assert loaded == [(first.name, handler.code_of(first.name))]


def test_another_beat_precision_or_source_is_traced(cache: Path, monkeypatch: pytest.MonkeyPatch):
    emitted(cache, traced(beat())[0])
    assert traced(beat(Reduction("mean", "pressure", "arterial_line")))[1]
    assert traced(beat(), "float32")[1]
    monkeypatch.setattr(index, "made_with", lambda: "other sources")
    assert traced(beat())[1]


def test_a_process_whose_sources_changed_under_it_notes_and_takes_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch):
    """What it runs is not what lies there: its note would serve every later process in place of the new sources."""
    monkeypatch.setattr(index.sources, "unchanged", lambda: False)
    emitted(cache, traced(beat())[0])
    assert traced(beat())[1] and not list(cache.glob("*.target")) and not loaded


def test_without_its_code_or_with_a_damaged_note_it_is_traced(cache: Path):
    first, _ = traced(beat())
    (note,) = cache.glob("*.target")
    for code in cache.glob("*.code"):
        code.unlink()
    assert traced(beat())[1] and not loaded
    emitted(cache, first)
    note.write_bytes(note.read_bytes()[:-1] + b" ")
    assert traced(beat())[1] and not loaded


def test_a_circulation_of_ones_own_is_traced_in_every_process(cache: Path):
    """Its equations stand in no source that could be told."""
    assert traced(small_beat())[1] and traced(small_beat())[1]
    assert not list(cache.glob("*.target"))
