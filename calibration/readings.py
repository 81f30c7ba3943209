"""Parameters solved forward and read by every registered observable: draws, what-ifs, benchmarks."""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..core.registry import known
from ..core.status import Status
from ..engine.beat import BeatMap
from ..engine.blocks import in_blocks
from ..engine.compilation import compiled_for_device
from ..engine.forward import Forward, forward
from ..physiology.model import Model
from ..physiology.observable import Observer
from .lanes import Cohort

__all__ = ["Readings", "observe", "reader", "theta_to_parameters"]

READING_WIDTH = 64  # lanes per call of the observables, always: one compiled program


class Readings:
    """All observables of lanes solved forward: values [O, B], names, and which lanes are sound."""

    def __init__(self, names: tuple[str, ...], units: tuple[str, ...], values: np.ndarray, solved: Forward) -> None:
        self.names, self.units, self.values, self.solved = names, units, values, solved
        self.sound = (solved.status == int(Status.OK)) & np.all(np.isfinite(solved.state), axis=0)

    @property
    def ended(self) -> np.ndarray:
        """How each lane ended [B]: soundly, with a volume that cannot be, or without a steady beat."""
        impossible = self.solved.status == int(Status.UNPHYSIOLOGICAL)
        lost = np.where(impossible, int(Status.UNPHYSIOLOGICAL), int(Status.NOT_PERIODIC))
        return np.where(self.sound, int(Status.OK), lost)

    @property
    def sound_values(self) -> np.ndarray:
        """Values [O, B], nan in lanes that are not sound: what a certificate may compare."""
        return np.where(self.sound, self.values, np.nan)

    def of(self, name: str) -> np.ndarray:
        """One observable [B]."""
        return self.values[self.names.index(name)]

    def take(self, lanes: Any) -> Readings:
        """Some of the lanes, by index."""
        return Readings(self.names, self.units, self.values[:, lanes], Forward(*(x[..., lanes] for x in self.solved)))

    def joined(self, more: Readings) -> Readings:
        """These lanes, then more of the same observables."""
        both = zip(self.solved, more.solved, strict=True)
        solved = Forward(*(np.concatenate(pair, axis=-1) for pair in both))
        return Readings(self.names, self.units, np.concatenate([self.values, more.values], axis=1), solved)


def observe(model: Model, parameters: np.ndarray, guess: np.ndarray | None, bsa: np.ndarray, steps: int) -> Readings:
    """Steady beat and every registered observable of parameters [P, B]."""
    observer = Observer(model.system, tuple(known("observable")))
    solved = forward(BeatMap(model.system, observer.reductions), parameters, guess, steps)
    read, lanes = reader(observer), len(bsa)
    parts = lambda i: (x[..., i] for x in (solved.values, parameters, bsa))  # noqa: E731
    values = in_blocks(lambda i: read(*(jnp.asarray(x) for x in parts(i))), lanes, READING_WIDTH)
    return Readings(observer.names, observer.units, values, solved)


@functools.lru_cache(maxsize=16)
def reader(observer: Observer) -> Any:
    """(reductions [R, B], parameters [P, B], body surface areas [B]) -> readings [O, B] as one compiled program.

    Called bare, each small operation of an observer would be compiled by itself.
    """
    return compiled_for_device(observer, observer)


def theta_to_parameters(cohort: Cohort, patient: int, z: np.ndarray) -> np.ndarray:
    """Parameter rows [P, B] of whitened draws z [N, B] of one patient."""
    data, problem = cohort.data, cohort.problem
    theta = data.centre[:, patient, None] + data.factor[:, :, patient] @ z
    rows = np.repeat(data.base[:, patient, None], z.shape[1], axis=1)
    for n, row in enumerate(problem.rows):
        rows[row] = np.exp(theta[n]) if problem.logarithmic[n] else theta[n]
    return rows
