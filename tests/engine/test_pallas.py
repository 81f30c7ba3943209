"""The GPU kernel computes what XLA computes: interpreted on a CPU, and lowered for a GPU without one."""

from __future__ import annotations

import dataclasses
import functools
import os
import subprocess
import sys
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.errors import HemotwinError, InputError, UnknownNameError
from hemotwin.core.registry import known
from hemotwin.engine.backends import choice, kernel_trial
from hemotwin.engine.backends.pallas import Launch, PallasBeat, compiled_kernel, on_backend
from hemotwin.engine.beat import BeatMap, compiled
from hemotwin.engine.forward import forward
from hemotwin.engine.precision import double
from hemotwin.physiology.model import circulation
from tests.engine.kernels import STEPS, lowered_for_cuda, patients, small_beat
from tests.problems import beat_of, solved

NAMES = tuple(known("circulation"))
FREE = (0, 2, 4)
ROUNDING = 1e-12  # relative to the largest of a row: thousands of roundings of 1.1e-16, in another order


def interpreted(**choices) -> Launch:
    return Launch(interpret=True, **choices)


@functools.cache
def reference(dtype: str = "float64") -> tuple[np.ndarray, np.ndarray]:
    with double(dtype == "float64"):
        found = compiled(on_backend(small_beat(), "xla"), None)(*patients(dtype), STEPS)
        return np.asarray(found.state), np.asarray(found.values)


def distance(found: jax.Array, expected: np.ndarray) -> float:
    """Largest difference relative to the largest entry of the row."""
    rows = tuple(range(1, np.ndim(expected)))
    size = np.max(np.abs(expected), axis=rows, keepdims=True)
    return float(np.max(np.abs(np.asarray(found) - expected) / np.where(size > 0.0, size, 1.0)))


@functools.cache
def rewritten():
    """The kernel as a GPU runs it, interpreted: (parameters, state, steps, beats), one program for all tests."""
    return jax.jit(on_backend(small_beat(), "pallas", interpreted()).__call__)


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
def test_the_exact_kernel_is_the_beat_of_xla_bit_for_bit(dtype: str):
    with double(dtype == "float64"):
        found = compiled_kernel(small_beat(), None, interpreted(arithmetic="exact"))(*patients(dtype), STEPS)
    for kernel, xla in zip(found, reference(dtype), strict=True):
        np.testing.assert_array_equal(np.asarray(kernel), xla)


def test_the_rewritten_kernel_differs_by_rounding_alone():
    with double():
        found = rewritten()(*patients(), STEPS, 1)
    assert max(distance(*pair) for pair in zip(found, reference(), strict=True)) <= ROUNDING


@pytest.mark.slow
def test_passing_rare_parts_by_changes_no_bit():
    with double():
        found = compiled_kernel(small_beat(), None, interpreted(rare="always"))(*patients(), STEPS)
        expected = rewritten()(*patients(), STEPS, 1)
    assert (
        max(distance(f, np.asarray(e)) for f, e in zip(found, expected, strict=True)) <= 1e-14
    )  # of XLA's own joining


@pytest.mark.slow
@pytest.mark.parametrize("tangents", [1, 2, 4])
def test_tangents_a_few_at_a_time_are_those_carried_all_at_once(tangents: int):
    """Five states and three parameters: the last pass of two or four carries directions that do not exist."""
    with double():
        expected = compiled(small_beat(), FREE)(*patients(), STEPS)
        found = compiled_kernel(small_beat(), FREE, interpreted(tangents=tangents))(*patients(), STEPS)
    for kernel, xla in zip(found, expected, strict=True):
        assert kernel.shape == xla.shape
        assert distance(kernel, np.asarray(xla)) <= ROUNDING


def test_several_beats_in_one_launch_are_the_beats_one_by_one():
    with double():
        rows, state = patients()
        together = rewritten()(rows, state, STEPS, 3)
        for _ in range(3):
            state, values = rewritten()(rows, state, STEPS, 1)
    np.testing.assert_array_equal(np.asarray(together.state), np.asarray(state))
    np.testing.assert_array_equal(np.asarray(together.values), np.asarray(values))


def test_a_lane_that_blows_up_leaves_its_neighbours_bitwise_alone():
    """Rare parts run for whole blocks: a sick lane may decide that they do, and never what its neighbours get."""
    with double():
        rows, state = patients()
        sick = rewritten()(rows.at[:, 3].set(jnp.nan), state, STEPS, 1)
        well = rewritten()(rows, state, STEPS, 1)
    others = np.arange(rows.shape[1]) != 3
    assert np.isnan(np.asarray(sick.state)[:, 3]).all()
    for one, other in zip(sick, well, strict=True):
        np.testing.assert_array_equal(np.asarray(one)[:, others], np.asarray(other)[:, others])


