"""What beats settle to: one steady beat, two in turn, a cycle of n, a slow drift, or nothing that repeats.

Newton finds a steady beat whether or not beats stay at it. Its multipliers tell: the eigenvalues of the derivative of
the beat's end by its onset, by which a small disturbance grows from beat to beat. All below 1 in size: stable, with the
time constant -1/ln|multiplier| in beats. One passes -1: the beat gives way to two that alternate. Otherwise a bounded
number of plain beats shows what is left.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..core.errors import InputError
from ..core.status import Status
from .cycle import Beats, Cycle, change_of, path, steady_cycle
from .periodic import TOLERANCE
from .precision import double

__all__ = ["LONGEST", "SLOW", "Regimes", "multipliers", "regime"]

SLOW = 100.0  # beats; a time constant above it outlasts a catheter reading (a minute or so)
LONGEST = 8  # beats in the longest cycle that is looked for
SETTLE = 64  # plain beats before anything is concluded from them
WINDOW = 32  # plain beats that a mean is taken over
LEAST_CYCLES = 3  # of the forcing in that window: a line needs more than one move
WARM_UP = 5  # plain beats before the first Newton step
NUDGE = 0.01  # mL, a disturbance that takes beats off a steady one they do not stay at
SAME = 1e3  # tolerances within which two states of a cycle are one
GROWTH = 100.0  # of the change per beat over a window: NUDGE, grown as fast from the start, has left every bound
STRAIGHT = 0.95  # net change over the sum of changes from which on a path counts as a drift
REAL = 1e-6  # imaginary over whole size below which a multiplier counts as real


class Regimes(NamedTuple):
    """What each of B lanes settles to.

    status [B]: OK, ALTERNANS, BEAT_CYCLE, DRIFTING, WINDOW_MEAN, UNPHYSIOLOGICAL (a state that cannot be, see
    `Beats.possible`) or NONFINITE (overflowed, or on the way there). period [B]: beats in the cycle, 0 where
    none was found. states [longest, S, B]: the onset of every beat of the cycle (where there is none, only the last
    plain state), nan behind. residual [B]: the largest weighted change over one cycle (over the last beat where there
    is none). multiplier [B], complex: the largest, over one cycle; of the steady beat that beats leave where they come
    to no cycle, nan where there is neither. time_constant [B]: beats in which a disturbance falls (or grows) by the
    factor e. mean, low, high [S, B] over `window` [B] beats: the cycle, or the last plain beats. beats: how many were
    run.
    """

    status: np.ndarray
    period: np.ndarray
    states: np.ndarray
    residual: np.ndarray
    multiplier: np.ndarray
    time_constant: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    window: np.ndarray
    beats: int
    error: np.ndarray | None = None  # step error of the readings [B] in its limit, where that was asked

    def sentence(self, lane: int) -> str:
        """What a lane does, in words, and by how much the step is too long for it."""
        words = self._doing(lane)
        if Status(int(self.status[lane])) == Status.UNPHYSIOLOGICAL:
            words += "; a volume is below zero or above all blood there is"
        if self.error is not None and not self.error[lane] <= 1.0:
            unknown = not np.isfinite(self.error[lane])
            times = "unknown" if unknown else f"{self.error[lane]:.2g} times its limit"
            words += f"; the step error is {times}, so take none of the numbers as solved"
        return words

    def _doing(self, lane: int) -> str:
        status, period, window = Status(int(self.status[lane])), int(self.period[lane]), int(self.window[lane])
        slow = f"time constant {_rounded(self.time_constant[lane])} beats"
        if status == Status.DRIFTING:
            return f"a slow change, {slow}" + ("; the end it goes to was solved" if period else "; no end was found")
        if status == Status.NONFINITE:
            return "the numbers grow from beat to beat until they overflow"
        if period == 0:
            return f"no steady beat or cycle of up to {len(self.states)} beats; means over {window} beats"
        return {1: f"a steady beat, {slow}"}.get(period, f"a steady cycle of {period} beats, {slow}")


def multipliers(slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalue [B] (complex) of derivatives [S, S, B] and the real part of its eigenvector [S, B].

    nan in lanes whose derivative is not finite.
    """
    matrices = np.moveaxis(np.asarray(slope, float), -1, 0)
    good = np.all(np.isfinite(matrices), axis=(1, 2))
    values, vectors = np.linalg.eig(np.where(good[:, None, None], matrices, 0.0))
    first = np.argmax(np.abs(values), axis=1)
    lanes = np.arange(len(first))
    return np.where(good, values[lanes, first], np.nan), np.real(vectors[lanes, :, first]).T


