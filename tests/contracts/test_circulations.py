"""What every registered circulation must hold; a new circulation is tested by being registered."""

from __future__ import annotations

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.quantity import declared
from hemotwin.core.registry import known
from hemotwin.engine.backends.pallas import on_backend
from hemotwin.engine.beat import BeatMap
from hemotwin.engine.forward import forward
from hemotwin.engine.precision import double
from hemotwin.engine.recording import Waves
from tests.problems import Solved, readings_of, solved

NAMES = tuple(known("circulation"))
# Their thorax holds a reference pressure of -4 mmHg as a constant, so that scaling all pressures is no symmetry.
FIXED_PRESSURE = {"adult", "r0"}


@functools.cache
def waves(name: str) -> Waves:
    return solved(name).waves()


def trapezoid(y: np.ndarray, x: np.ndarray) -> float:
    return float(np.sum(0.5 * (y[1:] + y[:-1]) * np.diff(x)))


def loop_area(beat: Waves, store: int) -> float:
    """Energy given to the blood over the beat, mmHg mL: minus the integral of P dV at the store's port."""
    return -trapezoid(beat.pressure[store, :, 0], beat.volume[store, :, 0])


def dissipated(one: Solved, beat: Waves, branch: int) -> float:
    """Energy lost between two ports over the beat, mmHg mL: the integral of q (P_up - P_down) dt."""
    b = one.model.system.branches[branch]
    power = beat.flow[branch, :, 0] * (beat.pressure[b.up, :, 0] - beat.pressure[b.down, :, 0])
    return trapezoid(power, beat.time[:, 0])


def left_in_ports(one: Solved, store: int) -> bool:
    about = one.model.system.stores[store]
    return about.series is not None or about.inlet is not None


@pytest.mark.parametrize("name", NAMES)
def test_every_quantity_has_unit_bounds_source_and_doc(name: str):
    for q in declared(known("circulation")[name]):
        assert q.unit and q.doc and q.source
    for full_name, q in solved(name).model.all_quantities.items():
        assert q.bounds[0] <= solved(name).model.values.get(full_name, q.value) <= q.bounds[1], full_name


@pytest.mark.parametrize("name", NAMES)
def test_beats_of_float32_stay_so_among_float64(name: str):
    """Fits and steady beats run float32 beats inside float64 programs: one number of another type breaks them."""
    system = solved(name).model.system
    beat = on_backend(BeatMap(system), "xla")
    with double():
        shapes = [jax.ShapeDtypeStruct((len(rows), 2), "float32") for rows in (system.parameters, system.state)]
        ends = jax.eval_shape(lambda p, x: (beat(p, x, 400), beat.linearised(p, x, 400, (0,))), *shapes)
    assert {str(end.dtype) for end in jax.tree.leaves(ends)} == {"float32"}


@pytest.mark.parametrize("name", NAMES)
def test_the_steady_beat_is_periodic_within_forty_beats(name: str):
    assert solved(name).steady.status[0] == 0
    assert solved(name).steady.residual[0] <= 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_blood_volume_is_conserved(name: str):
    """The eliminated volume closes the sum; what flows through it must then match its own change over the beat."""
    one, beat = solved(name), waves(name)
    total = beat.volume[:, :, 0].sum(axis=0)
    np.testing.assert_allclose(total, one.model.values["stressed_volume"], rtol=1e-12)
    np.testing.assert_allclose(beat.volume[:, -1], beat.volume[:, 0], atol=1e-8)
    for store in range(len(one.model.system.stores)):
        inflow = [trapezoid(beat.flow[i, :, 0], beat.time[:, 0]) * ((b.down == store) - (b.up == store))
                  for i, b in enumerate(one.model.system.branches)]  # fmt: skip
        assert sum(inflow) == pytest.approx(0.0, abs=0.002 * one.readings["stroke_volume"])


@pytest.mark.parametrize("name", NAMES)
def test_every_conduit_dissipates_energy(name: str):
    one, beat = solved(name), waves(name)
    losses = [dissipated(one, beat, i) for i in range(len(one.model.system.branches))]
    assert min(losses) >= 0.0


