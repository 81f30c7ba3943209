"""The default step: inertial valves by impulse, resistors implicit branch by branch, areas of events inside the step.

One pressure evaluation per step. Second order in values and in gradients, because the volume that passes a valve in
the step in which it opens or closes is the area under its flow up to the event, not a sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ...core.registry import register
from ...core.system import System
from .leaflet_step import Orifice, area_at, flow_after, moved, orifice_of
from .node import Coefficients, Node, StepRecord, Thin
from .resistor_step import beyond, relief, solve_resistors
from .valve_step import finish_valve, predict_valve

__all__ = ["Impulse", "corrected_pressure", "flow_rate", "net_inflow", "node_flows", "pressure_rate"]


@register("solver", "impulse")
@dataclass(frozen=True)
class Impulse:
    """Network-form step of order 2 (see the module). Works on any System with `is_network`.

    For every valve: L dq/dt = dp - R q - B q^2 with the impulse of the trapezoidal pressure difference, with moving
    leaflets at the mean area of the step; for every resistor the implicit midpoint rule with its neighbours' flows,
    together with those that it meets at an impedance; surroundings by their slope.
    """

    order: int = 2

    def prepare(self, system: System, p: dict[str, Any], steps: Any) -> Coefficients:
        """Divisions and products that do not change over the beat."""
        branches, period = system.branches, system.period(p)
        rule = lambda f: 0.0 if f is None else f(p)  # noqa: E731
        resistance = tuple(system.resistance(p, i) for i in range(len(branches)))
        coupling = tuple(tuple((o, s * z(p)) for o, s, z in system.couplings(i)) for i in range(len(branches)))
        return Coefficients(
            resistance=resistance,
            inertance=tuple(rule(b.inertance) for b in branches),
            loss=tuple(rule(b.loss) for b in branches),
            leak_inertance=tuple(0.0 if b.leak is None else b.leak.inertance(p) for b in branches),
            leak_loss=tuple(0.0 if b.leak is None else b.leak.loss(p) for b in branches),
            coupling=coupling,
            relief=tuple(relief(resistance, coupling, system.resistor_groups, i) for i in range(len(branches))),
            external=tuple(rule(s.external) for s in system.stores),
            total=system.total(p),
            period=period,
            h=period / jnp.asarray(steps, jnp.result_type(period)),
            orifice=_orifices(system, p),
        )

    def node(self, system: System, p: dict[str, Any], c: Coefficients, time: Any, state: tuple[Any, ...]) -> Node:
        """The node at `time` (s after onset) with the given state rows."""
        count = len(system.free_stores)
        volume = system.volumes(p, list(state[:count]))
        flows = count + len(system.flow_states)
        node = _evaluate(system, p, c, time, tuple(volume), tuple(state[count:flows]))
        return node._replace(opening=tuple(state[flows:]))

    def state(self, system: System, node: Node | Thin) -> tuple[Any, ...]:
        """State rows of a node."""
        return tuple(node.volume[i] for i in system.free_stores) + node.flow + node.opening

    def step(self, system: System, p: dict[str, Any], c: Coefficients, time: Any, n0: Node) -> tuple[Node, StepRecord]:
        """One step from a node to the next, ending at `time` seconds after onset."""
        rows = {key: row for row, key in enumerate(system.flow_states)}
        dp0 = _differences(system, n0.pressure)
        guess = _predict(system, c, n0, dp0, rows)
        volume1 = tuple(v + c.h * net_inflow(system, guess.total, i) for i, v in enumerate(n0.volume))
        n1 = _evaluate(system, p, c, time, volume1, n0.flow)
        dp1 = _differences(system, n1.pressure)
        rise = _rises(system, c, n0, guess.start)
        mean, flow, share, opening = _finish(system, c, n0, n1, dp0, rise, dp1, guess, rows)
        volume = _advance(system, c, n0.volume, mean)
        pressure = corrected_pressure(system, n1, volume)
        after = n1._replace(volume=volume, pressure=pressure, flow=flow, opening=opening)
        return after, StepRecord(mean, share, volume1)

    def thin(self, node: Node, predicted: tuple[Any, ...]) -> Thin:
        """What a node is made of, with the volumes at which its pressures were evaluated."""
        return Thin(node.volume, predicted, node.flow, node.opening)

    def whole(self, system: System, p: dict[str, Any], c: Coefficients, time: Any, thin: Thin) -> Node:
        """The node of a `Thin` at `time` seconds after onset, as the step that made it left it."""
        node = _evaluate(system, p, c, time, thin.predicted, thin.flow)
        pressure = corrected_pressure(system, node, thin.volume)
        return node._replace(volume=thin.volume, pressure=pressure, opening=thin.opening)


class _Guess(NamedTuple):
    total: tuple[Any, ...]
    end: tuple[Any, ...]
    start: tuple[Any, ...]


def _orifices(system: System, p: dict[str, Any]) -> tuple[Orifice, ...]:
    leaflets = (system.branches[i].leaflets for i in system.leaflet_states)
    return tuple(orifice_of(one, p) for one in leaflets if one is not None)


def _activation_of(system: System, values: Any, store: int) -> Any:
    index = system.stores[store].activation
    return None if index is None else values[index]


def _evaluate(
    system: System, p: dict[str, Any], c: Coefficients, time: Any, volume: tuple[Any, ...], flow: tuple[Any, ...]
) -> Node:
    drives = system.drive(p, time)
    activation, rate = tuple(d[0] for d in drives), tuple(d[1] for d in drives)
    pressure, slope, drive = [], [], []
    for i in range(len(system.stores)):
        e = _activation_of(system, activation, i)
        value, dv, de = system.elastic(p, i, volume[i], e)
        pressure.append(value + c.external[i])
        slope.append(dv)
        drive.append(0.0 if de is None else de)
    group_slope = []
    for group in system.groups:
        inside = sum(volume[m] for m in group.members)
        press, change = _with_slope(lambda v, g=group: g.pressure(p, v), inside)
        group_slope.append(change)
        for m in group.members:
            pressure[m] = pressure[m] + press
    return Node(volume, tuple(pressure), tuple(slope), tuple(drive), tuple(group_slope), activation, rate, flow)


def _with_slope(law: Any, x: Any) -> tuple[Any, Any]:
    return jax.jvp(law, (x,), (jnp.ones_like(x),))


def _differences(system: System, pressure: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(pressure[b.up] - pressure[b.down] for b in system.branches)


def _total_slope(system: System, node: Node, store: int) -> Any:
    slope = node.slope[store]
    for group, change in zip(system.groups, node.group_slope, strict=True):
        if store in group.members:
            slope = slope + change
    return slope


def pressure_rate(system: System, node: Node, flows: tuple[Any, ...], store: int) -> Any:
    """Time derivative (mmHg/s) of a store's capacity pressure: by its own volume, by its surroundings, by its drive."""
    rate = node.slope[store] * net_inflow(system, flows, store) + _driven(system, node, store)
    for group, slope in zip(system.groups, node.group_slope, strict=True):
        if store in group.members:
            rate = rate + slope * sum(net_inflow(system, flows, m) for m in group.members)
    return rate


