"""The independent reference: the general form dy/dt = f(t, y, p) of a System, solved adaptively by diffrax.

It shares with the impulse step only the declaration of the circulation. Volumes and inertial flows are states;
resistors and algebraic valves follow their flow law at once. Slow and exact: errors fall with `rtol`.
Sources: Tsitouras 2011, doi 10.1016/j.camwa.2011.06.002 (Tsit5); Kvaerno 2004, doi 10.1023/B:BITN.0000046811.70614.38
(Kvaerno5, for stiff valves); diffrax: Kidger 2021, arXiv 2202.02435.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from ...core.counts import whole_number
from ...core.errors import HemotwinError, UnknownNameError
from ...core.system import Params, System
from ..forward import equal_start
from ..precision import double
from ..recording import Waves
from ..shapes import arrays

__all__ = ["Reference", "derivative", "reference_beat", "signals"]

SHUT_RATE = 2000.0  # 1/s; a shut valve forgets the integrator's overshoot below zero flow this fast
SHUTTING = 1e6  # 1/s; below some 0.002 mL/s a valve shuts this fast instead of at once, where a method is implicit
SHORTEST = 1e-13  # s; shorter steps would leave the time where it is until their limit
STEP_LIMIT = 200_000  # integrator steps per beat before a lane counts as failed
METHODS: dict[str, Any] = {"tsit5": diffrax.Tsit5, "kvaerno5": diffrax.Kvaerno5}
IMPLICIT = ("kvaerno5",)
MEMORY = 8  # earlier beats that the acceleration looks back on


class Reference(NamedTuple):
    """Steady beat by adaptive integration (lanes last): waves, onset state [S, B], residual [B] mL, beats taken."""

    waves: Waves
    state: np.ndarray
    residual: np.ndarray
    beats: int


class _Instant(NamedTuple):
    """Volumes, pressures of the capacities, net flow of every branch and the flow states' driving pressures."""

    volume: list[Any]
    pressure: list[Any]
    flow: list[Any]
    push: dict[tuple[int, bool], Any]


def _order(system: System) -> list[tuple[int, ...]]:
    """Branches without a flow state, those first whose neighbours through an impedance are known.

    Resistors that meet at an impedance come together; a law that is not linear must stand alone.
    """
    known = {i for i, branch in enumerate(system.branches) if branch.kind not in ("resistive", "algebraic")}
    algebraic = [(i,) for i, branch in enumerate(system.branches) if branch.kind == "algebraic"]
    waiting = sorted((*system.resistor_groups, *algebraic))
    order: list[tuple[int, ...]] = []
    while waiting:
        ready = [g for g in waiting if all(o in known or o in g for i in g for o, _, _ in system.couplings(i))]
        if not ready:
            names = ", ".join(system.branches[i].name for group in waiting for i in group)
            raise HemotwinError(f"`{system.name}` must not couple algebraic flows in a loop, but {names} do.")
        order += ready
        known |= {i for group in ready for i in group}
        waiting = [group for group in waiting if group not in ready]
    return order


def _pressures(system: System, p: Params, time: Any, volume: list[Any]) -> list[Any]:
    activation = [law(p, time) for law in system.activations]
    pressure = []
    for store, v in zip(system.stores, volume, strict=True):
        drive = None if store.activation is None else activation[store.activation]
        outside = 0.0 if store.external is None else store.external(p)
        pressure.append(store.pressure(p, v, drive) + outside)
    for group in system.groups:
        press = group.pressure(p, sum(volume[m] for m in group.members))
        for m in group.members:
            pressure[m] = pressure[m] + press
    return pressure


def _instant(system: System, p: Params, time: Any, state: Any) -> _Instant:
    """Everything at one instant from the state rows (scalars or [batch])."""
    count = len(system.free_stores)
    volume = system.volumes(p, [state[i] for i in range(count)])
    pressure = _pressures(system, p, time, volume)
    held = {key: jnp.maximum(state[count + row], 0.0) if system.branches[key[0]].kind == "valve" else state[count + row]
            for row, key in enumerate(system.flow_states)}  # fmt: skip
    flow: list[Any] = [0.0] * len(system.branches)
    for (index, leak), q in held.items():
        flow[index] = flow[index] - q if leak else flow[index] + q

    def driving(index: int, beside: tuple[int, ...] = ()) -> Any:
        branch = system.branches[index]
        met = [(other, sign * z(p)) for other, sign, z in system.couplings(index) if other not in beside]
        return pressure[branch.up] - pressure[branch.down] + sum((z * flow[other] for other, z in met), 0.0)

    for group in _order(system):
        branch, index = system.branches[group[0]], group[0]
        if branch.flow is not None:
            flow[index] = branch.flow(p, driving(index), system.resistance(p, index))
            continue
        for member, q in zip(group, _together(system, p, group, [driving(i, group) for i in group]), strict=True):
            flow[member] = q
    push = {(index, leak): -driving(index) if leak else driving(index) for index, leak in system.flow_states}
    return _Instant(volume, pressure, flow, push)


