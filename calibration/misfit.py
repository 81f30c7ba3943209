"""What readings cost one patient's record, in nats: the data's part of the objective, for any number of draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..physiology.observable import TIE_WIDTH, all_observables
from .interval import range_cost
from .noise_scale import NoiseScale
from .problem import LaneData, Problem

__all__ = ["Misfit", "misfit_of"]


@dataclass(frozen=True)
class Misfit:
    """A record's values [C] and their noise [C, 1]; below, above [C]: how far a range reaches to either side.

    channel [C] is the index of each among the problem's channels, `offset` [C] that of the zero error that shifts it
    among the names of z, or -1. rows [Q] are the channels that are smooth in the parameters: in place of a reading that
    is the larger of two, both; `first` and `second` [C] say which of the rows each reading is (one twice), or joins.
    """

    value: np.ndarray
    noise: NoiseScale
    below: np.ndarray
    above: np.ndarray
    channel: np.ndarray
    offset: np.ndarray
    rows: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def joined(self, rows: np.ndarray) -> np.ndarray:
        """Readings [C, S] from their smooth rows [Q, S]."""
        first, second = rows[self.first], rows[self.second]
        larger = 0.5 * (first + second + np.sqrt((first - second) ** 2 + 4.0 * TIE_WIDTH**2))
        return np.where((self.first == self.second)[:, None], first, larger)

    def pull(self, rows: np.ndarray) -> np.ndarray:
        """d cost / d row [Q, S] at rows [Q, S]."""
        first, second = rows[self.first], rows[self.second]
        apart = first - second
        share = 0.5 * (1.0 + apart / np.sqrt(apart**2 + 4.0 * TIE_WIDTH**2))
        share = np.where((self.first == self.second)[:, None], 1.0, share)
        slope, found = self.slope(self.joined(rows)), np.zeros_like(rows)
        np.add.at(found, self.first, share * slope)
        np.add.at(found, self.second, (1.0 - share) * slope)
        return found

    def cost(self, reading: np.ndarray) -> np.ndarray:
        """Nats [S] of readings [C, S], zero errors included: half squares, and -log P of a range (see `interval`)."""
        here = self.noise(reading)
        found = 0.5 * (self.noise(self.value[:, None]) - here) ** 2
        low, high = self._ends()
        for c in np.flatnonzero(self.below + self.above > 0.0):
            found[c] = np.asarray(range_cost(low[c] - here[c], high[c] - here[c]).energy)
        return np.sum(found, axis=0)

    def slope(self, reading: np.ndarray) -> np.ndarray:
        """d cost / d reading [C, S] (nats per unit of each reading)."""
        here = self.noise(reading)
        found = here - self.noise(self.value[:, None])
        low, high = self._ends()
        for c in np.flatnonzero(self.below + self.above > 0.0):
            found[c] = np.asarray(range_cost(low[c] - here[c], high[c] - here[c]).slope)
        return found / self.noise.sd_at(reading)

    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the ranges [C, 1] end, on the scale of the noise."""
        return self.noise((self.value - self.below)[:, None]), self.noise((self.value + self.above)[:, None])


def misfit_of(problem: Problem, data: LaneData, lane: int) -> Misfit:
    """The misfit of one lane: only the channels that it has."""
    mine = np.flatnonzero(np.asarray(data.mask)[:, lane])
    free = len(problem.free)
    offset = [free + problem.offsets[c] if problem.offsets[c] >= 0 else -1 for c in mine]
    value, below, above = (np.asarray(f)[mine, lane] for f in (data.value, data.below, data.above))
    noise = NoiseScale(*(np.asarray(f)[mine, lane][:, None] for f in data.noise))
    return Misfit(value, noise, below, above, mine, np.array(offset, dtype=int), *_smooth_rows(problem, mine))


def _smooth_rows(problem: Problem, mine: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`rows`, `first` and `second` of some channels; both parts are the last channels of their observables."""
    last = {name: c for c, name in enumerate(problem.observables)}
    rows: dict[int, int] = {}
    pairs = []
    for c in mine.tolist():
        parts = all_observables()[problem.observables[c]].larger_of or ()
        places = [last[name] for name in parts] if all(name in last for name in parts) and parts else [c]
        at = [rows.setdefault(place, len(rows)) for place in places]
        pairs.append((at[0], at[-1]))
    first, second = np.array(pairs, dtype=int).reshape(-1, 2).T
    return np.array(list(rows), dtype=int), first, second
