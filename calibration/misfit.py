"""What readings cost one patient's record, in nats: the data's part of the objective, for any number of draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .interval import range_cost
from .problem import LaneData, Problem

__all__ = ["Misfit", "misfit_of"]


@dataclass(frozen=True)
class Misfit:
    """A record's values and noise sds [C]; below, above [C]: how far a range reaches to either side (0 for a number).

    channel [C] is the index of each among the problem's channels, `offset` [C] that of the zero error that shifts it
    among the names of z, or -1.
    """

    value: np.ndarray
    sd: np.ndarray
    below: np.ndarray
    above: np.ndarray
    channel: np.ndarray
    offset: np.ndarray

    def cost(self, reading: np.ndarray) -> np.ndarray:
        """Nats [S] of readings [C, S], zero errors included: half squares, and -log P of a range (see `interval`)."""
        away = (self.value[:, None] - reading) / self.sd[:, None]
        found = 0.5 * away**2
        for c in np.flatnonzero(self.below + self.above > 0.0):
            ends = away[c] - self.below[c] / self.sd[c], away[c] + self.above[c] / self.sd[c]
            found[c] = np.asarray(range_cost(*ends).energy)
        return np.sum(found, axis=0)

    def slope(self, reading: np.ndarray) -> np.ndarray:
        """d cost / d reading [C, S] (nats per unit of each reading)."""
        away = (self.value[:, None] - reading) / self.sd[:, None]
        found = -away
        for c in np.flatnonzero(self.below + self.above > 0.0):
            ends = away[c] - self.below[c] / self.sd[c], away[c] + self.above[c] / self.sd[c]
            found[c] = np.asarray(range_cost(*ends).slope)
        return found / self.sd[:, None]


def misfit_of(problem: Problem, data: LaneData, lane: int) -> Misfit:
    """The misfit of one lane: only the channels that it has."""
    mine = np.flatnonzero(np.asarray(data.mask)[:, lane])
    free = len(problem.free)
    offset = [free + problem.offsets[c] if problem.offsets[c] >= 0 else -1 for c in mine]
    value, sd, below, above = (np.asarray(f)[mine, lane] for f in (data.value, data.sd, data.below, data.above))
    return Misfit(value, sd, below, above, mine, np.array(offset, dtype=int))
