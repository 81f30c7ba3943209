"""Circulations solved once per session, so that tests share programs and results."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np

from hemotwin.calibration.priors import PatientPrior, load_prior
from hemotwin.core.reduction import Reduction
from hemotwin.core.registry import known
from hemotwin.engine.beat import BeatMap
from hemotwin.engine.forward import WIDTH, Forward, forward
from hemotwin.engine.precision import double
from hemotwin.engine.recording import Waves, record
from hemotwin.physiology.model import Model, circulation
from hemotwin.physiology.observable import Observer
from hemotwin.physiology.sampled import readings

LANES = 4  # one block of the engine's smallest width
BODY_SURFACE_AREA = 1.75  # m2, the reference adult
ALSO = {  # readings that papers print and no clinician's record holds
    "la_volume_min": Reduction("minimum", "volume", "la"),
    "ra_volume_min": Reduction("minimum", "volume", "ra"),
    "systemic_venous_mean": Reduction("mean", "pressure", "systemic_veins"),
    "lv_pressure_min": Reduction("minimum", "pressure", "lv"),
    "aortic_flow_max": Reduction("maximum", "flow", "aortic_valve"),
}


@dataclass(frozen=True)
class Solved:
    """A model with the steady beat of one patient: state [S, 1], status, residual and every reading by name."""

    model: Model
    beat: BeatMap
    steps: int
    parameters: np.ndarray = field(repr=False)
    steady: Forward = field(repr=False)
    readings: dict[str, float] = field(repr=False)

    def waves(self) -> Waves:
        """The steady beat at its nodes, lanes last."""
        with double():
            return record(self.beat, self.parameters, self.steady.state, self.steps)


def observer_of(model: Model) -> Observer:
    """All registered observables of a model."""
    return Observer(model.system, tuple(known("observable")))


def beat_of(model: Model) -> BeatMap:
    """The beat with every observable's reductions and those of `ALSO`."""
    return BeatMap(model.system, tuple(dict.fromkeys(observer_of(model).reductions + tuple(ALSO.values()))))


def readings_of(model: Model, parameters: np.ndarray, values: np.ndarray) -> dict[str, np.ndarray]:
    """Every reading by name, lanes last, from the reductions of `beat_of`."""
    observer, beat = observer_of(model), beat_of(model)
    kept = values[: len(observer.reductions)]
    size = np.full(parameters.shape[1], BODY_SURFACE_AREA)
    found = dict(zip(observer.names, np.asarray(observer(kept, parameters, size)), strict=True))
    return found | {name: values[beat.reductions.index(r)] for name, r in ALSO.items()}


@functools.cache
def solved(name: str, *, length: float | None = None, steps: int | None = None) -> Solved:
    """The steady beat of a circulation with inertial valves, all of blood-column `length` (cm) when given."""
    model = circulation(name)
    if length is not None:
        model = model.with_values({key: length for key in model.values if key.endswith(".length")})
    steps = steps or model.steps
    beat = beat_of(model)
    with double():
        parameters = model.system.parameters.pack(model.values, 1)
        steady = forward(beat, parameters, None, steps)
        readings = readings_of(model, parameters, steady.values)
    return Solved(model, beat, steps, parameters, steady, {key: float(row[0]) for key, row in readings.items()})


def prior_draws(prior: str, count: int, seed: int = 0, model: Model | None = None) -> tuple[PatientPrior, np.ndarray]:
    """Random patients of a prior for `adult`: the prior of a patient of whom nothing is known, and rows [P, count]."""
    model = model or circulation("adult")
    patient = load_prior(prior).for_patient({})
    z = np.random.default_rng(seed).standard_normal((len(patient.names), count))
    values = {**model.values, **patient.fixed, **patient.values(patient.centre[:, None] + patient.factor @ z)}
    layout = model.system.parameters
    return patient, layout.pack({name: values[name] for name in layout.names}, count)


@dataclass(frozen=True)
class Drawn:
    """Draws of a prior for `adult` with their steady beats, readings [draw] by name and the prior's patient."""

    model: Model
    beat: BeatMap
    patient: PatientPrior
    parameters: np.ndarray = field(repr=False)
    steady: Forward = field(repr=False)
    readings: dict[str, np.ndarray] = field(repr=False)

    def hard(
        self, steps: int, onset: np.ndarray | None = None, names: tuple[str, ...] | None = None
    ) -> dict[str, np.ndarray]:
        """Readings by their hard definition from a record with `steps` samples, in blocks that fit in memory.

        onset [S, draw]: the states from which to record (None: the steady ones on the model's steps).
        """
        parts = []
        begin = self.steady.state if onset is None else onset
        for first in range(0, self.parameters.shape[1], WIDTH):
            rows, state = (array[:, first : first + WIDTH] for array in (self.parameters, begin))
            with double():
                waves = record(self.beat, rows, state, steps, width=WIDTH)
            size = np.full(rows.shape[1], BODY_SURFACE_AREA)
            parts.append(readings(self.model.system, waves, rows, size, names))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@functools.cache
def drawn(prior: str, count: int, seed: int = 0) -> Drawn:
    """`count` draws of a prior, solved at the steps of `adult`."""
    model = circulation("adult")
    beat = beat_of(model)
    patient, parameters = prior_draws(prior, count, seed, model)
    with double():
        steady = forward(beat, parameters, None, model.steps)
        found = readings_of(model, parameters, steady.values)
    return Drawn(model, beat, patient, parameters, steady, found)
