"""The abstract parts of a circulation: what each kind of part must give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ..core.component import Component
from ..core.reduction import Reduction

__all__ = ["Activation", "Chamber", "Compartment", "Conduit", "Reflex", "Surroundings", "Valve", "Vessel"]

BLOOD_DENSITY = 1.06  # g/mL, Kenner 1989, doi 10.1007/BF01907921
MMHG_IN_DYN_PER_CM2 = 1333.22  # dyn/cm2 in one mmHg (definition of the millimetre of mercury)
ORIFICE_COEFFICIENT = 50.15  # mL/s per cm2 and sqrt(mmHg): sqrt(2 * 1333.22 / 1.06), Bernoulli without contraction


class Compartment(Component):
    """A store of blood: `pressure(volume, activation)` is its transmural pressure in mmHg, volume in mL.

    Subclasses may declare `source_resistance` (at the outlet), `inlet_impedance` or `impedance` (in series with the
    compliance), mmHg s/mL; `ports` says which quantity stands where.
    """

    ports: ClassVar[dict[str, str]] = {}

    def pressure(self, volume: Any, activation: Any) -> Any:
        """Transmural pressure (mmHg) at `volume` (mL) and `activation` (0..1, None for a vessel)."""
        raise NotImplementedError


class Chamber(Compartment):
    """A compartment with an activation."""


class Vessel(Compartment):
    """A compartment without activation; its volume counts above the unstressed one."""


class Conduit(Component):
    """A path between two compartments. `law` tells the engine which equation holds (see core.system.Branch)."""

    law: ClassVar[str] = "resistive"

    def resistance_of(self) -> Any:
        """Linear resistance, mmHg s/mL."""
        raise NotImplementedError

    def inertance_of(self) -> Any:
        """Inertance, mmHg s2/mL."""
        raise NotImplementedError

    def loss_of(self) -> Any:
        """Coefficient B of the quadratic pressure loss B q^2, mmHg s2/mL2."""
        raise NotImplementedError


class Valve(Conduit):
    """A conduit that lets blood pass one way; a leak is a second valve backwards."""

    law: ClassVar[str] = "valve"


class Activation(Component):
    """`activation(time, period)`: 0 at rest to 1 at full contraction; time since beat onset and period in s."""

    def activation(self, time: Any, period: Any) -> Any:
        """Degree of contraction (0..1)."""
        raise NotImplementedError


class Surroundings(Component):
    """What presses on compartments from outside."""


class Reflex(Component):
    """What sets parameters from beat to beat; see `core.feedback.Feedback` for the class attributes.

    `states` maps each state to its unit; all are 0 at rest, which is the beat that the circulation's own values give.
    """

    states: ClassVar[Mapping[str, str]] = {}
    weights: ClassVar[tuple[float, ...]] = ()
    senses: ClassVar[tuple[Reduction, ...]] = ()
    acts_on: ClassVar[tuple[str, ...]] = ()

    def acting(self, states: tuple[Any, ...], values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Values of `acts_on` in force, from the states and the values at rest."""
        raise NotImplementedError

    def after_beat(
        self, states: tuple[Any, ...], sensed: tuple[Any, ...], rest: tuple[Any, ...], period: Any
    ) -> tuple[Any, ...]:
        """States after a beat of `period` seconds of which `sensed` was read; `rest`: the same of the resting beat."""
        raise NotImplementedError
