"""Does the default step hold with diseased valves and a hole in the septum?

Aortic stenosis (area / 7), aortic, mitral and tricuspid regurgitation (0.4 cm2) and a ventricular septal defect (0.5
cm2) on 64 draws of each prior (--quick: 24 of `adult_wide`), against 6,400 steps: values and whitened Jacobian at 400
steps; steady beats, and the volume through the aortic valve against that through the systemic bed.

There is no two-way orifice among the parts: the defect is two one-way orifices of one area, back to back. One loop
holds all lesions, so that one program serves them: an orifice that a patient does not have is a hole of 1e-6 cm2.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jax.numpy as jnp
import numpy as np
from bars import Bars

from hemotwin.core.reduction import Reduction
from hemotwin.core.registry import known, register
from hemotwin.engine.beat import BeatMap
from hemotwin.engine.forward import Forward, forward
from hemotwin.engine.precision import double
from hemotwin.physiology.circulations.adult import READINGS, Adult
from hemotwin.physiology.model import Model, circulation
from hemotwin.physiology.observable import Observer
from hemotwin.physiology.valves.inertial_orifice import InertialOrifice
from tests.engine.sensitivity import NOISE, jacobian, whitened
from tests.problems import BODY_SURFACE_AREA, Drawn, observer_of, prior_draws

COARSE, FINE = 400, 6400  # steps per beat: the default of `adult`, and what stands for converged
MEDIAN, MOST = 0.02, 0.05  # whitened Jacobian: largest entry of the median draw, and of 95 % of the draws
ALLOWED = {"mmHg": 0.1, "mL": 0.1}
BALANCE = 1e-10  # relative difference of the volumes through the aortic valve and the systemic bed
NOTHING = 1e-6  # cm2, of an orifice that a patient does not have; passes less than 0.001 mL per beat
STENOSIS, LEAK, DEFECT = 7.0, 0.4, 0.5  # area divided by 7; cm2 of regurgitation (severe); cm2 of the defect
SEPTAL = "septal_defect"
LEAKS = tuple(f"{valve}.regurgitant_area" for valve in ("aortic_valve", "mitral_valve", "tricuspid_valve"))
LESIONS = {
    "as": lambda values: {"aortic_valve.area": values["aortic_valve.area"] / STENOSIS},
    "ar": lambda values: {"aortic_valve.regurgitant_area": LEAK},
    "mr": lambda values: {"mitral_valve.regurgitant_area": LEAK},
    "tr": lambda values: {"tricuspid_valve.regurgitant_area": LEAK},
    "vsd": lambda values: {f"{SEPTAL}.area": DEFECT, f"{SEPTAL}.regurgitant_area": DEFECT},
}
# What shows that a lesion acts: a difference of readings, mmHg for the gradient, else mL that do not go forward.
ACTS = {
    "as": (("lv_pressure_max",), ("central_sbp",)), "ar": (("lv_edv",), ("lv_esv", "stroke_volume")),
    "mr": (("lv_edv",), ("lv_esv", "stroke_volume")), "tr": (("rv_edv",), ("rv_esv", "stroke_volume")),
    "vsd": (("lv_edv",), ("lv_esv", "stroke_volume")),
}  # fmt: skip
PASSED = {site: Reduction("volume", "flow", site) for site in ("aortic_valve", "systemic")}


@register("circulation", "adult_with_lesions")
class AdultWithLesions(Adult):
    """The default adult loop with an orifice between the ventricles, both ways."""

    conduits = {**Adult.conduits, SEPTAL: ("lv", InertialOrifice(DEFECT), "rv")}  # noqa: RUF012
    readings = {**READINGS, "systemic": "systemic"}  # noqa: RUF012


def patients(prior: str, count: int) -> Drawn:
    """The draws of a prior with every lesion in turn (lanes: lesion by lesion), solved at the default step."""
    none = dict.fromkeys((*LEAKS, f"{SEPTAL}.regurgitant_area"), NOTHING)
    model: Model = circulation("adult_with_lesions").with_values(none)
    layout, beat = model.system.parameters, BeatMap(model.system, (*observer_of(model).reductions, *PASSED.values()))
    patient, rows = prior_draws(prior, count, model=model)
    rows[layout.index(f"{SEPTAL}.area")] = NOTHING
    parts = []
    for lesion in LESIONS.values():
        mine = rows.copy()
        for name, value in lesion(model.values).items():
            mine[layout.index(name)] = value
        parts.append(mine)
    parameters = np.concatenate(parts, axis=1)
    with double():
        steady = forward(beat, parameters, None, COARSE)
    return Drawn(model, beat, patient, parameters, steady, {})


def read(draws: Drawn, found: Forward) -> dict[str, np.ndarray]:
    """Every reading by name, lanes last."""
    observer: Observer = observer_of(draws.model)
    size = np.full(draws.parameters.shape[1], BODY_SURFACE_AREA)
    with double():
        kept = jnp.asarray(found.values[: len(observer.reductions)])
        values = np.asarray(observer(kept, jnp.asarray(draws.parameters), jnp.asarray(size)))
    return dict(zip(observer.names, values, strict=True))


def imbalance(draws: Drawn, found: Forward) -> np.ndarray:
    """Relative difference [B] of the volumes that pass the aortic valve and the systemic bed in a beat."""
    valve, bed = (found.values[draws.beat.reductions.index(r)] for r in PASSED.values())
    return np.abs(valve - bed) / np.abs(bed)


def values_hold(bars: Bars, name: str, coarse: dict[str, np.ndarray], fine: dict[str, np.ndarray]) -> None:
    """Bars of the largest difference over the draws, in mmHg and in mL, and which reading it is."""
    for unit, limit in ALLOWED.items():
        worst = {
            n: float(np.max(np.abs(coarse[n] - fine[n]))) for n, o in known("observable").items() if o.unit == unit
        }
        bars.most(f"{name}.{unit}", max(worst.values()), limit, unit)
        bars.tables.setdefault(f"{name}.values", {}).update(worst)
        beyond = {n: f"{v:.2g}" for n, v in sorted(worst.items(), key=lambda one: -one[1]) if v > limit}
        if beyond:
            print(f"  beyond {limit} {unit}: {beyond}")


def main() -> int:
    """Solve, compare and report every lesion of every prior; 1 when a bar is missed."""
    bars = Bars("lesions", __doc__ or "")
    count = 24 if bars.quick else 64
    for prior in ("adult_wide",) if bars.quick else ("adult_wide", "adult_healthy"):
        draws = patients(prior, count)
        with double():
            fine = forward(draws.beat, draws.parameters, draws.steady.state, FINE)
        slopes = [whitened(draws, jacobian(draws, n, s.state)) for n, s in ((COARSE, draws.steady), (FINE, fine))]
        error = np.abs(slopes[0] - slopes[1])
        coarse, dense = read(draws, draws.steady), read(draws, fine)
        solved = (draws.steady.status == 0) & (fine.status == 0)
        for k, lesion in enumerate(LESIONS):
            lanes = np.arange(k * count, (k + 1) * count)
            _report(bars, f"{prior}.{lesion}", draws, lanes, solved, error, coarse, dense)
    return bars.finish()


def _report(
    bars: Bars, name: str, draws: Drawn, lanes: np.ndarray, solved: np.ndarray, error: np.ndarray,
    coarse: dict[str, np.ndarray], dense: dict[str, np.ndarray],
) -> None:  # fmt: skip
    bars.least(f"{name}.steady", 100.0 * float(np.mean(solved[lanes])), 99.9, "% of the draws")
    kept = lanes[solved[lanes]]
    more, less = ACTS[name.rpartition(".")[2]]
    acts = sum(coarse[n][kept] for n in more) - sum(coarse[n][kept] for n in less)
    bars.figure(f"{name}.acts", float(np.median(acts)), f"{'mmHg' if name.endswith('.as') else 'mL'}, median draw")
    values_hold(bars, name, {n: v[kept] for n, v in coarse.items()}, {n: v[kept] for n, v in dense.items()})
    worst = np.max(error[:, :, kept], axis=(0, 1))
    bars.most(f"{name}.jacobian.median", float(np.median(worst)), MEDIAN)
    bars.most(f"{name}.jacobian.95%", float(np.quantile(worst, 0.95)), MOST)
    by_reading = np.quantile(np.max(error[:, :, kept], axis=1), 0.95, axis=1)
    bars.tables[f"{name}.jacobian.95%"] = dict(zip(NOISE, by_reading.tolist(), strict=True))
    free = [q.name for q in draws.patient.quantities if q.kind != "nuisance"]
    reading, quantity, lane = np.unravel_index(int(np.argmax(error[:, :, kept])), error[:, :, kept].shape)
    where = f"{list(NOISE)[reading]} by {free[quantity]}, draw {int(kept[lane] - lanes[0])}"
    print(f"  largest error {worst.max():.3g}: {where}")
    unbalanced = imbalance(draws, some_of(draws.steady, kept))
    bars.most(f"{name}.balance", float(np.max(unbalanced)), BALANCE)


def some_of(found: Forward, kept: np.ndarray) -> Forward:
    """Some lanes of a solution."""
    return Forward(*(field[..., kept] for field in found))


if __name__ == "__main__":
    sys.exit(main())
