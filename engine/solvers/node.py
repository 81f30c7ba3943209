"""What is known at one instant of a beat, what is prepared once per solve, and what a step leaves behind."""

from __future__ import annotations

from typing import Any, NamedTuple

from .leaflet_step import Orifice

__all__ = ["Coefficients", "Node", "StepRecord", "Thin"]


class Node(NamedTuple):
    """Everything known at one instant: rows are tuples of arrays [batch].

    volume, pressure (total, mmHg), slope dP/dV without and `group_slope` with the surroundings' share, drive dP/de,
    activation and its rate per store activation; flow of every state flow (mL/s); opening of every valve with moving
    leaflets (0..1).
    """

    volume: tuple[Any, ...]
    pressure: tuple[Any, ...]
    slope: tuple[Any, ...]
    drive: tuple[Any, ...]
    group_slope: tuple[Any, ...]
    activation: tuple[Any, ...]
    rate: tuple[Any, ...]
    flow: tuple[Any, ...]
    opening: tuple[Any, ...] = ()


class Thin(NamedTuple):
    """A node without what follows from it: less to carry where tangents are carried too."""

    volume: tuple[Any, ...]
    predicted: tuple[Any, ...]
    flow: tuple[Any, ...]
    opening: tuple[Any, ...]


class Coefficients(NamedTuple):
    """Per branch, prepared once per solve: resistance with ports, inertance, loss; leaks; couplings; the step h.

    `orifice` holds one entry per valve with moving leaflets, in the order of `System.leaflet_states`; `relief` is the
    part of a branch's resistance that resistors beside it take off at once (`resistor_step.relief`).
    """

    resistance: tuple[Any, ...]
    inertance: tuple[Any, ...]
    loss: tuple[Any, ...]
    leak_inertance: tuple[Any, ...]
    leak_loss: tuple[Any, ...]
    coupling: tuple[tuple[tuple[int, Any], ...], ...]
    external: tuple[Any, ...]
    total: Any
    period: Any
    h: Any
    orifice: tuple[Orifice, ...] = ()
    relief: tuple[Any, ...] = ()


class StepRecord(NamedTuple):
    """What happened in a step: mean flow of every branch (net of leaks), the share of it each valve was open, and the
    predicted volumes, at which the pressures of its end were evaluated."""

    mean_flow: tuple[Any, ...]
    open_share: tuple[Any, ...]
    predicted: tuple[Any, ...]
