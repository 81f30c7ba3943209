"""The backward flow through a shut valve, on a loop whose answer is known and against the independent reference."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.layout import Layout
from hemotwin.core.reduction import Reduction
from hemotwin.core.system import Branch, Leak, Store, System
from hemotwin.engine.backends.diffrax import reference_beat
from hemotwin.engine.beat import BeatMap, compiled
from hemotwin.engine.forward import forward
from hemotwin.engine.precision import double
from hemotwin.engine.recording import record
from hemotwin.engine.solvers.impulse import Impulse, flow_rate, node_flows
from hemotwin.physiology.model import circulation
from tests.problems import beat_of

IMPEDANCE, RESISTANCE, LOSS, LARGE = 0.5, 0.3, 0.02, 1e7  # mmHg s/mL twice, mmHg s2/mL2, mL/mmHg
CHAMBER, ROOT, ARTERY = 10.0, 60.0, 100.0  # mmHg at the start


def leaking_loop() -> System:
    """A large chamber and a large artery with a root between them: the valve is shut and leaks what the path brings.

    The root's impedance stands in series with its compliance, so that a steady flow through the root does not see it.
    """

    def vessel(compliance: float):
        return lambda p, volume, activation: volume / compliance

    leak = Leak(lambda p: 1e-3, lambda p: LOSS)
    return System(
        name="leaking", version="1",
        stores=(Store("chamber", vessel(LARGE)), Store("root", vessel(0.05), series=lambda p: IMPEDANCE),
                Store("artery", vessel(LARGE))),
        branches=(Branch("valve", 0, 1, "valve", lambda p: 0.0, lambda p: 1e-3, lambda p: 1e-3, leak),
                  Branch("path", 1, 2, "inertial", lambda p: RESISTANCE, lambda p: 1e-3)),
        parameters=Layout(("total",), ("mL",)), constants={}, activations=(), groups=(), slack=2,
        total=lambda p: p["total"], period=lambda p: 1.0 + 0.0 * p["total"], readings={"valve": "valve"},
    )  # fmt: skip


def test_a_leak_has_its_own_law_in_the_rate_of_the_net_flow():
    """dq/dt of what runs back = (P_root - P_chamber - B q^2) / L of the leak, P_root with its impedance's drop; the
    forward orifice, shut, adds nothing. A root's lowest pressure is found by this slope."""
    system, back, path, inertance = leaking_loop(), 13.0, -20.0, 2e-3
    system = dataclasses.replace(
        system, branches=(dataclasses.replace(system.branches[0], leak=Leak(lambda p: inertance, lambda p: LOSS)),
                          system.branches[1]))  # fmt: skip
    total = LARGE * (CHAMBER + ARTERY) + 0.05 * ROOT
    with double():
        state = tuple(jnp.asarray([x]) for x in (LARGE * CHAMBER, 0.05 * ROOT, 0.0, back, path))
        solver, p = Impulse(), system.read((jnp.asarray([total]),))
        c = solver.prepare(system, p, 400)
        node = solver.node(system, p, c, jnp.zeros(1), state)
        found = float(flow_rate(system, c, node, node_flows(system, c, node), 0)[0])
    root = ROOT + IMPEDANCE * (-back - path)
    assert found == pytest.approx(-(root - CHAMBER - LOSS * back**2) / inertance, rel=1e-9)


def test_a_leak_beside_a_root_impedance_settles_where_pressure_equals_its_losses():
    """R q + B q^2 = P_artery - P_chamber, whatever the impedance; what the valve passes is what the chamber gains."""
    system = leaking_loop()
    beat = BeatMap(system, (Reduction("volume", "flow", "valve"),))
    total = LARGE * (CHAMBER + ARTERY) + 0.05 * ROOT
    start = np.array([[LARGE * CHAMBER, 0.05 * ROOT, 0.0, 0.0, 0.0]]).T
    with double():
        end = compiled(beat, None)(jnp.asarray([[total]]), jnp.asarray(start), 800)
    flows = dict(zip(system.state.names, np.asarray(end.state)[:, 0], strict=True))
    settled = (-RESISTANCE + np.sqrt(RESISTANCE**2 + 4.0 * LOSS * (ARTERY - CHAMBER))) / (2.0 * LOSS)
    assert flows["flow.valve"] == 0.0
    assert flows["flow.valve.leak"] == pytest.approx(settled, rel=1e-4)  # the large vessels move by 1e-5 mmHg
    assert flows["flow.path"] == pytest.approx(-settled, rel=1e-4)
    gained = float(end.state[0, 0]) - LARGE * CHAMBER
    assert float(end.values[0, 0]) == pytest.approx(-gained, rel=1e-6)  # eps of 1e8 mL


@pytest.mark.slow
@pytest.mark.parametrize("valve", ["aortic_valve", "mitral_valve", "tricuspid_valve", "pulmonary_valve"])
def test_a_regurgitant_adult_is_that_of_the_reference(valve: str):
    """As without a leak: the step's error at 400 steps is below 0.05 mL, and 0.02 mmHg in the mean pressures."""
    model = circulation("adult").with_values({f"{valve}.regurgitant_area": 0.4})
    rows = model.system.parameters.pack(model.values, 1)
    with double():
        steady = forward(beat_of(model), rows, None, model.steps)
        waves = record(beat_of(model), rows, steady.state, model.steps)
    assert steady.status[0] == 0
    found = reference_beat(model.system, rows, steady.state, rtol=1e-9, samples=model.steps)
    assert found.residual[0] <= 1e-6
    np.testing.assert_allclose(waves.volume, found.waves.volume, atol=0.05)
    np.testing.assert_allclose(np.mean(waves.pressure, axis=1), np.mean(found.waves.pressure, axis=1), atol=0.02)
