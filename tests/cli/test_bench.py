"""`hemotwin bench`: runs in turn, compile time apart, a table that holds only what was measured."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.calibration.priors import load_prior
from hemotwin.cli import bench, main, speed
from hemotwin.cli.speed import Accuracy, Case
from hemotwin.engine.beat import BeatMap
from hemotwin.engine.compile_clock import CompileClock
from hemotwin.engine.forward import Forward, equal_start
from hemotwin.physiology.model import circulation

GOOD = Accuracy(400, 0.02, 0.012, 0.0019, 0.011, 0.02, 3e-4, 3e-4, 7e-10, 1.0)
COMPILED = 1.5  # s that the stand-in's clock claims for every first call


class ReadyClock(CompileClock):
    """A clock by which every first call compiles for the same time."""

    def between(self, start: float, stop: float) -> float:
        return COMPILED


def quiet(sentence: str) -> None:
    """Progress that nobody reads."""


@pytest.fixture
def calls(monkeypatch):
    """The engine replaced by runs that only note their name."""
    noted: list[str] = []

    def case(what: str, patients: int = 4, beats: bool = False) -> Case:
        return Case(what, patients, "float64", lambda: noted.append(what), beats, essential=beats)

    system = SimpleNamespace(state=range(13))
    patients = SimpleNamespace(
        free=range(20), rows=SimpleNamespace(shape=(5, 64)), model=SimpleNamespace(system=system)
    )
    monkeypatch.setattr(speed, "drawn", lambda count: patients)
    cases = [case("beat", 4, True), case("steady beat"), case("Jacobian")]
    monkeypatch.setattr(speed, "engine_cases", lambda patients, sizes, solved: cases)
    monkeypatch.setattr(speed, "accuracy", lambda patients, sensitivities: GOOD)
    monkeypatch.setattr(speed, "calibration_case", lambda count: case("calibration", count))
    monkeypatch.setattr("hemotwin.engine.compile_cache.enable", lambda: None)
    return noted


def test_cases_run_in_turn_after_each_has_compiled_once():
    noted: list[str] = []
    cases = [Case(name, 1, "float64", lambda name=name: noted.append(name)) for name in "ab"]
    found, left_out = speed.timed(cases, 3, ReadyClock(), quiet)
    assert "".join(noted) == "ab" + "ababab"
    assert [len(one.seconds) for one in found] == [3, 3]
    assert [one.compiling for one in found] == [COMPILED, COMPILED]
    assert left_out == []


def test_time_per_patient_is_the_median_of_the_runs_without_the_first():
    naps = iter([0.2, 0.0, 0.03, 0.0])  # the first call, which compiles, then three runs
    (one,), _ = speed.timed([Case("nap", 10, "float64", lambda: time.sleep(next(naps)))], 3, ReadyClock(), quiet)
    assert max(one.seconds) >= 0.03
    assert one.per_patient == sorted(one.seconds)[1] / 10
    assert one.per_patient < 0.003  # neither the first call nor the one slow run


def test_after_the_limit_only_essential_cases_are_begun_and_the_rest_is_named():
    cases = [Case("late", 1, "float64", lambda: pytest.fail("begun after the limit"))]
    found, left_out = speed.timed(cases, 3, ReadyClock(), quiet, until=0.0)
    assert found == [] and left_out == cases
    beat = Case("beat", 1, "float64", lambda: None, essential=True)
    found, left_out = speed.timed([beat], 3, ReadyClock(), quiet, until=0.0)
    assert len(found) == 1 and left_out == []


def test_each_case_runs_in_its_own_precision():
    import jax.numpy as jnp

    seen: list[str] = []
    cases = [Case("x", 1, kind, lambda: seen.append(str(jnp.asarray(1.0).dtype))) for kind in ("float32", "float64")]
    speed.timed(cases, 1, ReadyClock(), quiet)
    assert seen == ["float32", "float64"] * 2


def test_table_holds_device_versions_accuracy_and_every_row(calls, capsys, tmp_path):
    assert main(["bench", "--quick", "--json", str(tmp_path / "b.json")]) == 0
    shown = capsys.readouterr().out
    lines = shown.strip().splitlines()
    assert lines[0].startswith("### hemotwin 0.") and " CPU, 20" in lines[0]
    for text in ("jaxlib", "400 steps per beat", "Accuracy (certified)", "0.02 mmHg", "float32 within 0.0003 mmHg",
                 "| one beat, 12 readings | 4 | float64 |", "by 20 quantities", "33 tangents",
                 "calibration: 1 run", "Not for clinical use."):  # fmt: skip
        assert text in shown
    table = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in table} == {8}
    found = json.loads((tmp_path / "b.json").read_text())
    assert [row["what"] for row in found["rows"]] == ["beat", "steady beat", "Jacobian", "calibration"]
    assert [len(row["seconds"]) for row in found["rows"]] == [3, 3, 3, 1]
    assert found["accuracy"]["pressure"] == 0.02
    assert found["provenance"]["date"][:4] in lines[0]


def test_full_run_takes_more_runs_and_names_no_row_as_left_out(calls, capsys):
    assert main(["bench"]) == 0
    assert calls.count("beat") == 1 + bench.ROUNDS
    assert calls.count("calibration") == 1 + bench.FIT_ROUNDS
    assert "Left out" not in capsys.readouterr().out


def test_quick_run_out_of_time_says_what_it_left_out(calls, capsys, monkeypatch):
    monkeypatch.setattr(bench, "QUICK_LIMIT", 0.0)
    asked, values = [], GOOD._replace(sensitivity_median=None, sensitivity_most=None, finer=None)
    monkeypatch.setattr(speed, "accuracy", lambda patients, sensitivities: asked.append(sensitivities) or values)
    assert main(["bench", "--quick"]) == 0
    shown = capsys.readouterr().out
    assert "Left out for want of time: steady beat, Jacobian, calibration" in shown
    assert "certified for values alone" in shown and "sensitivities not looked at" in shown
    assert asked == [False]  # the Jacobian's program is not compiled for its accuracy alone


def test_answers_beyond_the_limits_are_not_called_certified(calls, capsys, monkeypatch):
    bad = GOOD._replace(pressure=0.4)
    monkeypatch.setattr(speed, "accuracy", lambda patients, sensitivities: bad)
    assert main(["bench", "--quick"]) == 0
    assert "**Accuracy beyond its limits**" in capsys.readouterr().out
    assert GOOD.certified and not GOOD._replace(sensitivity_most=0.06).certified
    assert not GOOD._replace(sensitivity_median=0.03).certified and not GOOD._replace(volume=float("nan")).certified
    assert GOOD._replace(sensitivity_median=None, sensitivity_most=None, finer=None).certified


def test_busy_machine_is_named(calls, capsys, monkeypatch):
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 0.0, 0.0))
    assert main(["bench", "--quick"]) == 0
    assert "the machine was busy" in capsys.readouterr().out


@pytest.mark.parametrize(("nvidia", "asked"), [(True, "xla"), (False, "auto")], ids=["XLA asked for", "another's GPU"])
def test_a_gpu_without_a_kernel_is_timed_as_the_engine_runs_it(monkeypatch, nvidia, asked):
    """Through XLA, as its choice says, and not by a kernel that was not asked for or is refused there."""
    monkeypatch.setenv("HEMOTWIN_BACKEND", asked)
    monkeypatch.setattr("hemotwin.engine.backends.choice.on_nvidia", lambda: nvidia)
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    model = circulation("r0")
    rows, beat = np.asarray(model.system.parameters.pack(model.values, 2)), BeatMap(model.system)
    state = np.asarray(equal_start(model.system, jnp.asarray(rows)))
    steady = Forward(state, np.zeros(2), np.zeros(2), np.zeros((0, 2)))
    patients = speed.Patients(model, beat, load_prior("adult_wide").for_patient({}), rows, steady, 1.0)
    case = speed.engine_cases(patients, (2,), 2)[0]
    (found,), _ = speed.timed([case], 1, ReadyClock(), quiet)
    assert (case.what, case.precision) == ("beat", "float32") and len(found.seconds) == 1


@pytest.mark.slow
def test_the_engine_is_timed_and_certified_on_real_patients():
    patients = speed.drawn(8)
    cases = speed.engine_cases(patients, (1, 8), 8)
    found, _ = speed.timed(cases, 1, ReadyClock(), quiet)
    assert [one.case.what for one in found] == ["beat"] * 4 + ["steady beat", "Jacobian"]
    assert all(one.seconds[0] > 0.0 for one in found)
    seen = speed.accuracy(patients)
    assert seen.certified and 0.0 < seen.float32_pressure < 0.05
    assert seen.sensitivity_most is not None and seen.sensitivity_most > 0.0
