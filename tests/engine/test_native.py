"""Native code computes the beat that XLA computes, with its derivatives, and steps aside where it cannot.

float64 differs by rounding alone: the same operations in another order, and elementary functions within a few units in
the last place.
"""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import math
import os
import platform
import re
import subprocess
import sys
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.errors import HemotwinError, InputError
from hemotwin.core.install import command
from hemotwin.core.reduction import Reduction
from hemotwin.core.registry import known
from hemotwin.engine import compile_cache
from hemotwin.engine.backends.choice import SETTING, takes_kernel
from hemotwin.engine.backends.native import call, handler
from hemotwin.engine.backends.native.elementary import definitions
from hemotwin.engine.backends.native.program import native_program
from hemotwin.engine.backends.native.tangents import kernel
from hemotwin.engine.backends.pallas import on_backend
from hemotwin.engine.beat import BeatMap, compiled
from hemotwin.engine.precision import double
from hemotwin.physiology.model import circulation
from tests.engine.kernels import STEPS, patients, small_beat, small_loop
from tests.problems import solved

pytestmark = [
    pytest.mark.skipif(
        bool(call.why_not()) or jax.default_backend() != "cpu", reason="native code needs a CPU and llvmlite"
    ),
    pytest.mark.filterwarnings("error:this circulation runs on XLA"),  # else XLA would be compared with itself
]
FREE = (0, 1, 2)
CIRCULATIONS = [  # XLA takes some 10 s to compile one with all readings
    name if name == "adult" else pytest.param(name, marks=pytest.mark.slow) for name in known("circulation")
]


def on(backend: str, beat: BeatMap) -> BeatMap:
    return on_backend(beat, backend)


