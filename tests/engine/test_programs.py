"""Programs kept for jobs: taken from the folder instead of traced again, and never in another's stead."""

from __future__ import annotations

import dataclasses
import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.calibration.problem import Problem
from hemotwin.core import registry
from hemotwin.engine import sources
from hemotwin.engine.beat import BeatMap
from hemotwin.engine.programs import SETTING, kept, named, sealed, with_seal
from hemotwin.engine.solvers.impulse import Impulse
from hemotwin.physiology.model import circulation
from hemotwin.physiology.observable import Observable, Observer
from hemotwin.physiology.observables.arterial import sbp

JOB = """
import jax.numpy as jnp, numpy as np
import hemotwin.engine.backends.native.call as call
from hemotwin.engine.beat import BeatMap
from hemotwin.engine.forward import forward
from hemotwin.engine.precision import double
from hemotwin.physiology.model import circulation
if {taken}:
    def refused(*_):
        raise AssertionError("native code was made again")
    call.native_program = refused
model = circulation("regazzoni_2022_a")
with double():
    found = forward(BeatMap(model.system), model.system.parameters.pack(model.values), None, 100)
print(found.state[:, 0].tobytes().hex())
"""


class Pair(NamedTuple):
    one: Any
    other: Any


def mine(beat: Any) -> Any:
    """A reading of a user's own."""
    return 2.0 * beat.mean("pressure", "lv")


@dataclasses.dataclass(frozen=True)
class OwnStep(Impulse):
    """A step of a user's own."""


def double_of(pair: Pair, factor: Any) -> Pair:
    return Pair(pair.one * factor, pair.other + 1.0)


def refused(*_: Any) -> Any:
    raise AssertionError("traced again")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(SETTING, str(tmp_path))
    return tmp_path


def run(function: Any, about: Any = "doubled") -> Pair:
    call = kept(function, jax.jit(function), about)
    return call(Pair(jnp.arange(3.0), jnp.ones(3)), 2)


def test_a_program_is_taken_from_the_folder_and_not_traced_again(place: Path):
    first = run(double_of)
    assert len(list(place.iterdir())) == 1
    again = run(refused)
    assert isinstance(again, Pair)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_name_and_another_shape_are_other_programs(place: Path):
    run(double_of)
    with pytest.raises(AssertionError, match="traced again"):
        run(refused, "something else")
    call = kept(refused, jax.jit(refused), "doubled")
    with pytest.raises(AssertionError, match="traced again"):
        call(Pair(jnp.arange(4.0), jnp.ones(4)), 2)


def test_a_process_whose_sources_changed_under_it_keeps_and_takes_nothing(place: Path, monkeypatch: pytest.MonkeyPatch):
    run(double_of)
    monkeypatch.setattr(sources, "unchanged", lambda: False)
    with pytest.raises(AssertionError, match="traced again"):
        run(refused)
    run(lambda pair, factor: double_of(pair, factor), "something else")
    assert len(list(place.iterdir())) == 1


def test_a_damaged_file_is_made_again(place: Path):
    run(double_of)
    (file,) = place.iterdir()
    whole = bytearray(file.read_bytes())
    whole[-1] ^= 1
    file.write_bytes(whole)
    np.testing.assert_array_equal(run(double_of).one, [0.0, 2.0, 4.0])
    np.testing.assert_array_equal(run(refused).one, [0.0, 2.0, 4.0])


def test_a_file_that_may_not_be_read_is_made_again(place: Path, monkeypatch: pytest.MonkeyPatch):
    """Another user's, or one that was deleted after it had been seen."""
    run(double_of)
    (file,) = place.iterdir()
    read, kept_content = Path.read_bytes, sealed(file)
    assert kept_content is not None and with_seal(kept_content) == file.read_bytes()
    for error in (PermissionError, FileNotFoundError):

        def refuses(path: Path, error: type[OSError] = error) -> bytes:
            if path == file:
                raise error(path)
            return read(path)

        monkeypatch.setattr(Path, "read_bytes", refuses)
        assert sealed(file) is None
        np.testing.assert_array_equal(run(double_of).one, [0.0, 2.0, 4.0])


def test_without_a_folder_or_a_name_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(SETTING, raising=False)
    compiled = jax.jit(double_of)
    assert kept(double_of, compiled, "doubled") is compiled
    monkeypatch.setenv(SETTING, str(tmp_path))
    assert kept(double_of, compiled, ("doubled", object())) is compiled


def test_a_beat_is_named_by_its_circulation_and_what_it_reads_and_only_one_of_our_own():
    names = [named(BeatMap(circulation(name).system)) for name in ("adult", "r0")]
    names.append(named(BeatMap(circulation("adult", valves="closed_form").system)))
    assert None not in names and len(set(names)) == 3
    assert named(BeatMap(circulation("adult").system)) == names[0]
    changed = dataclasses.replace(circulation("adult").system, constants={"heart_rate": 60.0})
    assert named(BeatMap(changed)) is None


def reader(*names: str) -> Observer:
    return Observer(circulation("adult").system, names)


def fit(*names: str) -> Problem:
    return Problem(circulation("adult").system, names, ("stressed_volume",), (), (-1,) * len(names), (True,))


@pytest.mark.parametrize("kind", [reader, fit])
@pytest.mark.parametrize("define", [mine, functools.wraps(sbp)(lambda beat: mine(beat)), functools.partial(sbp)])
def test_what_reads_an_observable_of_ones_own_has_no_name(define: Any, kind: Any, monkeypatch: pytest.MonkeyPatch):
    """Its definition stands in no source that could be told, even where it bears the name of one that does."""
    assert named(kind("sbp", "lvef")) is not None
    monkeypatch.setitem(registry._parts["observable"], "mine", Observable("mine", "mmHg", define))
    assert named(kind("sbp", "mine")) is None


def test_an_observable_is_named_by_what_defines_it(monkeypatch: pytest.MonkeyPatch):
    """A definition of the package under another name, and one that says otherwise what it is the larger of."""
    names = [named(fit(name)) for name in ("sbp", "dbp", "ra_pressure_max")]
    parts = registry._parts["observable"]
    changed = [parts["dbp"], dataclasses.replace(parts["ra_pressure_max"], larger_of=("ra_v_wave", "ra_pressure_mean"))]
    for name, other in zip(("sbp", "ra_pressure_max"), changed, strict=True):
        monkeypatch.setitem(parts, name, other)
        names.append(named(fit(name)))
    assert None not in names and len(set(names)) == 5


def test_a_beat_with_a_step_of_ones_own_has_no_name():
    system = circulation("adult").system
    assert named(BeatMap(system, solver=Impulse())) is not None
    assert named(BeatMap(system, solver=OwnStep())) is None


def test_a_job_takes_native_code_that_another_made(place: Path):
    """Two processes: the second refuses to generate, and ends with the same bits."""
    out = []
    for taken in (False, True):
        done = subprocess.run([sys.executable, "-c", JOB.format(taken=taken)], cwd=Path(__file__).parents[2],
                              env={**os.environ, "XDG_CACHE_HOME": str(place / "cache")}, capture_output=True,
                              text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        out.append(done.stdout.strip())
    assert out[0] == out[1] and len(out[0]) > 100