def flow_rate(system: System, c: Coefficients, node: Node, flows: tuple[Any, ...], index: int) -> Any:
    """dq/dt (mL/s2) of a branch's net flow at a node; 0 for a shut valve."""
    branch, q = system.branches[index], flows[index]
    if branch.kind == "resistive":
        group = next(g for g in system.resistor_groups if index in g)
        push = {i: _push_rate(system, c, node, flows, group, i) for i in group}
        return solve_resistors(c.resistance, c.coupling, group, push, {})[index]
    dp = node.pressure[branch.up] - node.pressure[branch.down] + _coupled(c, index, flows)
    if branch.kind == "valve":
        return _valve_rate(system, c, node, dp, index)
    inertance, loss = c.inertance[index], c.loss[index]
    if branch.kind == "leaflet":
        row = system.leaflet_states.index(index)
        area = area_at(c.orifice[row], node.opening[row])
        inertance, loss = c.orifice[row].column / area, c.orifice[row].head / (area * area)
    return (dp - c.resistance[index] * q - loss * q * jnp.abs(q)) / inertance


def _valve_rate(system: System, c: Coefficients, node: Node, dp: Any, index: int) -> Any:
    """dq/dt (mL/s2) of a valve's net flow: forward through its orifice, less that of its leak, each by its own law."""
    one_way = lambda q, dp, inertance, loss: jnp.where(  # noqa: E731
        (q > 0.0) | (dp > 0.0), (dp - c.resistance[index] * q - loss * q * q) / inertance, 0.0
    )
    states = dict(zip(system.flow_states, node.flow, strict=True))
    rate = one_way(states[index, False], dp, c.inertance[index], c.loss[index])
    if system.branches[index].leak is None:
        return rate
    return rate - one_way(states[index, True], -dp, c.leak_inertance[index], c.leak_loss[index])


