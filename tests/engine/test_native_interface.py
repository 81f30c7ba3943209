"""Native code is called as this jaxlib's own header says, is tried once first, and otherwise XLA serves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jax
import pytest

from hemotwin.core.errors import HemotwinError
from hemotwin.engine.backends import choice
from hemotwin.engine.backends.native import call, entry, interface, trial

pytestmark = pytest.mark.skipif(
    bool(call.why_not()) or jax.default_backend() != "cpu", reason="native code needs a CPU and llvmlite"
)


@pytest.fixture(scope="module")
def header() -> str:
    return (Path(jax.ffi.include_dir()) / interface.HEADER).read_text(encoding="utf-8")


def changed(header: str, old: str, new: str) -> str:
    assert old in header
    return header.replace(old, new)


def test_a_field_that_moves_is_found_where_it_is(header: str):
    """A pointer more before the arguments of a call, a number more before the data of a buffer."""
    now = interface.declared_interface(header)
    frame = changed(header, "  XLA_FFI_ExecutionStage stage;\n", "  XLA_FFI_ExecutionStage stage;\n  void* more;\n")
    later = interface.declared_interface(frame)
    assert (later.arguments, later.results) == (now.arguments + 8, now.results + 8)
    assert (later.extension, later.data) == (now.extension, now.data)
    buffer = changed(header, "  int64_t rank;\n", "  int32_t more;\n  int64_t rank;\n")
    later = interface.declared_interface(buffer)
    assert (later.data, later.rank, later.dimensions) == (now.data, now.rank + 8, now.dimensions + 8)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("#define XLA_FFI_API_MAJOR 0", "#define XLA_FFI_API_MAJOR 1", "must be of major version 0, but is 1"),
        ("#define XLA_FFI_API_MINOR", "#define SOMETHING", "must give its version"),
        ("  XLA_FFI_Rets rets;\n", "", "must declare XLA_FFI_CallFrame.rets"),
        ("struct XLA_FFI_Buffer {", "struct XLA_FFI_Memory {", "must declare XLA_FFI_Buffer"),
        ("  int64_t rank;\n", "  half rank;\n", "not understood: half"),
        ("  int64_t rank;\n", "  int64_t rank : 8;\n", "not understood: 'int64_t rank : 8'"),
    ],
)
def test_an_interface_that_is_not_known_is_told_before_any_call(header: str, old: str, new: str, told: str):
    with pytest.raises(HemotwinError, match=told):
        interface.declared_interface(changed(header, old, new))


def test_a_jaxlib_without_its_header_has_no_native_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jax.ffi, "include_dir", lambda: str(tmp_path))
    monkeypatch.setattr(entry, "interface", interface.interface.__wrapped__)
    assert trial.obstacle() == f"jaxlib brings no header {interface.HEADER}, which native code is called by."


def test_a_wrong_answer_or_code_that_is_refused_leaves_the_beat_to_xla(monkeypatch: pytest.MonkeyPatch):
    assert trial.trial() == ""
    wrong = trial.FUNCTION.replace("fmul float %b, 2.0", "fmul float %b, 3.0")
    assert trial.trial(wrong).startswith("a test function answered [191.")
    refused = trial.FUNCTION.replace("fadd float %a, %twice", "fadd float %a, %nothing")
    once = trial.trial
    monkeypatch.setattr(trial, "trial", lambda: once(refused))
    assert trial.obstacle().startswith("a test function did not run (RuntimeError: LLVM IR parsing error")
    monkeypatch.setattr(call, "why_not", trial.obstacle)
    choice.warn_of_xla.cache_clear()
    with pytest.warns(RuntimeWarning, match="through XLA.*did not run"):
        assert not call.usable("auto")
    with pytest.raises(HemotwinError, match="did not run"):
        call.usable("native")


def test_it_can_be_tried_while_a_program_is_traced():
    found = []
    jax.make_jaxpr(lambda x: found.append(trial.trial()) or x)(1.0)
    assert found == [""]


def test_it_is_tried_with_the_entry_of_now_whatever_the_cache_holds(monkeypatch: pytest.MonkeyPatch):
    """Machine code is kept by name."""
    names: list[str] = []

    def noted(name: str, text: Callable[[], str]) -> None:
        names.append(name)
        raise HemotwinError(text())

    monkeypatch.setattr(trial, "registered", noted)
    for more in ("", "; a change"):
        monkeypatch.setattr(trial, "entry", lambda *what, more=more: entry.entry(*what) + more)
        with pytest.raises(HemotwinError, match="@hemotwin_trial_"):
            trial.trial()
    assert len(set(names)) == 2
