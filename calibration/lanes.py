"""From records, prior and noise to the arrays of a problem; a lane is one fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..engine.blocks import block_width, in_blocks
from ..physiology.model import Model, circulation
from ..physiology.observable import all_observables
from ..records.record import Measurement, MeasurementSet
from .likelihood import Noise, reach_of
from .methods.gauss_newton import GaussNewton
from .noise_scale import NoiseScale
from .priors import PatientPrior, Prior
from .problem import LaneData, Problem
from .rounds import fitted_in_rounds
from .starting import starting_values

__all__ = ["MANY", "WIDTH_LARGE", "Cohort", "arrays", "prepare", "recipe", "run_lanes", "usable"]

PART = "part"  # the modality of what nobody measured: a reading of which a measured one is the larger
WIDTH_SMALL, WIDTH_LARGE, SMALL = 8, 32, 3  # lanes per block, and the number of patients up to which blocks are small
MANY = 128  # lanes from which on a fit in rounds is worth its second program
REFERENCE_BSA = 1.75  # m2, of the reference adult; used only where no indexed value is counted


@dataclass(frozen=True)
class Cohort:
    """Everything that the fits of some patients share, and each patient's own arrays (one lane per patient)."""

    problem: Problem
    data: LaneData
    sets: tuple[MeasurementSet, ...]
    priors: tuple[PatientPrior, ...]
    channels: list[tuple[str, str]]
    used: tuple[dict[int, Measurement], ...]
    recipes: tuple[np.ndarray, ...]
    skipped: dict[str, str]
    left_aside: tuple[tuple[str, ...], ...]

    def whitened(self, patient: int, theta: np.ndarray) -> np.ndarray:
        """z of unconstrained parameters theta [N] for one patient."""
        factor = self.data.factor[:, :, patient]
        return np.linalg.solve(factor, theta - self.data.centre[:, patient])

    def noise(self, channel: int, patient: int) -> NoiseScale:
        """The noise of one reading."""
        return NoiseScale(*(float(field[channel, patient]) for field in self.data.noise))


def usable(one: MeasurementSet, known: Sequence[str]) -> tuple[list[Measurement], list[str]]:
    """Counted readings that the model observes, and sentences about those it cannot use."""
    kept, aside = [], []
    for m in one.counted:
        if m.observable not in known:
            aside.append(f"{m.observable} ({m.origin}) was left aside: the circulation has no such reading.")
        elif m.value is None and m.lower is None and m.upper is None:
            aside.append(f"{m.observable} ({m.origin}) was left aside: it has neither a value nor a bound.")
        elif all_observables()[m.observable].needs_body and "bsa" not in one.covariates:
            aside.append(
                f"{m.observable} ({m.origin}) was left aside: it needs body surface area; give height and weight."
            )
        else:
            kept.append(m)
    return kept, aside


def prepare(model: Model, sets: Sequence[MeasurementSet], prior: Prior, noise: Noise, free: Any) -> Cohort:
    """Arrays of all patients with at least one usable reading; the others are named in `skipped` with the reason.

    Of a reading that is the larger of two both stand among the channels, masked: draws are proposed by them. Raises
    `InputError` when no patient has any.
    """
    known = list(all_observables())
    kept: list[tuple[MeasurementSet, list[Measurement], tuple[str, ...]]] = []
    skipped: dict[str, str] = {}
    for one in sets:
        readings, aside = usable(one, known)
        if readings:
            kept.append((one, readings, tuple(aside)))
        else:
            skipped[one.patient] = "no usable measurement" + (f": {aside[0]}" if aside else " in the record")
    if not kept:
        reasons = [f"{patient}: {why}" for patient, why in skipped.items()]
        reasons[3:] = [f"and {len(reasons) - 3} more"] if len(reasons) > 3 else []
        people = "the patient has none" if len(skipped) == 1 else f"none of {len(skipped)} patients has any"
        raise InputError(
            f"`records` must hold at least one usable measurement, but {people} ({'; '.join(reasons)}). "
            "Give one value that the twin can use, such as a cuff pressure in mmHg."
        )
    channels = sorted({m.channel for _, readings, _ in kept for m in readings}, key=lambda c: (known.index(c[0]), c[1]))
    parts = dict.fromkeys(part for name, _ in channels for part in all_observables()[name].larger_of or ())
    channels += [(name, PART) for name in parts]
    return arrays(model, kept, prior, noise, free, channels, skipped)


