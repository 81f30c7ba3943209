"""What a calibration is expected to learn from each record before any fit, and what to measure next.

The circulation is linearised at draws around where the record places the patient (`linearised`). With the whitened
Jacobian J of the record's values the posterior covariance is (I + J' J)^-1, whatever the values turn out to be; its
spread over that of the prior, averaged over the draws, is the expected contraction of a quantity. It is local and
rests on the prior: under a narrower prior the same record informs less.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.counts import whole_number
from ..core.errors import InputError, UnknownNameError
from ..engine.compile_clock import compile_clock
from ..physiology.model import Model
from ..physiology.observable import all_observables
from ..records.codes import observables
from ..records.readiness import Costs
from ..records.readiness_expected import IDENTIFIED, NOT_INFORMED, PARTLY, Expectation, Expected, ExpectedQuantity
from ..records.record import MeasurementSet
from .lanes import Cohort
from .likelihood import Noise, load_noise
from .linearised import COARSER, Linearised, catalog_cohort, linearised
from .next_step import Weighing
from .priors import load_prior
from .rows import INFORMED, at_the_edge
from .rows import PARTLY as PARTLY_BELOW

__all__ = ["expected_information"]

DRAWS = 8  # per patient, in antithetic pairs


def expected_information(
    model: Model,
    sets: Sequence[MeasurementSet],
    *,
    prior: str | Path = "adult_wide",
    noise: str | Path = "clinical",
    free: tuple[str, ...] | None = None,
    about: Sequence[str] = (),
    costs: Costs | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Expectation:
    """Expected contraction of every free quantity and the best next measurements, by patient, without a fit.

    A quantity is "identified" when its expected posterior sd is below 0.7 of its prior sd, "partly" below 0.9 and "not
    informed" otherwise: the limits at which a twin calls it informed and partly informed. `about` names quantities or
    observables that the ranking is to serve (none: all quantities together, in bits); `costs` price the examinations.
    A patient without a usable value is placed by the prior alone. Raises `InputError` for an odd or too small number of
    draws or no patient, `UnknownNameError` for an unknown name in `about`.
    """
    if whole_number("draws", draws, 2) % 2:
        raise InputError(f"`draws` must be an even number from 2, but got {draws}.")
    if not sets:
        raise InputError("`records` must hold at least one patient, but holds none.")
    say = progress or (lambda sentence: None)
    began, noisy, loaded = time.perf_counter(), load_noise(noise), load_prior(prior)
    with compile_clock() as clock:
        cohort = catalog_cohort(model, sets, loaded, noisy, free)
        _check_about(about, cohort.problem.free)
        found = linearised(cohort, model, draws, seed)
        compiled = clock.between(began, time.perf_counter())
    patients, skipped = [], {}
    for k, one in enumerate(sets):
        if len(found[k].z) == 0:
            skipped[one.patient] = "no draw near the recorded values has a steady beat: check them for contradictions"
        else:
            patients.append(_expected(cohort, k, one, found[k], about, noisy, costs or Costs(), draws))
    spent = {"compile": round(compiled, 3), "run": round(time.perf_counter() - began - compiled, 3)}
    people = "1 patient" if len(patients) == 1 else f"{len(patients)} patients"
    say(f"linearised {people} at {draws} draws ({spent['run']:.1f} s, compiling {compiled:.1f} s)")
    return Expectation(
        tuple(patients), skipped, model.name, str(prior), str(noise), draws, seed, model.steps // COARSER, tuple(about),
        INFORMED, PARTLY_BELOW, spent, costs.currency if costs else "",
    )  # fmt: skip


def _check_about(about: Sequence[str], free: Sequence[str]) -> None:
    known = (*free, *all_observables())
    for name in about:
        if name not in known:
            raise UnknownNameError("`about`: quantity or observable", name, known)


def _expected(
    cohort: Cohort, k: int, one: MeasurementSet, at: Linearised, about: Sequence[str], noise: Noise, costs: Costs,
    draws: int,
) -> Expected:  # fmt: skip
    names, factor = cohort.problem.free, cohort.data.factor[:, :, k]
    count, free = len(at.z), len(names)
    rows = np.repeat(factor[None, :free], count, axis=0)
    asked = np.stack([_direction(cohort, at, name, factor) for name in about], axis=1) if about else rows[:, :0]
    directions = np.concatenate([rows, asked], axis=1)
    prior = np.linalg.norm(directions, axis=-1)
    weighing = Weighing(at, directions, prior, free, names, len(about), INFORMED, noise, costs)
    ratio = weighing.contraction(at.covariance)
    counted = {name for name, here in zip(all_observables(), cohort.data.mask[:, k], strict=True) if here}
    held = {m.channel for m in one.counted if m.observable in counted}
    body = "bsa" in one.covariates
    notes = [*cohort.priors[k].notes, *cohort.left_aside[k]]
    if count < draws:
        notes.append(f"{draws - count} of {draws} draws had no steady beat and are left out.")
    by_name = {q.name: q for q in cohort.priors[k].quantities}
    quantities = [
        _quantity(name, by_name[name].symbol, by_name[name].label, by_name[name].unit, ratio[:, n])
        for n, name in enumerate(names)
    ]
    return Expected(
        one.patient, int(cohort.data.mask[:, k].sum()), count, tuple(quantities),
        tuple(_asked(name, by_name, ratio[:, free + n]) for n, name in enumerate(about)),
        tuple(weighing.readings(held, body)), tuple(weighing.whole(held, body)), tuple(notes),
    )  # fmt: skip


def _direction(cohort: Cohort, at: Linearised, name: str, factor: np.ndarray) -> np.ndarray:
    """Row [D, N] that gives a quantity, or an observable without zero error, from z."""
    free = cohort.problem.free
    if name in free:
        return np.repeat(factor[None, free.index(name)], len(at.z), axis=0)
    row = at.slope[:, list(all_observables()).index(name)].copy()
    row[:, len(free) :] = 0.0
    return row


def _quantity(name: str, symbol: str, label: str, unit: str, ratio: np.ndarray) -> ExpectedQuantity:
    mean = float(ratio.mean())
    verdict = IDENTIFIED if mean < INFORMED else PARTLY if mean < PARTLY_BELOW else NOT_INFORMED
    return ExpectedQuantity(name, symbol, label, unit, mean, float(ratio.min()), float(ratio.max()), verdict)


def _asked(name: str, by_name: dict[str, Any], ratio: np.ndarray) -> ExpectedQuantity:
    if name in by_name:
        q = by_name[name]
        return _quantity(name, q.symbol, q.label, q.unit, ratio)
    return _quantity(name, name, observables()[name].label, at_the_edge(name)[0], ratio)
