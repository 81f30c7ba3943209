"""Beats from host memory to host memory on a GPU: in parts, so that copies run beside the kernels of other parts.

Memory that the operating system may move is copied at some 2 GB/s, page-locked memory at the speed of the bus.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

__all__ = ["host_program", "page_locked"]

# Lanes of the parts, of their sum: what is copied before the first kernel and after the last is all that none hides.
# (Of 1, 4, 8 and 16 parts of one size four were fastest for a million patients on an H100.)
SHARES = (1, 7, 7, 1)
WARP = 32  # threads that a GPU of NVIDIA's runs in step


def page_locked(rows: np.ndarray, shares: Sequence[int] = SHARES) -> list[jax.Array]:
    """Rows [R, B] as page-locked host arrays whose lanes are as these shares, in whole warps; none is empty."""
    lanes = rows.shape[1]
    ends = [min(lanes, -(-lanes * upto // sum(shares) // WARP) * WARP) for upto in np.cumsum(shares)]
    cuts = sorted({0, *ends[:-1], lanes})
    parts = [rows[:, begin:end] for begin, end in itertools.pairwise(cuts)]
    return [jax.device_put(np.ascontiguousarray(part), _sharding("pinned_host")) for part in parts]


def host_program(beat: Any) -> Any:
    """The jitted beat of parts: (parameters, state, steps), both lists as `page_locked` gives them -> per part what the
    beat gives, in page-locked host memory."""

    def run(parameters: Sequence[jax.Array], state: Sequence[jax.Array], steps: Any) -> list[Any]:
        device, host = _sharding("device"), _sharding("pinned_host")
        ends = []
        for part in zip(parameters, state, strict=True):
            rows, x = (jax.device_put(array, device) for array in part)
            ends.append(jax.tree.map(lambda end: jax.device_put(end, host), tuple(beat(rows, x, steps))))
        return ends

    return jax.jit(run, static_argnums=2, out_shardings=_sharding("pinned_host"))


def _sharding(kind: str) -> jax.sharding.SingleDeviceSharding:
    return jax.sharding.SingleDeviceSharding(jax.devices()[0], memory_kind=kind)
