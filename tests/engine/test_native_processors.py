"""Native code on processors other than this one: each has what it knows, and nothing that it does not.

Code for other x86 processors runs here, of code for Arm only what is emitted is seen.
"""

from __future__ import annotations

import dataclasses
import platform
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from hemotwin.core.errors import HemotwinError
from hemotwin.core.install import command
from hemotwin.core.registry import known
from hemotwin.engine import compile_cache
from hemotwin.engine.backends import choice
from hemotwin.engine.backends.native import call, entry, handler, trial
from hemotwin.engine.backends.native.program import native_program
from hemotwin.engine.backends.pallas import on_backend
from hemotwin.engine.beat import BeatMap, compiled
from hemotwin.engine.precision import double
from hemotwin.physiology.model import circulation
from tests.engine.kernels import STEPS, patients, small_beat, small_loop

llvm = pytest.importorskip("llvmlite.binding", reason="native code needs llvmlite")
pytestmark = pytest.mark.skipif(
    bool(call.why_not()) or jax.default_backend() != "cpu", reason="native code needs a CPU and llvmlite"
)
on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="runs code for x86")
FREE = (0, 1, 2)
LINUX, APPLE, X86 = "aarch64-unknown-linux-gnu", "arm64-apple-darwin23.1.0", "x86_64-unknown-linux-gnu"
# What code calls, and more: Linux on Arm, Apple's systems, x86.
SYMBOLS = re.compile(r"\tbl?\t(\w[\w.]*)|\b_?([\w.]+)@GOTPAGE\b|\tmovabsq\t\$([A-Za-z_][\w.]*)")
OWN = ("hemotwin_", "LBB", "lCPI", "l_")  # its functions, blocks and constants
Host = Callable[[str, str, str], str]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    """Work for another processor, as LLVM tells of it there; what is kept of this one is out of sight."""
    for start in (llvm.initialize_all_targets, llvm.initialize_all_asmprinters):
        start()
    told, vector_bytes = handler.processor.__wrapped__, handler.vector_bytes.__wrapped__  # neither keeps its answer

    def become(system: str, cpu: str, features: str) -> str:
        try:
            llvm.Target.from_triple(system)
        except RuntimeError:
            pytest.skip(f"this LLVM makes no code for {system}")
        tell = SimpleNamespace(flatten=lambda: features)
        monkeypatch.setattr(llvm, "get_default_triple", lambda: system)
        monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: cpu)
        monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: tell)
        found = told()
        monkeypatch.setattr(handler, "processor", lambda: found)
        for module in (handler, call):
            monkeypatch.setattr(module, "vector_bytes", vector_bytes)
        monkeypatch.setattr(compile_cache, "folder_in_use", lambda: None)
        return found

    return become


def assembly(beat: BeatMap, dtype: str, free: tuple[int, ...] | None, monkeypatch: pytest.MonkeyPatch) -> str:
    """All of a beat's code."""
    texts: list[str] = []
    with monkeypatch.context() as only:
        only.setattr(handler, "registered", lambda name, text: texts.append(text()))
        width = handler.vector_bytes() // np.dtype(dtype).itemsize
        handler.compiled_target(native_program(beat, dtype, width, free))
    return handler._machine().emit_assembly(handler._module(texts[0]))


def called(code: str) -> set[str]:
    """Functions of other libraries that code calls."""
    used = {next(filter(None, words)) for words in SYMBOLS.findall(code)}
    return {name for name in used if not name.startswith(OWN)}


@on_x86
@pytest.mark.parametrize("cpu", ["x86-64", "haswell"])
@pytest.mark.parametrize("free", [None, FREE], ids=["plain", "tangents"])
def test_older_x86_processors_have_the_beat_of_xla(cpu: str, free: tuple[int, ...] | None, host: Host):
    """Without AVX or fused products, and with AVX2."""
    if cpu == "haswell" and not {"+avx2", "+fma"} <= set(handler._features()):
        pytest.skip("this processor has no AVX2")
    host(handler.processor().split(" ")[0], cpu, "" if cpu == "x86-64" else "+avx,+avx2,+fma")
    assert handler.vector_bytes() == (16 if cpu == "x86-64" else 32)
    beat = BeatMap(dataclasses.replace(small_loop(), version=f"for {cpu}"), small_beat().reductions)
    with double():
        found = compiled(on_backend(beat, "native"), free)(*patients(), STEPS)
        expected = compiled(on_backend(small_beat(), "xla"), free)(*patients(), STEPS)
    for native, xla in zip(found, expected, strict=True):
        assert np.max(np.abs(native - xla) / (1.0 + np.abs(xla)), initial=0.0) < 1e-11


