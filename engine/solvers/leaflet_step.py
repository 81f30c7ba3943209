"""One valve with moving leaflets over one step: its opening, its area and its flow.

A = shut + z (open - shut), L = column / A, B = head / A^2; L dq/dt = D - B q|q| with D the pressure difference across
the valve, dz/dt = opening (1 - z) D while D > 0, closing z D while D < 0 (see core.system.Leaflets).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from ...core.smooth import safe_divide
from ...core.system import Leaflets, Params

__all__ = ["Orifice", "area_at", "flow_after", "moved", "orifice_of"]


class Orifice(NamedTuple):
    """The numbers of a `Leaflets` for one solve."""

    open_area: Any
    shut_area: Any
    column: Any
    head: Any
    opening: Any
    closing: Any


def orifice_of(leaflets: Leaflets, p: Params) -> Orifice:
    """The rules of the leaflets evaluated at the parameters."""
    return Orifice(*(getattr(leaflets, name)(p) for name in Orifice._fields))


def area_at(orifice: Orifice, z: Any) -> Any:
    """Area (cm2) at the opening z (0..1)."""
    return orifice.shut_area + z * (orifice.open_area - orifice.shut_area)


def moved(orifice: Orifice, z: Any, before: Any, after: Any, h: Any) -> Any:
    """Opening at the end of a step of h seconds over which the pressure difference goes linearly from before to after.

    Exact: each of the two laws is linear in z, so that it is an exponential of the area under its part of the
    pressure. A step that holds a change of sign takes the two laws in their order in time.
    """
    high, low = jnp.maximum(before, after), jnp.minimum(before, after)
    crossing = (high > 0.0) & (low < 0.0)
    whole = 0.5 * h * (before + after)
    above = safe_divide(0.5 * h * high * high, high - low, crossing)
    push = jnp.where(crossing, above, jnp.maximum(whole, 0.0))
    pull = whole - push
    kept, left = jnp.exp(orifice.closing * pull), jnp.exp(-orifice.opening * push)
    return jnp.where(after >= before, 1.0 - (1.0 - z * kept) * left, (1.0 - (1.0 - z) * left) * kept)


def flow_after(orifice: Orifice, a: Any, area: Any, push: Any, r: Any, h: Any) -> Any:
    """Flow (mL/s) after a step from the flow a at a mean area (cm2) under a mean pressure difference (mmHg).

    Implicit in the resistance r (trapezoid) and in the loss (B |a| q): a valve that shuts on a backward flow stops it
    without oscillation.
    """
    inertance, loss = orifice.column / area, orifice.head / (area * area)
    return (a * (inertance - 0.5 * h * r) + h * push) / (inertance + h * (0.5 * r + loss * jnp.abs(a)))
