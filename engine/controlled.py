"""Beats of a circulation whose feedback moves its parameters once per beat: state rows and feedback rows together.

Heart rate, resistance and whatever else the feedback sets are constant within a beat. The derivative of the extended
map is put together from the beat's own tangents (by its state and by the rows acted on) and those of the feedback's two
formulas, so that Newton finds the steady state of both at once, however slow the feedback is.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core.feedback import Feedback
from ..core.system import System
from .beat import BeatMap, compiled
from .cycle import ForcedBeats

__all__ = ["ControlledBeats", "sensed"]


def sensed(beat: BeatMap, feedback: Feedback, parameters: np.ndarray, state: np.ndarray, steps: int) -> np.ndarray:
    """What the feedback reads of one beat [R, B] from the state [S, B] at its onset."""
    return np.asarray(
        compiled(_reading(beat, feedback), None)(jnp.asarray(parameters), jnp.asarray(state), steps).values
    )


@dataclass(frozen=True)
class ControlledBeats(ForcedBeats):
    """States [S + C, B]: the circulation's rows, then the feedback's (0 at rest).

    parameters [n, P, B] hold the values that the feedback starts from, one set per beat in turn (n = 1: constant); own
    [Q, B] its gains and time constants, rest [R, B] what it sensed of the resting beat (`sensed`).
    """

    feedback: Feedback
    own: np.ndarray
    rest: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        return np.concatenate([super().weights, self.feedback.weights])

    @property
    def reading(self) -> BeatMap:
        """The beat with what the feedback senses."""
        return _reading(self.beat, self.feedback)

    def split(self, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The circulation's rows and the feedback's."""
        size = len(self.beat.system.state)
        return state[:size], state[size:]

    def from_rest(self, state: np.ndarray) -> np.ndarray:
        """State rows of a circulation [S, B] with those of a feedback at rest."""
        return np.concatenate([state, np.zeros((len(self.feedback.weights), state.shape[1]))])

    def in_force(self, state: np.ndarray, beat: int = 0) -> np.ndarray:
        """Parameter rows [P, B] of beat number `beat` when it begins at `state`."""
        rows = np.array(self.parameters[beat % self.forcing])
        rows[list(self._acted)] = np.asarray(self._formulas.act(self.own, self.split(state)[1], self._values(beat)))
        return rows

    def after(self, state: Any, beat: int) -> np.ndarray:
        x, c = self.split(np.asarray(state))
        rows = self.in_force(state, beat)
        out = compiled(self.reading, None)(jnp.asarray(rows), jnp.asarray(x), self.steps)
        moved = self._formulas.update(self.own, c, out.values, self.rest, rows)
        return np.concatenate([np.asarray(out.state), np.asarray(moved)])

    def linearised(self, state: Any, beat: int) -> tuple[np.ndarray, np.ndarray]:
        x, c = self.split(np.asarray(state))
        rows, size = self.in_force(state, beat), len(x)
        out = compiled(self.reading, self._acted)(jnp.asarray(rows), jnp.asarray(x), self.steps)
        moved = self._formulas.update(self.own, c, out.values, self.rest, rows)
        acts = np.asarray(self._formulas.act_slope(self.own, c, self._values(beat)))
        by_c, by_values, by_rows = map(
            np.asarray, self._formulas.update_slope(self.own, c, out.values, self.rest, rows)
        )
        x_slope, v_slope = np.asarray(out.state_jacobian), np.asarray(out.values_jacobian)
        times = lambda a, b: np.einsum("ijb,jkb->ikb", a, b)  # noqa: E731
        top = [x_slope[:, :size], times(x_slope[:, size:], acts)]
        direct = by_c + times(by_rows[:, list(self._acted)], acts)
        bottom = [times(by_values, v_slope[:, :size]), direct + times(by_values, times(v_slope[:, size:], acts))]
        slope = np.concatenate([np.concatenate(top, axis=1), np.concatenate(bottom, axis=1)])
        return np.concatenate([np.asarray(out.state), np.asarray(moved)]), slope

    def alive(self, state: Any) -> np.ndarray:
        rows = self.in_force(np.asarray(state))[list(self._acted)]
        return super().alive(state) & np.all(rows > 0.0, axis=0)

    @property
    def _acted(self) -> tuple[int, ...]:
        return tuple(self.beat.system.parameters.index(name) for name in self.feedback.acts_on)

    def _values(self, beat: int) -> np.ndarray:
        return self.parameters[beat % self.forcing][list(self._acted)]

    @property
    def _formulas(self) -> _Formulas:
        return _formulas(self.feedback, self.beat.system)


def _reading(beat: BeatMap, feedback: Feedback) -> BeatMap:
    return dataclasses.replace(beat, reductions=feedback.senses)


@dataclass(frozen=True)
class _Formulas:
    """The feedback's two formulas and their derivatives on arrays with the lanes last, compiled."""

    act: Any
    act_slope: Any
    update: Any
    update_slope: Any


@functools.lru_cache(maxsize=16)
def _formulas(feedback: Feedback, system: System) -> _Formulas:
    def act(own: Any, c: Any, values: Any) -> Any:
        return jnp.stack(feedback.act(feedback.parameters.unpack(tuple(own)), tuple(c), tuple(values)))

    def update(own: Any, c: Any, values: Any, rest: Any, rows: Any) -> Any:
        period = system.period(system.read(tuple(rows)))
        p = feedback.parameters.unpack(tuple(own))
        return jnp.stack(feedback.update(p, tuple(c), tuple(values), tuple(rest), period))

    def lanes(function: Any) -> Any:
        return jax.jit(jax.vmap(function, in_axes=-1, out_axes=-1))

    return _Formulas(lanes(act), lanes(jax.jacfwd(act, 1)), lanes(update), lanes(jax.jacfwd(update, (1, 2, 4))))
