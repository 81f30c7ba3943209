"""JAX's transformations around beats and what is compiled of them: batched, differentiated, inside other programs."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.errors import InputError
from hemotwin.engine import programs
from hemotwin.engine.adjoint import steady_readings
from hemotwin.engine.backends.native import call
from hemotwin.engine.beat import BeatMap, compiled
from hemotwin.engine.compilation import compiled_for_device
from hemotwin.engine.forward import forward
from hemotwin.engine.periodic import steady_beat
from hemotwin.engine.precision import double
from tests.engine.kernels import STEPS, patients, small_beat

native = pytest.mark.skipif(
    bool(call.why_not()) or jax.default_backend() != "cpu", reason="native code needs a CPU and llvmlite"
)
LANES = 3


def rows() -> tuple[jax.Array, jax.Array]:
    return patients(count=LANES)


def one_by_one(array: jax.Array) -> jax.Array:
    """Rows [P, B] as B batches of one lane."""
    return array.T[:, :, None]


def of_native(beat: BeatMap) -> BeatMap:
    return dataclasses.replace(beat, backend="native")


@native
@pytest.mark.parametrize("free", [None, (0, 2)])
def test_batches_of_batches_are_beaten_one_after_another(free: Any):
    beat = of_native(small_beat())
    run = lambda p, x: tuple(beat(p, x, STEPS) if free is None else beat.linearised(p, x, STEPS, free))  # noqa: E731
    with double():
        together, apart = run(*rows()), jax.vmap(run)(*(one_by_one(x) for x in rows()))
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_array_equal(np.moveaxis(np.asarray(other)[..., 0], 0, -1), one)


@pytest.mark.slow
@native
def test_steady_readings_and_their_gradients_are_batched():
    read = steady_readings(of_native(small_beat()), STEPS)
    both = jax.value_and_grad(lambda p: jnp.sum(read(p) ** 2))
    with double():
        parameters = rows()[0]
        (whole, slopes), (values, apart) = both(parameters), jax.vmap(both)(one_by_one(parameters))
        np.testing.assert_allclose(np.sum(values), whole, rtol=1e-8)
        np.testing.assert_allclose(apart[..., 0].T, slopes, rtol=1e-8)


@native
def test_a_beat_of_native_code_has_the_derivative_of_its_tangents():
    beat = of_native(small_beat().bare())
    with double():
        parameters, state = rows()
        pushed = jax.jit(lambda p, x, n: jax.jvp(lambda p, x: beat(p, x, n).state, (p, x), (p, x))[1])
        slopes = beat.linearised(parameters, state, STEPS, tuple(range(len(parameters)))).state_jacobian
        expected = jnp.einsum("skb,kb->sb", slopes, jnp.concatenate([state, parameters]))
        np.testing.assert_allclose(pushed(parameters, state, STEPS), expected, rtol=1e-10, atol=1e-9)


@native
@pytest.mark.slow
def test_a_beat_of_native_code_is_differentiated_backwards():
    beat = of_native(small_beat().bare())
    with double():
        parameters, state = rows()
        found = jax.grad(lambda p: jnp.sum(beat(p, state, STEPS).state))(parameters)
        slopes = beat.linearised(parameters, state, STEPS, tuple(range(len(parameters)))).state_jacobian
        np.testing.assert_allclose(found, jnp.sum(slopes[:, len(state) :], axis=0), rtol=1e-9, atol=1e-9)


@native
def test_second_derivatives_of_native_code_are_refused_with_what_gives_them():
    beat = of_native(small_beat())
    with double(), pytest.raises(InputError, match="backend='xla'"):
        parameters, state = rows()
        jax.grad(lambda p: jnp.sum(beat.linearised(p, state, STEPS, ()).values))(parameters)


@native
def test_what_is_compiled_is_a_part_of_the_program_that_calls_it():
    beat = of_native(small_beat())
    with double():
        parameters, state = rows()
        for run in (
            lambda p, x: compiled(beat, None)(p, x, STEPS),
            lambda p, x: compiled(beat, (1,))(p, x, STEPS),
            lambda p, x: steady_beat(beat, p, x, STEPS),
        ):
            for one, other in zip(run(parameters, state), jax.jit(run)(parameters, state), strict=True):
                np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-9)


def test_what_solves_in_numpy_says_what_to_take_inside_a_program():
    beat = small_beat()
    for change in (jax.jit, jax.grad):
        with double(), pytest.raises(InputError, match="steady_readings"):
            change(lambda p: jnp.sum(forward(beat, p, None, STEPS).values))(rows()[0])


def test_a_program_with_options_is_a_part_of_others_and_keeps_its_own_errors(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
):
    """With numbers of its own too, and where programs are kept for jobs: a kept one has no derivative."""
    monkeypatch.setenv(programs.SETTING, str(tmp_path))
    square = compiled_for_device(lambda x: x * x, "square")
    ones = jnp.ones(2)
    assert jax.jit(square)(3.0) == 9.0 and jax.grad(square)(3.0) == 6.0 and jax.jit(jax.grad(square))(3.0) == 6.0
    np.testing.assert_array_equal(jax.jit(lambda x: square(3.0 * ones) + x)(1.0), [10.0, 10.0])
    np.testing.assert_array_equal(jax.vmap(square)(3.0 * ones), [9.0, 9.0])

    def refuses(x: Any) -> Any:
        raise ValueError("of the function")

    for run in (compiled_for_device(refuses), jax.jit(compiled_for_device(refuses))):
        with pytest.raises(ValueError, match="of the function"):
            run(1.0)