def distance(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference, relative to 1 or to the number itself."""
    return float(np.max(np.abs(found - expected) / (1.0 + np.abs(expected))))


@pytest.mark.parametrize("lanes", [1, 3, 16, 37])
def test_any_number_of_patients_has_the_beat_of_xla(lanes: int):
    with double():
        rows = patients(count=lanes)
        found, expected = (compiled(on(backend, small_beat()), None)(*rows, STEPS) for backend in ("native", "xla"))
        for native, xla in zip(found, expected, strict=True):
            assert native.shape == xla.shape
            assert distance(np.asarray(native), np.asarray(xla)) < 1e-12


@pytest.mark.parametrize("beat", [small_beat(), small_beat().bare()], ids=["with readings", "bare"])
def test_its_derivatives_are_those_of_xla(beat: BeatMap):
    with double():
        found, expected = (compiled(on(b, beat), FREE)(*patients(), STEPS) for b in ("native", "xla"))
        for native, xla in zip(found, expected, strict=True):
            assert native.shape == xla.shape
            assert np.max(np.abs(native - xla) / (1.0 + np.abs(xla)), initial=0.0) < 1e-11


def test_several_beats_in_one_call_are_the_beats_one_by_one():
    with double():
        rows, state = patients()
        run = jax.jit(lambda p, x, n: call.native_beat(small_beat(), p, x, STEPS, n, None))
        together, _ = run(rows, state, 3)
        for _ in range(3):
            state = run(rows, state, 1)[0]
        np.testing.assert_array_equal(np.asarray(together), np.asarray(state))


def test_a_lane_that_blows_up_leaves_its_neighbours_bitwise_alone():
    with double():
        rows, state = patients()
        sick = rows.at[1, 5].set(jnp.nan)
        for free in (None, FREE):
            program = compiled(on("native", small_beat()), free)
            well, ill = program(rows, state, STEPS), program(sick, state, STEPS)
            others = np.arange(state.shape[1]) != 5
            for a, b in zip(well, ill, strict=True):
                np.testing.assert_array_equal(np.asarray(a)[..., others], np.asarray(b)[..., others])
            assert not np.all(np.isfinite(np.asarray(ill.state)[:, 5]))


@pytest.mark.parametrize("name", CIRCULATIONS)
def test_every_circulation_has_the_beat_of_xla(name: str):
    """With all readings. float32 rounds to some 1e-5 over a beat; a steepest rise is a difference of nodes, and a
    window may begin in the next step where its edge rounds over a node: 1 %, as with XLA's own float32."""
    one = solved(name)
    with double():
        rows = jnp.asarray(one.parameters), jnp.asarray(one.steady.state)
        expected = compiled(on("xla", one.beat), None)(*rows, one.steps)
        found = compiled(on("native", one.beat), None)(*rows, one.steps)
    for native, xla in zip(found, expected, strict=True):
        assert distance(np.asarray(native), np.asarray(xla)) < 1e-10
    with double(False):
        short = [jnp.asarray(np.asarray(row), jnp.float32) for row in rows]
        found = compiled(on("native", one.beat), None)(*short, one.steps)
    assert distance(np.asarray(found.state), np.asarray(expected.state)) < 1e-4
    limits = np.array([1e-2 if r.kind == "peak_rate" or r.window else 1e-4 for r in one.beat.reductions])
    values = np.asarray(expected.values)[:, 0]
    assert np.all(np.abs(np.asarray(found.values)[:, 0] - values) < limits * np.maximum(1.0, np.abs(values)))


@pytest.mark.slow
@pytest.mark.parametrize("name", list(known("circulation")))
def test_every_circulation_has_the_derivatives_of_xla(name: str):
    one = solved(name)
    free = tuple(range(0, len(one.beat.system.parameters), 3))
    spread = np.exp(0.02 * np.random.default_rng(1).standard_normal((2, 8)))
    with double():
        rows = jnp.asarray(one.parameters * spread[:1]), jnp.asarray(one.steady.state * spread[1:])
        found, expected = (compiled(on(b, one.beat), free)(*rows, one.steps) for b in ("native", "xla"))
        for native, xla in zip(found, expected, strict=True):
            assert distance(np.asarray(native), np.asarray(xla)) < 1e-8


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["exp", "log", "cos", "sin", "tanh", "logistic", "pow"])
def test_elementary_functions_are_right_to_a_few_last_places(name: str, dtype: str):
    """Against numpy in double precision, over what a step may ask for; pow loses log2 |y log x| places."""
    width, real = 8, np.dtype(dtype)
    x = np.linspace(-30.0, 30.0, 4096).astype(real)
    x = np.exp(x * 0.6).astype(real) if name in ("log", "pow") else x
    x = x * real.type(23.0 if dtype == "float64" else 2.8) if name == "exp" else x  # to e^690, e^84
    scalar = "double" if dtype == "float64" else "float"
    vector, power = f"<{width} x {scalar}>", f", <{width} x {scalar}> splat ({scalar} 2.5)" if name == "pow" else ""
    text = (
        definitions(dtype, width)
        + f"""
define void @{name}.test(ptr %in, ptr %out) {{
  %x = load {vector}, ptr %in, align 4
  %y = call {vector} @{name}({vector} %x{power})
  store {vector} %y, ptr %out, align 4
  ret void
}}"""
    )
    run, _ = handler.loaded(text, f"{name}.test", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p))
    out = np.empty_like(x)
    for first in range(0, len(x), width):
        run(x[first:].ctypes.data, out[first:].ctypes.data)
    wide = x.astype(float)
    expected = {
        "exp": np.exp, "log": np.log, "cos": np.cos, "sin": np.sin, "tanh": np.tanh,
        "logistic": lambda v: 1.0 / (1.0 + np.exp(-v)), "pow": lambda v: v**2.5,
    }[name](wide)  # fmt: skip
    last_place = np.finfo(real).eps * np.maximum(np.abs(expected), 1.0 if name in ("cos", "sin", "tanh") else 0.0)
    last_place = np.maximum(last_place, np.finfo(real).eps * 0.1 if name == "log" else 0.0)
    lost = 1.0 + np.abs(2.5 * np.log(wide)) if name == "pow" else 1.0 if name in ("exp", "cos", "sin") else 4.0
    assert np.max(np.abs(out - expected) / (last_place * lost)) < 1.5


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["exp", "log"])
def test_elementary_functions_keep_to_ieee_at_the_ends(name: str, dtype: str):
    """Infinities, NaN, what has no logarithm, and where an exponential becomes infinite; below its range it is 0."""
    real, scalar = np.dtype(dtype), "double" if dtype == "float64" else "float"
    limit = math.log(float(np.finfo(real).max))
    text = f"""{definitions(dtype, 8)}
define void @{name}.ends(ptr %in, ptr %out) {{
  %x = load <8 x {scalar}>, ptr %in, align 4
  %y = call <8 x {scalar}> @{name}(<8 x {scalar}> %x)
  store <8 x {scalar}> %y, ptr %out, align 4
  ret void
}}"""
    run, _ = handler.loaded(text, f"{name}.ends", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p))
    for x in (
        [0.0, -0.0, math.inf, -math.inf, math.nan, -1.0, 1.0, 800.0],
        [limit * 0.999, limit * 1.001, -limit * 0.968, -800.0, -limit * 1.02, 1e30, -1e30, float(np.finfo(real).tiny)],
    ):
        given = np.array(x, real)
        out = np.empty_like(given)
        run(given.ctypes.data, out.ctypes.data)
        with np.errstate(all="ignore"):
            expected = getattr(np, name)(given)
        least = 4.0 * np.finfo(real).tiny if name == "exp" else 0.0
        expected = np.where((expected >= 0.0) & (expected < least), 0.0, expected)
        np.testing.assert_allclose(out, expected, rtol=1.5 * np.finfo(real).eps)


def test_local_derivatives_meet_the_directions_in_few_products():
    """Every tangent through every operation would cost some thousand products a step; what is left is a fraction."""
    one = solved("adult")
    program = native_program(BeatMap(one.beat.system), "float64", 8, FREE)
    operations = sum(len(getattr(piece, "operations", (piece,))) for piece in program.step.line.body)
    assert program.step.jacobian is not None
    assert program.step.jacobian.products < 0.15 * operations


