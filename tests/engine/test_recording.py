"""Claims of waveforms: they cost what is recorded, and are those of the beat that runs."""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.errors import InputError, UnknownNameError
from hemotwin.engine import recording
from hemotwin.engine.backends.native.call import why_not
from hemotwin.engine.beat import BeatMap, compiled
from hemotwin.engine.forward import equal_start
from hemotwin.engine.precision import double
from hemotwin.engine.recording import curves, record, recorder
from hemotwin.physiology.model import circulation

STEPS, LANES = 120, 19
FEW = (("pressure", "lv"), ("flow", "aortic_valve"))
native = pytest.mark.skipif(bool(why_not()), reason=why_not())
BACKENDS = [pytest.param("native", marks=native), "xla"]


@functools.cache
def beaten(backend: str, precision: str) -> tuple[BeatMap, np.ndarray, np.ndarray]:
    """The beat of the smallest circulation with some patients' parameters and states."""
    model = circulation("r0")
    beat = BeatMap(model.system, (), backend=backend)
    rows = model.system.parameters.pack(model.values, LANES)
    rows = (rows * np.exp(0.05 * np.random.default_rng(0).standard_normal(rows.shape))).astype(precision)
    with double(precision == "float64"):
        state = np.asarray(equal_start(model.system, jnp.asarray(rows)))
        for _ in range(3):
            state = np.asarray(compiled(beat, None)(rows, state, STEPS).state)
    return beat, rows, state


@pytest.mark.parametrize("backend", BACKENDS)
def test_some_signals_at_some_nodes_are_those_of_the_whole_record(backend: str):
    beat, rows, state = beaten(backend, "float64")
    with double():
        whole, some = record(beat, rows, state, STEPS), curves(beat, rows, state, STEPS, FEW, stride=8)
    store, branch = beat.system.store("lv"), beat.system.branch("aortic_valve")
    expected = np.stack([whole.pressure[store, ::8], whole.flow[branch, ::8]])
    np.testing.assert_allclose(some.values, expected, rtol=0.0, atol=1e-10)
    np.testing.assert_allclose(some.phase[:, None] * some.period, whole.time[::8], rtol=1e-14)
    assert some.values.shape == (2, 1 + STEPS // 8, LANES)


@pytest.mark.parametrize("stride", [1, 10])
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_program_of_some_signals_stores_those_alone(backend: str, stride: int):
    """In bytes: it gives the curves and the periods, and holds meanwhile less than one more curve."""
    beat, rows, state = beaten(backend, "float64")
    signals = (("pressure", beat.system.store("lv")), ("flow", beat.system.branch("aortic_valve")))
    steps, lanes, pointers = 4800, 16, 64  # whole vectors; bytes
    with double():
        program = recorder(beat, steps, stride, signals)
        needs = program.lower(rows[:, :lanes], state[:, :lanes]).compile().memory_analysis()
    curve = 8 * lanes * (1 + steps // stride)
    assert needs is not None
    assert needs.output_size_in_bytes <= len(signals) * curve + 8 * lanes + pointers
    assert needs.temp_size_in_bytes < curve


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_record_runs_on_the_beats_own_backend(backend: str):
    beat, rows, state = beaten(backend, "float64")
    with double():
        text = recorder(beat, STEPS, 1, (("volume", 0),)).lower(rows, state).as_text()
    assert ("hemotwin_" in text) == (backend == "native")


@pytest.mark.parametrize("precision", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
@native
def test_a_record_of_native_code_ends_where_its_beat_does_and_is_that_of_xla_but_for_rounding(precision: str):
    beat, rows, state = beaten("native", precision)
    with double(precision == "float64"):
        waves = record(beat, rows, state, STEPS)
        end = np.asarray(compiled(beat, None)(rows, state, STEPS).state)
        reference = record(beaten("xla", precision)[0], rows, state, STEPS)
    stores = beat.system.free_stores
    np.testing.assert_array_equal(waves.volume[list(stores), -1], end[: len(stores)])
    for found, expected in zip(waves, reference, strict=True):
        assert found.dtype == expected.dtype == precision
        np.testing.assert_allclose(found, expected, rtol=0.0, atol=1e-9 if precision == "float64" else 0.05)


@pytest.mark.parametrize("backend", [BACKENDS[0], pytest.param("xla", marks=pytest.mark.slow)])
def test_the_curves_of_a_lane_are_the_same_whatever_the_width_of_its_block(backend: str):
    beat, rows, state = beaten(backend, "float64")
    with double():
        whole = curves(beat, rows, state, STEPS, FEW, stride=4)
        for width in (8, 32):
            found = curves(beat, rows, state, STEPS, FEW, stride=4, width=width)
            np.testing.assert_array_equal(found.values, whole.values)


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_program_records_several_numbers_of_lanes(backend: str, monkeypatch: pytest.MonkeyPatch):
    beat, rows, state = beaten(backend, "float64")
    taken: list[int] = []

    def watched(*program: Any) -> Any:
        return lambda p, x: (taken.append(p.shape[1]), recorder(*program)(p, x))[1]

    monkeypatch.setattr(recording, "recorder", watched)
    with double():
        whole = curves(beat, rows, state, STEPS, FEW[:1], stride=5).values
        for lanes in (17, 18):
            found = curves(beat, rows[:, :lanes], state[:, :lanes], STEPS, FEW[:1], stride=5).values
            np.testing.assert_array_equal(found, whole[..., :lanes])
    assert taken == [20, 18, 18]


def test_a_stride_that_misses_the_end_and_an_unknown_site_are_refused():
    beat, rows, state = beaten("xla", "float64")
    with pytest.raises(InputError, match="`stride` must divide the 120 steps of a beat, but got 7"):
        curves(beat, rows, state, STEPS, FEW, stride=7)
    with pytest.raises(UnknownNameError, match="ductus"):
        curves(beat, rows, state, STEPS, [("flow", "ductus")])
    with pytest.raises(UnknownNameError, match="colour"):
        curves(beat, rows, state, STEPS, [("colour", "lv")])


def test_a_record_of_no_signal_is_its_nodes():
    beat, rows, state = beaten("xla", "float64")
    with double():
        found = curves(beat, rows, state, STEPS, [], stride=STEPS)
    assert found.values.shape == (0, 2, LANES) and found.period.shape == (LANES,)