def regime(
    beats: Beats, guess: np.ndarray, *, longest: int = LONGEST, tolerance: float = TOLERANCE, slow: float = SLOW
) -> Regimes:
    """What every lane settles to from a guess [S, B]; see `Regimes`.

    At most WARM_UP + SETTLE + WINDOW + longest plain beats (each rounded up to whole cycles of the forcing, the window
    to `LEAST_CYCLES` of them) and one bounded Newton search for each length of cycle up to `longest`. Raises
    `InputError` when the forcing itself is longer than that.
    """
    if not beats.forcing <= longest:
        raise InputError(f"`longest` must be at least the forcing's {beats.forcing} beats, but got {longest}.")
    with double():
        return _Search(beats, longest, tolerance, slow).run(np.asarray(guess, float))


class _Search:
    """One search: what is known of every lane, filled in stage by stage."""

    def __init__(self, beats: Beats, longest: int, tolerance: float, slow: float) -> None:
        self.beats, self.longest, self.tolerance, self.slow = beats, longest, tolerance, slow
        self.base, self.spent = beats.forcing, 0

    def run(self, guess: np.ndarray) -> Regimes:
        lanes = guess.shape[1]
        self.state, self.period = guess.copy(), np.zeros(lanes, int)
        self.residual, self.multiplier = np.full(lanes, np.inf), np.full(lanes, np.nan, complex)
        with np.errstate(all="ignore"):  # lanes that overflow are told by their status
            start = self._plain(guess, WARM_UP)[-1]
            first = self._cycle(start, self.base)
            factor, direction = multipliers(first.slope)
            steady = first.residual <= self.tolerance
            self._keep(first, self.base, factor, steady)
            self.multiplier = np.where(steady, factor, self.multiplier)
            track = None
            if np.any(self.period == 0):
                near = steady & (change_of(self.beats, start - first.state) < NUDGE)
                begun = np.where(near, first.state + self._nudge(direction), start)
                settled = self._plain(begun, SETTLE)[-1]
                self._alternating(first, steady & _passes_minus_one(factor), settled)
                track = self._plain(settled, max(WINDOW, LEAST_CYCLES * self.base))
                self._longer(track)
            return self._told(track)

    def _whole(self, count: int, length: int | None = None) -> int:
        """Beats rounded up to whole cycles of the forcing."""
        unit = length or self.base
        return unit * math.ceil(count / unit)

    def _plain(self, state: np.ndarray, count: int, length: int | None = None) -> np.ndarray:
        number = self._whole(count, length)
        self.spent += number
        return path(self.beats, state, number)

    def _cycle(self, guess: np.ndarray, length: int, known: np.ndarray | None = None) -> Cycle:
        found = steady_cycle(self.beats, guess, length, tolerance=self.tolerance, known=known)
        self.spent += found.beats
        return found

    def _nudge(self, direction: np.ndarray) -> np.ndarray:
        """The leading direction [S, B] scaled to a change of NUDGE."""
        size = change_of(self.beats, direction)
        return NUDGE * direction / np.where(size > 0.0, size, 1.0)

    def _keep(self, found: Cycle, length: int, factor: np.ndarray, which: np.ndarray) -> None:
        """Take a cycle for lanes where it closes, is stable, and nothing was taken before."""
        new = which & (found.residual <= self.tolerance) & (np.abs(factor) < 1.0) & (self.period == 0)
        self.state = np.where(new, found.state, self.state)
        self.residual, self.multiplier = (
            np.where(new, found.residual, self.residual),
            np.where(new, factor, self.multiplier),
        )
        self.period = np.where(new, length, self.period)

    def _alternating(self, first: Cycle, which: np.ndarray, settled: np.ndarray) -> None:
        """Beats that left an unstable steady one in turns: Newton on two cycles, kept off the one already known."""
        if not np.any(which) or 2 * self.base > self.longest:
            return
        pair = self._cycle(settled, 2 * self.base, known=first.state)
        apart = change_of(self.beats, pair.state - first.state) > SAME * self.tolerance
        self._keep(pair, 2 * self.base, multipliers(pair.slope)[0], which & apart)

    def _longer(self, track: np.ndarray) -> None:
        """Cycles of any length: the one whose states come back best in the window is solved, shortest first."""
        open_lanes = (self.period == 0) & np.all(np.isfinite(track[-1]), axis=0)
        if not np.any(open_lanes):
            return
        lengths = range(self.base, self.longest + 1, self.base)
        back = lambda n: [change_of(self.beats, a - b) for a, b in zip(track[n:], track, strict=False)]  # noqa: E731
        misfit = np.stack([np.max(back(n), axis=0) for n in lengths])
        misfit = np.where(np.isfinite(misfit), misfit, np.inf)
        # The shortest within twice the best: a multiple of a cycle's length comes back as well as the cycle.
        best = np.argmax(misfit <= 2.0 * np.min(misfit, axis=0) + SAME * self.tolerance, axis=0)
        for i, length in enumerate(lengths):
            which = open_lanes & (best == i)
            if np.any(which):
                found = self._cycle(track[-1], length)
                self._keep(found, length, multipliers(found.slope)[0], which)

    def _told(self, track: np.ndarray | None) -> Regimes:
        """Codes, and means over the cycle or over the window of plain beats that were run where none was found."""
        cycle = self._plain(self.state, self.longest)
        solved = np.where(self.period > 0, self.period, self.base)
        self._least_period(cycle)
        found, factor, residual = self.period > 0, self.multiplier, self.residual
        drifts, over = np.zeros_like(found), np.ones_like(found)
        if track is not None:
            straight, ratio = self._drift(track)
            drifts, over = straight & ~found, np.all(np.isfinite(track[-1]), axis=0) & ~self._grows(track)
            factor = np.where(drifts, ratio, factor)
            residual = np.where(found, residual, change_of(self.beats, track[-1] - track[-2]))
        constant = solved / np.abs(np.log(np.abs(factor)))
        status = np.full(found.shape, int(Status.WINDOW_MEAN))
        status[found] = int(Status.BEAT_CYCLE)
        status[self.period == 2 * self.base] = int(Status.ALTERNANS)
        status[self.period == 1] = int(Status.OK)
        status[drifts | (self.period == 1) & (constant > self.slow)] = int(Status.DRIFTING)
        seen = self._possible(cycle) if track is None else np.where(found, self._possible(cycle), self._possible(track))
        status[~seen] = int(Status.UNPHYSIOLOGICAL)
        status[~found & ~over] = int(Status.NONFINITE)
        states, mean, low, high, window = self._spread(cycle, track)
        told = (status, self.period, states, residual, factor, constant, mean, low, high, window)
        return Regimes(*told, self.spent)

    def _possible(self, track: np.ndarray) -> np.ndarray:
        """Lanes [B] whose states [n, S, B] can all be."""
        return np.all([self.beats.possible(state, k) for k, state in enumerate(track)], axis=0)

    def _grows(self, track: np.ndarray) -> np.ndarray:
        """Lanes [B] whose change per beat is `GROWTH` times as large at the end of the window as at its beginning."""
        changes = np.stack([change_of(self.beats, move) for move in np.diff(track, axis=0)])
        quarter = len(changes) // 4
        return np.max(changes[-quarter:], axis=0) > GROWTH * np.max(changes[:quarter], axis=0)

    def _spread(self, cycle: np.ndarray, track: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """Onsets of the cycle's beats, mean, lowest and highest state, and over how many beats."""
        states, shape = np.full(cycle[:-1].shape, np.nan), cycle.shape[1:]
        mean, low, high = (np.full(shape, np.nan) for _ in range(3))
        window = self.period.copy()
        for lane, n in enumerate(self.period):
            states[: max(n, 1), :, lane] = cycle[:n, :, lane] if n or track is None else track[-1:, :, lane]
            rows = cycle[:n, :, lane] if n or track is None else track[1:, :, lane]
            mean[:, lane], low[:, lane], high[:, lane] = rows.mean(axis=0), rows.min(axis=0), rows.max(axis=0)
            window[lane] = len(rows)
        return states, mean, low, high, window

    def _least_period(self, cycle: np.ndarray) -> None:
        """A cycle found with a length that it divides has the shorter one."""
        for length in range(self.longest // 2, 0, -1):
            back = change_of(self.beats, cycle[length] - cycle[0]) <= SAME * self.tolerance
            self.period = np.where((self.period > length) & (self.period % length == 0) & back, length, self.period)

    def _drift(self, track: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lanes [B] that move on along one line, and the factor from one cycle's change to the next's."""
        moves = np.diff(track[:: self.base], axis=0) * self.beats.weights[:, None]  # two or more, see `LEAST_CYCLES`
        lengths = np.sqrt(np.sum(moves**2, axis=1))
        straight = np.sqrt(np.sum(np.sum(moves, axis=0) ** 2, axis=0)) >= STRAIGHT * np.sum(lengths, axis=0)
        return straight, (lengths[-1] / lengths[0]) ** (1.0 / (len(lengths) - 1))


def _rounded(number: float) -> str:
    return f"{number:,.0f}" if number >= 10.0 else f"{number:.1f}"


def _passes_minus_one(factor: np.ndarray) -> np.ndarray:
    return (np.real(factor) < -1.0) & (np.abs(np.imag(factor)) <= REAL * np.abs(factor))
