"""A whole circulation as a declaration: parts, wiring, what drives them and where a clinician reads them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from ..core.component import Component
from ..core.quantity import Quantity, declared, quantity
from .interfaces import Activation, Compartment, Conduit
from .surroundings.pressure import Pericardium, Thorax

__all__ = ["Circulation"]


class Circulation(Component):
    """Base of all circulations. A subclass fills the class attributes; its own quantities are those of the loop.

    compartments: site -> part; conduits: name -> (site up, part, site down); activations: name -> part;
    driven: site -> activation; pericardium: (part, member sites); thorax: (part, {site: (weight, reference mmHg)});
    slack: the site whose volume is eliminated; readings: clinical site -> compartment or conduit;
    atrial_kick: the activation whose onset begins the A wave.
    """

    version: ClassVar[str] = "1"
    reference: ClassVar[str] = ""
    compartments: ClassVar[Mapping[str, Compartment]] = {}
    conduits: ClassVar[Mapping[str, tuple[str, Conduit, str]]] = {}
    activations: ClassVar[Mapping[str, Activation]] = {}
    driven: ClassVar[Mapping[str, str]] = {}
    pericardium: ClassVar[tuple[Pericardium, tuple[str, ...]] | None] = None
    thorax: ClassVar[tuple[Thorax, Mapping[str, tuple[float, float]]] | None] = None
    slack: ClassVar[str] = ""
    readings: ClassVar[Mapping[str, str]] = {}
    atrial_kick: ClassVar[str] = "atria"
    steps: ClassVar[int] = 400

    heart_rate: float = quantity(
        default=70.0, unit="1/min", doc="heart rate", bounds=(20.0, 250.0), source="set by the circulation"
    )
    stressed_volume: float = quantity(
        default=1655.0, unit="mL", doc="blood above the unstressed volume of all vessels, plus all chamber volumes",
        bounds=(50.0, 8000.0), source="set by the circulation",
    )  # fmt: skip

    def parts(self) -> dict[str, Component]:
        """Every part by the name that prefixes its quantities."""
        found: dict[str, Component] = {**self.compartments}
        found |= {name: conduit for name, (_, conduit, _) in self.conduits.items()}
        found |= self.activations
        if self.pericardium is not None:
            found["pericardium"] = self.pericardium[0]
        if self.thorax is not None:
            found["thorax"] = self.thorax[0]
        return found

    def all_quantities(self) -> dict[str, Quantity]:
        """Every quantity of the circulation by its full name (`site.quantity`, or the bare name for the loop's own)."""
        found = {q.name: q for q in declared(self)}
        for site, part in self.parts().items():
            for q in declared(part):
                found[f"{site}.{q.name}"] = dataclasses.replace(q, name=f"{site}.{q.name}")
        return found

    @classmethod
    def valve_sets(cls) -> tuple[str, ...]:
        """Names of the valve laws this circulation can be assembled with."""
        return ("inertial",)

    def conduits_with(self, valves: str) -> Mapping[str, tuple[str, Any, str]]:
        """The wiring with the valve law `valves`."""
        return self.conduits

    def values_with(self, valves: str) -> dict[str, float]:
        """Values that differ from the declared ones under another valve law."""
        return {}
