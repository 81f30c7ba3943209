"""Claims of what a beat is given: other rows or lanes than the system's are refused before any code looks at them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.errors import InputError
from hemotwin.core.status import Status
from hemotwin.engine.backends.native.call import why_not
from hemotwin.engine.backends.pallas import Launch, on_backend
from hemotwin.engine.beat import BeatMap, compiled
from hemotwin.engine.forward import forward
from hemotwin.engine.periodic import steady_beat
from hemotwin.engine.precision import double
from hemotwin.engine.recording import curves, recorder
from hemotwin.engine.shapes import together
from tests.engine.kernels import STEPS, TYPICAL, patients, small_beat, small_loop

native = pytest.mark.skipif(bool(why_not()), reason=why_not())
BACKENDS = [pytest.param("native", marks=native), "xla", "pallas"]
WRONG = {
    "a row of parameters less": ((4, 8), (5, 8), r"`parameters` must have shape \[5, lanes\], .* but has \(4, 8\)"),
    "a row of parameters more": ((6, 8), (5, 8), r"`parameters` must have shape \[5, lanes\], .* but has \(6, 8\)"),
    "a row of the state less": ((5, 8), (4, 8), r"`state` must have shape \[5, lanes\], .* but has \(4, 8\)"),
    "a row of the state more": ((5, 8), (6, 8), r"`state` must have shape \[5, lanes\], .* but has \(6, 8\)"),
    "fewer lanes of the state": ((5, 8), (5, 7), r"`state` must have a lane for each of `parameters`.*\(5, 7\)"),
    "fewer lanes of parameters": ((5, 7), (5, 8), r"`state` must have a lane for each of `parameters`.*\(5, 8\)"),
}


def beat_on(backend: str) -> BeatMap:
    return on_backend(small_beat(), backend, Launch(interpret=True) if backend == "pallas" else None)


@pytest.mark.parametrize("shapes", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("backend", BACKENDS)
def test_other_rows_or_lanes_than_the_systems_are_refused(backend: str, shapes: tuple[Any, Any, str]):
    beat, signals = beat_on(backend), (("pressure", 0),)
    given = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes[:2]]
    programs = {
        "beat": lambda p, x: beat(p, x, STEPS),
        "derivatives": lambda p, x: beat.linearised(p, x, STEPS, (0,)),
        "steady beat": lambda p, x: steady_beat(beat, p, x, STEPS),
        "record": recorder(BeatMap(beat.system, (), beat.solver, beat.backend), STEPS, 1, signals),
    }
    for name, program in programs.items():
        if name != "record" or backend != "pallas":  # a record is the beat's own, never a kernel's
            with double(False), pytest.raises(InputError, match=shapes[2]):
                jax.eval_shape(program, *given)


@pytest.mark.parametrize("few", ["parameters", "state"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_one_lane_serves_for_all(backend: str, few: str):
    with double():
        rows, state = patients(count=5)
        rows, state = (
            (rows[:, :1], state * jnp.linspace(0.9, 1.1, 5)[None]) if few == "parameters" else (rows, state[:, :1])
        )
        run = jax.jit(beat_on(backend).__call__)
        found = run(rows, state, STEPS)
        expected = run(*(jnp.broadcast_to(x, (5, 5)) for x in (rows, state)), STEPS)
    for one, other in zip(found, expected, strict=True):
        assert one.shape[1] == 5
        np.testing.assert_array_equal(one, other)


def test_what_fits_is_passed_on_as_it_is():
    """So that neither a compiled program nor a call on plain arrays holds a copy."""
    rows, state = patients(jnp.float32)
    assert all(x is y for x, y in zip(together(small_loop(), rows, state), (rows, state), strict=True))


BAD = {
    "rows": (TYPICAL[:-1, None], r"`parameters` must have shape \[5, lanes\], .* but has \(4, 1\)"),
    "one axis": (TYPICAL, r"`parameters` must have shape \[5, lanes\], .* but has \(5,\)"),
    "no lane": (
        np.zeros((5, 0)),
        r"`parameters` must have shape \[5, lanes\], with one lane or more, but has \(5, 0\)",
    ),
    "objects": (TYPICAL[:, None].astype(object), "`parameters` must be an array of real numbers .* holds objects"),
    "text": ([["70"]] * 5, "`parameters` must be an array of real numbers"),
    "uneven": ([[70.0], [1.6, 1.7]], "`parameters` must be an array of real numbers"),
    "complex": (TYPICAL[:, None].astype(complex), "`parameters` must be an array of real numbers .* complex128s"),
}


@pytest.mark.parametrize(("parameters", "message"), BAD.values(), ids=BAD.keys())
def test_parameters_that_are_none_are_refused(parameters: Any, message: str):
    with double(), pytest.raises(InputError, match=message):
        forward(small_beat(), parameters, None, STEPS)
    with double(), pytest.raises(InputError, match=message):
        curves(small_beat(), parameters, patients(count=1)[1], STEPS, [("pressure", "heart")])


def test_a_guess_that_does_not_fit_is_refused():
    rows, guess = (np.asarray(x, float) for x in patients(jnp.float32, 5))
    for start, message in (
        (guess[:-1], r"`guess` must have shape \[5, lanes\]"),
        (guess[:, :3], "`guess` must have a lane"),
    ):
        with double(), pytest.raises(InputError, match=message):
            forward(small_beat(), rows, start, STEPS)


@pytest.mark.parametrize("asked", [0, -3, 4, True, 2**33])
def test_steps_that_are_none_are_refused(asked: int):
    rows, state = (np.asarray(x, float) for x in patients(jnp.float32, 1))
    message = "`steps` must be a whole number of steps per beat from 5 to 100000, but got"
    with double(), pytest.raises(InputError, match=message):
        forward(small_beat(), rows, None, asked)
    with double(), pytest.raises(InputError, match=message):
        curves(small_beat(), rows, state, asked, [("pressure", "heart")])


@pytest.mark.parametrize("choice", [{"bank": 0}, {"warm_up": -1}])
def test_numbers_of_lanes_and_beats_that_are_none_are_refused(choice: dict[str, Any]):
    rows = np.asarray(patients(jnp.float32, 1)[0], float)
    with double(), pytest.raises(InputError, match=f"`{next(iter(choice))}` must be a whole number"):
        forward(small_beat(), rows, None, STEPS, **choice)


def test_whatever_holds_the_same_numbers_gives_the_same_answer():
    rows = np.array([[70.0], [2.0], [1.0], [1.5], [700.0]]).repeat(3, axis=1)
    others = {
        "list": rows[:, :1].tolist(), "long": rows.astype(np.longdouble), "swapped": rows.astype(">f8"),
        "strided": rows[:, ::2], "half": rows.astype(np.float16),
        "read only": np.broadcast_to(rows[:, :1], (5, 3)),
    }  # fmt: skip
    with double():
        others["of JAX"] = jnp.asarray(rows)
        expected = forward(small_beat(), rows, None, STEPS)
        for name, same in others.items():
            found = forward(small_beat(), same, None, STEPS)
            assert found.state.dtype == np.float64, name
            np.testing.assert_allclose(found.values, expected.values[:, : found.values.shape[1]], rtol=1e-9)
        whole = forward(small_beat(), np.array([[70], [2], [1], [1], [700]]), None, STEPS)
        assert np.all(whole.status == int(Status.OK)) and whole.state.dtype == np.float64


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_guess_of_another_precision_or_of_one_lane_serves(precision: str):
    other = {"float32": "float64", "float64": "float32"}[precision]
    rows, guess = patients(jnp.float32, 3)
    with double():
        found = forward(small_beat(), np.asarray(rows, precision), np.asarray(guess[:, :1], other), STEPS)
    assert found.state.dtype == precision and np.all(found.status == int(Status.OK))


def test_a_compiled_beat_refuses_too():
    """The call of a program, as users of `compiled` make it."""
    with double():
        rows, state = patients()
        with pytest.raises(InputError, match="`state` must have shape"):
            compiled(small_beat(), None)(rows, state[:-1], STEPS)
