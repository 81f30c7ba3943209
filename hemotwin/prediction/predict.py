"""Predict a scenario with calibrated twins, always paired with the baseline, draw by draw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from ..calibration.rows import at_the_edge, reading_labels, span
from ..calibration.summary import Readings, waves
from ..calibration.twin import CalibratedTwin, CalibratedTwins
from ..core.counts import whole_number
from ..core.dataset import variable
from ..core.disclaimer import DISCLAIMER
from ..core.errors import InputError, each_once, required
from ..core.provenance import provenance
from ..core.status import Status, merge
from ..engine.forward import Forward
from ..engine.precision import double
from ..physiology.model import Model, circulation
from ..physiology.scenario import Scenario
from .outcome import Prediction, PredictionRow, Predictions
from .paired import Lanes, paired
from .regulated import Answer

__all__ = ["Prediction", "PredictionRow", "Predictions", "predict"]


def predict(
    twins: CalibratedTwins | CalibratedTwin | Iterable[CalibratedTwin], scenario: Scenario, *, draws: int | None = None,
    reflex: str | None = None, reflex_gains: Mapping[str, Any] | None = None,
) -> Predictions:  # fmt: skip
    """The steady beat of every twin before and after a scenario, for the best mode and each posterior draw.

    Every draw has its own baseline (solved when the twin was calibrated, at the same steps) and solves its own
    what-if, so that a change is paired; draws without a steady beat are counted and left out of the intervals, as are
    those with a volume below zero or above all blood there is.
    Where the best mode's certificate fails after the scenario, or that mode has no steady beat, this twin is solved
    again on twice its steps, up to eight times: draws and baselines, too. The certificate says on how many.
    `draws` limits how many of the twin's draws are used (None: all).

    `reflex` names a registered reflex, such as "baroreflex" (Ursino 1998, doi 10.1152/ajpheart.1998.275.5.H1733). Each
    draw's what-if is then the steady state of circulation and reflex together, x = Phi(x; p(c)) and c = R(c, sensed,
    rest), about that draw's own rest: its baseline is as without. Readings and waves are those with what the reflex has
    set in force. Its gains are the published ones unless `reflex_gains` gives others ({"resistance_gain": 0.1}): a
    record at rest says nothing of them; of a best mode whose beats come to no single steady one the readings are means.

    A draw without a single steady beat, or in which the scenario or the reflex leaves the bounds of a quantity, is left
    out; its status (`Prediction.dataset`) says why, and that of the best mode is the prediction's.

    Raises `InputError` when there is no twin, when the scenario acts on a quantity that the circulation lacks or leads
    to no single steady beat (breathing), and when the reflex does not fit the circulation; `UnknownNameError` for an
    unknown reflex or gain.
    """
    required("scenario", scenario, Scenario, 'a scenario, such as ht.scenario("fluid_bolus", volume="500 mL")')
    draws = None if draws is None else whole_number("draws", draws, 0, "the best mode alone; None: all draws")
    every = tuple(twins) if isinstance(twins, Iterable) else (twins,)
    if not all(isinstance(one, CalibratedTwin) for one in every):
        required("twins", twins, CalibratedTwins, "what ht.calibrate or ht.load returns, or a twin of it")
    if not every:
        raise InputError("`twins` must hold at least one twin, but holds none; calibrate a record first.")
    each_once("twins", (one.patient for one in every), "give one calibration of each")
    if reflex is None and reflex_gains:
        raise InputError("`reflex_gains` must go with a reflex, but `reflex` is None; use reflex='baroreflex'.")
    with double():
        return Predictions(scenario, tuple(_one(twin, scenario, draws, reflex, reflex_gains or {}) for twin in every))


def _one(
    twin: CalibratedTwin, scenario: Scenario, draws: int | None, reflex: str | None, gains: Mapping[str, Any]
) -> Prediction:
    model = _model(twin, reflex, gains)
    given = {name: model.values[f"{reflex}.{name}"] for name in gains}
    number, modes = int(twin.provenance.get("steps", model.steps)), int(twin.posterior.attrs["modes"])
    chosen = np.r_[0, np.arange(modes, twin.posterior.sizes["draw"])][: None if draws is None else draws + 1]
    before = twin.posterior["parameters"].values[:, chosen]
    after = scenario.applied(tuple(twin.posterior["parameter"].values), before)
    bsa = np.full(len(chosen), float(twin.posterior.attrs["bsa"]))
    found = paired(model, Lanes(before, _baseline(twin, model, chosen), after, bsa, number))
    base, what_if, sound = found.base, found.what_if, found.sound
    failed = [one for one in (found.certificate, twin.certificate) if one is not None and not one.ok]
    status = merge((found.status, *[Status.STEP_LIMIT for _ in failed]))  # the twin's baseline is in the same table
    return Prediction(
        patient=twin.patient,
        scenario=scenario,
        rows=_rows(base, what_if.readings, sound, "bsa" in twin.covariates),
        draws=len(chosen) - 1,
        failed=int(np.sum(~sound[1:])),
        status=status,
        certificate=found.certificate,
        waves=waves(model, what_if.rows[:, :1], what_if.readings.solved.state[:, :1], found.steps),
        baseline_waves=waves(model, before[:, :1], base.solved.state[:, :1], found.steps),
        dataset=_dataset(twin, base, what_if, sound, reflex, given),
        provenance=provenance(precision="float64", scenario=scenario.name, settings=scenario.settings,
                              steps=found.steps, twin=twin.patient, circulation=twin.circulation, reflex=reflex,
                              reflex_gains=given),
        reflex=reflex,
        reflex_gains=given,
        twin_status=twin.status,
        baseline_certificate=twin.certificate,
    )  # fmt: skip


def _model(twin: CalibratedTwin, reflex: str | None, gains: Mapping[str, Any]) -> Model:
    """The twin's circulation with the reflex; values of quantities come from the draws, save what decides structure."""
    leaks = {n: v for n, v in twin.parameters.items() if n.endswith(".regurgitant_area")}
    whole = circulation(twin.circulation, valves=twin.provenance.get("valves"), reflex=reflex)
    return whole.with_values({**leaks, **{f"{reflex}.{name}": value for name, value in gains.items()}})