def test_without_a_gpu_the_kernel_is_refused_with_a_way_out():
    if jax.default_backend() == "gpu":
        pytest.skip("there is a GPU")
    with pytest.raises(HemotwinError, match="take backend 'xla'"):
        on_backend(small_beat(), "pallas")
    with pytest.raises(UnknownNameError, match="native, xla, pallas"):
        on_backend(small_beat(), "palas")
    assert on_backend(small_beat(), "auto") == small_beat()
    assert on_backend(small_beat(), "xla").backend == "xla"


@pytest.mark.parametrize(
    "choice", [{"width": 48}, {"tangents": 3}, {"warps": 0}, {"arithmetic": "quick"}, {"rare": "seldom"}]
)
def test_a_launch_refuses_what_the_compiler_cannot_lay_out(choice: dict):
    with pytest.raises(InputError, match="must be"):
        Launch(**choice)


def test_results_beyond_a_kernels_reach_are_refused_with_the_number_that_fits():
    shapes = [jax.ShapeDtypeStruct((n, 2**30), "float32") for n in (5, 5)]
    kernel = PallasBeat(small_beat().system, small_beat().reductions)
    with pytest.raises(InputError, match="at most 429496729 patients"):
        jax.eval_shape(kernel, *shapes, STEPS)


def test_where_jax_runs_on_a_gpu_beats_are_kernels(monkeypatch: pytest.MonkeyPatch):
    """A beat picks its backend when it is traced: lowered for a GPU, it holds the kernel, unless that is not wanted."""
    monkeypatch.setattr(choice, "on_nvidia", lambda: True)
    monkeypatch.setattr(choice, "no_kernel", lambda: "")
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    shapes = [jax.ShapeDtypeStruct((5, 64), "float32")] * 2
    for backend, kernels in (("auto", 1), ("pallas", 1), ("xla", 0)):
        beat = BeatMap(small_beat().system, small_beat().reductions, backend=backend)
        assert beat.kernel == bool(kernels)
        text = lowered_for_cuda(lambda p, s, beat=beat: beat(p, s, 400), *shapes)
        assert text.count("@__gpu$xla.gpu.triton") == kernels
    monkeypatch.setenv(choice.SETTING, "xla")
    assert not small_beat().kernel


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """As on a card of NVIDIA's whose answer to the test kernel is the list's last; nothing of before is kept."""
    told = [""]
    monkeypatch.setattr(choice, "on_nvidia", lambda: True)
    monkeypatch.setattr(kernel_trial, "obstacle", lambda: told[-1])
    monkeypatch.setattr(choice, "no_compiler", choice.no_compiler.__wrapped__)
    monkeypatch.setattr(choice, "no_kernel", choice.no_kernel.__wrapped__)
    choice.warn_of_xla.cache_clear()
    return told


def test_where_jax_has_dropped_the_compiler_beats_run_through_xla(card: list[str], monkeypatch: pytest.MonkeyPatch):
    assert small_beat().kernel
    monkeypatch.setitem(sys.modules, choice.COMPILER, None)
    with pytest.warns(RuntimeWarning, match="through XLA.*has no Triton compiler"):
        assert not small_beat().kernel
    with pytest.raises(HemotwinError, match=f"JAX {jax.__version__} has no Triton compiler.*take backend 'xla'"):
        _ = dataclasses.replace(small_beat(), backend="pallas").kernel


def test_a_card_on_which_no_kernel_runs_is_told_once_and_beats_run_through_xla(
    card: list[str], monkeypatch: pytest.MonkeyPatch
):
    card.append("a test kernel did not run (XlaRuntimeError: ptxas exited with 255)")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert not small_beat().kernel and not small_beat().kernel
    (warning,) = said
    assert "ptxas exited with 255" in str(warning.message) and f"{choice.SETTING}=xla" in str(warning.message)
    with pytest.raises(HemotwinError, match=r"must run kernels, but a test kernel did not run.*take backend 'xla'"):
        on_backend(small_beat(), "pallas")
    monkeypatch.setenv(choice.SETTING, "xla")
    monkeypatch.setattr(choice, "no_kernel", lambda: pytest.fail("asked though XLA is wanted"))
    assert not small_beat().kernel


def test_the_test_kernel_is_answered_and_a_wrong_or_no_answer_is_told(monkeypatch: pytest.MonkeyPatch):
    assert kernel_trial.trial(interpret=True) == ""
    if jax.default_backend() == "cpu":  # which runs no kernel
        found = []
        jax.make_jaxpr(lambda x: found.append(kernel_trial.obstacle()) or x)(1.0)
        assert found[0].startswith("a test kernel did not run (")
    right = kernel_trial.launched
    monkeypatch.setattr(kernel_trial, "launched", lambda *given: [x + 1 for x in right(*given)])
    assert kernel_trial.trial(interpret=True) == "a test kernel answered [  8. 101.], not [  7. 100.]"