def arrays(
    model: Model, kept: list[Any], prior: Prior, noise: Noise, free: Any, channels: list[tuple[str, str]],
    skipped: dict[str, str],
) -> Cohort:  # fmt: skip
    """The cohort of some channels from (patient, its readings in these channels, what was left aside)."""
    priors = [prior.for_patient(one.covariates, free) for one, _, _ in kept]
    names = priors[0].names
    nuisances = tuple(n for n in names if n.startswith("offset."))
    wanted = tuple(n for n in names if n not in nuisances)
    _check_names(model, wanted)
    count, lanes = len(channels), len(kept)
    value, sd, mask = np.zeros((count, lanes)), np.ones((count, lanes)), np.zeros((count, lanes))
    below, above, relative, least = (np.zeros((count, lanes)) for _ in range(4))
    used: list[dict[int, Measurement]] = []
    for lane, (_, readings, _) in enumerate(kept):
        mine: dict[int, Measurement] = {}
        for m in readings:
            c = channels.index(m.channel)
            value[c, lane], below[c, lane], above[c, lane] = reach_of(m)
            sd[c, lane], mask[c, lane] = noise.sd(m), 1.0
            _, relative[c, lane], least[c, lane] = noise.scale(m)
            mine[c] = m
        used.append(mine)
    problem = Problem(
        system=model.system,
        observables=tuple(c[0] for c in channels),
        free=wanted,
        nuisances=nuisances,
        offsets=tuple(_offset(prior.offset_of(c[0]), nuisances) for c in channels),
        logarithmic=tuple(priors[0].logarithmic),
        ranges=tuple(int(c) for c in np.flatnonzero(np.any(below + above > 0.0, axis=1))),
    )
    order = [names.index(n) for n in problem.names]
    data = LaneData(
        base=np.stack([_base(model, p) for p in priors], axis=-1),
        centre=np.stack([p.centre[order] for p in priors], axis=-1),
        factor=np.stack([p.factor[np.ix_(order, order)] for p in priors], axis=-1),
        bsa=np.array([one.covariates.get("bsa", REFERENCE_BSA) for one, _, _ in kept]),
        value=value, sd=sd, mask=mask, below=below, above=above, relative=relative, least=least,
    )  # fmt: skip
    recipes = tuple(recipe(one, p, problem) for (one, _, _), p in zip(kept, priors, strict=True))
    return Cohort(problem, data, tuple(k[0] for k in kept), tuple(priors), channels, tuple(used), recipes, skipped,
                  tuple(k[2] for k in kept))  # fmt: skip


def recipe(one: MeasurementSet, prior: PatientPrior, problem: Problem) -> np.ndarray:
    """Unconstrained starting values [N] from the recipe for a catheter report; nuisances start at 0."""
    values = starting_values(one, prior)
    theta = [np.log(values[n]) if log else values[n] for n, log in zip(problem.free, problem.logarithmic, strict=False)]
    return np.array([*theta, *[0.0] * len(problem.nuisances)])


def _base(model: Model, prior: PatientPrior) -> np.ndarray:
    """Parameter rows: the patient's medians of fixed quantities, except where the user set the model's own value."""
    default = circulation(model.name, valves=model.valves).values
    values = dict(model.values)
    for name, value in prior.fixed.items():
        if name in values and values[name] == default[name]:
            values[name] = value
    return model.system.parameters.pack(values)[:, 0]


def _offset(name: str | None, nuisances: tuple[str, ...]) -> int:
    return nuisances.index(name) if name in nuisances else -1


def _check_names(model: Model, names: tuple[str, ...]) -> None:
    unknown = [n for n in names if n not in model.system.parameters.names]
    if unknown:
        raise InputError(
            f"`prior` must hold quantities of {model.name!r}, but {', '.join(unknown)} are none of its own; "
            "calibrate `adult`, or give a prior for this circulation."
        )


def run_lanes(
    run: Any, cohort: Cohort, data: LaneData, z: np.ndarray, steps: int, hold: bool = False, width: int | None = None
) -> Any:
    """The method over any number of lanes, in blocks of one width (None: by the number of patients).

    Many fits by Gauss-Newton are regrouped as lanes end, and begin in float32 (see `rounds.py`).
    """
    width = block_width(width or (WIDTH_SMALL if len(cohort.sets) <= SMALL else WIDTH_LARGE), z.shape[1])
    if isinstance(run, GaussNewton) and not hold and z.shape[1] >= MANY:
        return fitted_in_rounds(run, cohort.problem, data, z, steps)

    def block(lanes: Any) -> Any:
        return run(cohort.problem, data.take(lanes), z[:, lanes], steps, hold)

    return in_blocks(block, z.shape[1], width, (run, cohort.problem))
