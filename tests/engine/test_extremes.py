"""Extremes of a beat: at its ends, where the slope changes sign and where values turn; no node lies outside them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.reduction import Reduction
from hemotwin.engine.beat import BeatMap, compiled
from hemotwin.engine.forward import equal_start
from hemotwin.engine.precision import double
from hemotwin.engine.recording import record
from hemotwin.physiology.model import circulation
from tests.engine.kernels import NAMES, STEPS, patients, small_loop

KINDS = ("maximum", "minimum")
CURVES = [(q, s) for q in ("pressure", "volume") for s in ("heart", "artery", "vein")] + [("flow", "outlet")]


@pytest.mark.parametrize("backend", ["native", "xla"])
@pytest.mark.filterwarnings("ignore:this circulation runs on XLA")  # where there is no llvmlite, twice XLA
@pytest.mark.parametrize("beats", [0, 3])
def test_no_node_of_a_beat_lies_outside_its_extremes(backend: str, beats: int):
    """The first beat, in which most curves end elsewhere than they began, and a later one; between nodes a curve
    reaches further by less than it moves in the steps beside."""
    beat = BeatMap(small_loop(), tuple(Reduction(kind, *curve) for kind in KINDS for curve in CURVES), backend=backend)
    with double():
        rows, state = patients()
        for _ in range(beats):
            state = compiled(beat, None)(rows, state, STEPS).state
        found = np.asarray(compiled(beat, None)(rows, state, STEPS).values)
        waves = record(beat, np.asarray(rows), np.asarray(state), STEPS)
    stores = [store.name for store in small_loop().stores]
    for n, (quantity, site) in enumerate(CURVES):
        nodes = waves.flow[0] if quantity == "flow" else getattr(waves, quantity)[stores.index(site)]
        step = np.max(np.abs(np.diff(nodes, axis=0)), axis=0)
        for sign, extreme in ((1.0, found[n]), (-1.0, found[n + len(CURVES)])):
            beyond = sign * extreme - np.max(sign * nodes, axis=0)
            assert np.all(beyond >= -1e-9) and np.all(beyond <= 0.5 * step), (quantity, site, sign)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("site", ["heart", "artery"])
@pytest.mark.filterwarnings("ignore:this circulation runs on XLA")
def test_an_extreme_alone_has_the_derivatives_of_xla(kind: str, site: str):
    """A step that keeps little else is cut into other parts than one that keeps much."""
    reductions = (Reduction(kind, "pressure", site),)
    with double():
        native, xla = (compiled(BeatMap(small_loop(), reductions, backend=b), (0, 1)) for b in ("native", "xla"))
        for found, expected in zip(native(*patients(), STEPS), xla(*patients(), STEPS), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [100, 400])
def test_no_node_lies_outside_where_slopes_lead_the_values(steps: int):
    """The pressures of ejection are stiff: their slopes at the nodes reach 0 some steps before their values turn."""
    model = circulation("adult")
    system, values = model.system, np.array([model.values[name] for name in model.system.parameters.names])
    sites = ("lv", "aortic_root")
    beat = BeatMap(system, tuple(Reduction("maximum", "pressure", site) for site in sites))
    with double():
        spread = np.exp(0.15 * np.random.default_rng(0).standard_normal((len(values), 24)))
        rows = jnp.asarray(values[:, None] * spread)
        state = equal_start(system, rows)
        for _ in range(2):
            state = compiled(beat.bare(), None)(rows, state, model.steps).state
        found = np.asarray(compiled(beat, None)(rows, state, steps).values)
        waves = record(beat, np.asarray(rows), np.asarray(state), steps)
    for extreme, site in zip(found, sites, strict=True):
        nodes = waves.pressure[system.store(system.readings[site])]
        beyond = extreme - np.max(nodes, axis=0)
        assert np.all(beyond >= -1e-9) and np.all(beyond <= np.max(np.abs(np.diff(nodes, axis=0)), axis=0))


@pytest.mark.parametrize("backend", ["native", "xla"])
@pytest.mark.filterwarnings("ignore:this circulation runs on XLA")
def test_a_beat_that_blows_up_has_no_finite_extreme(backend: str):
    """Its volumes are sound at onset and nothing after the first step."""
    beat = BeatMap(small_loop(), tuple(Reduction(kind, "volume", "heart") for kind in KINDS), backend=backend)
    with double():
        rows, state = patients()
        rows = rows.at[NAMES.index("elastance"), 5].set(jnp.nan)
        found = np.asarray(compiled(beat, None)(rows, state, STEPS).values)
    np.testing.assert_array_equal(np.isnan(found), np.broadcast_to(np.arange(found.shape[1]) == 5, found.shape))


def test_a_curve_that_only_falls_has_its_extremes_at_the_ends():
    """A heart that does not squeeze: the outlet stays shut and the artery runs dry through the body and the shunt."""
    beat = BeatMap(small_loop(), tuple(Reduction(kind, "pressure", "artery") for kind in KINDS))
    with double():
        rows, state = patients()
        rows = rows.at[NAMES.index("elastance")].set(0.0)
        found = compiled(beat, None)(rows, state, STEPS)
    compliance = np.asarray(rows[NAMES.index("compliance")])
    for value, volume in zip(found.values, (state[1], found.state[1]), strict=True):
        np.testing.assert_allclose(value, np.asarray(volume) / compliance, rtol=1e-12)


def test_a_volume_at_rest_is_found_with_its_derivative():
    """The heart fills until its inlet shuts in mid-step and rests until the outlet opens: the largest volume is that at
    rest, and moves with the state at onset as that does."""
    beat = BeatMap(small_loop(), (Reduction("maximum", "volume", "heart"),))
    with double():
        rows, state = patients()
        for _ in range(5):
            state = compiled(beat, None)(rows, state, STEPS).state
        waves = record(beat, np.asarray(rows), np.asarray(state), STEPS)
        out = compiled(beat, ())(rows, state, STEPS)
        volume = waves.volume[0]
        rests = np.isclose(np.diff(volume, axis=0), 0.0, atol=1e-12) & (np.abs(volume[1:] - volume.max(axis=0)) < 1e-9)
        lanes = rests.any(axis=0)
        assert lanes.sum() >= 5
        np.testing.assert_allclose(np.asarray(out.values)[0, lanes], volume.max(axis=0)[lanes], rtol=1e-12)
        step = 1e-4
        moved = [
            record(beat, np.asarray(rows), np.asarray(state.at[2].add(sign * step)), STEPS).volume[0].max(axis=0)
            for sign in (1.0, -1.0)
        ]
    slope = (moved[0] - moved[1]) / (2.0 * step)
    np.testing.assert_allclose(np.asarray(out.values_jacobian)[0, 2, lanes], slope[lanes], atol=2e-6)
    assert jnp.all(jnp.isfinite(out.values_jacobian))
