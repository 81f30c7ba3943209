"""What is kept of a beat: extremes, means, integrals and instants, reduced on the fly with their derivatives.

A `Reduction` says what is wanted; `Reducer` carries the running values through the steps. Extremes lie between nodes:
where the slope changes sign the peak of the cubic Hermite through both nodes is taken, so that they are smooth
functions of the parameters. Flow integrals use the step's own mean flows, so CO x T equals the volume passed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from ..core.errors import UnknownNameError
from ..core.reduction import Reduction
from ..core.smooth import hermite_peak, vertex_peak
from ..core.system import System
from .solvers.impulse import flow_rate, net_inflow, node_flows, pressure_rate
from .solvers.node import Coefficients, Node, StepRecord

__all__ = ["Reducer", "Signals", "Signs", "resolve"]

Signs = tuple[tuple[str, int], ...]  # (quantity, index of its store or branch) of each signal

BRIEF = 1e-6  # share of a step: a valve that opens later in it opens here, as a curve needs some time to turn
NOTHING = 1e30  # an extreme before the first sample; finite, so that its derivative stays 0
LAST = 1.5  # steps; where fewer are left of the beat at a step's onset, it is the last


def resolve(system: System, reduction: Reduction) -> int:
    """Index of the store (pressure, volume) or branch (flow) that a reduction reads; unknown readings raise."""
    if reduction.site not in system.readings:
        raise UnknownNameError("site", reduction.site, sorted(system.readings))
    name = system.readings[reduction.site]
    return system.branch(name) if reduction.quantity == "flow" else system.store(name)


class Signals:
    """Readings of a node and their time derivatives, computed when asked for."""

    def __init__(self, system: System, p: dict[str, Any], c: Coefficients, node: Node) -> None:
        self.system, self.p, self.c, self.node = system, p, c, node
        self.flows = node_flows(system, c, node)

    def value(self, quantity: str, index: int) -> Any:
        """The reading itself: flow of a branch, volume of a store or pressure at its port."""
        if quantity == "flow":
            return self.flows[index]
        if quantity == "volume":
            return self.node.volume[index]
        return self.node.pressure[index] + self.port_drop(index, self.flows)

    def rate(self, quantity: str, index: int) -> Any:
        """Time derivative of the reading (per s)."""
        if quantity == "flow":
            return flow_rate(self.system, self.c, self.node, self.flows, index)
        net = net_inflow(self.system, self.flows, index)
        if quantity == "volume":
            return net
        store = self.system.stores[index]
        rate = pressure_rate(self.system, self.node, self.flows, index)
        if store.inlet is None and store.outlet is None and store.series is None:
            return rate
        beside = tuple(
            flow_rate(self.system, self.c, self.node, self.flows, i) if index in (branch.up, branch.down) else 0.0
            for i, branch in enumerate(self.system.branches)
        )
        return rate + self.port_drop(index, beside)

    def port_drop(self, index: int, flows: tuple[Any, ...]) -> Any:
        """Reading minus capacity pressure: + inlet x inflow - outlet x outflow + series x net."""
        store, drop = self.system.stores[index], 0.0
        for branch, q in zip(self.system.branches, flows, strict=True):
            if branch.down == index and store.inlet is not None:
                drop = drop + store.inlet(self.p) * q
            if branch.up == index and store.outlet is not None:
                drop = drop - store.outlet(self.p) * q
        return drop if store.series is None else drop + store.series(self.p) * net_inflow(self.system, flows, index)


@dataclass(frozen=True)
class Reducer:
    """Running values of a tuple of reductions; `start`, `update` and `finish` are called by the beat loop."""

    system: System
    reductions: tuple[Reduction, ...]

    def curves(self) -> tuple[tuple[str, int], ...]:
        """The (quantity, index) pairs whose value and slope are carried from node to node."""
        wanted = {(r.quantity, resolve(self.system, r)) for r in self.reductions
                  if r.kind in ("maximum", "minimum", "work", "peak_rate")}  # fmt: skip
        return tuple(sorted(wanted))

    def sample(self, p: dict[str, Any], c: Coefficients, node: Node) -> tuple[tuple[Any, Any], ...]:
        """(value, slope per s) of every curve at a node."""
        signals = Signals(self.system, p, c, node)
        return tuple((signals.value(q, i), signals.rate(q, i)) for q, i in self.curves())

    def start(self, p: dict[str, Any], c: Coefficients, node: Node) -> tuple[Any, Any]:
        """(curve samples, accumulators) before the first step."""
        signals, like = Signals(self.system, p, c, node), jnp.zeros_like(node.volume[0])
        running: list[Any] = []
        for r in self.reductions:
            if r.kind in ("maximum", "minimum"):
                running.append((like - NOTHING if r.kind == "maximum" else like + NOTHING,))
            elif r.kind == "onset":
                running.append((like + signals.value(r.quantity, resolve(self.system, r)),))
            elif r.kind == "peak_rate":
                running.append((like - NOTHING, like - NOTHING, like - NOTHING))
            else:
                running.append((like,))
        samples = tuple((like + y, like + f) for y, f in self.sample(p, c, node))
        return samples, tuple(running)

    def update(
        self, p: dict[str, Any], c: Coefficients, phase: Any, share: Any, n0: Node, n1: Node, record: StepRecord,
        carry: tuple[Any, Any], *, seldom: bool = False,
    ) -> tuple[Any, Any]:  # fmt: skip
        """Carry after one step that began at `phase` and lasted `share` of the period (fractions).

        With `seldom` an extreme is compared with a node only where its curve turns, and with the beat's last node in
        its last step: the same values for a few more comparisons, and most steps leave it, and its derivatives, as they
        are.
        """
        before, running = carry
        after = self.sample(p, c, n1)
        where = {key: row for row, key in enumerate(self.curves())}
        grown: list[Any] = []
        for r, now in zip(self.reductions, running, strict=True):
            index = resolve(self.system, r)
            row = where.get((r.quantity, index))
            ends = None if row is None else (*before[row], *after[row])
            opening = self._opening(index, n0, n1, record) if r.quantity == "pressure" else None
            if r.kind in ("maximum", "minimum"):
                bent = opening if r.kind == "minimum" and self._has_impedance(index) else None
                grown.append((self._extreme(r, now[0], ends, bent, p, c.h, phase, share, seldom),))
            else:
                grown.append(self._grow(r, now, ends, opening, index, p, c, share, n0, n1, record))
        return after, tuple(grown)

    def _grow(
        self, r: Reduction, now: tuple[Any, ...], ends: Any, opening: Any, index: int, p: dict[str, Any],
        c: Coefficients, share: Any, n0: Node, n1: Node, record: StepRecord,
    ) -> tuple[Any, ...]:  # fmt: skip
        if r.kind == "mean":
            return (now[0] + share * self._mean(r.quantity, index, p, c, n0, n1, record),)
        if r.kind == "volume":
            return (now[0] + c.h * record.mean_flow[index],)
        if r.kind == "open_time":
            return (now[0] + c.h * record.open_share[index],)
        if r.kind == "work":
            return (now[0] - 0.5 * (ends[0] + ends[2]) * (n1.volume[index] - n0.volume[index]),)
        if r.kind == "peak_rate":
            return self._steepest(now, ends, opening)
        return now

    def _mean(
        self, quantity: str, index: int, p: dict[str, Any], c: Coefficients, n0: Node, n1: Node, record: StepRecord
    ) -> Any:
        """Mean over a step: trapezoid where the reading is smooth, the step's own mean flows where flow enters.

        The pressure drop at a port follows a flow whose slope breaks off at a valve's closing; a trapezoid over that
        corner would have a derivative of first order in the step.
        """
        if quantity == "flow":
            return record.mean_flow[index]
        if quantity == "volume":
            return 0.5 * (n0.volume[index] + n1.volume[index])
        drop = Signals(self.system, p, c, n1).port_drop(index, record.mean_flow)
        return 0.5 * (n0.pressure[index] + n1.pressure[index]) + drop

    def _steepest(self, now: tuple[Any, ...], ends: Any, opening: Any) -> tuple[Any, ...]:
        """Largest slope so far, and the slopes of this node and the one before.

        Where a valve opens within the step the rise breaks off: the slope is continued to that instant by the parabola
        through the last three nodes.
        """
        best, earlier, earliest = now
        rate = ends[1]
        inside, peak = vertex_peak(earlier, rate, ends[3])
        if opening is not None:
            rise = jnp.where(earlier > -0.5 * NOTHING, rate - earlier, 0.0)
            rise = jnp.maximum(rise, 0.0)
            bend = jnp.where(earliest > -0.5 * NOTHING, rise - (earlier - earliest), 0.0)
            bend, x = jnp.clip(bend, -0.5 * rise, 0.5 * rise), opening[1]
            reached = rate + x * rise + 0.5 * x * (x + 1.0) * bend
            peak, inside = jnp.where(opening[0], reached, peak), inside | opening[0]
        return jnp.where(inside, jnp.maximum(best, peak), best), rate, earlier

    def _has_impedance(self, index: int) -> bool:
        store = self.system.stores[index]
        return store.inlet is not None or store.series is not None

    def _opening(self, index: int, n0: Node, n1: Node, record: StepRecord) -> tuple[Any, Any] | None:
        """(does a valve at the store open within the step, share of the step before that), None without valves."""
        found: tuple[Any, Any] | None = None
        for row, (branch, leak) in enumerate(self.system.flow_states):
            about = self.system.branches[branch]
            if about.kind != "valve" or leak or index not in (about.up, about.down):
                continue
            opens = (n0.flow[row] <= 0.0) & (n1.flow[row] > 0.0)
            moment = 1.0 - record.open_share[branch]
            found = (opens, moment) if found is None else (found[0] | opens, jnp.where(opens, moment, found[1]))
        return found

    def _extreme(
        self, r: Reduction, best: Any, ends: Any, bent: Any, p: dict[str, Any], h: Any, phase: Any, share: Any,
        seldom: bool,
    ) -> Any:  # fmt: skip
        """Running extreme; `bent` is the valve opening at which a root pressure's curvature jumps (see `_opening`).

        Of a whole beat it is that of all nodes and of where the slope changes sign between two. Slopes alone would not
        do: where a flow changes fast those at the nodes lead or lag the values by some steps.
        """
        y0, r0, y1, r1 = ends
        sign = 1.0 if r.kind == "maximum" else -1.0
        better = jnp.maximum if sign > 0 else jnp.minimum
        inside, peak = hermite_peak(y0, y1, r0, r1, h, sign)
        if bent is not None:
            left = jnp.where(bent[0], jnp.maximum(1.0 - bent[1], BRIEF), 1.0)
            turns, lowest = hermite_peak(y0 + h * r0 * bent[1], y1, r0, r1, h * left, sign)
            inside, peak = inside | (bent[0] & turns), jnp.where(bent[0] & turns, lowest, peak)
        if r.window is None and not seldom:
            return jnp.where(inside, better(best, peak), better(best, y0))
        if r.window is None:
            last = phase + LAST * share >= 1.0
            goes_on, behind = (y1 > y0, best > y0) if sign > 0 else (y1 < y0, best < y0)
            looked = inside | last | ~(goes_on | behind)  # NaN neither goes on nor is behind
            found = jnp.where(inside, peak, jnp.where(last & goes_on, y1, y0))
            return jnp.where(looked, better(best, found), best)
        start, stop = (self.system.windows[w](p) if isinstance(w, str) else w for w in r.window)
        covered = ((phase >= start) & (phase < stop)) | (phase + 1.0 < stop)
        best = jnp.where(covered, jnp.where(inside, better(best, peak), better(best, y0)), best)
        for edge in (start, stop):
            x = (jnp.where(edge > 1.0, edge - 1.0, edge) - phase) / share
            within = (x > 0.0) & (x <= 1.0)
            x = jnp.where(within, x, 0.0)
            rise, f0, f1 = y1 - y0, h * r0, h * r1
            value = y0 + x * (f0 + x * (3.0 * rise - 2.0 * f0 - f1 + x * (f0 + f1 - 2.0 * rise)))
            best = jnp.where(within, better(best, value), best)
        return best

    def finish(self, carry: tuple[Any, Any]) -> tuple[Any, ...]:
        """The values, in the order of the reductions; without samples, of a carry whose updates were `seldom`."""
        samples, running = carry
        if samples is None:
            return tuple(now[0] for now in running)
        end = dict(zip(self.curves(), samples, strict=True))
        values: list[Any] = []
        for r, (value, *_) in zip(self.reductions, running, strict=True):
            if r.kind in ("maximum", "minimum") and r.window is None:
                better = jnp.maximum if r.kind == "maximum" else jnp.minimum
                value = better(value, end[r.quantity, resolve(self.system, r)][0])
            values.append(value)
        return tuple(values)
