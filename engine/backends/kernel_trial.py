"""A small known kernel run on the GPU once, before any patient's beat is: does Pallas's Triton compiler answer here?

It is laid out and launched as beats are, with what they are made of: rows read and written in loops, a loop of as many
steps as it is told, an instruction of PTX, and a part that runs where one patient needs it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .arithmetic import Arithmetic
from .kernel_program import Outcome
from .pallas import WARP, Launch, launched

__all__ = ["Known", "answer", "obstacle", "trial"]

PATIENTS, STEPS, BEATS = WARP + 5, 3, 7  # patients that fill no whole number of blocks


@dataclass(frozen=True)
class Known:
    """first * second, added as often as there are steps, plus the beats; `width` patients in a block."""

    width: int = WARP
    dtype: str = "float32"
    tangents: int = 0

    def __call__(
        self, rows: tuple[Any, ...], state: tuple[Any, ...], counts: list[Any], first: Any, *, ptx: bool
    ) -> Outcome:
        """Of one block, as `kernel_program.Program`: the sum as the state, the row of the state as the reading."""
        compute = Arithmetic(self.width, ptx)
        one = lambda k, total: compute.joined(rows[0], state[0], total, self.dtype)  # noqa: E731
        total = lax.fori_loop(0, counts[0], one, jnp.zeros((self.width,), self.dtype))
        anybody = jnp.max((rows[1] > 0.0).astype(jnp.int32)) > 0
        total = lax.cond(anybody, lambda: total + counts[1].astype(self.dtype), lambda: total)
        return Outcome((total,), (state[0],))


def _given() -> tuple[np.ndarray, np.ndarray]:
    """Rows of parameters and of the state: whole numbers, of which every sum is exact."""
    lanes = np.arange(PATIENTS, dtype=np.float32)
    return np.stack([lanes, np.ones_like(lanes)]), lanes[None] + np.float32(30.0)


def answer(rows: Any, state: Any, interpret: bool = False) -> list[jax.Array]:
    """What the known kernel makes of its rows."""
    return launched(Known(), Launch(interpret=interpret), (rows, state), (1, 1), (STEPS, BEATS))


def trial(interpret: bool = False) -> str:
    """What is wrong with the kernel's answer, or "" where it is right; whatever stops it is raised."""
    given = _given()
    program = jax.jit(lambda rows, state: answer(rows, state, interpret)).lower(*given).compile()
    found = jax.device_get(program(*jax.device_put(given)))
    expected = STEPS * given[0][:1] * given[1] + BEATS, given[1]
    for one, right in zip(found, expected, strict=True):
        if not np.array_equal(one[:, :PATIENTS], right):
            return f"a test kernel answered {one[0, :2]}, not {right[0, :2]}"
    return ""


def obstacle() -> str:
    """Why no kernel runs on this GPU, or "" where one does.

    It is tried in a thread of its own, apart from the program in whose tracing it may be asked for.
    """
    try:
        with ThreadPoolExecutor(1) as apart:
            return apart.submit(trial).result()
    except Exception as error:  # of JAX, Triton, ptxas or the card: XLA serves, and the reason is told
        return f"a test kernel did not run ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
