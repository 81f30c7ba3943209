"""From the declaration of a circulation to the System that the engine sees."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from ..core.errors import HemotwinError
from ..core.layout import Layout
from ..core.own import own
from ..core.quantity import declared
from ..core.registry import look_up
from ..core.system import Branch, Group, Leaflets, Leak, Store, System
from .circulation import Circulation
from .interfaces import Activation, Compartment, Conduit

__all__ = ["assemble", "assembled"]

SECONDS_PER_MINUTE = 60.0
LEAFLET_RULES = tuple(f.name for f in dataclasses.fields(Leaflets))


class _Names:
    """Full names of one part's quantities, and the part bound to the values of a parameter dictionary."""

    def __init__(self, prefix: str, part: Any) -> None:
        self.part, self.prefix = part, prefix
        self.own = tuple(q.name for q in declared(part) if not q.shape)

    def __call__(self, p: Mapping[str, Any]) -> Any:
        return self.part.bound_to({name: p[f"{self.prefix}.{name}"] for name in self.own})


@functools.lru_cache(maxsize=32)
def assemble(name: str, valves: str, leaking: tuple[str, ...] = ()) -> System:
    """The System of a registered circulation, built once per valve law and set of leaking valves.

    Patients share it: everything that differs between them is a parameter row. Raises `HemotwinError` when a
    conduit names an unknown site or a site that needs an activation has none.
    """
    declaration = look_up("circulation", name)
    system = assembled(declaration(), name, valves, leaking)
    return system.made_of(name, valves, leaking) if own(declaration) else system


def assembled(circulation: Circulation, name: str, valves: str, leaking: tuple[str, ...] = ()) -> System:
    """The System of a declared circulation, registered or not; raises as `assemble` does."""
    sites = tuple(circulation.compartments)
    conduits = circulation.conduits_with(valves)
    _check_wiring(circulation, conduits)
    rows = [q for q in circulation.all_quantities().values() if not q.shape]
    rows = _with_conduit_rows(circulation, conduits, rows)
    stores = tuple(_store(circulation, site) for site in sites)
    branches = tuple(_branch(key, up, part, down, sites, key in leaking) for key, (up, part, down) in conduits.items())
    return System(
        name=name if valves == circulation.valve_sets()[0] else f"{name} ({valves} valves)",
        version=circulation.version,
        stores=stores,
        branches=branches,
        parameters=Layout(tuple(n for n, _ in rows), tuple(u for _, u in rows)),
        constants={},
        activations=tuple(_activation(key, part) for key, part in circulation.activations.items()),
        groups=_groups(circulation, sites),
        slack=sites.index(circulation.slack),
        total=lambda p: p["stressed_volume"],
        period=_period,
        readings=dict(circulation.readings),
        windows=_windows(circulation),
    )


def _period(p: Mapping[str, Any]) -> Any:
    return SECONDS_PER_MINUTE / p["heart_rate"]


def _windows(circulation: Circulation) -> dict[str, Any]:
    key = f"{circulation.atrial_kick}.onset"
    return {"atrial_onset": lambda p: p[key]}


def _with_conduit_rows(circulation: Circulation, conduits: Mapping[str, Any], rows: list[Any]) -> list[tuple[str, str]]:
    found = {q.name: q.unit for q in rows if q.name.partition(".")[0] not in circulation.conduits}
    for key, (_, part, _) in conduits.items():
        found |= {f"{key}.{q.name}": q.unit for q in declared(part) if not q.shape}
    return list(found.items())


def _check_wiring(circulation: Circulation, conduits: Mapping[str, Any]) -> None:
    for key, (up, _, down) in conduits.items():
        for end in (up, down):
            if end not in circulation.compartments:
                known = ", ".join(circulation.compartments)
                raise HemotwinError(f"`{key}` must join known sites, but got {end!r}; known sites are {known}.")
    for site in circulation.driven:
        if circulation.driven[site] not in circulation.activations:
            raise HemotwinError(f"`{site}` must be driven by a known activation, but got {circulation.driven[site]!r}.")


def _store(circulation: Circulation, site: str) -> Store:
    part: Compartment = circulation.compartments[site]
    bind = _Names(site, part)
    driver = circulation.driven.get(site)
    ports = {where: f"{site}.{name}" for name, where in part.ports.items()}
    rules = {where: (lambda p, key=key: p[key]) for where, key in ports.items()}
    return Store(
        name=site,
        pressure=lambda p, volume, activation: bind(p).pressure(volume, activation),
        activation=None if driver is None else tuple(circulation.activations).index(driver),
        external=_thoracic(circulation, site),
        inlet=rules.get("inlet"),
        outlet=rules.get("outlet"),
        series=rules.get("series"),
    )


def _thoracic(circulation: Circulation, site: str) -> Any:
    if circulation.thorax is None or site not in circulation.thorax[1]:
        return None
    weight, reference = circulation.thorax[1][site]
    return lambda p: weight * (p["thorax.pressure"] - reference)


def _branch(key: str, up: str, part: Conduit, down: str, sites: tuple[str, ...], leaking: bool) -> Branch:
    bind = _Names(key, part)
    inertial, valve = part.law in ("inertial", "valve"), part.law == "valve"
    moving = part.law == "leaflet"
    leak = None
    if leaking and valve:
        leak = Leak(lambda p: bind(p).leak_inertance_of(), lambda p: bind(p).leak_loss_of())
    return Branch(
        name=key,
        up=sites.index(up),
        down=sites.index(down),
        kind=part.law,
        resistance=lambda p: bind(p).resistance_of(),
        inertance=(lambda p: bind(p).inertance_of()) if inertial else None,
        loss=(lambda p: bind(p).loss_of()) if valve else None,
        leak=leak,
        leaflets=Leaflets(**{rule: _rule(bind, f"{rule}_of") for rule in LEAFLET_RULES}) if moving else None,
        flow=(lambda p, dp, r: bind(p).flow(dp, r)) if part.law == "algebraic" else None,
    )


def _rule(bind: _Names, method: str) -> Any:
    return lambda p: getattr(bind(p), method)()


def _activation(key: str, part: Activation) -> Any:
    bind = _Names(key, part)
    return lambda p, time: bind(p).activation(time, _period(p))


def _groups(circulation: Circulation, sites: tuple[str, ...]) -> tuple[Group, ...]:
    if circulation.pericardium is None:
        return ()
    part, members = circulation.pericardium
    bind = _Names("pericardium", part)
    rule = lambda p, volume: bind(p).surrounding(volume)  # noqa: E731
    return (Group("pericardium", tuple(sites.index(m) for m in members), rule),)
