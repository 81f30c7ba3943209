"""Jacobians of steady readings by the implicit function theorem, whitened by prior and noise."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from hemotwin.engine.beat import compiled
from hemotwin.engine.forward import blocks
from hemotwin.engine.periodic import newton_correction
from hemotwin.engine.precision import double
from hemotwin.physiology.observable import Observer
from tests.problems import BODY_SURFACE_AREA, Drawn

# sd of the noise by observable: arterial 4, right-heart and wedge 2 mmHg, volumes 10 mL, output 0.4 L/min, EF 4 points
NOISE = {
    "sbp": 4.0, "dbp": 4.0, "map": 4.0, "pcwp_mean": 2.0, "ra_pressure_mean": 2.0, "pa_pressure_systolic": 2.0,
    "pa_pressure_diastolic": 2.0, "pa_pressure_mean": 2.0, "lv_edv": 10.0, "lv_esv": 10.0, "rv_edv": 10.0,
    "cardiac_output": 0.4, "lvef": 4.0,
}  # fmt: skip
LANES = 64


def free_rows(draws: Drawn) -> tuple[int, ...]:
    """Parameter rows of the prior's free quantities."""
    layout = draws.model.system.parameters
    return tuple(layout.index(q.name) for q in draws.patient.quantities if q.kind != "nuisance")


def jacobian(draws: Drawn, steps: int, state: np.ndarray) -> np.ndarray:
    """d reading / d parameter [O, F, B] of the readings in NOISE at a steady state [S, B] of `steps` steps.

    dx = (I - dPhi/dx)^-1 dPhi/dp and dy = dy/dp + dy/dx dx, with one linearised beat.
    """
    free, size = free_rows(draws), len(draws.model.system.state)
    observer = Observer(draws.model.system, tuple(NOISE))
    keep = jnp.asarray([draws.beat.reductions.index(r) for r in observer.reductions])
    parts = []
    with double():
        for lanes, real in blocks(state.shape[1], LANES):
            rows = jnp.asarray(draws.parameters[:, lanes])
            out = compiled(draws.beat, free)(rows, jnp.asarray(state[:, lanes]), steps)
            moved = newton_correction(out.state_jacobian[:, :size], out.state_jacobian[:, size:])
            total = out.values_jacobian[:, size:] + jnp.einsum("rsb,sfb->rfb", out.values_jacobian[:, :size], moved)
            parts.append(np.asarray(_read(observer, out.values[keep], total[keep], rows, free))[..., :real])
    return np.concatenate(parts, axis=-1)


def _read(observer: Observer, values: jax.Array, total: jax.Array, rows: jax.Array, free: tuple[int, ...]) -> jax.Array:
    """d observable / d parameter [O, F, B] from reductions [R, B] and their derivatives [R, F, B]."""
    size = jnp.full(rows.shape[1:], BODY_SURFACE_AREA)
    columns = []
    for n, row in enumerate(free):
        direction = jnp.zeros_like(rows).at[row].set(1.0)
        columns.append(jax.jvp(lambda v, p: observer(v, p, size), (values, rows), (total[:, n], direction))[1])
    return jnp.stack(columns, axis=1)


def whitened(draws: Drawn, slopes: np.ndarray) -> np.ndarray:
    """Jacobian in prior sds over noise sds [O, F, B]."""
    kept = [n for n, q in enumerate(draws.patient.quantities) if q.kind != "nuisance"]
    rows = draws.parameters[list(free_rows(draws))]
    logarithmic = np.array(draws.patient.logarithmic)[kept]
    sd = draws.patient.sd[kept]
    chain = np.where(logarithmic[:, None], rows, 1.0) * sd[:, None]
    return slopes * chain[None] / np.array(list(NOISE.values()))[:, None, None]
