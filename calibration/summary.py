"""From fits to twins: weighted draws, rows for people, conflicts in words, certificates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from ..core.dataset import beat_dataset, variable
from ..core.disclaimer import DISCLAIMER
from ..core.status import Status, merge
from ..engine.beat import BeatMap
from ..engine.precision import double
from ..engine.recording import record
from ..physiology.model import Model
from .certificate import Certificate, certify, volume_balance
from .draws import LAPLACE, Weighted
from .lanes import Cohort
from .leave_out import LeftOut
from .methods.gauss_newton import Fit
from .posterior import LaplacePosterior
from .readings import Readings, observe, reader, theta_to_parameters
from .refine import Sensitivity
from .rows import conflict_sentences, fit_rows, mode_rows, quantity_rows, unmeasured_rows
from .sampling import Sampled, sampled
from .twin import CalibratedTwin, Sampling

__all__ = ["Readings", "observe", "reader", "sampling_of", "summarise", "theta_to_parameters", "waves"]


LEAST_SOUND = 2  # posterior draws with a steady beat, below which there is no interval


def compile_forward(cohort: Cohort, model: Model, steps: int) -> None:
    """Compile what the posterior draws will need while the fit still runs (solves the prior's centre once)."""
    with double():
        z = np.zeros((len(cohort.problem.names), 1))
        solved = observe(model, theta_to_parameters(cohort, 0, z), None, cohort.data.bsa[:1], steps).solved
        waves(model, cohort.data.base[:, :1], solved.state, steps)


def summarise(
    cohort: Cohort, model: Model, posteriors: list[LaplacePosterior | None], fits: Fit,
    checks: dict[int, Sensitivity], left: list[dict[int, LeftOut]], draws: int, rngs: list[np.random.Generator],
    steps: int,
    rows_of: Callable[[str], tuple[Any, ...]],
) -> list[CalibratedTwin]:  # fmt: skip
    """A twin for every patient; one whose fit failed from every start, or of whose posterior fewer than two draws have
    a steady beat whose volumes can be, is named in `cohort.skipped`."""
    kept = {k: p for k, p in enumerate(posteriors) if p is not None}
    for k, one in enumerate(cohort.sets):
        if k not in kept:
            cohort.skipped[one.patient] = Status.NOT_PERIODIC.advice
    if not kept:
        return []
    drawn = sampled(cohort, model, kept, fits, draws, rngs, steps)
    for k in [k for k, one in drawn.items() if one.draws.shape[1] < LEAST_SOUND]:
        cohort.skipped[cohort.sets[k].patient] = _too_few(drawn[k])
        del drawn[k], kept[k]
    if not kept:
        return []
    certificates = _certificates(cohort, model, checks, drawn, steps)
    return [_twin(cohort, model, k, kept[k], fits, drawn[k], left[k], certificates[k], steps, rows_of) for k in kept]


def _too_few(drawn: Sampled) -> str:
    """Why there is no twin of so few sound draws, by what most of the others lack."""
    ended = drawn.readings.ended[drawn.modes :]
    why, what = Status.NOT_PERIODIC, "one"
    if 2 * np.sum(ended == int(Status.UNPHYSIOLOGICAL)) > np.sum(ended != int(Status.OK)):
        why, what = Status.UNPHYSIOLOGICAL, "a steady beat whose volumes can be"
    return (
        f"{why.advice} Fewer than {LEAST_SOUND} of {len(ended)} posterior draws have {what}, so that no interval can "
        "be told; check the units and values of the record"
    )


def _certificates(
    cohort: Cohort, model: Model, checks: dict[int, Sensitivity], drawn: dict[int, Sampled], steps: int
) -> dict[int, Certificate]:
    """Best modes solved again with half and a quarter of the steps; the fit brings how far its derivatives have
    converged."""
    modes = np.stack([d.parameters[:, 0] for d in drawn.values()], axis=1)
    states = np.stack([d.readings.solved.state[:, 0] for d in drawn.values()], axis=1)
    bsa = cohort.data.bsa[list(drawn)]
    half, quarter = (observe(model, modes, states, bsa, steps // n).sound_values for n in (2, 4))
    found = {}
    for i, (k, one) in enumerate(drawn.items()):
        residual = float(one.readings.solved.residual[0])
        balance = volume_balance(model, modes[:, i], states[:, i])
        values, coarser, fitted = one.readings.sound_values[:, 0], (half[:, i], quarter[:, i]), checks[k]
        found[k] = certify(
            one.readings.units, values, coarser, residual, balance, steps, fitted.difference, fitted.steps
        )
    return found


def _twin(
    cohort: Cohort, model: Model, k: int, posterior: LaplacePosterior, fits: Fit, drawn: Sampled,
    left: dict[int, LeftOut], certificate: Certificate, steps: int, rows_of: Callable[[str], tuple[Any, ...]],
) -> CalibratedTwin:  # fmt: skip
    one, parameters, readings = cohort.sets[k], drawn.parameters, drawn.readings
    starts = fits.z.shape[1] // len(cohort.sets)
    lane = int(posterior.lane[0]) + k * starts
    quantities = quantity_rows(cohort, k, posterior.z[0], drawn.draws, drawn.weighted)
    fit = fit_rows(cohort, k, drawn, fits, lane, left)
    informed = any(q.verdict == "informed" for q in quantities)
    sampling = sampling_of(drawn.weighted)
    codes = [
        Status(int(readings.ended[0])),
        Status.OK if certificate.ok else Status.STEP_LIMIT,
        Status.OK if int(fits.status[lane]) == 0 else Status.NOT_CONVERGED,
        Status.OK if informed else Status.UNIDENTIFIABLE,
        Status.OK if sampling.reliable else Status.DRAWS_UNRELIABLE,
    ]
    names, rows = model.system.parameters.names, rows_of(one.patient)
    return CalibratedTwin(
        patient=one.patient,
        covariates=dict(one.covariates),
        circulation=model.name,
        version=model.declaration.version,
        parameters=dict(zip(names, map(float, parameters[:, 0]), strict=True)),
        fit=fit,
        quantities=quantities,
        modes=mode_rows(cohort, posterior, drawn),
        unmeasured=unmeasured_rows(cohort, k, readings, drawn.modes),
        conflicts=tuple(one.conflicts) + conflict_sentences(quantities, fit),
        assumptions=_assumptions(cohort, k, quantities, rows),
        rows=rows,
        certificate=certificate,
        status=merge(codes),
        provenance={},
        waves=waves(model, parameters[:, :1], readings.solved.state[:, :1], steps),
        posterior=_posterior_dataset(cohort, k, drawn),
        sampling=sampling,
    )


def sampling_of(weighted: Weighted) -> Sampling:
    """What a twin says of its draws, in numbers and in a sentence."""
    count = len(weighted.weight)
    failed = _failed(weighted.failed - weighted.impossible, weighted.impossible)
    if weighted.method == LAPLACE:
        found = "" if np.isinf(weighted.k) else f" (Pareto k {weighted.k:.2f})"
        sentence = (
            f"Intervals are those of Laplace's approximation around each mode, its {count} draws solved and left "
            f"unweighted{failed}: their weights could not be relied on{found}. Draws may contradict the data."
        )
    else:
        sentence = (
            f"Intervals are those of draws weighted by the data and the prior after they were solved ({weighted.method}"
            f"): {weighted.effective:.0f} of {count} are effective, Pareto k {weighted.k:.2f}{failed}."
        )
        if not weighted.reliable:
            sentence += " Weights with such a k cannot be relied on: take the intervals as rough."
    return Sampling(weighted.method, count, weighted.failed, weighted.effective, weighted.k, weighted.rounds,
                    weighted.reliable, sentence, weighted.impossible)  # fmt: skip


def _failed(beatless: int, impossible: int) -> str:
    """Half a sentence on draws that weigh nothing; nothing where there are none."""
    parts = [f"{beatless} had no steady beat"] if beatless else []
    parts += [f"{impossible} had a volume below zero or above all blood there is"] if impossible else []
    return f"; {' and '.join(parts)}: such draws weigh nothing" if parts else ""


def waves(model: Model, parameters: np.ndarray, state: np.ndarray, steps: int) -> Any:
    """The steady beat of one lane as a dataset."""
    beat = record(BeatMap(model.system), parameters, state, steps)
    sites, conduits = [s.name for s in model.system.stores], [b.name for b in model.system.branches]
    return beat_dataset(beat.time[:, 0], beat.pressure[..., 0], beat.volume[..., 0], beat.flow[..., 0], sites, conduits)


def _assumptions(cohort: Cohort, k: int, quantities: Any, rows: tuple[Any, ...]) -> tuple[str, ...]:
    found = list(cohort.priors[k].notes)
    measured = {cohort.channels[c][0] for c in cohort.used[k]}
    if "heart_rate" not in measured:
        rate = next((q for q in quantities if q.name == "heart_rate"), None)
        if rate is not None:
            lost = any(row.fate == "quarantined" for row in rows)  # perhaps a rate among them
            why = "No heart rate could be used" if lost else "Heart rate was not recorded"
            found.append(
                f"{why}: it is a free quantity with a prior ({rate.prior_low:.0f} to {rate.prior_high:.0f} /min); "
                f"the data leave it at {rate.low:.0f} to {rate.high:.0f} /min."
            )
    return (*found, *cohort.left_aside[k])


def _posterior_dataset(cohort: Cohort, k: int, drawn: Sampled) -> Any:
    system, readings = cohort.problem.system, drawn.readings
    return xr.Dataset(
        {
            "z": variable(("quantity", "draw"), drawn.z, "1", "whitened parameters, prior N(0, I)"),
            "parameters": variable(("parameter", "draw"), drawn.parameters, "1", "values in each parameter's own unit"),
            "states": variable(("state", "draw"), readings.solved.state, "1", "state at beat onset (mL, mL/s)"),
            "readings": variable(("observable", "draw"), readings.values, "1", "values in each observable's own unit"),
            "sound": variable(
                ("draw",), readings.sound, "1", "whether the draw has a steady beat whose volumes can be"
            ),
            "status": variable(("draw",), readings.ended, "1", "code of how the draw's beats ended"),
        },
        coords={
            "quantity": list(cohort.problem.names),
            "parameter": list(system.parameters.names),
            "state": list(system.state.names),
            "observable": list(readings.names),
            "unit": ("observable", list(readings.units)),
        },
        attrs={
            "modes": drawn.modes,
            "bsa": float(cohort.data.bsa[k]),
            "note": DISCLAIMER,
            "method": drawn.weighted.method,
        },
    )