def _push_rate(
    system: System, c: Coefficients, node: Node, flows: tuple[Any, ...], group: tuple[int, ...], index: int
) -> Any:
    """Rate (mmHg/s) of what drives a resistor: both stores' pressures and the flows beyond its group at impedances."""
    up, down = (pressure_rate(system, node, flows, e) for e in (system.branches[index].up, system.branches[index].down))
    others = [z * flow_rate(system, c, node, flows, other) for other, z in c.coupling[index] if other not in group]
    return sum(others, up - down)


def _rises(system: System, c: Coefficients, n0: Node, flows: tuple[Any, ...]) -> tuple[Any, ...]:
    """Change of every valve's pressure difference over the step by its slope at the node (0.0 for other branches)."""
    found: list[Any] = []
    for i, branch in enumerate(system.branches):
        if branch.kind != "valve":
            found.append(0.0)
            continue
        up, down = (pressure_rate(system, n0, flows, end) for end in (branch.up, branch.down))
        moved = sum((z * flow_rate(system, c, n0, flows, other) for other, z in c.coupling[i]), 0.0)
        found.append(c.h * (up - down + moved))
    return tuple(found)


def _coupled(c: Coefficients, branch: int, flows: tuple[Any, ...]) -> Any:
    return sum((z * flows[other] for other, z in c.coupling[branch]), 0.0)


def node_flows(system: System, c: Coefficients, node: Node) -> tuple[Any, ...]:
    """Flow of every branch at a node, net of leaks (mL/s)."""
    dp = _differences(system, node.pressure)
    rows = {key: row for row, key in enumerate(system.flow_states)}
    flows: list[Any] = [None] * len(system.branches)
    for i, branch in enumerate(system.branches):
        if branch.kind != "resistive":
            net = node.flow[rows[i, False]]
            flows[i] = net - node.flow[rows[i, True]] if branch.leak is not None else net
    for group in system.resistor_groups:
        push = {i: beyond(c.coupling, group, i, flows, dp[i]) for i in group}
        for i, q in solve_resistors(c.resistance, c.coupling, group, push, {}).items():
            flows[i] = q
    return tuple(flows)


