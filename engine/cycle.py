"""The steady cycle of n beats: Newton on the n-beat map of anything that goes from beat to beat.

What is iterated is a `Beats`: a circulation with fixed parameters, one whose parameters repeat every n beats (breathing
with n beats per breath), or one whose reflexes change them from beat to beat. Rounds are counted and end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .beat import BeatMap, compiled
from .periodic import SMALLEST_VOLUME, TOLERANCE, newton_correction

__all__ = ["Beats", "Cycle", "ForcedBeats", "change_of", "path", "steady_cycle"]

ROUNDS = 40  # Newton rounds of a one-beat cycle; longer cycles get as many beats, but at least a dozen rounds
FEWEST_ROUNDS = 12

_correction = jax.jit(newton_correction)


class Beats:
    """A map from beat to beat on states [S, B]; the parameters of beat k are those of beat k + forcing."""

    @property
    def forcing(self) -> int:
        """Beats after which what acts from outside repeats; 1 where it is constant."""
        raise NotImplementedError

    @property
    def weights(self) -> np.ndarray:
        """What a change of each row counts [S] (1 for a volume in mL, 0 for a row that is not looked at)."""
        raise NotImplementedError

    def after(self, state: Any, beat: int) -> Any:
        """State at the end of beat number `beat`."""
        raise NotImplementedError

    def linearised(self, state: Any, beat: int) -> tuple[Any, Any]:
        """The same with its derivative by the state [S, S, B]."""
        raise NotImplementedError

    def alive(self, state: Any) -> np.ndarray:
        """Lanes [B] whose state the map can start from."""
        raise NotImplementedError

    def possible(self, state: Any, beat: int) -> np.ndarray:
        """Lanes [B] whose state at the onset of beat number `beat` can be of what is described."""
        return self.alive(state)


@dataclass(frozen=True)
class ForcedBeats(Beats):
    """A circulation whose parameter rows [n, P, B] take turns, one set per beat (n = 1: constant)."""

    beat: BeatMap
    parameters: np.ndarray
    steps: int

    @property
    def forcing(self) -> int:
        return len(self.parameters)

    @property
    def weights(self) -> np.ndarray:
        volumes = len(self.beat.system.free_stores)
        return (np.arange(len(self.beat.system.state)) < volumes).astype(float)

    def after(self, state: Any, beat: int) -> np.ndarray:
        rows = jnp.asarray(self.parameters[beat % self.forcing])
        return np.asarray(compiled(self.beat.bare(), None)(rows, jnp.asarray(state), self.steps).state)

    def linearised(self, state: Any, beat: int) -> tuple[np.ndarray, np.ndarray]:
        rows = jnp.asarray(self.parameters[beat % self.forcing])
        out = compiled(self.beat.bare(), ())(rows, jnp.asarray(state), self.steps)
        return np.asarray(out.state), np.asarray(out.state_jacobian)

    def alive(self, state: Any) -> np.ndarray:
        return np.all(state[: len(self.beat.system.free_stores)] > SMALLEST_VOLUME, axis=0)

    def in_force(self, state: np.ndarray, beat: int = 0) -> np.ndarray:
        """Parameter rows [P, B] of beat number `beat` when it begins at `state`."""
        return self.parameters[beat % self.forcing]

    def possible(self, state: Any, beat: int) -> np.ndarray:
        """No volume is below zero or above all blood there is."""
        system = self.beat.system
        free = list(np.asarray(state)[: len(system.free_stores)])
        return self.alive(state) & system.possible(system.read(self.in_force(state, beat)), free)


class Cycle(NamedTuple):
    """State at the cycle's first onset [S, B], largest weighted change over a cycle [B], derivative of the cycle's end
    by its onset [S, S, B] where it was taken last, and how many beats with tangents were run."""

    state: np.ndarray
    residual: np.ndarray
    slope: np.ndarray
    beats: int


def change_of(beats: Beats, change: np.ndarray) -> np.ndarray:
    """Largest weighted change [B] of rows [S, B]; nan where a row that counts is not finite."""
    return np.max(np.abs(change[beats.weights > 0.0]) * beats.weights[beats.weights > 0.0, None], axis=0)


def path(beats: Beats, state: np.ndarray, count: int, first: int = 0) -> np.ndarray:
    """States [count + 1, S, B] at the onsets of `count` plain beats and at the end of the last."""
    states = [np.asarray(state)]
    for k in range(first, first + count):
        states.append(np.asarray(beats.after(states[-1], k)))
    return np.stack(states)


def steady_cycle(
    beats: Beats, guess: np.ndarray, length: int, *, tolerance: float = TOLERANCE, known: np.ndarray | None = None
) -> Cycle:
    """Newton on the map of `length` beats from a guess [S, B], every lane on its own.

    As in `periodic`, a lane whose Newton step makes no sense takes the plain beats, and one that has converged is
    frozen. `known` [S, B] is a root that must not be found again (Farrell 2015, doi 10.1137/140984798: the equation is
    divided by the distance from it). A residual above `tolerance` at the end says that there is no such cycle here.
    """
    x, lanes = np.array(guess, dtype=float), guess.shape[1]
    previous, used = np.full(lanes, np.inf), 0
    for _ in range(max(FEWEST_ROUNDS, ROUNDS // length)):
        end, slope = _around(beats, x, length)
        used += length
        change = end - x
        residual = change_of(beats, change)
        done = residual <= tolerance
        if np.all(done | ~np.isfinite(residual)):
            break
        step = np.asarray(_correction(jnp.asarray(slope), jnp.asarray(change)))
        merit = residual
        if known is not None:
            factor, share = _away_from(beats, x - known, step)
            step, merit = step * share, residual * factor
        sound = np.all(np.isfinite(step), axis=0) & (merit <= 4.0 * previous)
        sound &= beats.alive(x + np.where(np.isfinite(step), step, 0.0))
        x = np.where(done, x, np.where(sound, x + step, end))
        previous = np.where(sound, merit, np.inf)
    return Cycle(x, residual, slope, used)


def _around(beats: Beats, state: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """End [S, B] of `length` beats and its derivative [S, S, B] by their onset."""
    x, whole = beats.linearised(state, 0)
    for k in range(1, length):
        x, jacobian = beats.linearised(x, k)
        whole = np.einsum("ijb,jkb->ikb", jacobian, whole)
    return np.asarray(x), np.asarray(whole)


def _away_from(beats: Beats, distance: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The deflating factor m = 1 + 1 / |x - known|^2 [B], and what a bare Newton step is scaled by [B]."""
    square = (beats.weights**2)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.sum(square * distance**2, axis=0)
        factor = 1.0 + 1.0 / apart
        slope = -2.0 * np.sum(square * distance * step, axis=0) / apart**2 / factor
        return factor, 1.0 / (1.0 - slope)
