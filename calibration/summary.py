"""From fits to twins: draws solved again, rows for people, conflicts in words, certificate."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr

from ..core.dataset import beat_dataset, variable
from ..core.disclaimer import DISCLAIMER
from ..core.registry import known
from ..core.status import Status, merge
from ..engine.beat import BeatMap
from ..engine.compilation import compiled_for_device
from ..engine.forward import Forward, forward, in_blocks, record
from ..engine.precision import double
from ..physiology.model import Model
from ..physiology.observable import Observer
from .certificate import certify
from .lanes import Cohort
from .leave_out import LeftOut
from .methods.gauss_newton import Fit
from .posterior import LaplacePosterior
from .refine import Sensitivity
from .rows import conflict_sentences, fit_rows, mode_rows, quantity_rows, unmeasured_rows
from .twin import CalibratedTwin

__all__ = ["Readings", "observe", "reader", "summarise", "theta_to_parameters"]

READING_WIDTH = 64  # lanes per call of the observables
Z_DRAWS = 4000  # draws for the intervals of quantities, which need no solve


class Readings:
    """All observables of lanes solved forward: values [O, B], names, and which lanes are sound."""

    def __init__(self, names: tuple[str, ...], units: tuple[str, ...], values: np.ndarray, solved: Forward) -> None:
        self.names, self.units, self.values, self.solved = names, units, values, solved
        self.sound = (solved.status == int(Status.OK)) & np.all(np.isfinite(solved.state), axis=0)

    def of(self, name: str) -> np.ndarray:
        """One observable [B]."""
        return self.values[self.names.index(name)]


def observe(model: Model, parameters: np.ndarray, guess: np.ndarray | None, bsa: np.ndarray, steps: int) -> Readings:
    """Steady beat and every registered observable of parameters [P, B]."""
    observer = Observer(model.system, tuple(known("observable")))
    solved = forward(BeatMap(model.system, observer.reductions), parameters, guess, steps)
    read, lanes = reader(observer), len(bsa)
    parts = lambda i: (x[..., i] for x in (solved.values, parameters, bsa))  # noqa: E731
    values = in_blocks(lambda i: read(*(jnp.asarray(x) for x in parts(i))), lanes, min(lanes, READING_WIDTH))
    return Readings(observer.names, observer.units, values, solved)


@functools.lru_cache(maxsize=16)
def reader(observer: Observer) -> Any:
    """(reductions [R, B], parameters [P, B], body surface areas [B]) -> readings [O, B] as one compiled program.

    Called bare, each small operation of an observer would be compiled by itself.
    """
    return compiled_for_device(observer)


def compile_forward(cohort: Cohort, model: Model, steps: int) -> None:
    """Compile what the posterior draws will need while the fit still runs (solves the prior's centre once)."""
    with double():
        z = np.zeros((len(cohort.problem.names), 1))
        solved = observe(model, theta_to_parameters(cohort, 0, z), None, cohort.data.bsa[:1], steps).solved
        waves(model, cohort.data.base[:, :1], solved.state, steps)


def theta_to_parameters(cohort: Cohort, patient: int, z: np.ndarray) -> np.ndarray:
    """Parameter rows [P, B] of whitened draws z [N, B] of one patient."""
    data, problem = cohort.data, cohort.problem
    theta = data.centre[:, patient, None] + data.factor[:, :, patient] @ z
    rows = np.repeat(data.base[:, patient, None], z.shape[1], axis=1)
    for n, row in enumerate(problem.rows):
        rows[row] = np.exp(theta[n]) if problem.logarithmic[n] else theta[n]
    return rows


def summarise(
    cohort: Cohort, model: Model, posteriors: list[LaplacePosterior | None], fits: Fit,
    checks: dict[int, Sensitivity], left: list[dict[int, LeftOut]], draws: int, rng: np.random.Generator, steps: int,
    rows_of: Callable[[str], tuple[Any, ...]],
) -> list[CalibratedTwin]:  # fmt: skip
    """A twin for every patient; one whose fit failed from every start is named in `cohort.skipped`."""
    kept = {k: p for k, p in enumerate(posteriors) if p is not None}
    alive = list(kept)
    for k, one in enumerate(cohort.sets):
        if k not in kept:
            cohort.skipped[one.patient] = Status.NOT_PERIODIC.advice
    starts = fits.z.shape[1] // len(cohort.sets)
    drawn = [_draw(cohort, k, kept[k], fits, starts, draws, rng) for k in alive]
    if not drawn:
        return []
    parameters, guess = (np.concatenate([d[i] for d in drawn], axis=1) for i in (1, 2))
    bsa = np.repeat(cohort.data.bsa[alive], [d[1].shape[1] for d in drawn])
    readings = observe(model, parameters, guess, bsa, steps)
    certificates = _certificates(cohort, model, checks, alive, drawn, readings, steps)
    twins, first = [], 0
    for position, k in enumerate(alive):
        count = drawn[position][1].shape[1]
        part = slice(first, first + count)
        first += count
        mine = Readings(readings.names, readings.units, readings.values[:, part], _slice(readings.solved, part))
        twins.append(_twin(cohort, model, k, kept[k], fits, drawn[position], mine, left[k],
                           certificates[position], steps, rows_of))  # fmt: skip
    return twins


def _draw(
    cohort: Cohort, k: int, posterior: LaplacePosterior, fits: Fit, starts: int, draws: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(z, parameters, guessed states): the modes first (best first), then the draws."""
    random, which = posterior.draws(draws, rng)
    z = np.concatenate([posterior.z.T, random], axis=1)
    mode = np.concatenate([np.arange(len(posterior.weight)), which])
    lanes = posterior.lane[mode] + k * starts
    moved = np.einsum("snb,nb->sb", fits.state_slope[:, :, lanes], z - posterior.z[mode].T)
    guess = fits.state[:, lanes] + moved
    volumes = len(cohort.problem.system.free_stores)
    guess[:volumes] = np.maximum(guess[:volumes], 1.0)  # a starting guess only: the beat is solved from it
    guess[volumes:] = np.maximum(guess[volumes:], 0.0)
    return z, theta_to_parameters(cohort, k, z), guess


def _slice(solved: Forward, part: slice) -> Forward:
    return Forward(*(leaf[..., part] for leaf in solved))


def _certificates(
    cohort: Cohort, model: Model, checks: dict[int, Sensitivity], alive: list[int], drawn: list[Any],
    readings: Readings, steps: int,
) -> list[Any]:  # fmt: skip
    """Best modes solved again with half the steps; the fit brings how far its derivatives have converged."""
    sizes = np.cumsum([0] + [d[1].shape[1] for d in drawn])[:-1]
    modes = np.stack([d[1][:, 0] for d in drawn], axis=1)
    coarse = observe(model, modes, readings.solved.state[:, sizes], cohort.data.bsa[alive], steps // 2)
    found = []
    for i, (k, lane) in enumerate(zip(alive, sizes, strict=True)):
        residual = float(readings.solved.residual[lane])
        balance = _balance(model, modes[:, i], readings.solved.state[:, lane])
        values = (readings.values[:, lane], coarse.values[:, i])
        found.append(certify(readings.units, *values, checks[k].difference, residual, balance, steps, checks[k].steps))
    return found


def _balance(model: Model, parameters: np.ndarray, state: np.ndarray) -> float:
    """Blood created or lost (mL): the total less the sum of all volumes, the eliminated one included."""
    p = model.system.read(parameters)
    volumes = model.system.volumes(p, list(state[: len(model.system.free_stores)]))
    return float(abs(sum(volumes) - model.system.total(p)))


def _twin(
    cohort: Cohort, model: Model, k: int, posterior: LaplacePosterior, fits: Fit, drawn: Any, readings: Readings,
    left: dict[int, LeftOut], certificate: Any, steps: int, rows_of: Callable[[str], tuple[Any, ...]],
) -> CalibratedTwin:  # fmt: skip
    z, parameters, _ = drawn
    one, modes = cohort.sets[k], len(posterior.weight)
    starts = fits.z.shape[1] // len(cohort.sets)
    lane = int(posterior.lane[0]) + k * starts
    quantities = quantity_rows(cohort, k, posterior, posterior.draws(Z_DRAWS, np.random.default_rng(0))[0])
    fit = fit_rows(cohort, k, posterior, fits, lane, left, readings)
    informed = any(q.verdict == "informed" for q in quantities)
    codes = [
        Status(int(readings.solved.status[0])) if readings.sound[0] else Status.NOT_PERIODIC,
        Status.OK if certificate.ok else Status.STEP_LIMIT,
        Status.OK if int(fits.status[lane]) == 0 else Status.NOT_CONVERGED,
        Status.OK if informed else Status.UNIDENTIFIABLE,
    ]
    names = model.system.parameters.names
    return CalibratedTwin(
        patient=one.patient,
        covariates=dict(one.covariates),
        circulation=model.name,
        version=model.declaration.version,
        parameters=dict(zip(names, map(float, parameters[:, 0]), strict=True)),
        fit=fit,
        quantities=quantities,
        modes=mode_rows(cohort, posterior, parameters, readings),
        unmeasured=unmeasured_rows(cohort, k, readings, modes),
        conflicts=tuple(one.conflicts) + conflict_sentences(quantities, fit),
        assumptions=_assumptions(cohort, k, quantities, readings, modes),
        rows=rows_of(one.patient),
        certificate=certificate,
        status=merge(codes),
        provenance={},
        waves=waves(model, parameters[:, :1], readings.solved.state[:, :1], steps),
        posterior=_posterior_dataset(cohort, k, z, parameters, readings, modes),
    )


def waves(model: Model, parameters: np.ndarray, state: np.ndarray, steps: int) -> Any:
    """The steady beat of one lane as a dataset."""
    beat = record(BeatMap(model.system), parameters, state, steps)
    sites, conduits = [s.name for s in model.system.stores], [b.name for b in model.system.branches]
    return beat_dataset(beat.time[:, 0], beat.pressure[..., 0], beat.volume[..., 0], beat.flow[..., 0], sites, conduits)


def _assumptions(cohort: Cohort, k: int, quantities: Any, readings: Readings, modes: int) -> tuple[str, ...]:
    found = list(cohort.priors[k].notes)
    measured = {cohort.channels[c][0] for c in cohort.used[k]}
    if "heart_rate" not in measured:
        rate = next((q for q in quantities if q.name == "heart_rate"), None)
        if rate is not None:
            found.append(
                f"Heart rate was not recorded: it is a free quantity with a prior ({rate.prior_low:.0f} to "
                f"{rate.prior_high:.0f} /min); the data leave it at {rate.low:.0f} to {rate.high:.0f} /min."
            )
    failed = int(np.sum(~readings.sound[modes:]))
    if failed:
        found.append(f"{failed} of {len(readings.sound) - modes} posterior draws had no steady beat and are left out.")
    found.append("Intervals are Laplace approximations around each mode, solved again for quantities not measured.")
    return (*found, *cohort.left_aside[k])


def _posterior_dataset(
    cohort: Cohort, k: int, z: np.ndarray, parameters: np.ndarray, readings: Readings, modes: int
) -> Any:
    system = cohort.problem.system
    return xr.Dataset(
        {
            "z": variable(("quantity", "draw"), z, "1", "whitened parameters, prior N(0, I)"),
            "parameters": variable(("parameter", "draw"), parameters, "1", "values in each parameter's own unit"),
            "states": variable(("state", "draw"), readings.solved.state, "1", "state at beat onset (mL, mL/s)"),
            "readings": variable(("observable", "draw"), readings.values, "1", "values in each observable's own unit"),
            "sound": variable(("draw",), readings.sound, "1", "whether the draw has a steady beat"),
        },
        coords={
            "quantity": list(cohort.problem.names),
            "parameter": list(system.parameters.names),
            "state": list(system.state.names),
            "observable": list(readings.names),
            "unit": ("observable", list(readings.units)),
        },
        attrs={"modes": modes, "bsa": float(cohort.data.bsa[k]), "note": DISCLAIMER},
    )