def test_without_fused_products_no_library_is_asked_for_them(host: Host, monkeypatch: pytest.MonkeyPatch):
    """It would be, for each number of a vector: seven times slower where the library's are made by the processor."""
    host(X86, "x86-64", "")
    code = assembly(small_beat(), "float64", FREE, monkeypatch)
    assert "mulpd" in code and "ymm" not in code
    assert called(code) == set(entry.CALLED)


@pytest.mark.parametrize("hidden", ["avx512f", "avx"])
def test_what_a_virtual_machine_hides_is_not_used(hidden: str, host: Host, monkeypatch: pytest.MonkeyPatch):
    """Although the processor's name promises it."""
    host(X86, "sapphirerapids", "-avx512f,+avx,+avx2,+fma" if hidden == "avx512f" else "-avx512f,-avx,-avx2,-fma")
    assert handler.vector_bytes() == (32 if hidden == "avx512f" else 16)
    code = assembly(small_beat(), "float32", None, monkeypatch)
    assert "zmm" not in code and ("ymm" in code) == (hidden == "avx512f")


ARM = [
    (LINUX, "generic", ""), (LINUX, "neoverse-v1", ""), (LINUX, "neoverse-v2", "+neon,+sve,+sve2,+sve2-bitperm"),
    (APPLE, "apple-m1", ""), (APPLE, "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("system", "cpu", "features"), ARM)
def test_arm_processors_are_given_what_they_know(
    system: str, cpu: str, features: str, host: Host, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """Fused products and no scalable vectors; LLVM has nothing to warn of, nor does it know features of all of them."""
    host(system, cpu, features)
    code = assembly(small_beat(), "float64", FREE, monkeypatch)
    assert "fmla" in code and not re.search(r"\bz\d+\.[bhsd]\b|\bptrue\b", code)
    assert called(code) == set(entry.CALLED)
    assert capfd.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", list(known("circulation")))
@pytest.mark.parametrize("system", [LINUX, APPLE])
def test_every_circulation_has_code_for_arm(name: str, system: str, host: Host, monkeypatch: pytest.MonkeyPatch):
    host(system, "neoverse-v1" if system == LINUX else "apple-m1", "")
    for dtype in ("float64", "float32"):
        for free in (None, FREE):
            code = assembly(BeatMap(circulation(name).system), dtype, free, monkeypatch)
            assert called(code) <= {*entry.CALLED, "memset", "bzero"}


def test_code_is_kept_apart_by_system_processor_and_compiler(host: Host, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compile_cache, "kept_in", Path)
    found = []
    for about in ((X86, "znver3", "+avx"), (X86, "znver3", "+avx,+avx2"), ("x86_64-pc-windows-msvc", "znver3", "+avx")):
        host(*about)
        found.append(handler._code_file("beat"))
    monkeypatch.setattr(llvm, "llvm_version_info", (99, 0, 0))
    assert len({*found, handler._code_file("beat")}) == 4


def test_windows_keeps_to_xla_and_says_why(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    monkeypatch.setattr(trial, "registered", lambda *_: pytest.fail("LLVM would end the process"))
    monkeypatch.setattr(trial.ctypes, "CDLL", lambda _: pytest.fail("there is no library of the process there"))
    monkeypatch.setattr(call, "why_not", call.why_not.__wrapped__)  # its answer of before is kept
    assert call.why_not() == "Windows is not tried"
    choice.warn_of_xla.cache_clear()
    with pytest.warns(RuntimeWarning, match="through XLA.*Windows is not tried"):
        assert not call.usable("auto")
    with pytest.raises(HemotwinError, match="Windows is not tried"):
        call.usable("native")


def test_a_c_library_without_what_the_code_calls_is_told_before_any_is_loaded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trial, "CALLED", {**entry.CALLED, "no_such_function": ""})
    monkeypatch.setattr(trial, "registered", lambda *_: pytest.fail("LLVM would end the process"))
    assert trial.obstacle() == "the system's C library lacks no_such_function"


def test_an_llvmlite_that_cannot_read_the_code_is_told_with_what_mends_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(llvm, "llvm_version_info", (15, 0, 7))
    assert trial.obstacle() == f"llvmlite brings LLVM 15, and 20 is needed: {command('native')}"
