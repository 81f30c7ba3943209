"""What a clinician measures, as functions of a beat.

An observable is written once against `BeatReadings`. Read from the engine's running reductions it is a smooth
function of the parameters (for gradients); read from recorded waveforms it is the hard definition (for reports).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from ..core.own import own
from ..core.reduction import Reduction
from ..core.registry import known, look_up, register
from ..core.system import System

__all__ = ["TIE_WIDTH", "BeatReadings", "Observable", "Observer", "observable"]

TIE_WIDTH = 0.05  # mmHg; half of what a smooth reading may differ from the hard one
ML_PER_LITRE, SECONDS_PER_MINUTE = 1000.0, 60.0


class BeatReadings:
    """Readings of one steady beat by kind, quantity and site; subclasses say where the numbers come from."""

    def __init__(self, period: Any, body_surface_area: Any = None) -> None:
        self.period, self.body_surface_area = period, body_surface_area

    def take(self, reduction: Reduction) -> Any:
        """The number that a reduction asks for."""
        raise NotImplementedError

    def maximum(self, quantity: str, site: str, window: tuple[Any, Any] | None = None) -> Any:
        """Largest value, in a part of the cycle if `window` is given."""
        return self.take(Reduction("maximum", quantity, site, window))

    def minimum(self, quantity: str, site: str, window: tuple[Any, Any] | None = None) -> Any:
        """Smallest value, in a part of the cycle if `window` is given."""
        return self.take(Reduction("minimum", quantity, site, window))

    def mean(self, quantity: str, site: str) -> Any:
        """Mean over the cycle."""
        return self.take(Reduction("mean", quantity, site))

    def onset(self, quantity: str, site: str) -> Any:
        """Value at ventricular onset (phase 0): the end of diastole."""
        return self.take(Reduction("onset", quantity, site))

    def passed(self, site: str) -> Any:
        """Net volume through a valve in one beat (mL)."""
        return self.take(Reduction("volume", "flow", site))

    def open_time(self, site: str) -> Any:
        """Time a valve is open (s)."""
        return self.take(Reduction("open_time", "flow", site))

    def work(self, site: str) -> Any:
        """Area of the pressure-volume loop (mmHg mL)."""
        return self.take(Reduction("work", "pressure", site))

    def steepest_rise(self, site: str) -> Any:
        """Largest rate of pressure rise (mmHg/s)."""
        return self.take(Reduction("peak_rate", "pressure", site))

    def larger(self, first: Any, second: Any) -> Any:
        """The larger of two readings."""
        return jnp.maximum(first, second)

    @property
    def heart_rate(self) -> Any:
        """Beats per minute."""
        return SECONDS_PER_MINUTE / self.period

    @property
    def mean_flow(self) -> Any:
        """Net flow through the aortic valve (mL/s)."""
        return self.passed("aortic_valve") / self.period


@dataclass(frozen=True)
class Observable:
    """Name, unit and definition of one clinical quantity; `needs_body` when it is indexed to body surface area.

    `larger_of` names the two readings of which it is the larger: a fit that must lower it meets a ridge where they tie.
    """

    name: str
    unit: str
    define: Callable[[BeatReadings], Any] = field(compare=False)
    doc: str = ""
    needs_body: bool = False
    larger_of: tuple[str, str] | None = None

    @property
    def origin(self) -> tuple[Any, ...]:
        """What tells it from any other observable of any process; () unless its definition is this package's own."""
        of = self.define
        return (self.name, of.__module__, of.__qualname__, self.larger_of) if own(of) else ()


def observable(
    name: str, *, unit: str, needs_body: bool = False, larger_of: tuple[str, str] | None = None
) -> Callable[[Any], Any]:
    """Function decorator: register the definition of an observable, whose first docstring line describes it."""

    def enter(define: Callable[[BeatReadings], Any]) -> Callable[[BeatReadings], Any]:
        summary = (define.__doc__ or "").strip().splitlines()[0]
        register("observable", name, define.__module__)(Observable(name, unit, define, summary, needs_body, larger_of))
        return define

    return enter


class _Collector(BeatReadings):
    """Notes which reductions a definition asks for."""

    def __init__(self) -> None:
        super().__init__(1.0, 1.0)
        self.asked: list[Reduction] = []

    def take(self, reduction: Reduction) -> Any:
        if reduction not in self.asked:
            self.asked.append(reduction)
        return 1.0


class _Reduced(BeatReadings):
    """Readings from the engine's reductions."""

    def __init__(self, values: dict[Reduction, Any], period: Any, body_surface_area: Any) -> None:
        super().__init__(period, body_surface_area)
        self._values = values

    def take(self, reduction: Reduction) -> Any:
        return self._values[reduction]

    def larger(self, first: Any, second: Any) -> Any:
        """Smooth where they tie: above the larger by at most `TIE_WIDTH`."""
        return 0.5 * (first + second + jnp.sqrt((first - second) ** 2 + 4.0 * TIE_WIDTH**2))


@dataclass(frozen=True)
class Observer:
    """A fixed list of observables of one System: the reductions it needs and their combination."""

    system: System
    names: tuple[str, ...]

    @property
    def origin(self) -> tuple[Any, ...]:
        """Its System and what defines its observables; () where one of them is not this package's own."""
        origins = tuple(getattr(look_up("observable", name), "origin", ()) for name in self.names)
        return (self.system, *origins) if all(origins) else ()

    @property
    def reductions(self) -> tuple[Reduction, ...]:
        """What the engine must carry, without repeats."""
        collector = _Collector()
        for name in self.names:
            look_up("observable", name).define(collector)
        return tuple(collector.asked)

    def __call__(self, values: jax.Array, parameters: jax.Array, body_surface_area: jax.Array) -> jax.Array:
        """Observables [O, batch] from reductions [R, batch], parameter rows [P, batch] and BSA [batch] (m2)."""
        p = self.system.read(tuple(parameters))
        readings = _Reduced(dict(zip(self.reductions, values, strict=True)), self.system.period(p), body_surface_area)
        like = jnp.zeros_like(body_surface_area)
        return jnp.stack([like + look_up("observable", name).define(readings) for name in self.names])

    @property
    def units(self) -> tuple[str, ...]:
        """Unit of each observable."""
        return tuple(look_up("observable", name).unit for name in self.names)


def all_observables(names: Sequence[str] | None = None) -> dict[str, Observable]:
    """Registered observables by name."""
    found = known("observable")
    return found if names is None else {name: look_up("observable", name) for name in names}
