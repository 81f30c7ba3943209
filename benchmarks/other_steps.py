"""Time steps that the default one is held against: explicit Runge-Kutta, linearly implicit, and graded grids.

All speak the interface of the default step, so that beats, tangents and readings are computed by the same code and only
the step differs. For networks without leaks and without moving leaflets. A valve may open within any stage but closes
by a limit at the step's end, q >= 0, unless the step takes the areas of events from the default one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hemotwin.core.system import System
from hemotwin.engine.beat import BeatMap
from hemotwin.engine.recording import Waves
from hemotwin.engine.solvers import impulse
from hemotwin.engine.solvers.impulse import Impulse, flow_rate, net_inflow, node_flows, pressure_rate
from hemotwin.engine.solvers.node import Coefficients, Node, StepRecord
from hemotwin.engine.solvers.valve_step import finish_valve

__all__ = ["EXPLICIT", "Explicit", "GradedBeat", "LinearlyImplicit", "curvature_density", "flow_density", "graded",
           "sparse_lu"]  # fmt: skip

# Butcher tableaus (rows of A below the first, weights, nodes): Heun's method of order 2 and the classical one of order
# 4; Hairer, Norsett and Wanner 1993, doi 10.1007/978-3-540-78862-1, ch. II.1.
EXPLICIT = {
    "heun": (((1.0,),), (0.5, 0.5), (0.0, 1.0)),
    "rk4": (((0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6), (0.0, 0.5, 0.5, 1.0)),
}
GAMMA = 1.0 - 1.0 / math.sqrt(2.0)  # of ROS2: L-stable with the smaller error constant


def _moved(system: System, node: Node, h: Any, flows: Sequence[Any], rates: Sequence[Any]) -> tuple[Any, ...]:
    """State rows after h seconds of constant branch flows (mL/s) and rates of the flow states (mL/s2)."""
    volumes = [node.volume[i] + h * net_inflow(system, tuple(flows), i) for i in system.free_stores]
    return (*volumes, *(q + h * r for q, r in zip(node.flow, rates, strict=True)))


def _shut(system: System, rows: Sequence[Any]) -> tuple[Any, ...]:
    """State rows with valves' flows kept from running backwards."""
    count = len(system.free_stores)
    one_way = [system.branches[i].kind == "valve" for i, _ in system.flow_states]
    flows = [jnp.maximum(q, 0.0) if valve else q for q, valve in zip(rows[count:], one_way, strict=True)]
    return (*rows[:count], *flows)


def _open_shares(system: System, node: Node) -> tuple[Any, ...]:
    """1 for a branch that carries flow at the node, 0 for a shut valve: no event is found inside a step."""
    share: list[Any] = [1.0] * len(system.branches)
    for row, (i, _) in enumerate(system.flow_states):
        if system.branches[i].kind == "valve":
            share[i] = jnp.where(node.flow[row] > 0.0, 1.0, 0.0)
    return tuple(share)


@dataclass(frozen=True)
class Explicit(Impulse):
    """Explicit Runge-Kutta step of dV/dt = inflow - outflow, L dq/dt = dp - R q - B q^2; as many evaluations as stages.

    `method` names a tableau in EXPLICIT.
    """

    method: str = "heun"

    def step(self, system: System, p: dict[str, Any], c: Coefficients, time: Any, n0: Node) -> tuple[Node, StepRecord]:
        """One step from a node to the next, ending at `time` seconds after onset."""
        table, weights, nodes = EXPLICIT[self.method]
        flows, rates = [], []
        for stage in range(len(weights)):
            node = n0
            if stage:
                mean, rate = (_mixed(table[stage - 1], x) for x in (flows, rates))
                rows = _moved(system, n0, c.h, mean, rate)
                node = self.node(system, p, c, time - (1.0 - nodes[stage]) * c.h, rows)
            flows.append(node_flows(system, c, node))
            rates.append(tuple(flow_rate(system, c, node, flows[-1], i) for i, _ in system.flow_states))
        mean, rate = _mixed(weights, flows), _mixed(weights, rates)
        n1 = self.node(system, p, c, time, _shut(system, _moved(system, n0, c.h, mean, rate)))
        return n1, StepRecord(mean, _open_shares(system, n1), n1.volume)


