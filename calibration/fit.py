"""The one entry to calibration: records in, twins out."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.counts import step_count, whole_number
from ..core.errors import InputError, each_once, required
from ..core.provenance import provenance
from ..core.registry import look_up
from ..core.status import Status
from ..engine.compile_clock import CompileClock, compile_clock
from ..engine.precision import double
from ..physiology.model import Model
from ..records.codes import observables
from ..records.evidence import evidence_sha256
from ..records.record import MeasurementSet, Records
from .certified import FINER
from .lanes import Cohort, prepare, recipe, run_lanes
from .leave_out import LeftOut, hidden_channels, predicted
from .likelihood import load_noise
from .methods.gauss_newton import Fit
from .posterior import LaplacePosterior, posterior_of
from .priors import load_prior
from .random_stream import random_stream
from .refine import refined
from .summary import compile_forward, summarise
from .twin import CalibratedTwin, CalibratedTwins

__all__ = ["calibrate"]

DRAWS = 400  # posterior draws per patient that a twin keeps: interval ends to 0.15 sds, most contractions to 0.04
SPREAD = 1.0  # prior sds of the random starts
LOST = 0.05  # share of the draws without a steady beat: what may stand outside a 95 % interval
SAME_NAME = (
    "calibrate visits of one person in a call each, and give other people names of their own, as in "
    "dataclasses.replace(one, patient=...)"
)
OTHER_WAVE, HIGH_WAVE = "ra.maximal_elastance", 2.0  # a strong atrium (prior sds): the atrial maximum is its a wave


@dataclass
class Clock:
    """Seconds by stage, those of compiling apart, and the caller's progress function."""

    say: Callable[[str], None]
    seconds: dict[str, float]
    began: float
    compiling: CompileClock

    def done(self, stage: str, sentence: str) -> None:
        """Close a stage and report it."""
        now = time.perf_counter()
        compiled = self.compiling.between(self.began, now)
        spent, self.began = now - self.began, now
        self._add(stage, spent - compiled)
        self._add("compile", compiled)
        self.say(f"{sentence} ({spent:.1f} s" + (f", {compiled:.1f} s of it compiling)" if compiled > 0.05 else ")"))

    def _add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + seconds, 3)