def _predict(system: System, c: Coefficients, n0: Node, dp0: tuple[Any, ...], rows: dict[Any, int]) -> _Guess:
    """Mean flows of the step from its start alone (valves and inertial paths, then resistors)."""
    start = node_flows(system, c, n0)
    total: list[Any] = [None] * len(system.branches)
    end: list[Any] = list(start)
    for i, branch in enumerate(system.branches):
        if branch.kind == "resistive":
            continue
        a, dp = n0.flow[rows[i, False]], dp0[i] + _coupled(c, i, start)
        r, inertance = c.resistance[i], c.inertance[i]
        if branch.kind == "inertial":
            total[i] = a + (dp - r * a) / (2.0 * inertance / c.h + r)
            end[i] = 2.0 * total[i] - a
            continue
        if branch.kind == "leaflet":
            row = system.leaflet_states.index(i)
            dp, r = dp - c.relief[i] * a, r - c.relief[i]
            across, z = dp - r * a, n0.opening[row]
            area = area_at(c.orifice[row], 0.5 * (z + moved(c.orifice[row], z, across, across, c.h)))
            end[i] = flow_after(c.orifice[row], a, area, dp, r, c.h)
            total[i] = 0.5 * (a + end[i])
            continue
        total[i], end[i] = predict_valve(a, dp, r, c.loss[i], inertance, c.h)
        if branch.leak is not None:
            back = n0.flow[rows[i, True]]
            leaked = predict_valve(back, -dp, c.resistance[i], c.leak_loss[i], c.leak_inertance[i], c.h)
            total[i], end[i] = total[i] - leaked[0], end[i] - leaked[1]
    for group in system.resistor_groups:
        pushed = {i: _predicted_push(system, c, n0, dp0, start, i) for i in group}
        push = {i: beyond(c.coupling, group, i, total, pushed[i][0]) for i in group}
        slope = {i: g for i, (_, g) in pushed.items()}
        for i, q in solve_resistors(c.resistance, c.coupling, group, push, slope).items():
            total[i], end[i] = q, 2.0 * q - start[i]
    return _Guess(tuple(total), tuple(end), start)


def _predicted_push(
    system: System, c: Coefficients, n0: Node, dp0: tuple[Any, ...], start: tuple[Any, ...], index: int
) -> tuple[Any, Any]:
    """Implicit midpoint (R + g) q = push, dp with its change by drive and neighbours; g = h (S_up + S_down)/2."""
    up, down = system.branches[index].up, system.branches[index].down
    s_up, s_down = _total_slope(system, n0, up), _total_slope(system, n0, down)
    others = [0.0 if i == index else q for i, q in enumerate(start)]
    others_up, others_down = net_inflow(system, others, up), net_inflow(system, others, down)
    push = dp0[index] + 0.5 * c.h * (_driven(system, n0, up) - _driven(system, n0, down))
    push = push + 0.5 * c.h * (s_up * others_up - s_down * others_down)
    return push, 0.5 * c.h * (s_up + s_down)


def _driven(system: System, node: Node, store: int) -> Any:
    """Rate of pressure change by contraction alone (mmHg/s)."""
    rate = _activation_of(system, node.rate, store)
    return 0.0 if rate is None else node.drive[store] * rate


def net_inflow(system: System, flows: tuple[Any, ...] | list[Any], store: int) -> Any:
    """Inflow minus outflow of a store (mL/s)."""
    net: Any = 0.0
    for branch, q in zip(system.branches, flows, strict=True):
        if branch.down == store:
            net = net + q
        if branch.up == store:
            net = net - q
    return net


def _advance(system: System, c: Coefficients, volume: tuple[Any, ...], flows: tuple[Any, ...]) -> tuple[Any, ...]:
    """Volumes after the step; the slack store takes what is left of the total."""
    moved = [v + c.h * net_inflow(system, flows, i) for i, v in enumerate(volume)]
    moved[system.slack] = c.total - sum(v for i, v in enumerate(moved) if i != system.slack)
    return tuple(moved)