def _mixed(weights: Sequence[float], stages: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    columns = zip(*stages, strict=True)
    return tuple(sum(w * x for w, x in zip(weights, column, strict=False) if w != 0.0) for column in columns)


@dataclass(frozen=True)
class LinearlyImplicit(Impulse):
    """ROS2, a Rosenbrock step of order 2 (with any Jacobian), L-stable, with one evaluation of the pressures.

    (1 - g h J) k1 = f(y0) + g h f_t, (1 - g h J) k2 = f(y0 + h k1) - g h f_t - 2 k1, y1 = y0 + h (3 k1 + k2)/2 with
    g = 1 - 1/sqrt 2: Verwer et al. 1999, doi 10.1137/S1064827597326651. The unknowns are the branches' flows, whose
    matrix has an entry only where branches share a store (or a surrounding); it is factored without pivots in an order
    fixed beforehand. Pressures at the step's end are those of the second stage, moved by their slopes.

    `areas`: valves' mean flows and end flows are replaced by those of the default step, with the areas of events.
    """

    areas: bool = False

    def step(self, system: System, p: dict[str, Any], c: Coefficients, time: Any, n0: Node) -> tuple[Node, StepRecord]:
        """One step from a node to the next, ending at `time` seconds after onset."""
        flow0, w = node_flows(system, c, n0), GAMMA * c.h
        inert = {i: row for row, (i, _) in enumerate(system.flow_states)}
        still = _resting(system, c, n0, flow0)
        factored = sparse_lu(_matrix(system, c, n0, w, still))
        ends = [[pressure_rate(system, n0, flow0, end) for end in (b.up, b.down)] for b in system.branches]
        rise = [w * (up - down) for up, down in ends]
        push0 = [_push(system, c, n0, flow0, i) if i in inert else 0.0 for i in range(len(flow0))]
        d1 = factored.solve([_stay(s, a + b) for s, a, b in zip(still, push0, rise, strict=True)])
        first = tuple(q + d for q, d in zip(flow0, d1, strict=True))
        slope1 = [d1[i] / w for i in inert]
        n1 = self.node(system, p, c, time, _moved(system, n0, c.h, first, slope1))
        flow1 = node_flows(system, c, n1)
        fixed = tuple(a - 2.0 * b for a, b in zip(flow1, first, strict=True))
        right = []
        for i, branch in enumerate(system.branches):
            driven = w * (_driven(system, n0, branch.up) - _driven(system, n0, branch.down))
            moved = w * (_by_flow(system, n0, fixed, branch.up) - _by_flow(system, n0, fixed, branch.down))
            push = _push(system, c, n1, flow1, i) - 2.0 * c.inertance[i] * d1[i] / w if i in inert else 0.0
            right.append(_stay(still[i], push - driven + moved))
        d2 = factored.solve(right)
        second = tuple(q + d for q, d in zip(fixed, d2, strict=True))
        mean = tuple(1.5 * a + 0.5 * b for a, b in zip(first, second, strict=True))
        mean = tuple(_stay(s, m) for s, m in zip(still, mean, strict=True))
        rate = [(1.5 * d1[i] + 0.5 * d2[i]) / w for i in inert]
        if self.areas:
            return self._with_areas(system, c, n0, n1, flow0, mean, rate, ends)
        rows = _shut(system, _moved(system, n0, c.h, mean, rate))
        return _carried(system, c, n1, rows), StepRecord(mean, _open_shares(system, n1), n1.volume)

    def _with_areas(
        self, system: System, c: Coefficients, n0: Node, n1: Node, flow0: tuple[Any, ...], mean: tuple[Any, ...],
        rate: list[Any], ends: list[list[Any]],
    ) -> tuple[Node, StepRecord]:  # fmt: skip
        """The step's end with the default step's valves, whose pressure differences come from both stages."""
        rows = list(_moved(system, n0, c.h, mean, rate))
        count, flows, share = len(system.free_stores), list(mean), [1.0] * len(mean)
        inert = {i: rows[count + row] for row, (i, _) in enumerate(system.flow_states)}
        end = [inert.get(i, 2.0 * m - q) for i, (m, q) in enumerate(zip(mean, flow0, strict=True))]
        for row, (i, _) in enumerate(system.flow_states):
            if system.branches[i].kind != "valve":
                continue
            before, after = (_difference(system, c, n, q, i) for n, q in ((n0, flow0), (n1, end)))
            coupled = (z * flow_rate(system, c, n0, flow0, other) for other, z in c.coupling[i])
            climb = sum(coupled, ends[i][0] - ends[i][1])
            flows[i], rows[count + row], share[i] = finish_valve(
                n0.flow[row], before, c.h * climb, after, c.resistance[i], c.loss[i], c.inertance[i], c.h
            )
        self._answer(system, c, n1, mean, flows, rows)
        volumes = [n0.volume[s] + c.h * net_inflow(system, tuple(flows), s) for s in system.free_stores]
        end_node = _carried(system, c, n1, (*volumes, *rows[count:]))
        return end_node, StepRecord(tuple(flows), tuple(share), n1.volume)

    def _answer(
        self, system: System, c: Coefficients, n1: Node, mean: tuple[Any, ...], flows: list[Any], rows: list[Any]
    ) -> None:
        """What inertial paths and resistors make of the change of the valves' mean flows."""
        count = len(system.free_stores)
        change = [q - m for q, m in zip(flows, mean, strict=True)]
        for row, (i, _) in enumerate(system.flow_states):
            if system.branches[i].kind == "inertial" and c.coupling[i]:
                push = c.h * sum(z * change[other] for other, z in c.coupling[i])
                moved = push / (c.inertance[i] + 0.5 * c.h * c.resistance[i])
                rows[count + row], flows[i] = rows[count + row] + moved, flows[i] + 0.5 * moved
                change[i] = 0.5 * moved
        for i, branch in enumerate(system.branches):
            if branch.kind == "resistive":
                up, down = (_by_flow(system, n1, tuple(change), end) for end in (branch.up, branch.down))
                through = 0.5 * c.h * (n1.slope[branch.up] + n1.slope[branch.down])
                change[i] = 0.5 * c.h * (up - down) / (c.resistance[i] + through)
                flows[i] = flows[i] + change[i]


def _stay(still: Any, x: Any) -> Any:
    """x, or 0 where a valve rests (`still` None: never)."""
    return x if still is None else jnp.where(still, 0.0, x)


def _difference(system: System, c: Coefficients, node: Node, flows: Sequence[Any], i: int) -> Any:
    """Driving pressure difference (mmHg) of a branch, with the drops of other flows at impedances."""
    branch = system.branches[i]
    through = sum((z * flows[other] for other, z in c.coupling[i]), 0.0)
    return node.pressure[branch.up] - node.pressure[branch.down] + through


def _push(system: System, c: Coefficients, node: Node, flows: tuple[Any, ...], i: int) -> Any:
    """L dq/dt (mmHg) of a branch with inertance at a node."""
    q = flows[i]
    return _difference(system, c, node, flows, i) - c.resistance[i] * q - c.loss[i] * q * jnp.abs(q)


def _resting(system: System, c: Coefficients, node: Node, flows: tuple[Any, ...]) -> list[Any]:
    """Per branch: is it a valve that is shut and stays so; None for what is no valve."""
    return [
        (flows[i] <= 0.0) & (_difference(system, c, node, flows, i) <= 0.0) if branch.kind == "valve" else None
        for i, branch in enumerate(system.branches)
    ]


def _driven(system: System, node: Node, store: int) -> Any:
    """Pressure change by contraction alone (mmHg/s)."""
    index = system.stores[store].activation
    return 0.0 if index is None else node.drive[store] * node.rate[index]


def _by_flow(system: System, node: Node, flows: tuple[Any, ...], store: int) -> Any:
    """Pressure change by flow alone (mmHg/s)."""
    rate = node.slope[store] * net_inflow(system, flows, store)
    for group, slope in zip(system.groups, node.group_slope, strict=True):
        if store in group.members:
            rate = rate + slope * sum(net_inflow(system, flows, m) for m in group.members)
    return rate


def _matrix(system: System, c: Coefficients, node: Node, w: Any, still: list[Any]) -> list[list[Any]]:
    """Rows of the flows' matrix, None where an entry is zero for every patient.

    (L/w + R + 2 B |q|) d - w (dP_up - dP_down)/dV (inflow - outflow of d) - sum of z d' for every branch.
    """
    size, inert = len(system.branches), {i: row for row, (i, _) in enumerate(system.flow_states)}
    rows: list[list[Any]] = []
    for i, branch in enumerate(system.branches):
        row: list[Any] = [None] * size
        row[i] = c.resistance[i]
        if i in inert:
            row[i] = row[i] + c.inertance[i] / w + 2.0 * c.loss[i] * jnp.abs(node.flow[inert[i]])
        for end, sign in ((branch.up, -1.0), (branch.down, 1.0)):
            for store, slope in _slopes(system, node, end):
                for j, other in enumerate(system.branches):
                    turn = sign * ((other.down == store) - (other.up == store))
                    if turn:
                        row[j] = (0.0 if row[j] is None else row[j]) + turn * w * slope
        for j, z in c.coupling[i]:
            row[j] = (0.0 if row[j] is None else row[j]) - z
        rests = still[i]
        if rests is not None:
            row = [None if x is None else jnp.where(rests, float(i == j), x) for j, x in enumerate(row)]
        rows.append(row)
    return rows


def _slopes(system: System, node: Node, store: int) -> list[tuple[int, Any]]:
    """(other store, mmHg/mL by which its volume raises this one's pressure)."""
    found = [(store, node.slope[store])]
    for group, slope in zip(system.groups, node.group_slope, strict=True):
        if store in group.members:
            found += [(m, slope) for m in group.members]
    return found


def _carried(system: System, c: Coefficients, node: Node, rows: Sequence[Any]) -> Node:
    """The node at other state rows, its pressures moved by their slopes (the difference is of third order in h)."""
    count = len(system.free_stores)
    volume = list(rows[:count])
    volume.insert(system.slack, c.total - sum(volume))
    pressure = impulse.corrected_pressure(system, node, tuple(volume))
    return node._replace(volume=tuple(volume), pressure=pressure, flow=tuple(rows[count:]))


@dataclass(frozen=True)
class SparseLU:
    """A = L U in the order `order`, with entries only where the pattern fills."""

    order: tuple[int, ...]
    rows: list[list[Any]]

    def solve(self, right: Sequence[Any]) -> list[Any]:
        """x of A x = right, by forward and backward substitution."""
        size = len(self.order)
        y: list[Any] = [right[i] for i in self.order]
        for k in range(size):
            for m in range(k + 1, size):
                if self.rows[m][k] is not None:
                    y[m] = y[m] - self.rows[m][k] * y[k]
        for k in reversed(range(size)):
            for m in range(k + 1, size):
                if self.rows[k][m] is not None:
                    y[k] = y[k] - self.rows[k][m] * y[m]
            y[k] = y[k] * self.rows[k][k]
        found = dict(zip(self.order, y, strict=True))
        return [found[i] for i in range(size)]


def sparse_lu(matrix: Sequence[Sequence[Any]]) -> SparseLU:
    """Factors of a matrix of arrays with None for zeros; pivots on the diagonal, of least Markowitz count first.

    U's diagonal is kept inverted. Markowitz 1957, doi 10.1287/mnsc.3.3.255.
    """
    order = _elimination_order([[x is not None for x in row] for row in matrix])
    a = [[matrix[i][j] for j in order] for i in order]
    for k in range(len(a)):
        a[k][k] = 1.0 / a[k][k]
        for m in range(k + 1, len(a)):
            if a[m][k] is None:
                continue
            a[m][k] = a[m][k] * a[k][k]
            for n in range(k + 1, len(a)):
                if a[k][n] is not None:
                    a[m][n] = (0.0 if a[m][n] is None else a[m][n]) - a[m][k] * a[k][n]
    return SparseLU(order, a)


def _elimination_order(filled: list[list[bool]]) -> tuple[int, ...]:
    left, order = set(range(len(filled))), []
    while left:
        cost = {k: sum(filled[i][k] for i in left - {k}) * sum(filled[k][j] for j in left - {k}) for k in left}
        k = min(sorted(left), key=lambda i: cost[i])
        order.append(k)
        left.remove(k)
        for i in (i for i in left if filled[i][k]):
            filled[i] = [a or b for a, b in zip(filled[i], filled[k], strict=True)]
    return tuple(order)


@dataclass(frozen=True)
class GradedBeat(BeatMap):
    """A beat whose steps are as long as a grid says, the same for all patients, in fractions of the cycle.

    `lengths` are the relative lengths of the steps in equal shares of their number: the phase of node k of N is the
    integral of the lengths up to k/N over that of all.
    """

    lengths: tuple[float, ...] = (1.0,)

    def phase(self, node: Any, steps: Any, dtype: Any) -> Any:
        """Fraction of the cycle at a node: a broken line, looked up by XLA, a sum of ramps in straight-line code."""
        share = jnp.asarray(node, dtype) / jnp.asarray(steps, dtype)
        cells = len(self.lengths)
        slopes = np.asarray(self.lengths) * cells / sum(self.lengths)
        if self.backend == "xla":
            ends = jnp.asarray(np.concatenate([[0.0], np.cumsum(slopes) / cells]), dtype)
            cell = jnp.minimum(jnp.asarray(node) * cells // steps, cells - 1)
            return ends[cell] + jnp.asarray(slopes, dtype)[cell] * (share - cell / cells)
        found = float(slopes[0]) * share
        for cell in range(1, cells):
            found = found + float(slopes[cell] - slopes[cell - 1]) * jnp.maximum(share - cell / cells, 0.0)
        return found

    def _recorded_step(self, p: Any, c: Any, k: Any, steps: Any, carry: Any) -> Any:
        """(carry after a step, what happened in it); slopes of samples are carried per uniform step."""
        node, (samples, kept) = carry
        dtype = node.volume[0].dtype
        phase, stop = (self.phase(n, steps, dtype) for n in (k, k + 1))
        share = stop - phase
        ratio = share * jnp.asarray(steps, dtype)
        here = c._replace(h=share * c.period)
        after, record = self.solver.step(self.system, p, here, stop * c.period, node)
        after = jax.tree.map(lambda x, like: jnp.zeros_like(like) + x, after, node)
        samples = tuple((y, f * ratio) for y, f in samples)
        samples, kept = self._reducer().update(p, here, phase, share, node, after, record, (samples, kept))
        return (after, (tuple((y, f / ratio) for y, f in samples), kept)), record


def curvature_density(system: System, values: Mapping[str, float], cells: int) -> np.ndarray:
    """Density of steps [cells] that a second-order step wants for the activations: |e''|^(1/3), summed over them.

    The local error of the trapezoidal rule goes with h^3 e''; at equal errors h goes with |e''|^(-1/3).
    """
    p, fine = {**system.constants, **values}, 64 * cells
    time = jnp.linspace(0.0, float(system.period(p)), fine + 1)
    curves = np.stack([np.asarray(law(p, time)) for law in system.activations])
    bend = np.abs(np.diff(curves, 2, append=0.0, prepend=0.0)[:, :fine]).sum(axis=0)
    return np.cbrt(bend.reshape(cells, -1).mean(axis=1))


def flow_density(waves: Waves, cells: int) -> np.ndarray:
    """The same [cells] for the volumes, over some patients' steady beats: (sum of |q''| of all branches)^(1/3).

    A valve's opening or closing, a corner of its flow, counts where it happens in each patient.
    """
    bend = np.abs(np.diff(np.asarray(waves.flow), 2, axis=1)).sum(axis=0).mean(axis=-1)
    where = np.linspace(0.0, cells, len(bend) + 2)[1:-1].astype(int)
    return np.cbrt(np.bincount(where, bend, cells) / np.bincount(where, minlength=cells))


def graded(density: np.ndarray, least: float, width: float) -> tuple[float, ...]:
    """Step lengths of a `GradedBeat` from a density of steps over the cycle [cells].

    The density is spread over `width` cells either side (patients differ), and nowhere below `least` of its mean.
    """
    cells = len(density)
    apart = np.abs(np.subtract.outer(np.arange(cells), np.arange(cells)))
    kernel = np.exp(-0.5 * (np.minimum(apart, cells - apart) / width) ** 2)
    spread = kernel @ density / kernel.sum(axis=1)
    spread = np.maximum(spread, least * spread.mean())
    nodes = np.concatenate([[0.0], np.cumsum(spread) / spread.sum()])
    phase = np.interp(np.linspace(0.0, 1.0, cells + 1), nodes, np.linspace(0.0, 1.0, cells + 1))
    return tuple(np.diff(phase).round(9).tolist())