@pytest.mark.parametrize("wide", [False, True])
def test_the_test_kernel_lowers_for_cuda_whatever_the_precision(wide: bool):
    with double(wide):
        text = lowered_for_cuda(kernel_trial.answer, *kernel_trial._given())
    assert text.count("@__gpu$xla.gpu.triton") == 1 and "fma.rn.f32" in text


def lowered(beat: BeatMap, dtype: str, free: tuple[int, ...] | None = None) -> int:
    """How many kernels the beat (or its linearisation by the rows `free`) is on a GPU."""
    with double(dtype == "float64"):
        kernel = PallasBeat(beat.system, beat.reductions)
        sizes = (len(beat.system.parameters), len(beat.system.state))
        shapes = [jax.ShapeDtypeStruct((n, 64), dtype) for n in sizes]
        run = kernel.__call__ if free is None else functools.partial(kernel.linearised, free=free)
        text = lowered_for_cuda(run, *shapes, 400)
    assert ("f64" in text) == (dtype == "float64")
    return text.count("@__gpu$xla.gpu.triton")


@pytest.mark.parametrize("name", NAMES)
def test_the_kernel_lowers_for_cuda(name: str):
    assert lowered(BeatMap(circulation(name).system), "float32") == 1


def test_reductions_lower_for_cuda_in_double_precision():
    assert lowered(small_beat(), "float64") == 1


@pytest.mark.slow
def test_tangents_lower_for_cuda():
    assert lowered(small_beat(), "float32", FREE) == 2  # directions of the state rows, then of the parameters


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_every_observable_and_its_tangents_lower_for_cuda(name: str, dtype: str):
    assert lowered(beat_of(circulation(name)), dtype) == 1
    assert lowered(beat_of(circulation(name)), dtype, FREE) == 2


@pytest.mark.slow
def test_the_adult_circulation_agrees_with_and_without_tangents():
    """Away from the periodic state: there the beat's first and last node tie for the largest ventricular volume.

    At a tie the last bit decides whose derivative is taken (4e-6 apart where nodes of the plateau tie), in XLA as here.
    """
    one = solved("adult")
    random = np.random.default_rng(0)
    rows, state = (np.repeat(x, 3, axis=1) for x in (one.parameters, one.steady.state))
    rows, state = (x * np.exp(0.03 * random.standard_normal(x.shape)) for x in (rows, state))
    with double():
        inputs = [jnp.asarray(x) for x in (rows, state)]
        for free in (None, (0, 1)):
            expected = compiled(one.beat, free)(*inputs, one.steps)
            found = compiled_kernel(one.beat, free, interpreted())(*inputs, one.steps)
            for kernel, xla in zip(found, expected, strict=True):
                assert distance(kernel, np.asarray(xla)) <= 1e-9  # 400 steps; a column may be all but 0
        reference = on_backend(one.beat, "xla")
        exact = compiled_kernel(one.beat, None, interpreted(arithmetic="exact"))(*inputs, one.steps)
        np.testing.assert_array_equal(
            np.asarray(exact.state), np.asarray(compiled(reference, None)(*inputs, 400).state)
        )


@pytest.mark.slow
def test_the_steady_beat_is_found_through_the_kernel():
    with double():
        rows = np.asarray(patients(count=4)[0])
        expected = forward(small_beat(), rows, None, STEPS)
        found = forward(on_backend(small_beat(), "pallas", interpreted()), rows, None, STEPS)
    assert np.all(found.status == 0)
    np.testing.assert_allclose(found.state, expected.state, atol=1e-7)  # mL, the residual is 1e-9 mL
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-8)


SPREAD = """
import jax, numpy as np
from hemotwin.engine.backends import choice, kernel_trial
from hemotwin.engine.backends.pallas import Launch, compiled_kernel
from hemotwin.engine.beat import compiled
from tests.engine.kernels import LANES, STEPS, patients, small_beat
assert len(jax.local_devices()) == 2 and LANES % 2 == 1
found = compiled_kernel(small_beat(), None, Launch(interpret=True, arithmetic="exact"))(*patients(), STEPS)
for kernel, xla in zip(found, compiled(small_beat(), None)(*patients(), STEPS), strict=True):
    size = np.max(np.abs(np.asarray(xla)), axis=1, keepdims=True) + 1e-300
    assert np.max(np.abs(np.asarray(kernel) - np.asarray(xla)) / size) <= 1e-12  # another program of XLA's: rounding
assert len(found.state.sharding.device_set) == 2, found.state.sharding
"""


@pytest.mark.slow
def test_lanes_are_spread_over_all_devices():
    """Two devices and an odd number of patients: each gets as many, and the padding does not come back."""
    told = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu"}
    top = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", SPREAD], cwd=top, env=os.environ | told, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
