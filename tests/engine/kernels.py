"""What the tests of kernels share: a small loop with every kind of branch, and lowering for a GPU without one."""

from __future__ import annotations

import functools
from contextlib import nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hemotwin.core.layout import Layout
from hemotwin.core.reduction import Reduction
from hemotwin.core.system import Branch, Store, System
from hemotwin.engine.beat import BeatMap

STEPS, LANES = 60, 37  # few steps: the comparisons are of the same map; lanes that fill no whole number of blocks
REDUCTIONS = (
    Reduction("maximum", "pressure", "artery"), Reduction("minimum", "pressure", "artery"),
    Reduction("volume", "flow", "outlet"), Reduction("maximum", "volume", "heart"),
    Reduction("mean", "pressure", "vein"),
)  # fmt: skip
NAMES = ("rate", "elastance", "resistance", "compliance", "total")
TYPICAL = np.array([70.0, 1.6, 0.9, 1.4, 700.0])  # 1/min, mmHg/mL, mmHg s/mL, mL/mmHg, mL
START = np.array([110.0, 130.0, 0.0, 40.0, 60.0])  # mL, mL, then mL/s: heart and artery filled, the outlet shut


@functools.cache
def small_loop() -> System:
    """Heart -> valve -> artery -> resistance -> vein -> inertance -> back through a valve: five states."""
    squeeze = lambda p, t: 0.5 - 0.5 * jnp.cos(2.0 * jnp.pi * p["rate"] / 60.0 * t)  # noqa: E731
    heart = lambda p, v, e: (p["elastance"] * e + 0.05) * v + 0.2 * jnp.exp(0.01 * v)  # noqa: E731
    valve = {"kind": "valve", "resistance": lambda p: 0.004, "inertance": lambda p: 5e-4, "loss": lambda p: 3e-5}
    return System(
        name="small loop", version="1",
        stores=(Store("heart", heart, activation=0), Store("artery", lambda p, v, e: v / p["compliance"]),
                Store("vein", lambda p, v, e: v / 30.0)),
        branches=(Branch("outlet", 0, 1, **valve), Branch("inlet", 2, 0, **valve),
                  Branch("body", 1, 2, "resistive", lambda p: p["resistance"]),
                  Branch("shunt", 1, 2, "inertial", lambda p: 4.0, inertance=lambda p: 0.05)),
        parameters=Layout(NAMES, ("1/min", "mmHg/mL", "mmHg s/mL", "mL/mmHg", "mL")), constants={},
        activations=(squeeze,), groups=(), slack=2, total=lambda p: p["total"], period=lambda p: 60.0 / p["rate"],
        readings={"heart": "heart", "artery": "artery", "vein": "vein", "outlet": "outlet"},
    )  # fmt: skip


def small_beat() -> BeatMap:
    return BeatMap(small_loop(), REDUCTIONS)


def patients(dtype: Any = jnp.float64, count: int = LANES) -> tuple[jax.Array, jax.Array]:
    """Parameters and state rows of random patients of the small loop."""
    spread = np.exp(0.1 * np.random.default_rng(0).standard_normal((len(TYPICAL), count)))
    return jnp.asarray(TYPICAL[:, None] * spread, dtype), jnp.asarray(np.repeat(START[:, None], count, axis=1), dtype)


def lowered_for_cuda(function: Any, *arguments: Any) -> str:
    """The program of a function for an NVIDIA GPU, as text; later versions of JAX want to be told which."""
    kind, context = getattr(jax.sharding, "AbstractDevice", None), nullcontext()
    if kind is not None:
        device = kind(device_kind="NVIDIA H100", num_cores=None, platform="gpu")
        axes = (jax.sharding.AxisType.Auto,)
        mesh = jax.sharding.AbstractMesh((1,), ("x",), axis_types=axes, abstract_device=device)
        context = jax.sharding.use_abstract_mesh(mesh)
    with context:
        return jax.jit(function).trace(*arguments).lower(lowering_platforms=("cuda",)).as_text()
