"""A circulation with values: what a user configures, simulates and calibrates."""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import InputError, UnknownNameError
from ..core.quantity import Quantity, declared
from ..core.registry import look_up
from ..core.system import System
from ..core.table import Table
from .assemble import assemble
from .circulation import Circulation
from .regulation import fitting_reflex

__all__ = ["Model", "circulation"]


@dataclass(frozen=True, repr=False)
class Model:
    """A registered circulation, the valve law and the reflex chosen for it and a value for every quantity.

    `values` maps the full name of every quantity (`site.quantity`) to its value in that quantity's unit.
    """

    name: str
    valves: str
    values: dict[str, float] = field(hash=False)
    reflex: str | None = None

    @property
    def declaration(self) -> Circulation:
        """The circulation as declared, with its default values."""
        return look_up("circulation", self.name)()

    @property
    def all_quantities(self) -> dict[str, Quantity]:
        """Every quantity by full name, with its declared unit, bounds, source and default."""
        return {**_quantities(self.declaration, self.valves), **_reflex_quantities(self.reflex)}

    @property
    def leaking(self) -> tuple[str, ...]:
        """Valves with a regurgitant area above 0: a matter of structure, fixed when assembled."""
        ends = ".regurgitant_area"
        return tuple(n.removesuffix(ends) for n, v in self.values.items() if n.endswith(ends) and v > 0.0)

    @property
    def system(self) -> System:
        """What the engine sees; shared by all models of the same structure."""
        return assemble(self.name, self.valves, self.leaking)

    @property
    def steps(self) -> int:
        """Steps per beat at which values and gradients of this circulation hold."""
        return self.declaration.steps

    @property
    def quantities(self) -> Table:
        """Name, value, unit, bounds, source and whether it is free (not a constant of a formula)."""
        rows = [
            [q.name, self.values.get(q.name, q.value), q.unit, q.bounds[0], q.bounds[1], not q.shape, q.source, q.doc]
            for q in self.all_quantities.values()
        ]
        columns = ["quantity", "value", "unit", "low", "high", "free", "source", "meaning"]
        return Table(columns, rows, title=f"{self.name} ({self.valves} valves)")

    def with_values(self, values: dict[str, Any]) -> Model:
        """The same model with some values replaced; unknown names and values out of bounds raise `InputError`."""
        known = self.all_quantities
        checked = {}
        for name, value in values.items():
            if name not in known:
                near = difflib.get_close_matches(name, known, 6, 0.2)
                raise UnknownNameError("quantity", name, dict.fromkeys([*near, *known]))
            if known[name].shape:
                raise InputError(
                    f"`{name}` is a constant of its formula and cannot be set; it is {known[name].value:g}."
                )
            checked[name] = known[name].check(value)
        return Model(self.name, self.valves, {**self.values, **checked}, self.reflex)

    def __repr__(self) -> str:
        states, rate = len(self.system.state), self.values["heart_rate"]
        reflex = "" if self.reflex is None else f" with {self.reflex}"
        return f"Model({self.name!r}{reflex}, {states} states, {len(self.values)} quantities, {rate:g} beats/min)"

    def _repr_html_(self) -> str:
        return self.quantities._repr_html_()


def circulation(name: str = "adult", *, valves: str | None = None, reflex: str | None = None, **values: Any) -> Model:
    """A registered circulation as a model; `values` set quantities by name, in their own units.

    `circulation("adult", heart_rate=72)`; names with a dot go in as `**{"lv.maximal_elastance": 2.0}`.
    `reflex` names a registered reflex, e.g. "baroreflex": the given values are then those at rest, and it answers to
    what a scenario does to them. Raises `UnknownNameError` for an unknown circulation, valve law, reflex or quantity
    and `InputError` for a value that is out of bounds or a reflex that does not fit the circulation.
    """
    declared_as: Circulation = look_up("circulation", name)()
    chosen = valves or declared_as.valve_sets()[0]
    if chosen not in declared_as.valve_sets():
        raise UnknownNameError("valves", chosen, list(declared_as.valve_sets()))
    if reflex is not None:
        fitting_reflex(reflex, declared_as)
    quantities = {**_quantities(declared_as, chosen), **_reflex_quantities(reflex)}
    defaults = {q.name: q.value for q in quantities.values() if not q.shape}
    return Model(name, chosen, {**defaults, **declared_as.values_with(chosen)}, reflex).with_values(values)


def _quantities(declaration: Circulation, valves: str) -> dict[str, Quantity]:
    found = {n: q for n, q in declaration.all_quantities().items() if n.partition(".")[0] not in declaration.conduits}
    for key, (_, part, _) in declaration.conduits_with(valves).items():
        for q in declared(part):
            found[f"{key}.{q.name}"] = dataclasses.replace(q, name=f"{key}.{q.name}")
    return found


def _reflex_quantities(reflex: str | None) -> dict[str, Quantity]:
    if reflex is None:
        return {}
    named = {f"{reflex}.{q.name}": q for q in declared(look_up("reflex", reflex))}
    return {name: dataclasses.replace(q, name=name) for name, q in named.items()}
