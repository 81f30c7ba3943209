"""A circulation of any size, to measure what a state costs."""

from __future__ import annotations

import functools

import jax.numpy as jnp

from hemotwin.core.layout import Layout
from hemotwin.core.system import Branch, Store, System

__all__ = ["ring"]


def ring(states: int) -> System:
    """A ring with one driven chamber between two valves and vessels joined by inertial conduits; one is a resistor.

    `states` (even): k vessels' volumes, 2 valves and k - 2 conduits make 2 k. Values: a left heart, its resistance and
    compliance shared out evenly.
    """
    count = states // 2
    share = 1.0 / count
    valve = functools.partial(Branch, kind="valve", resistance=lambda p: 0.0, inertance=lambda p: 2e-4,
                              loss=lambda p: 2e-5)  # fmt: skip
    stores = (Store("pump", lambda p, v, e: p["elastance"] * (0.04 + e) * (v - 10.0), activation=0),
              *(Store(f"vessel{k}", lambda p, v, e, k=k: v * share * (2.0 - 1.9 * k * share)) for k in range(count)),
              )  # fmt: skip
    branches = [valve("out", 0, 1), valve("in", count, 0)]
    for k in range(1, count):
        kind, inertance = ("resistive", None) if k == count - 1 else ("inertial", lambda p: 5e-3 * share)
        branches.append(Branch(f"conduit{k}", k, k + 1, kind, lambda p: 1.0 * share, inertance))
    return System(
        name=f"ring{states}", version="1", stores=stores, branches=tuple(branches),
        parameters=Layout(("elastance", "total"), ("mmHg/mL", "mL")), constants={},
        activations=(lambda p, t: jnp.maximum(jnp.sin(2.0 * jnp.pi * t), 0.0) ** 2,), groups=(), slack=0,
        total=lambda p: p["total"], period=lambda p: 1.0 + 0.0 * p["total"], readings={},
    )  # fmt: skip
