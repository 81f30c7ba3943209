"""A what-if is solved on as many steps as its best mode needs, with its baseline and its draws on the same."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import pytest

import hemotwin as ht
from hemotwin.calibration.summary import Readings
from hemotwin.calibration.twin import CalibratedTwin
from hemotwin.core.errors import InputError
from hemotwin.core.status import Status
from hemotwin.engine.forward import Forward
from hemotwin.physiology.scenario import Scenario
from hemotwin.prediction import paired
from hemotwin.prediction.outcome import Prediction
from hemotwin.prediction.paired import Paired
from hemotwin.prediction.regulated import Answer
from tests.calibrated import twins

BOLUS = ht.scenario("fluid_bolus", volume="500 mL", over="10 min")
REFLEXES = [None, "baroreflex"]
DRAWS = 3


def on(steps: int, patient: str = "P1") -> CalibratedTwin:
    """A twin as if it had been solved on so many steps; what it holds are the answers on 400."""
    one = twins()[patient]
    return dataclasses.replace(one, provenance={**one.provenance, "steps": steps})


@functools.cache
def answer(steps: int, reflex: str | None, patient: str = "P1") -> Prediction:
    return ht.predict(on(steps, patient), BOLUS, draws=DRAWS, reflex=reflex)[patient]


def solved(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Steps and lanes of every what-if that is solved from here on."""
    seen, real = [], paired.answered

    def told(*given: Any) -> Answer:
        seen.append((given[-1], given[1].shape[1]))
        return real(*given)

    monkeypatch.setattr(paired, "answered", told)
    return seen


@pytest.mark.parametrize("reflex", REFLEXES)
def test_a_what_if_whose_certificate_fails_is_that_of_the_steps_on_which_it_holds(reflex: str | None):
    found, fine = answer(100, reflex), answer(400, reflex)
    assert found.status == fine.status == Status.OK and found.certificate is not None
    assert found.provenance["steps"] == fine.provenance["steps"] == 400
    assert found.certificate.sentence.startswith("Numerical errors at 400 steps: ")
    for name in ("baseline", "after"):
        np.testing.assert_allclose(found.dataset[name].values, fine.dataset[name].values, rtol=1e-6, atol=1e-6)
    assert found.waves["time"].size == fine.waves["time"].size == found.baseline_waves["time"].size


def test_the_mode_looks_for_its_steps_alone_and_the_draws_take_them(monkeypatch: pytest.MonkeyPatch):
    seen = solved(monkeypatch)
    ht.predict(on(100), BOLUS, draws=DRAWS)
    assert seen == [(100, 1 + DRAWS), (50, 1), (25, 1), (200, 1), (400, 1), (400, DRAWS)]


@pytest.mark.parametrize("scenario", [BOLUS, ht.scenario("bleeding", volume="3000 mL")])
def test_a_what_if_that_holds_or_leaves_its_bounds_is_tried_on_no_finer_steps(
    monkeypatch: pytest.MonkeyPatch, scenario: Scenario
):
    seen = solved(monkeypatch)
    found = ht.predict(on(400), scenario, draws=DRAWS)["P1"]
    assert seen == [(400, 1 + DRAWS), (200, 1), (100, 1)] and found.provenance["steps"] == 400
    assert found.status == (Status.OK if scenario is BOLUS else Status.UNPHYSIOLOGICAL)


def test_draws_keep_their_steps_where_no_steps_give_the_mode_a_beat(monkeypatch: pytest.MonkeyPatch):
    seen, real = solved(monkeypatch), paired.answered

    def beatless(*given: Any) -> Answer:
        found = real(*given)
        status = np.concatenate([[int(Status.ALTERNANS)], found.status[1:]])
        lost = found.readings.solved._replace(status=status)
        return Answer(
            Readings(found.readings.names, found.readings.units, found.readings.values, lost), found.rows, status
        )

    monkeypatch.setattr(paired, "answered", beatless)
    found = ht.predict(on(400), BOLUS, draws=DRAWS)["P1"]
    assert [n for n, lanes in seen if lanes > 1] == [400] and max(seen)[0] == 3200
    assert found.status == Status.ALTERNANS and found.certificate is None and found.provenance["steps"] == 400
    assert found.failed == 0 and found.dataset["sound"].values.tolist() == [False, True, True, True]


def test_the_baseline_is_solved_on_the_same_steps_as_the_what_if():
    twin = on(100)
    stored = twin.posterior.copy(deep=True)
    stored["readings"] = 1.01 * stored["readings"]
    found = ht.predict(dataclasses.replace(twin, posterior=stored), BOLUS, draws=DRAWS)["P1"]
    fine = answer(400, None)
    np.testing.assert_allclose(found.dataset["baseline"].values, fine.dataset["baseline"].values, rtol=1e-6, atol=1e-6)


def test_a_mode_without_a_steady_beat_on_few_steps_is_looked_for_on_finer_ones():
    """None of P2's is found on 20; 160, the finest that is tried, are still too few, and the advice says so."""
    found = answer(20, None, "P2")
    assert found.status == Status.STEP_LIMIT and found.certificate is not None and found.provenance["steps"] == 160
    assert found.certificate.sentence.startswith("Numerical errors exceed their limits at 160 steps: ")
    assert "up to eight times as many were tried" in found.note and found.failed == 0


def test_a_baseline_without_a_steady_beat_is_looked_for_on_finer_steps():
    stored = twins()["P1"].posterior.copy(deep=True)
    stored["sound"][0], stored["status"][0] = False, int(Status.NOT_PERIODIC)
    found = ht.predict(dataclasses.replace(twins()["P1"], posterior=stored), BOLUS, draws=0)["P1"]
    assert found.status == Status.OK and found.provenance["steps"] == 800
    for name in ("baseline", "after"):
        one, same = (x.dataset[name].sel(observable="map").values[0] for x in (found, answer(400, None)))
        assert one == pytest.approx(same, abs=0.1)


def pressure_of(value: float, status: Status) -> Paired:
    """An answer of one lane with one reading."""
    values = np.array([[value]])
    forward = Forward(np.zeros((2, 1)), np.zeros(1), np.array([status]), values)
    sound = forward._replace(status=np.array([Status.OK]))
    base, after = (Readings(("map",), ("mmHg",), values, one) for one in (sound, forward))
    return Paired(base, Answer(after, np.zeros((3, 1)), np.array([status])), 400)


@pytest.mark.parametrize(
    ("half", "quarter", "ok"),
    [
        (pressure_of(100.01, Status.OK), pressure_of(105.0, Status.OK), False),
        (pressure_of(100.01, Status.OK), pressure_of(105.0, Status.NOT_PERIODIC), True),
        (pressure_of(100.01, Status.OK), InputError("too few steps"), True),
        (pressure_of(100.01, Status.NOT_PERIODIC), pressure_of(100.05, Status.OK), False),
    ],
)
def test_a_beat_that_was_not_found_neither_fails_a_what_if_nor_passes_it(
    monkeypatch: pytest.MonkeyPatch, half: Paired, quarter: Paired | InputError, ok: bool
):
    monkeypatch.setattr(paired, "volume_balance", lambda *given: 0.0)
    judged = paired._judged(ht.circulation("adult"), pressure_of(100.0, Status.OK), half, quarter, 400).certificate
    assert judged is not None and judged.ok == ok
