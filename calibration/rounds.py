"""Many fits at once: after every few beats the lanes that are done leave, so that no block waits for its slowest.

Lanes far from their ends move on beats of float32 with half the steps, which cost a quarter; the last steps, and all
that is reported, are of float64 with all of them.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from ..engine.blocks import block_width, in_blocks, in_rounds
from .methods.gauss_newton import BEATS, Fit, GaussNewton, Lanes, ended, refloated, running, stuck
from .problem import LaneData, Problem

__all__ = ["fitted_in_rounds"]

ROUND = 4  # beats with tangents between two regroupings; of 3, 4 and 5 the fastest, with WIDTH of 16 and 32
WIDTH = 32  # lanes per block on a CPU: two vectors of float32 on the widest processors
COARSER = 2  # the steps of the first beats are so many times fewer
MOST_COARSE = 30  # beats in float32 before a lane goes on in float64 whatever it has reached


def fitted_in_rounds(method: GaussNewton, problem: Problem, data: LaneData, z: np.ndarray, steps: int) -> Fit:
    """The fits of lanes from z [N, B], regrouped between rounds."""
    coarse = dataclasses.replace(problem, precision="float32", slopes="float32")
    mixed = dataclasses.replace(problem, slopes="float32")
    few = steps // COARSER
    width = block_width(WIDTH, z.shape[1])
    if jax.default_backend() != "cpu":
        data = LaneData(*map(jnp.asarray, data))  # once; the blocks are then gathered on the device
    begin = lambda lanes: method.begin(coarse, data.take(lanes), z[:, lanes], few)  # noqa: E731
    lanes = Lanes(*jax.tree.map(np.array, in_blocks(begin, z.shape[1], width, ("begin", coarse))))

    def until_done(lanes: Lanes, of: Problem, number: int, limit: int) -> Lanes:
        """Until each lane is done or has had `limit` beats."""
        further = lambda mine, own: method.advance(of, data.take(mine), own, number, False, ROUND)  # noqa: E731
        return in_rounds(further, lanes, lambda held: running(held) & (held.beats < limit), width, of)

    lanes = until_done(lanes, coarse, few, MOST_COARSE)
    lanes = until_done(refloated(lanes, np.ones(z.shape[1], bool)), mixed, steps, BEATS)
    return ended(until_done(refloated(lanes, stuck(lanes)), mixed, steps, BEATS))
