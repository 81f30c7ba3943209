"""What every registered observable must hold: its unit, its plausible range and a derivative."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml

import hemotwin
from hemotwin.core.registry import known
from hemotwin.core.units import convert
from hemotwin.engine.precision import double
from tests.problems import BODY_SURFACE_AREA, observer_of, solved

CODES = Path(str(resources.files(hemotwin))) / "configs" / "codes" / "observables.yaml"
NAMES = tuple(known("observable"))


def data() -> dict[str, dict]:
    return yaml.safe_load(CODES.read_text())["observables"]


def test_the_registered_observables_are_those_of_the_data():
    assert set(NAMES) == set(data())


@pytest.mark.parametrize("name", NAMES)
def test_the_declared_unit_is_that_of_the_data(name: str):
    assert convert(1.0, known("observable")[name].unit, data()[name]["unit"]) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_plausible_range_covers_the_default_circulation(name: str):
    low, high = data()[name]["plausible"]
    assert low < solved("adult").readings[name] < high


@pytest.mark.parametrize("name", NAMES)
def test_it_has_a_derivative_and_says_what_it_is(name: str):
    """Finite derivatives in every reduction, parameter row and the body's surface; not all of them zero."""
    one, observer = solved("adult"), observer_of(solved("adult").model)
    assert known("observable")[name].doc
    with double():
        values = jnp.asarray(one.steady.values[: len(observer.reductions)])
        size = jnp.full((1,), BODY_SURFACE_AREA)
        row = observer.names.index(name)
        slopes = jax.grad(lambda *x: observer(*x)[row, 0], argnums=(0, 1, 2))(values, jnp.asarray(one.parameters), size)
        slopes = [np.asarray(slope) for slope in slopes]
    assert all(np.all(np.isfinite(slope)) for slope in slopes)
    assert any(np.any(slope != 0.0) for slope in slopes)