def _together(system: System, p: Params, group: tuple[int, ...], push: list[Any]) -> list[Any]:
    """Flows of resistors that meet at impedances: R q - sum of Z q' over the group = push."""
    if len(group) == 1:
        return [push[0] / system.resistance(p, group[0])]
    between = [[sum((sign * z(p) for other, sign, z in system.couplings(i) if other == j), 0.0) for j in group]
               for i in group]  # fmt: skip
    zero = jnp.zeros_like(jnp.asarray(push[0]))
    rows = [[zero + system.resistance(p, i) if i == j else zero - z for j, z in zip(group, row, strict=True)]
            for i, row in zip(group, between, strict=True)]  # fmt: skip
    matrix = jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)
    return list(jnp.moveaxis(jnp.linalg.solve(matrix, jnp.stack(push, axis=-1)[..., None])[..., 0], -1, 0))


def derivative(system: System, p: Params, time: Any, state: Any, *, smooth: bool = False) -> Any:
    """dy/dt of the state rows: volumes by conservation, flows by momentum, openings of leaflets by their law.

    L dq/dt = dp - R q - B q^2 for a valve while q > 0 or dp > 0 (else q rests at 0), L dq/dt = dp - R q for an
    inertial path; where leaflets move, L and B follow their area and the flow may turn. dp includes the impedances in
    series with the capacities (`System.couplings`), R those at the ports. `smooth`: the rate of a valve that shuts does
    not jump at q = 0, where an implicit step would often have no solution however short it is.
    """
    now = _instant(system, p, time, state)
    net: list[Any] = [0.0] * len(system.stores)
    for branch, q in zip(system.branches, now.flow, strict=True):
        net[branch.up], net[branch.down] = net[branch.up] - q, net[branch.down] + q
    count = len(system.free_stores)
    rates = [net[i] for i in system.free_stores]
    for row, (index, leak) in enumerate(system.flow_states):
        q, push = state[count + row], now.push[index, leak]
        inertance, loss = _momentum(system, p, index, leak, state)
        rate = (push - system.resistance(p, index) * q - loss * q * jnp.abs(q)) / inertance
        if system.branches[index].kind == "valve":
            rate = jnp.maximum(rate, -SHUTTING * q) if smooth else rate
            rate = jnp.where((q > 0.0) | (push > 0.0), rate, -SHUT_RATE * q)
        rates.append(rate)
    for row, index in enumerate(system.leaflet_states, count + len(system.flow_states)):
        q = state[count + system.flow_states.index((index, False))]
        across = now.push[index, False] - system.resistance(p, index) * q
        rates.append(_leaflet_rate(system, p, index, state[row], across))
    like = jnp.zeros_like(state[0])
    return jnp.stack([like + rate for rate in rates])


def _leaflet_rate(system: System, p: Params, index: int, opening: Any, across: Any) -> Any:
    """Rate of the opening (1/s) under the pressure difference across the valve (mmHg)."""
    leaflets = system.branches[index].leaflets
    assert leaflets is not None, f"{system.branches[index].name} has an opening and therefore leaflets"
    rising, falling = leaflets.opening(p) * (1.0 - opening), leaflets.closing(p) * opening
    return jnp.where(across > 0.0, rising, falling) * across


def _momentum(system: System, p: Params, index: int, leak: bool, state: Any) -> tuple[Any, Any]:
    """Inertance (mmHg s2/mL) and quadratic loss (mmHg s2/mL2) of a branch, or of its leak."""
    branch = system.branches[index]
    if branch.leaflets is not None:
        row = len(system.free_stores) + len(system.flow_states) + system.leaflet_states.index(index)
        shut = branch.leaflets.shut_area(p)
        area = shut + state[row] * (branch.leaflets.open_area(p) - shut)
        return branch.leaflets.column(p) / area, branch.leaflets.head(p) / area**2
    path = branch.leak if leak and branch.leak is not None else branch
    assert path.inertance is not None, f"{branch.name} has a flow state and therefore an inertance"
    return path.inertance(p), 0.0 if path.loss is None else path.loss(p)


def signals(system: System, p: Params, time: Any, state: Any) -> tuple[Any, Any, Any]:
    """Pressure at every store's port (mmHg), volume (mL) and net flow of every branch (mL/s) at one instant."""
    now, ports = _instant(system, p, time, state), []
    for index, store in enumerate(system.stores):
        read = now.pressure[index]
        for branch, q in zip(system.branches, now.flow, strict=True):
            entering, leaving = branch.down == index, branch.up == index
            if store.series is not None and (entering or leaving):
                read = read + store.series(p) * (q if entering else -q)
            if store.inlet is not None and entering:
                read = read + store.inlet(p) * q
            if store.outlet is not None and leaving:
                read = read - store.outlet(p) * q
        ports.append(read)
    like = jnp.zeros_like(state[0])
    pressure, volume, flow = (jnp.stack([like + x for x in rows]) for rows in (ports, now.volume, now.flow))
    return pressure, volume, flow


