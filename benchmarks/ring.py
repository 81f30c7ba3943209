"""A circulation of any size, to measure what a state costs."""

from __future__ import annotations

import functools

import jax.numpy as jnp

from hemotwin.core.layout import Layout
from hemotwin.core.system import Branch, Store, System

__all__ = ["ring"]


def ring(states: int, pumps: int = 1) -> System:
    """A ring of driven chambers, each between two valves, and vessels joined by inertial conduits; one is a resistor.

    `states` (even): p pumps and k vessels have p + k - 1 free volumes, 2 p valves and k - p - 1 conduits with a flow:
    2 (p + k - 1). Values of each pump with its vessels: a left heart, its resistance and compliance shared out evenly.
    """
    count = states // 2 + 1 - pumps
    valve = functools.partial(Branch, kind="valve", resistance=lambda p: 0.0, inertance=lambda p: 2e-4,
                              loss=lambda p: 2e-5)  # fmt: skip
    stores: list[Store] = []
    branches: list[Branch] = []
    for n in range(pumps):
        own, first = count // pumps + (n < count % pumps), len(stores)
        share, tag = 1.0 / own, str(n) if n else ""
        stores.append(Store(f"pump{tag}", lambda p, v, e: p["elastance"] * (0.04 + e) * (v - 10.0), activation=0))
        stores += [_vessel(f"vessel{tag}.{k}", share, k) for k in range(own)]
        branches.append(valve(f"out{tag}", first, first + 1))
        for k in range(1, own):
            last = n == pumps - 1 and k == own - 1
            inertance = None if last else lambda p, share=share: 5e-3 * share
            branches.append(Branch(f"conduit{tag}.{k}", first + k, first + k + 1, "resistive" if last else "inertial",
                                   lambda p, share=share: share, inertance))  # fmt: skip
        branches.append(valve(f"in{tag}", first + own, (first + own + 1) % (pumps + count)))
    return System(
        name=f"ring{states}of{pumps}", version="1", stores=tuple(stores), branches=tuple(branches),
        parameters=Layout(("elastance", "total"), ("mmHg/mL", "mL")), constants={},
        activations=(lambda p, t: jnp.maximum(jnp.sin(2.0 * jnp.pi * t), 0.0) ** 2,), groups=(), slack=0,
        total=lambda p: p["total"], period=lambda p: 1.0 + 0.0 * p["total"], readings={},
    )  # fmt: skip


def _vessel(name: str, share: float, place: int) -> Store:
    """The `place`-th of vessels that share a compliance: stiff behind the pump, slack before the next."""
    return Store(name, lambda p, v, e: v * share * (2.0 - 1.9 * place * share))