def _baseline(twin: CalibratedTwin, model: Model, chosen: np.ndarray) -> Readings:
    """The baseline that calibration solved for each of these draws, on the same steps and to the same residual.

    Twins of before hold no status, and nobody has asked whether the volumes of their draws can be.
    """
    kept, system = twin.posterior.isel(draw=chosen), model.system
    sound, states = kept["sound"].values.astype(bool), kept["states"].values
    status = kept["status"].values if "status" in kept else np.where(sound, int(Status.OK), int(Status.NOT_PERIODIC))
    living = system.possible(system.read(kept["parameters"].values), list(states[: len(system.free_stores)]))
    status = np.where(sound & ~living, int(Status.UNPHYSIOLOGICAL), status)
    solved = Forward(states, np.zeros(len(chosen)), status, kept["readings"].values)
    return Readings(tuple(kept["observable"].values), tuple(kept["unit"].values), kept["readings"].values, solved)


def _rows(base: Readings, what_if: Readings, sound: np.ndarray, has_body: bool) -> tuple[PredictionRow, ...]:
    rows = []
    kept = np.flatnonzero(sound[1:]) + 1
    for name, label in reading_labels().items():
        if name not in base.names or not len(kept) or (name.endswith("_index") and not has_body):
            continue
        unit, scale = at_the_edge(name)
        one, two = scale * base.of(name), scale * what_if.of(name)
        spans = [span(values[kept]) for values in (one, two, two - one)]
        numbers = []
        for value, (low, high) in zip((one[0], two[0], two[0] - one[0]), spans, strict=True):
            numbers += [float(value), float(low), float(high)]
        rows.append(PredictionRow(name, label, unit, *numbers))
    return tuple(rows)


def _dataset(
    twin: CalibratedTwin, base: Readings, what_if: Answer, sound: np.ndarray, reflex: str | None,
    gains: Mapping[str, float],
) -> xr.Dataset:  # fmt: skip
    status, after = np.where(base.sound, what_if.status, base.ended), what_if.readings.values
    return xr.Dataset(
        {
            "baseline": variable(("observable", "draw"), base.values, "1", "readings before, in their own units"),
            "after": variable(("observable", "draw"), after, "1", "readings after, in their own units"),
            "sound": variable(("draw",), sound, "1", "whether both beats of the draw are steady"),
            "status": variable(("draw",), status, "1", "code of how the draw's what-if ended"),
        },
        coords={"observable": list(base.names), "unit": ("observable", list(base.units))},
        attrs={"patient": twin.patient, "note": DISCLAIMER, "first_draw": "best mode", "reflex": reflex or "none",
               **{f"{reflex}.{name}": value for name, value in gains.items()}},
    )  # fmt: skip