@pytest.mark.skipif(platform.machine() != "x86_64" or handler.vector_bytes() < 32, reason="x86's wide vectors")
def test_what_is_spilled_lies_within_lines_of_the_cache():
    """A wide vector across two pages costs a hundred cycles; without an aligned stack a spill would be one in 64."""
    beat = BeatMap(circulation("regazzoni_2022_b").system)
    text, _ = kernel(native_program(beat, "float64", handler.vector_bytes() // 8, FREE), "beat")
    assembly = handler._machine().emit_assembly(handler._module(f"{text}\n{handler.WEIGHTS}\n"))
    spilled = re.findall(r"vmov([au])p[sd]\s+%[yz]mm\d+, -?\d*\(%rsp\)", assembly)
    assert len(spilled) > 100 and set(spilled) == {"a"}


def test_machine_code_is_taken_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compile_cache, "folder_in_use", lambda: tmp_path)
    beat = BeatMap(small_loop(), (Reduction("onset", "volume", "vein"),))  # of no other test: not compiled yet
    target = handler.compiled_target(native_program(beat, "float64", 8, None))
    (file,) = tmp_path.glob(f"{target.name}-*.code")
    monkeypatch.setattr(handler, "_emitted", lambda *_: pytest.fail("compiled again"))
    code = handler.machine_code(target.name, lambda: pytest.fail("written again"))
    assert file.read_bytes().endswith(code)
    file.write_bytes(file.read_bytes()[:-1] + b"x")  # damaged: compiled again, not run
    monkeypatch.setattr(handler, "_emitted", lambda text: code)
    assert handler.machine_code(target.name, lambda: "") == code


def test_code_outlives_the_names_of_the_module_that_loaded_it(monkeypatch: pytest.MonkeyPatch):
    """A notebook reloads the module: XLA goes on to call what it once was given, and is given it again."""
    with double():
        rows, state = patients()
        run = lambda: jax.jit(lambda p, x: call.native_beat(small_beat(), p, x, STEPS, 1, None))(rows, state)  # noqa: E731
        first = run()
        monkeypatch.setattr(handler, "_codes", {})
        for _ in range(2):
            call._target.cache_clear()
            gc.collect()
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                np.testing.assert_array_equal(np.asarray(run()[0]), np.asarray(first[0]))
        assert handler._codes


def test_an_operation_without_native_form_is_left_to_xla():
    """The beat is the same, and a warning says why it is slower."""
    odd = dataclasses.replace(small_loop(), name="odd", activations=(lambda p, t: jax.scipy.special.erf(t),))
    with double():
        rows, beat = patients(count=4), BeatMap(odd)
        with pytest.warns(RuntimeWarning, match=r"runs on XLA.*erf"):
            found = compiled(beat, None)(*rows, STEPS)
        expected = compiled(on("xla", beat), None)(*rows, STEPS)
        np.testing.assert_array_equal(np.asarray(found.state), np.asarray(expected.state))


def test_the_user_may_keep_to_xla_or_insist(monkeypatch: pytest.MonkeyPatch):
    assert call.usable("auto") and call.usable("native") and not call.usable("xla")
    monkeypatch.setenv(SETTING, "xla")
    assert not call.usable("auto") and call.usable("native")
    monkeypatch.setenv(SETTING, "xlaa")
    with pytest.raises(InputError, match="HEMOTWIN_BACKEND must be one of auto, native, xla, pallas, but is 'xlaa'"):
        call.usable("auto")
    monkeypatch.delenv(SETTING)
    for module in ("llvmlite", "llvmlite.binding"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(call, "why_not", call.why_not.__wrapped__)  # its answer of before is kept
    assert not call.usable("auto")
    with pytest.raises(HemotwinError, match=f"llvmlite is not installed: {re.escape(command('native'))}"):
        call.usable("native")


def test_native_code_that_is_lost_is_told_once_and_llvmlite_that_is_not_there_never(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(call, "why_not", lambda: f"{call.NOT_INSTALLED}: pip install llvmlite")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert not call.usable("auto")
        monkeypatch.setattr(call, "why_not", lambda: "llvmlite does not load (libLLVM.so)")
        assert not call.usable("auto") and not call.usable("auto")
        monkeypatch.setenv(SETTING, "xla")
        assert not call.usable("auto")
    (warning,) = said
    assert "does not load (libLLVM.so) (HEMOTWIN_BACKEND=xla" in str(warning.message)


def test_pallas_without_a_gpu_is_answered_with_the_command_that_installs_it():
    with pytest.raises(HemotwinError, match=re.escape(f"run `{command('gpu')}`")):
        takes_kernel("pallas")


@pytest.mark.slow
def test_without_llvmlite_everything_runs_on_xla():
    """In a fresh process where llvmlite cannot be imported."""
    text = (
        "import sys; sys.modules['llvmlite'] = None\n"
        "import hemotwin as ht\n"
        "print(ht.simulate(ht.circulation('adult')).status)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.lower()