@functools.lru_cache(maxsize=32)
def _program(system: System, method: str, samples: int, rtol: float) -> Any:
    """jit(vmap) of one beat: (parameters [P, B], state [S, B]) -> states at 0 and the `samples` later instants."""
    solver, smooth = METHODS[method](), method in IMPLICIT
    term = diffrax.ODETerm(lambda t, y, rows: derivative(system, system.read(tuple(rows)), t, y, smooth=smooth))
    control = diffrax.PIDController(rtol=rtol, atol=rtol, dtmin=SHORTEST)

    def one(rows: Any, state: Any) -> Any:
        p = system.read(tuple(rows))
        times = jnp.linspace(0.0, system.period(p), samples + 1)
        solved = diffrax.diffeqsolve(
            term, solver, 0.0, times[-1], 1e-5, state, rows, saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=control, max_steps=STEP_LIMIT, throw=False,
        )  # fmt: skip
        return times, solved.ys, jax.vmap(lambda t, y: signals(system, p, t, y))(times, solved.ys)

    return jax.jit(jax.vmap(one, in_axes=(1, 1), out_axes=-1))


def _accelerated(starts: list[np.ndarray], ends: list[np.ndarray]) -> np.ndarray:
    """Anderson's next guess per lane from the latest beats' start and end states [S, B].

    It mixes the ends with the weights of sum 1 that make the change over a beat least; Walker and Ni 2011,
    doi 10.1137/10078356X. A lane that has failed keeps its latest end.
    """
    if len(starts) < 2:
        return ends[-1]
    with np.errstate(invalid="ignore"):
        change = np.stack([e - s for s, e in zip(starts, ends, strict=True)])
    guess = np.array(ends[-1])
    for lane in range(guess.shape[1]):
        f = change[:, :, lane]
        if not np.isfinite(f).all():
            continue
        weights = np.linalg.lstsq((f[1:] - f[:-1]).T, f[-1], rcond=1e-12)[0]
        stack = np.stack([e[:, lane] for e in ends])
        guess[:, lane] = stack[-1] - (stack[1:] - stack[:-1]).T @ weights
    return guess


def reference_beat(
    system: System, parameters: Any, state: Any = None, *, beats: int = 40, rtol: float = 1e-9, samples: int = 4000,
    method: str = "tsit5", tolerance: float = 1e-7,
) -> Reference:  # fmt: skip
    """The steady beat of every lane by beats of adaptive integration, to `tolerance` mL or at most `beats` beats.

    parameters [P, B] (or a mapping of one patient's values), state [S, B] a guess (None: all stores at one pressure);
    `rtol` is also the absolute tolerance (mL, mL/s); `samples` instants per beat come back with the waves. The
    residual is the largest volume change over the last beat; a lane whose integration failed has a residual of NaN,
    and the others go on. Raises `InputError` for what cannot be run.
    """
    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    beats, samples = whole_number("beats", beats, 1), whole_number("samples", samples, 1)
    with double(), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        if isinstance(parameters, Mapping):
            parameters = system.parameters.pack(parameters, 1)
        given, guess = arrays(system, parameters, state)
        rows = jnp.asarray(given, dtype=float)
        guess = np.asarray(equal_start(system, rows) if state is None else guess, dtype=float)
        program = _program(system, method, samples, rtol)
        starts: list[np.ndarray] = []
        ends: list[np.ndarray] = []
        for count in range(1, beats + 1):
            times, states, waves = program(rows, jnp.asarray(guess))
            starts, ends = [*starts[1 - MEMORY :], guess], [*ends[1 - MEMORY :], np.asarray(states[-1])]
            change = _change(system, starts[-1], ends[-1])
            if not (change > tolerance).any() or count == beats:
                break
            guess = ends[-1] if count < 3 else _admissible(system, _accelerated(starts, ends), ends[-1])
    pressure, volume, flow = (np.moveaxis(np.asarray(w), 0, 1) for w in waves)
    return Reference(Waves(np.asarray(times), pressure, volume, flow), starts[-1], change, count)


def _change(system: System, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The largest change of a volume per lane (mL), NaN where the beat was not integrated to its end."""
    with np.errstate(invalid="ignore"):
        change = np.abs(end - start)[: len(system.free_stores)].max(axis=0)
    return np.where(np.isfinite(end).all(axis=0), change, np.nan)


def _admissible(system: System, guess: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """The guess where it is finite with positive volumes, else the plain beat's end; valves never run backwards."""
    count = len(system.free_stores)
    sound = np.isfinite(guess).all(axis=0) & (guess[:count] > 0.0).all(axis=0)
    chosen = np.where(sound, guess, plain)
    for row, (index, _) in enumerate(system.flow_states):
        if system.branches[index].kind == "valve":
            chosen[count + row] = np.maximum(chosen[count + row], 0.0)
    return chosen
