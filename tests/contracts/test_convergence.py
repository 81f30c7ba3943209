"""What every registered circulation must hold of its step: its gradients are converged at its own number of steps."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from hemotwin.core.registry import known
from hemotwin.core.status import Status
from hemotwin.engine.forward import forward
from hemotwin.engine.precision import double
from hemotwin.physiology.model import circulation
from tests.engine.sensitivity import NOISE, jacobian, whitened
from tests.problems import Drawn, beat_of

DRAWS, SPREAD, FINER = 12, 0.2, 16  # patients; sd of the natural logarithm of every quantity; finer step
RATES = (50.0, 120.0)  # 1/min


def drawn_around(name: str) -> Drawn:
    """Patients with every quantity spread about the circulation's own value, of which a steady beat was found.

    Lengths of valves' blood columns are a choice of the valve law and onsets one of the clock: no prior frees them, and
    they stay, as does what is 0.
    """
    model, rng = circulation(name), np.random.default_rng(1)
    names = model.system.parameters.names
    free = [n for n in names if model.values[n] != 0.0 and not n.endswith((".length", ".onset"))]
    values = {n: np.full(DRAWS, float(model.values[n])) for n in names}
    for n in free:
        low, high = model.all_quantities[n].bounds
        spread = values[n] * np.exp(SPREAD * rng.standard_normal(DRAWS))
        values[n] = rng.uniform(*RATES, DRAWS) if n == "heart_rate" else np.clip(spread, 1.001 * max(low, 0.0), high)
    rows = model.system.parameters.pack(values, DRAWS)
    with double():
        steady = forward(beat_of(model), rows, None, model.steps)
    good = steady.status == int(Status.OK)
    assert np.sum(good) >= 0.75 * DRAWS, "patients so far apart that most have no steady beat test nothing"
    quantities = [SimpleNamespace(name=n, kind="parameter") for n in free]
    prior = SimpleNamespace(quantities=quantities, logarithmic=[True] * len(free), sd=np.full(len(free), SPREAD))
    return Drawn(model, beat_of(model), prior, rows[:, good], steady._replace(state=steady.state[:, good]), {})


@pytest.mark.slow
@pytest.mark.parametrize("name", known("circulation"))
def test_the_whitened_gradient_of_every_circulation_is_converged_in_the_step(name: str):
    """13 readings by all quantities that can be spread, against a step 16 times finer: as the default step promises."""
    draws = drawn_around(name)

    def slopes(steps: int) -> np.ndarray:
        with double():
            state = forward(draws.beat, draws.parameters, draws.steady.state, steps).state
        return whitened(draws, jacobian(draws, steps, state))

    worst = np.max(np.abs(slopes(draws.model.steps) - slopes(draws.model.steps * FINER)), axis=(0, 1))
    assert len(NOISE) == 13 and np.all(np.isfinite(worst))
    assert np.median(worst) <= 0.02
    assert np.sum(worst > 0.05) <= 1, "one patient in twenty may be beyond, and takes more steps; of twelve, one"