def calibrate(
    model: Model,
    records: Records | MeasurementSet | Iterable[MeasurementSet],
    *,
    free: tuple[str, ...] | None = None,
    prior: str = "adult_wide",
    noise: str = "clinical",
    method: str = "gauss_newton",
    starts: int = 8,
    seed: int = 0,
    draws: int = DRAWS,
    leave_out: bool = True,
    steps: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> CalibratedTwins:
    """Twins of all patients that have a usable measurement.

    The posterior of each is the prior (scaled by sex, age and body size as far as known) times normal errors; it is
    maximised from `starts` starts (the recipe for a catheter report, the prior's centre, the recipe with a strong right
    atrium, then random ones), and all modes within 3 nats are kept. Draws of an approximation around them are solved
    and weighted by their true posterior density, and `draws` of them, taken by weight, are the twin's: every interval,
    verdict and what-if comes from them (`draws.py`). Random numbers follow from `seed` and the patient's name, so that
    a twin does not hang on who else is in `records`. (It is the same among any few; from 128 fits on they begin in
    float32 and end elsewhere within their tolerance of 3e-3 nats, and the draws differ within their Monte Carlo error.)
    A patient whose sensitivities or values have not converged in the step, who has no twin on so few, or of whose draws
    more than a twentieth have no steady beat, is fitted again on twice the steps, up to eight times the model's own
    (unless `steps` is given). With `leave_out` each value is predicted by a refit without it and its exact functions.
    `free` names the free quantities (None: the prior's own choice); quantities that are not in the prior keep the
    model's values. Raises `InputError` for unknown names, when a patient is there twice, and when none has a usable
    measurement.
    """
    required("model", model, Model, 'a circulation, such as ht.circulation("adult")')
    if model.reflex is not None:
        raise InputError(
            f"`model` must be at rest, without a reflex, to be calibrated, but got {model.reflex!r}; calibrate "
            f"circulation({model.name!r}): a reflex acts about the rest that is found, and leaves it as it is."
        )
    for argument, given, least in (("starts", starts, 1), ("draws", draws, 2), ("seed", seed, 0)):
        whole_number(argument, given, least)
    steps = step_count(steps, model.steps)
    with compile_clock() as compiling:
        clock = Clock(progress or (lambda sentence: None), {}, time.perf_counter(), compiling)
        finest = FINER * model.steps if steps is None else steps
        rows_of = _rows_by_patient(records)
        job = Job(model, look_up("method", method), starts, draws, leave_out, seed, finest, rows_of, clock)
        return _calibrated(job, records, prior, noise, free, steps, method)


def _calibrated(
    job: Job, records: Any, prior: str, noise: str, free: Any, steps: int | None, method: str
) -> CalibratedTwins:
    """All patients at the first number of steps, those who have no good twin there again on twice as many, up to
    `job.finest`; one who has none on the finer ones keeps the coarse one, whose certificate says so."""
    model, clock, everyone = job.model, job.clock, _sets(records)
    twins, skipped, number, sets = {}, {}, steps or model.steps, everyone
    while sets:
        cohort = prepare(model, sets, load_prior(prior), load_noise(noise), free)
        people = "1 patient" if len(cohort.sets) == 1 else f"{len(cohort.sets)} patients"
        clock.done("prepare", f"{people}, {int(cohort.data.mask.sum())} values, {number} steps")
        facts = provenance(
            precision="float64", circulation=model.name, circulation_version=model.declaration.version,
            valves=model.valves, prior=prior, noise=noise, method=method, seed=job.seed, starts=job.starts,
            steps=number, draws=job.draws, patients=len(everyone), seconds=clock.seconds, **_source(records),
        )  # fmt: skip
        seen = {one.patient: {"evidence_sha256": evidence_sha256([one])} for one in cohort.sets}
        found = {twin.patient: twin.with_provenance(facts | seen[twin.patient]) for twin in job.run(cohort, number)}
        twins |= found
        tried = {one.patient for one in cohort.sets}
        skipped |= {patient: _told(why, number) if patient in tried else why
                    for patient, why in cohort.skipped.items()}  # fmt: skip
        again = [one for one in cohort.sets if not _good(found.get(one.patient))]
        number *= 2
        sets = again if number <= job.finest else []
    order = [one.patient for one in everyone if one.patient in twins]
    none = {patient: why for patient, why in skipped.items() if patient not in twins}
    return CalibratedTwins(tuple(twins[patient] for patient in order), none, facts)


def _told(why: str, steps: int) -> str:
    """A reason to skip a patient, and on how many steps it was found."""
    return f"{why.removesuffix('.')}. Tried on {steps} steps per beat."


def _good(twin: CalibratedTwin | None) -> bool:
    """Whether there is a twin, the step errors of its values are within their limits, and few of its draws have no
    steady beat. Volumes that cannot be are so on finer steps, too."""
    if twin is None:
        return False
    if twin.status == Status.UNPHYSIOLOGICAL:
        return True
    if not twin.certificate.values_ok:
        return False
    draws = twin.sampling
    return draws is None or draws.failed - draws.impossible <= LOST * draws.proposed


@dataclass(frozen=True)
class Job:
    """What stays the same while a cohort is fitted at one number of steps after the other."""

    model: Model
    method: Any
    starts: int
    draws: int
    leave_out: bool
    seed: int
    finest: int
    rows_of: Callable[[str], tuple[Any, ...]]
    clock: Clock

    def run(self, cohort: Cohort, number: int) -> list[CalibratedTwin]:
        """Fit, leave out and summarise; what the draws will need compiles meanwhile."""
        rngs = [random_stream(self.seed, one.patient) for one in cohort.sets]
        with double(), ThreadPoolExecutor(1) as aside:
            compiling = aside.submit(compile_forward, cohort, self.model, number)
            fits = _all_starts(cohort, self.method, self.starts, rngs, number)
            posteriors = [posterior_of(fits, k, self.starts) for k in range(len(cohort.sets))]
            fits, posteriors, checks = refined(cohort, self.method, fits, posteriors, number, self.finest)
            self.clock.done("fit", f"fitted from {self.starts} starts each")
            left: list[dict[int, LeftOut]] = [{} for _ in cohort.sets]
            if self.leave_out:
                left = _left_out(cohort, self.method, posteriors, fits, number)
                self.clock.done("leave_out", "refitted without each value")
            compiling.result()
            twins = summarise(
                cohort, self.model, posteriors, fits, checks, left, self.draws, rngs, number, self.rows_of
            )
            self.clock.done("posterior", f"solved {self.draws} posterior draws per patient")
        return twins


def _source(records: Any) -> dict[str, Any]:
    if not isinstance(records, Records):
        return {}
    facts = {
        "record": records.source.name,
        "record_sha256": records.sha256,
        "evidence_sha256": evidence_sha256(records),
    }
    return facts | (records.governance.facts() if records.governance else {})


def _sets(records: Any) -> list[MeasurementSet]:
    if isinstance(records, MeasurementSet):
        return [records]
    sets = list(records) if isinstance(records, Iterable) else [records]
    if not all(isinstance(one, MeasurementSet) for one in sets):
        required("records", records, Records, 'what ht.read returns, such as ht.read("ward.csv"), or patients of it')
    if not sets:
        raise InputError("`records` must hold at least one patient, but holds none.")
    each_once("records", (one.patient for one in sets), SAME_NAME)
    return sets


def _rows_by_patient(records: Any) -> Callable[[str], tuple[Any, ...]]:
    return records.rows_of if isinstance(records, Records) else lambda patient: ()


def _all_starts(cohort: Cohort, run: Any, starts: int, rngs: list[np.random.Generator], steps: int) -> Fit:
    count, names = len(cohort.sets), len(cohort.problem.names)
    z = SPREAD * np.stack([rng.standard_normal((names, starts)) for rng in rngs], axis=1)
    for patient in range(count):
        z[:, patient, 0] = np.clip(cohort.whitened(patient, cohort.recipes[patient]), -3.0, 3.0)
        if starts > 1:
            z[:, patient, 1] = 0.0
        if starts > 2 and OTHER_WAVE in cohort.problem.names:
            z[:, patient, 2] = z[:, patient, 0]
            z[cohort.problem.names.index(OTHER_WAVE), patient, 2] = HIGH_WAVE
    flat = z.reshape(names, count * starts)
    lanes = np.repeat(np.arange(count), starts)
    return run_lanes(run, cohort, cohort.data.take(lanes), flat, steps)


def _left_out(
    cohort: Cohort, run: Any, posteriors: list[LaplacePosterior | None], fits: Fit, steps: int
) -> list[dict[int, LeftOut]]:
    """Per patient: channel -> prediction without it; two starts each: the best mode, the recipe without the value."""
    tasks, starts_z, masks = [], [], []
    for patient, posterior in enumerate(posteriors):
        if posterior is None:
            continue
        for channel, hidden in hidden_channels(cohort.channels, cohort.data.mask[:, patient]):
            without = _without(cohort.sets[patient], {cohort.channels[k] for k in np.flatnonzero(hidden)})
            theta = recipe(without, cohort.priors[patient], cohort.problem)
            for z in (posterior.z[0], np.clip(cohort.whitened(patient, theta), -3.0, 3.0)):
                tasks.append((patient, channel))
                starts_z.append(z)
                masks.append(hidden)
    found: list[dict[int, LeftOut]] = [{} for _ in posteriors]
    if not tasks:
        return found
    data = cohort.data.take(np.array([p for p, _ in tasks])).hiding(np.stack(masks, axis=-1))
    ends = run_lanes(run, cohort, data, np.stack(starts_z, axis=-1), steps)
    for first in range(0, len(tasks), 2):
        patient, channel = tasks[first]
        pair = [k for k in (first, first + 1) if np.isfinite(ends.objective[k])]
        if not pair:
            continue
        best = min(pair, key=lambda k: ends.objective[k])
        reading, noise = float(ends.reading[channel, best]), cohort.noise(channel, patient)
        slope = ends.slope[channel, :, best] * noise.sd
        covariance = np.linalg.inv(ends.hessian[:, :, best])
        limits = observables()[cohort.channels[channel][0]].limits
        found[patient][channel] = predicted(reading, slope, covariance, noise, limits)
    return found


def _without(one: MeasurementSet, channels: set[tuple[str, str]]) -> MeasurementSet:
    kept = tuple(m for m in one.measurements if m.channel not in channels and m.counted)
    return dataclasses.replace(one, measurements=kept)
