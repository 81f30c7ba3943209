"""Several devices share the lanes of a block: the same numbers as one, each device looping for its own lanes alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TWO = """
import jax, jax.numpy as jnp, numpy as np
from hemotwin.engine.beat import BeatMap
from hemotwin.engine.compilation import over_devices
from hemotwin.engine.periodic import TOLERANCE, equal_pressure_state, newton_iteration
from hemotwin.engine.precision import double
from hemotwin.physiology.model import circulation

assert len(jax.devices()) == 2
model = circulation("regazzoni_2022_a")
beat = BeatMap(model.system, backend={backend!r})
rows = np.repeat(model.system.parameters.pack(model.values), 8, axis=1)
rows = rows * np.exp(0.02 * np.random.default_rng(3).standard_normal(rows.shape))
with double():
    solve = newton_iteration(beat, TOLERANCE)
    p = jnp.asarray(rows)
    start = equal_pressure_state(model.system, p)
    apart, together = over_devices(solve, jax.devices()), jax.jit(solve)
    two, one = apart(p, start, 100, 3), together(p, start, 100, 3)
    assert len(two.state.sharding.device_set) == 2 and np.all(np.asarray(two.status) == 0)
    np.testing.assert_allclose(two.state, one.state, rtol=0, atol=1e-9)
    odd = apart(p[:, :7], start[:, :7], 100, 3)
    assert len(odd.state.sharding.device_set) == 1
    np.testing.assert_allclose(odd.state, one.state[:, :7], rtol=0, atol=1e-9)
print("shared out")
"""


@pytest.mark.parametrize("backend", ["auto", pytest.param("xla", marks=pytest.mark.slow)])
def test_two_devices_share_the_lanes(backend: str):
    """Two host devices stand for two GPUs; 1e-9 mL is where the solve of either ends."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    run = subprocess.run([sys.executable, "-c", TWO.format(backend=backend)], env={**os.environ, "XLA_FLAGS": flags},
                         cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)  # fmt: skip
    assert run.returncode == 0 and "shared out" in run.stdout, run.stderr[-2000:]