def _finish(
    system: System, c: Coefficients, n0: Node, n1: Node, dp0: tuple[Any, ...], rise: tuple[Any, ...],
    dp1: tuple[Any, ...], guess: _Guess, rows: dict[Any, int],
) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:  # fmt: skip
    """Final mean flow of every branch, flow states at the end, open share of every valve, openings of leaflets."""
    mean: list[Any] = list(guess.total)
    flow: list[Any] = list(n0.flow)
    share: list[Any] = [1.0] * len(system.branches)
    opening: list[Any] = list(n0.opening)
    for i, branch in enumerate(system.branches):
        if branch.kind == "leaflet":
            row, a, r = system.leaflet_states.index(i), n0.flow[rows[i, False]], c.resistance[i] - c.relief[i]
            first = dp0[i] + _coupled(c, i, guess.start) - c.relief[i] * a
            last = dp1[i] + _coupled(c, i, guess.end) - c.relief[i] * guess.end[i]
            z = n0.opening[row]
            opening[row] = moved(c.orifice[row], z, first - r * a, last - r * guess.end[i], c.h)
            area = area_at(c.orifice[row], 0.5 * (z + opening[row]))
            end = flow_after(c.orifice[row], a, area, 0.5 * (first + last), r, c.h)
            flow[rows[i, False]], mean[i] = end, 0.5 * (a + end)
        if branch.kind == "valve":
            a = n0.flow[rows[i, False]]
            first, last = dp0[i] + _coupled(c, i, guess.start), dp1[i] + _coupled(c, i, guess.end)
            mean[i], flow[rows[i, False]], share[i] = finish_valve(
                a, first, rise[i], last, c.resistance[i], c.loss[i], c.inertance[i], c.h
            )
            if branch.leak is not None:
                row = rows[i, True]
                back, flow[row], _ = finish_valve(
                    n0.flow[row], -first, -rise[i], -last, c.resistance[i], c.leak_loss[i], c.leak_inertance[i], c.h
                )
                mean[i] = mean[i] - back
    for i, branch in enumerate(system.branches):
        if branch.kind == "inertial":
            a, r, twice = n0.flow[rows[i, False]], c.resistance[i], 2.0 * c.inertance[i] / c.h
            push = dp0[i] + dp1[i] + 2.0 * _coupled(c, i, tuple(mean))
            end = a * ((twice - r) / (twice + r)) + push / (twice + r)
            flow[rows[i, False]], mean[i] = end, 0.5 * (a + end)
    for group in system.resistor_groups:
        pushed = {i: _final_push(system, c, n1, dp0, dp1, guess, mean, i) for i in group}
        push = {i: beyond(c.coupling, group, i, mean, pushed[i][0]) for i in group}
        slope = {i: g for i, (_, g) in pushed.items()}
        for i, q in solve_resistors(c.resistance, c.coupling, group, push, slope).items():
            mean[i] = q
    return tuple(mean), tuple(flow), tuple(share), tuple(opening)


def _final_push(
    system: System, c: Coefficients, n1: Node, dp0: tuple[Any, ...], dp1: tuple[Any, ...], guess: _Guess,
    mean: list[Any], index: int,
) -> tuple[Any, Any]:  # fmt: skip
    """Trapezoid corrected by how much the neighbours' final flows differ from the predicted ones, and g (see above)."""
    up, down = system.branches[index].up, system.branches[index].down
    s_up, s_down = _total_slope(system, n1, up), _total_slope(system, n1, down)
    change = [m - g for m, g in zip(mean, guess.total, strict=True)]
    change[index] = 0.0
    g = 0.5 * c.h * (s_up + s_down)
    push = 0.5 * (dp0[index] + dp1[index]) + g * guess.total[index]
    push = push + 0.5 * c.h * (s_up * net_inflow(system, change, up) - s_down * net_inflow(system, change, down))
    return push, g


def corrected_pressure(system: System, n1: Node, volume: tuple[Any, ...]) -> tuple[Any, ...]:
    """Pressures at the final volumes by the slopes at the predicted ones (the difference is third order in h)."""
    moved = [v - w for v, w in zip(volume, n1.volume, strict=True)]
    pressure = [p + s * d for p, s, d in zip(n1.pressure, n1.slope, moved, strict=True)]
    for group, slope in zip(system.groups, n1.group_slope, strict=True):
        inside = slope * sum(moved[m] for m in group.members)
        for m in group.members:
            pressure[m] = pressure[m] + inside
    return tuple(pressure)
