"""What `hemotwin bench` times: beats, steady beats, Jacobians and calibrations of `adult`, and how accurate they are.

The patients are draws of a prior; larger batches repeat them. Everything runs through the functions that the verbs use.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..calibration.certificate import JACOBIAN_LIMIT, PRESSURE_LIMIT, SHARE, VOLUME_LIMIT
from ..calibration.likelihood import load_noise
from ..calibration.priors import PatientPrior, load_prior
from ..calibration.summary import reader
from ..core.status import Status
from ..engine.beat import BeatMap, compiled
from ..engine.blocks import in_blocks
from ..engine.compilation import compiled_for_device
from ..engine.compile_clock import CompileClock
from ..engine.forward import WIDTH, Forward, beat_width, forward
from ..engine.periodic import newton_correction
from ..engine.precision import double
from ..physiology.model import Model, circulation
from ..physiology.observable import Observer

__all__ = [
    "READINGS",
    "Accuracy",
    "Case",
    "Patients",
    "Timed",
    "accuracy",
    "calibration_case",
    "drawn",
    "engine_cases",
    "timed",
]

READINGS = ("sbp", "dbp", "map", "pa_pressure_systolic", "pa_pressure_diastolic", "pa_pressure_mean", "pcwp_mean",
            "ra_pressure_mean", "lv_edv", "lv_esv", "rv_edv", "cardiac_output")  # fmt: skip
REFERENCE_BSA = 1.75  # m2, of the reference adult
# Sensitivities are taken as converged when the median patient and 95 % of them err by no more (noise sd per prior sd);
# a twin's own certificate is stricter, and where it fails the twin is fitted on more steps.
SENSITIVITY_MEDIAN, SENSITIVITY_MOST = 0.02, 0.05
FLOAT32_BEATS = 40  # plain beats after which float32 has settled on its own steady beat (1e-6 mL in float64)


@dataclass(frozen=True)
class Patients:
    """Draws [P, B] of a prior that reached their steady beat: rows, state [S, B], prior, and the share that did."""

    model: Model
    beat: BeatMap
    prior: PatientPrior
    rows: np.ndarray
    steady: Forward
    share: float

    @property
    def free(self) -> tuple[int, ...]:
        """Parameter rows of the prior's free quantities."""
        layout = self.model.system.parameters
        return tuple(layout.index(q.name) for q in self.prior.quantities if q.kind != "nuisance")

    def repeated(self, count: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows and states of `count` patients, the draws repeated in turn."""
        lanes = np.arange(count) % self.rows.shape[1]
        return self.rows[:, lanes].astype(dtype), np.asarray(self.steady.state)[:, lanes].astype(dtype)


@dataclass(frozen=True)
class Case:
    """One thing to time: `run` serves `patients` once, in `precision` ("float64", "float32")."""

    what: str
    patients: int
    precision: str
    run: Callable[[], Any]
    beats: bool = False  # whether one run is one beat of every patient
    essential: bool = False  # timed however late it is


@dataclass
class Timed:
    """A case with the seconds of its first call that were compiling, and those of its later calls."""

    case: Case
    compiling: float
    seconds: list[float] = field(default_factory=list)

    @property
    def per_patient(self) -> float:
        """Median seconds per patient."""
        return float(np.median(self.seconds)) / self.case.patients


class Accuracy(NamedTuple):
    """Largest errors over the patients at the default steps, from halving them: pressures (mmHg), volumes (mL).

    Whitened sensitivities (noise sd per prior sd), median and 95th percentile, or None where left out; the share of the
    patients whose twins would be fitted on more steps; float32 against float64; the largest residual (mL) of the steady
    beats and the share of the draws that reached theirs.
    """

    steps: int
    pressure: float
    volume: float
    sensitivity_median: float | None
    sensitivity_most: float | None
    finer: float | None
    float32_pressure: float
    float32_volume: float
    residual: float
    share: float

    @property
    def certified(self) -> bool:
        """Whether the values of all patients and the sensitivities of nearly all hold their limits."""
        values = self.pressure <= PRESSURE_LIMIT and self.volume <= VOLUME_LIMIT
        if self.sensitivity_median is None or self.sensitivity_most is None:
            return values
        return values and self.sensitivity_median <= SENSITIVITY_MEDIAN and self.sensitivity_most <= SENSITIVITY_MOST


def drawn(count: int, prior: str = "adult_wide", seed: int = 0) -> Patients:
    """`count` draws of a prior for `adult` with their steady beats in float64; those without one are left out."""
    model = circulation("adult")
    patient = load_prior(prior).for_patient({})
    z = np.random.default_rng(seed).standard_normal((len(patient.names), count))
    values = {**model.values, **patient.fixed, **patient.values(patient.centre[:, None] + patient.factor @ z)}
    layout = model.system.parameters
    rows = layout.pack({name: values[name] for name in layout.names}, count)
    beat = BeatMap(model.system, Observer(model.system, READINGS).reductions)
    with double():
        steady = forward(beat, rows, None, model.steps)
    good = np.flatnonzero(steady.status == int(Status.OK))
    kept = Forward(*(np.asarray(leaf)[..., good] for leaf in steady))
    return Patients(model, beat, patient, rows[:, good], kept, len(good) / count)


def engine_cases(patients: Patients, sizes: Sequence[int], solved: int) -> list[Case]:
    """Beats of each size in both precisions; steady beats and Jacobians of `solved` patients in float64."""
    steps = patients.model.steps
    cases = [Case("beat", size, kind, _beats(patients, size, kind), beats=True, essential=True)
             for size in sizes for kind in ("float32", "float64")]  # fmt: skip
    rows, state = patients.repeated(solved, "float64")
    steady = lambda: forward(patients.beat, rows, None, steps)  # noqa: E731
    cases.append(Case("steady beat", solved, "float64", steady, essential=True))
    return [*cases, Case("Jacobian", solved, "float64", lambda: _jacobians(patients, rows, state, steps))]


def _beats(patients: Patients, size: int, precision: str) -> Callable[[], Any]:
    """One beat of `size` patients from host to host, in the blocks and by the backend that the engine takes here."""
    rows, state = patients.repeated(size, precision)
    program, steps = compiled(patients.beat, None), patients.model.steps
    run = lambda lanes: program(jnp.asarray(rows[:, lanes]), jnp.asarray(state[:, lanes]), steps)  # noqa: E731
    width = beat_width(patients.beat, size)
    return lambda: in_blocks(run, size, width, ("beat", patients.beat, precision))


def _jacobians(patients: Patients, rows: np.ndarray, state: np.ndarray, steps: int) -> Any:
    """(readings [O, B], d reading / d quantity [O, F, B] of the steady beat) of every lane."""
    program = _jacobian(patients.beat, patients.free)
    return in_blocks(lambda lanes: program(jnp.asarray(rows[:, lanes]), jnp.asarray(state[:, lanes]), steps),
                     rows.shape[1], WIDTH)  # fmt: skip


@functools.lru_cache(maxsize=4)
def _jacobian(beat: BeatMap, free: tuple[int, ...]) -> Any:
    """One linearised beat; dx = (I - dPhi/dx)^-1 dPhi/dp carries the steady state's own change."""
    observer, size = Observer(beat.system, READINGS), len(beat.system.state)

    def run(parameters: jax.Array, state: jax.Array, steps: Any) -> tuple[jax.Array, jax.Array]:
        out = beat.linearised(parameters, state, steps, free)
        moved = newton_correction(out.state_jacobian[:, :size], out.state_jacobian[:, size:])
        slopes = out.values_jacobian[:, size:] + jnp.einsum("rsb,sfb->rfb", out.values_jacobian[:, :size], moved)
        area = jnp.full_like(parameters[0], REFERENCE_BSA)
        readings, push = jax.linearize(lambda v, p: observer(v, p, area), out.values, parameters)
        seeds = jnp.zeros((len(free), *parameters.shape), parameters.dtype)
        seeds = seeds.at[jnp.arange(len(free)), jnp.asarray(free)].set(1.0)
        return readings, jnp.moveaxis(jax.vmap(push)(jnp.moveaxis(slopes, 1, 0), seeds), 0, 1)

    return compiled_for_device(run)


def calibration_case(count: int) -> Case:
    """Calibration of the first `count` patients of the record ph9, all stages, as `hemotwin calibrate` does."""
    from ..calibration.fit import calibrate
    from ..core.configs import config_path
    from ..records.read import read

    records = read(config_path("records", "ph9.csv"))
    chosen = records.select([one.patient for one in records][:count])
    return Case("calibration", count, "float64", lambda: calibrate(circulation("adult"), chosen))


def timed(
    cases: Sequence[Case], rounds: int, clock: CompileClock, progress: Callable[[str], None],
    until: float = float("inf"),
) -> tuple[list[Timed], list[Case]]:  # fmt: skip
    """(cases timed, cases left out): every case once for compiling, then all in turn, `rounds` times.

    After `until` (a reading of `time.perf_counter`) only essential cases are begun.
    """
    found, left_out = [], []
    for case in cases:
        began = time.perf_counter()
        if began > until and not case.essential:
            left_out.append(case)
            continue
        _run(case)
        found.append(Timed(case, clock.between(began, time.perf_counter())))
        progress(f"{case.what} of {case.patients} in {case.precision}: compiling {found[-1].compiling:.1f} s")
    for _ in range(rounds):
        for one in found:
            began = time.perf_counter()
            _run(one.case)
            one.seconds.append(time.perf_counter() - began)
    return found, left_out


def _run(case: Case) -> None:
    with double(case.precision == "float64"):
        jax.block_until_ready(case.run())


def accuracy(patients: Patients, sensitivities: bool = True) -> Accuracy:
    """Errors at the model's own steps, estimated by halving them, and those of float32."""
    steps, units = patients.model.steps, Observer(patients.model.system, READINGS).units
    with double():
        coarse = forward(patients.beat, patients.rows, np.asarray(patients.steady.state), steps // 2)
        fine, half = (_readings(patients, patients.rows, one.values) for one in (patients.steady, coarse))
        median = most = finer = None
        if sensitivities:
            both = [_jacobians(patients, patients.rows, np.asarray(state), number)[1]
                    for state, number in ((patients.steady.state, steps), (coarse.state, steps // 2))]  # fmt: skip
            whitened = SHARE * np.max(np.abs(_whitened(patients, both[0] - both[1], fine)), axis=(0, 1))
            median, most = float(np.median(whitened)), float(np.quantile(whitened, 0.95))
            finer = float(np.mean(whitened > SHARE * JACOBIAN_LIMIT))
    error, narrow = SHARE * np.abs(fine - half), np.abs(_narrow(patients) - fine)
    pressure, volume = (np.array([unit == u for u in units]) for unit in ("mmHg", "mL"))
    return Accuracy(
        steps, float(error[pressure].max()), float(error[volume].max()), median, most, finer,
        float(narrow[pressure].max()), float(narrow[volume].max()), float(np.max(patients.steady.residual)),
        patients.share,
    )  # fmt: skip


def _readings(patients: Patients, rows: np.ndarray, values: Any) -> np.ndarray:
    """Readings [O, B] from reductions [R, B]."""
    read, area = reader(Observer(patients.model.system, READINGS)), np.full(rows.shape[1], REFERENCE_BSA)
    return np.asarray(read(jnp.asarray(values), jnp.asarray(rows), jnp.asarray(area, np.asarray(values).dtype)))


def _whitened(patients: Patients, slopes: np.ndarray, readings: np.ndarray) -> np.ndarray:
    """Slopes [O, F, B] per prior sd of the quantity, over the noise sd of a typical reading."""
    kept = [n for n, q in enumerate(patients.prior.quantities) if q.kind != "nuisance"]
    natural = np.array(patients.prior.logarithmic)[kept][:, None]
    per_sd = np.where(natural, patients.rows[list(patients.free)], 1.0) * patients.prior.sd[kept][:, None]
    noise = load_noise("clinical")
    typical = np.median(readings, axis=1)
    sd = np.array([noise.rule(name).at(value) for name, value in zip(READINGS, typical, strict=True)])
    return slopes * per_sd[None] / sd[:, None, None]


def _narrow(patients: Patients) -> np.ndarray:
    """Readings [O, B] in float32 at its own steady beat."""
    count, steps = patients.rows.shape[1], patients.model.steps
    rows, state = patients.repeated(count, "float32")
    program = compiled(patients.beat, None)

    def run(lanes: np.ndarray) -> Any:
        parameters, x = jnp.asarray(rows[:, lanes]), jnp.asarray(state[:, lanes])
        for _ in range(FLOAT32_BEATS - 1):
            x = program(parameters, x, steps).state
        return program(parameters, x, steps).values

    with double(False):
        return _readings(patients, rows, in_blocks(run, count, WIDTH))