@pytest.mark.parametrize("name", NAMES)
def test_every_vessel_gives_back_what_it_stored_and_loses_only_in_its_impedance(name: str):
    one, beat = solved(name), waves(name)
    for index, store in enumerate(one.model.system.stores):
        if store.activation is not None:
            continue
        kept = -loop_area(beat, index) / one.readings["lv_stroke_work"]
        assert kept >= -2e-4 if left_in_ports(one, index) else abs(kept) <= 2e-4, store.name


@pytest.mark.parametrize("name", NAMES)
def test_chamber_loops_pay_for_the_total_dissipation(name: str):
    one, beat = solved(name), waves(name)
    stores = one.model.system.stores
    work = sum(loop_area(beat, i) for i, s in enumerate(stores) if s.activation is not None)
    roots = sum(-loop_area(beat, i) for i in range(len(stores)) if left_in_ports(one, i))
    paid = sum(dissipated(one, beat, i) for i in range(len(one.model.system.branches)))
    assert work > 0.0
    assert paid + roots == pytest.approx(work, rel=5e-3)


def powers(unit: str, *, of: str) -> float:
    """Exponent of mL or mmHg in a unit such as "mmHg s2/mL2"."""
    above, _, below = unit.partition("/")
    count = lambda text: sum(int(n or 1) for n in re.findall(rf"{of}(\d*)", text))  # noqa: E731
    return count(above) - count(below)


def rescaled(name: str, factor: float, kind: str) -> np.ndarray:
    """Parameter rows with all volumes, or all pressures, multiplied by `factor`.

    Volumes: mL -> k, orifice areas -> k. Pressures: mmHg -> s, areas -> s^-1/2 and blood columns -> s^1/2, so that
    the Bernoulli loss and the inertance of a valve grow as every other pressure does.
    """
    model = solved(name).model
    values = {}
    for full_name in model.system.parameters.names:
        unit = model.all_quantities[full_name].unit
        if kind == "volume":
            power = 1.0 if unit == "cm2" else powers(unit, of="mL")
        else:
            power = {"cm2": -0.5, "cm": 0.5}.get(unit, powers(unit, of="mmHg"))
        values[full_name] = model.values[full_name] * factor**power
    return model.system.parameters.pack(values, 1)


def compare(name: str, kind: str, factors: tuple[float, ...]) -> None:
    one = solved(name)
    rows = np.concatenate([rescaled(name, factor, kind) for factor in factors], axis=1)
    with double():
        steady = forward(one.beat, rows, None, one.steps)
        found = readings_of(one.model, rows, steady.values)
    dimension = {"volume": "mL", "pressure": "mmHg"}[kind]
    for reading in ("sbp", "dbp", "pa_pressure_mean", "ra_a_wave", "lv_edv", "rv_esv", "lv_dpdt_max", "e_wave"):
        unit = known("observable")[reading].unit
        expected = [one.readings[reading] * factor ** powers(unit, of=dimension) for factor in factors]
        np.testing.assert_allclose(found[reading], expected, rtol=3e-4, err_msg=reading)


@pytest.mark.parametrize("name", NAMES)
def test_scaling_all_volumes_leaves_the_pressures(name: str):
    compare(name, "volume", (0.3, 0.7, 1.6))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FIXED_PRESSURE])
def test_scaling_all_pressures_leaves_the_volumes(name: str):
    compare(name, "pressure", (0.5, 1.2, 2.0))


@pytest.mark.parametrize("name", NAMES)
def test_the_beat_lowers_for_cuda(name: str):
    one = solved(name)
    with double(False):
        rows, state = (jnp.asarray(array, jnp.float32) for array in (one.parameters, one.steady.state))
        beat = on_backend(one.beat, "xla")
        program = jax.jit(lambda rows, state, steps: beat(rows, state, steps))
        lowered = program.trace(rows, state, one.steps).lower(lowering_platforms=("cuda",))
    assert "f64" not in lowered.as_text()
