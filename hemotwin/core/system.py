"""What the engine sees: stores that turn volume into pressure, branches that turn pressure into flow, their wiring.

Nothing here knows a heart. A `System` is names, units and pure functions of a parameter dictionary `p`
(name -> number or array [batch]); it exists in two forms.

Network form (what the impulse step needs): every branch is a one-way valve with inertance, a valve whose leaflets move,
an inertial conduit or a resistor, and the step couples them itself.
General form (what diffrax and the explicit steps need), derived from it: dy/dt = f(t, y, p) with algebraic branches
allowed as well.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from .layout import Layout

__all__ = ["Branch", "Group", "Leaflets", "Leak", "Store", "System"]

Params = Mapping[str, Any]
Rule = Callable[[Params], Any]
_ORIGINS: weakref.WeakKeyDictionary[System, tuple[Any, ...]] = weakref.WeakKeyDictionary()  # by object, never by copy


@dataclass(frozen=True, eq=False)
class Store:
    """A compartment: transmural pressure of volume and activation, and the linear resistances at its ports.

    `inlet` lies between every inflow and the capacity, `outlet` between the capacity and every outflow, `series`
    inside the branch to the capacity itself, so that it sees the net inflow (no mean loss). All mmHg s/mL.
    """

    name: str
    pressure: Callable[[Params, Any, Any], Any]
    activation: int | None = None
    external: Rule | None = None
    inlet: Rule | None = None
    outlet: Rule | None = None
    series: Rule | None = None


@dataclass(frozen=True, eq=False)
class Leak:
    """The backward flow through a closed valve: one-way against the valve, with its own inertance and loss."""

    inertance: Rule
    loss: Rule


@dataclass(frozen=True, eq=False)
class Leaflets:
    """An orifice whose area A follows its leaflets' opening z: A = shut_area + z (open_area - shut_area).

    Inertance L = column / A and loss B = head / A^2, so that column is mmHg s2 cm2/mL and head mmHg s2 cm4/mL2; areas
    cm2. Under the pressure difference D across the valve dz/dt = opening (1 - z) D for D > 0 and closing z D for D < 0
    (both 1/(mmHg s)).
    """

    open_area: Rule
    shut_area: Rule
    column: Rule
    head: Rule
    opening: Rule
    closing: Rule


@dataclass(frozen=True, eq=False)
class Branch:
    """A conduit from store `up` to store `down` (indices).

    kind "valve": L dq/dt = dp - R q - B q^2, q >= 0; "leaflet": L dq/dt = dp - R q - B q|q| with L and B of the
    `leaflets`; "inertial": L dq/dt = dp - R q; "resistive": q = dp / R; "algebraic": q = flow(p, dp, R), for one-way
    laws without inertance.
    """

    name: str
    up: int
    down: int
    kind: str
    resistance: Rule
    inertance: Rule | None = None
    loss: Rule | None = None
    leak: Leak | None = None
    leaflets: Leaflets | None = None
    flow: Callable[[Params, Any, Any], Any] | None = None


@dataclass(frozen=True, eq=False)
class Group:
    """A surrounding that presses on several stores by their total volume: pressure(p, total volume), mmHg."""

    name: str
    members: tuple[int, ...]
    pressure: Callable[[Params, Any], Any]


@dataclass(frozen=True, eq=False)
class System:
    """A circulation as the engine sees it. `slack` is the store whose volume is eliminated by `total`.

    State rows: the volumes of all other stores (mL), then the flows of valves, their leaks and inertial branches
    (mL/s), then the openings of leaflets (0..1). Activations are functions (p, time since beat onset) -> 0..1.
    `windows` names moments of the cycle as fractions of the period. `readings` says at which store or branch each
    clinical site is read.
    """

    name: str
    version: str
    stores: tuple[Store, ...]
    branches: tuple[Branch, ...]
    parameters: Layout
    constants: Mapping[str, float]
    activations: tuple[Callable[[Params, Any], Any], ...]
    groups: tuple[Group, ...]
    slack: int
    total: Rule
    period: Rule
    readings: Mapping[str, str]
    windows: Mapping[str, Rule] = field(default_factory=dict)

    @property
    def origin(self) -> tuple[Any, ...]:
        """The arguments that this package's own assembly made it of; () for any other, and for a changed copy."""
        return _ORIGINS.get(self, ())

    def made_of(self, *origin: Any) -> System:
        """This very System, which from now on is known by what it was made of."""
        _ORIGINS[self] = origin
        return self

    @property
    def free_stores(self) -> tuple[int, ...]:
        """Indices of the stores whose volume is a state."""
        return tuple(i for i in range(len(self.stores)) if i != self.slack)

    @property
    def flow_states(self) -> tuple[tuple[int, bool], ...]:
        """(branch index, is it the leak) for every flow that is a state, in row order."""
        rows: list[tuple[int, bool]] = []
        for index, branch in enumerate(self.branches):
            if branch.kind in ("valve", "leaflet", "inertial"):
                rows.append((index, False))
            if branch.kind == "valve" and branch.leak is not None:
                rows.append((index, True))
        return tuple(rows)

    @property
    def leaflet_states(self) -> tuple[int, ...]:
        """Indices of the branches whose opening is a state, in row order."""
        return tuple(i for i, branch in enumerate(self.branches) if branch.leaflets is not None)

    @property
    def state(self) -> Layout:
        """Names and units of the state rows."""
        volumes = [f"volume.{self.stores[i].name}" for i in self.free_stores]
        flows = [f"flow.{self.branches[b].name}" + (".leak" if leak else "") for b, leak in self.flow_states]
        openings = [f"opening.{self.branches[b].name}" for b in self.leaflet_states]
        units = ("mL",) * len(volumes) + ("mL/s",) * len(flows) + ("1",) * len(openings)
        return Layout(tuple(volumes + flows + openings), units)

    @property
    def is_network(self) -> bool:
        """Whether the impulse step applies: no algebraic branch."""
        return all(branch.kind != "algebraic" for branch in self.branches)

    def store(self, name: str) -> int:
        """Index of a store by name."""
        return [s.name for s in self.stores].index(name)

    def branch(self, name: str) -> int:
        """Index of a branch by name."""
        return [b.name for b in self.branches].index(name)

    def read(self, rows: Any) -> dict[str, Any]:
        """Parameter dictionary from an array (or tuple) of rows, constants filled in as Python numbers."""
        return {**self.constants, **self.parameters.unpack(rows)}

    def volumes(self, p: Params, free: list[Any]) -> list[Any]:
        """All store volumes from the free ones: the slack holds what is left of the total (mL)."""
        volumes: list[Any] = [None] * len(self.stores)
        for i, v in zip(self.free_stores, free, strict=True):
            volumes[i] = v
        volumes[self.slack] = self.total(p) - sum(free)
        return volumes

    def possible(self, p: Params, free: list[Any]) -> Any:
        """Where no volume, that which holds what is left of the total included, is below zero or above the total."""
        total, found = self.total(p), True
        for volume in self.volumes(p, free):
            found = found & (volume > 0.0) & (volume <= total)
        return found

    def resistance(self, p: Params, index: int) -> Any:
        """Resistance of a branch with the port resistances of both its ends (mmHg s/mL)."""
        branch = self.branches[index]
        up, down = self.stores[branch.up], self.stores[branch.down]
        parts = (up.outlet, up.series, down.inlet, down.series)
        return branch.resistance(p) + sum(part(p) for part in parts if part is not None)

    def couplings(self, index: int) -> list[tuple[int, float, Rule]]:
        """Other branches whose flow changes this one's driving pressure through a series resistance.

        Entries (branch, sign, resistance rule): dp gains sign * Z * q of that branch.
        """
        found = []
        me = self.branches[index]
        for end, side in ((me.up, 1.0), (me.down, -1.0)):
            rule = self.stores[end].series
            if rule is None:
                continue
            for other, branch in enumerate(self.branches):
                if other != index and end in (branch.up, branch.down):
                    found.append((other, side * (1.0 if branch.down == end else -1.0), rule))
        return found

    @functools.cached_property
    def resistor_groups(self) -> tuple[tuple[int, ...], ...]:
        """Resistors that must be solved together, because they meet at an impedance; most stand alone."""
        left = [i for i, branch in enumerate(self.branches) if branch.kind == "resistive"]
        groups = []
        while left:
            group = [left.pop(0)]
            for member in group:  # grows while it is walked
                met = {other for other, _, _ in self.couplings(member)} & set(left)
                group += sorted(met)
                left = [i for i in left if i not in met]
            groups.append(tuple(sorted(group)))
        return tuple(groups)

    def elastic(self, p: Params, index: int, volume: Any, activation: Any) -> tuple[Any, Any, Any]:
        """Transmural pressure, its slope in volume (mmHg/mL) and in activation (mmHg)."""
        store = self.stores[index]
        volume = jnp.asarray(volume)
        if activation is None:
            pressure, slope = jax.jvp(lambda v: store.pressure(p, v, None), (volume,), (jnp.ones_like(volume),))
            return pressure, slope, None
        law = lambda v, e: store.pressure(p, v, e)  # noqa: E731
        zero, one = jnp.zeros_like(volume), jnp.ones_like(volume)
        activation = jnp.broadcast_to(activation, volume.shape)
        pressure, slope = jax.jvp(law, (volume, activation), (one, zero))
        drive = jax.jvp(law, (volume, activation), (zero, one))[1]
        return pressure, slope, drive

    def drive(self, p: Params, time: Any) -> list[tuple[Any, Any]]:
        """Each activation and its time derivative at `time` seconds after the beat's onset."""
        found = []
        for activation in self.activations:
            found.append(jax.jvp(lambda t, a=activation: a(p, t), (time,), (jnp.ones_like(time),)))
        return found
