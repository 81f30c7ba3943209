"""Jacobians of steady readings, by the implicit function theorem and by differences, whitened by prior and noise."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from hemotwin.engine.beat import compiled
from hemotwin.engine.blocks import blocks
from hemotwin.engine.forward import forward
from hemotwin.engine.periodic import newton_correction
from hemotwin.engine.precision import double
from hemotwin.physiology.observable import Observer
from tests.problems import BODY_SURFACE_AREA, Drawn, readings_of

# sd of the noise by observable: arterial 4, right-heart and wedge 2 mmHg, volumes 10 mL, output 0.4 L/min, EF 4 points
NOISE = {
    "sbp": 4.0, "dbp": 4.0, "map": 4.0, "pcwp_mean": 2.0, "ra_pressure_mean": 2.0, "pa_pressure_systolic": 2.0,
    "pa_pressure_diastolic": 2.0, "pa_pressure_mean": 2.0, "lv_edv": 10.0, "lv_esv": 10.0, "rv_edv": 10.0,
    "cardiac_output": 0.4, "lvef": 4.0,
}  # fmt: skip
LANES = 64
CORRECTION = jax.jit(newton_correction)
CORRECTIONS = 2  # Newton steps from the beat of a neighbour 1e-5 away; the first leaves some 1e-8 mL
SETTLED = 1e-6  # two differences that are further apart straddle a change of branch, or are rounding


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
            moved = CORRECTION(out.state_jacobian[:, :size], out.state_jacobian[:, size:])
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


def shifted(draws: Drawn, relative: float) -> np.ndarray:
    """Rows [P, 2, F, B]: each free quantity of each draw down, then up, by a share of its size."""
    free, base = free_rows(draws), draws.parameters
    rows = np.repeat(np.repeat(base[:, None, None], 2, axis=1), len(free), axis=2)
    for n, row in enumerate(free):
        rows[row, :, n] += np.array([[-relative], [relative]]) * np.abs(base[row])
    return rows


def differences(draws: Drawn, readings: dict[str, np.ndarray], relative: float) -> np.ndarray:
    """Whitened central differences [O, F, B] from readings of the `shifted` rows, [2 F B] by name."""
    free = list(free_rows(draws))
    values = np.stack([readings[name] for name in NOISE]).reshape(len(NOISE), 2, len(free), -1)
    return whitened(draws, (values[:, 1] - values[:, 0]) / (2.0 * relative * np.abs(draws.parameters[free])))


def solved_differences(draws: Drawn, relative: float, steps: int) -> np.ndarray:
    """Whitened central differences [O, F, B] of newly solved beats, each solved until Newton gains no more.

    The residual of 1e-9 mL that the engine stops at would be 1e-4 mL in a difference over 1e-5.
    """
    rows = shifted(draws, relative)
    around = draws.steady.state[:, None, None]
    start = np.broadcast_to(around, (len(around), *rows.shape[1:])).reshape(len(around), -1)
    rows = rows.reshape(len(rows), -1)
    parts = []
    with double():
        for lanes, real in blocks(rows.shape[1], LANES):
            p, x = jnp.asarray(rows[:, lanes]), jnp.asarray(start[:, lanes])
            for _ in range(CORRECTIONS):
                out = compiled(draws.beat.bare(), ())(p, x, steps)
                x = x + CORRECTION(out.state_jacobian, out.state - x)
            parts.append(np.asarray(compiled(draws.beat, None)(p, x, steps).values)[:, :real])
        return differences(draws, readings_of(draws.model, rows, np.concatenate(parts, axis=1)), relative)


def disagreement(draws: Drawn, steps: int, relative: float = 3e-6) -> tuple[np.ndarray, np.ndarray]:
    """Gradient against central differences of the same map, as shares of each reading's largest slope (at least 1).

    Returns the errors of the entries whose differences over `relative` and over twice that agree within SETTLED, and,
    as [O, F, B], where they do not: there is no difference to compare with.
    """
    with double():
        state = forward(draws.beat, draws.parameters, draws.steady.state, steps).state
    found = whitened(draws, jacobian(draws, steps, state))
    near, far = (solved_differences(draws, step, steps) for step in (relative, 2.0 * relative))
    scale = np.maximum(np.max(np.abs(near), axis=1, keepdims=True), 1.0)
    settled = np.abs(near - far) <= SETTLED * scale
    return (np.abs(found - near) / scale)[settled], ~settled
