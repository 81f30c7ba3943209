"""What every registered part of a circulation must hold; a new part is tested by being registered."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.quantity import declared
from hemotwin.core.registry import known
from hemotwin.core.units import parse_unit
from hemotwin.engine.precision import double

PRESSURES, VOLUMES = (-30.0, -1e-3, 0.0, 1e-3, 3.0, 120.0), (0.0, 5.0, 12.0, 80.0, 300.0)


class Formula(NamedTuple):
    """A method of a kind of part: its inputs (unit and samples, kinks included) and its output's unit."""

    method: str
    inputs: tuple[tuple[str, tuple[float, ...]], ...]
    unit: str


RESISTANCE, INERTANCE, LOSS = "mmHg.s/mL", "mmHg.s2/mL", "mmHg.s2/mL2"
CONDUIT = (
    Formula("resistance_of", (), RESISTANCE),
    Formula("inertance_of", (), INERTANCE),
    Formula("loss_of", (), LOSS),
)
FLOW = Formula("flow", (("mmHg", PRESSURES), (RESISTANCE, (0.0, 0.1, 0.01, 0.0, 0.1, 0.1))), "mL/s")
LEAFLETS = (
    Formula("column_of", (), "mmHg.s2.cm2/mL"),
    Formula("head_of", (), "mmHg.s2.cm4/mL2"),
    Formula("opening_of", (), "1/(mmHg s)"),
    Formula("closing_of", (), "1/(mmHg s)"),
)
FORMULAS = {
    "chamber": (Formula("pressure", (("mL", VOLUMES), ("1", (0.0, 1.0, 0.3, 0.0, 0.9))), "mmHg"),),
    "vessel": (Formula("pressure", (("mL", VOLUMES),), "mmHg"),),
    "valve": (*CONDUIT, *LEAFLETS, FLOW),
    "conduit": CONDUIT,
    "activation": (Formula("activation", (("s", (0.0, 0.1, 0.3, 0.7, 0.8)), ("s", (0.8,) * 5)), "1"),),
    "reflex": (),  # its formulas span beats: tests/physiology/test_baroreflex.py
    "surroundings": (Formula("surrounding", (("mL", VOLUMES),), "mmHg"),),
}
# Formulas that hold a constant with a unit: blood density (valves with an orifice or a blood column), and the second in
# the square-root law of the systolic interval. Scales of mass, or of time, are then not free.
HOLDS_DENSITY = {
    "inertial_orifice", "inertial_resistor_valve", "closed_form_orifice", "regularised_orifice", "leaflet_orifice",
}  # fmt: skip
HOLDS_SECOND = {"double_hill"}


def cases(*, with_inputs: bool = False) -> list[Any]:
    found = []
    for kind, formulas in FORMULAS.items():
        for name, part in known(kind).items():
            for formula in formulas:
                method = getattr(part, formula.method, None)
                if method is None or not _defined(part, formula.method) or (with_inputs and not formula.inputs):
                    continue
                found.append(pytest.param(part(), formula, id=f"{name}.{formula.method}"))
    return found


def _defined(part: type, method: str) -> bool:
    """Whether a subclass of the abstract parts defines the method itself."""
    owner = next(c for c in part.__mro__ if method in vars(c))
    return not owner.__module__.endswith("physiology.interfaces")


def scaled(unit: str, scales: tuple[float, float, float]) -> float:
    """Power of the scales (metre, kilogram, second) that a unit implies."""
    return float(np.prod([s**n for s, n in zip(scales, parse_unit(unit).dimension, strict=True)]))


def call(part: Any, formula: Formula, values: dict[str, Any], inputs: list[Any]) -> Any:
    extra = [None] if part.kind == "vessel" else []
    return getattr(part.bound_to(values), formula.method)(*inputs, *extra)


def rows(part: Any) -> dict[str, Any]:
    """The part's own values but those that fold into the program."""
    return {q.name: q.value for q in part.quantities if not q.shape}


def inputs_of(formula: Formula, dtype: Any = float) -> list[Any]:
    return [jnp.asarray(samples, dtype) for _, samples in formula.inputs]


@pytest.mark.parametrize("kind", FORMULAS)
def test_every_field_has_unit_bounds_source_and_doc(kind: str):
    for name, part in known(kind).items():
        assert declared(part), name
        for q in declared(part):
            assert q.unit and q.doc and q.source, f"{name}.{q.name}"
            assert q.bounds[0] <= q.value <= q.bounds[1], f"{name}.{q.name}"
            parse_unit(q.unit)


@pytest.mark.parametrize(("part", "formula"), cases())
def test_the_output_scales_by_its_unit_when_every_input_does(part: Any, formula: Formula):
    rng = np.random.default_rng(0)
    metre, kilogram, second = np.exp(rng.uniform(-0.5, 0.5, 3))
    kilogram = metre**3 if part.registered_name in HOLDS_DENSITY else kilogram
    second = 1.0 if part.registered_name in HOLDS_SECOND else second
    scales = (metre, kilogram, second)
    with double():
        values = {q.name: q.value for q in part.quantities}
        grown = {q.name: q.value * scaled(q.unit, scales) for q in part.quantities}
        before = call(part, formula, values, inputs_of(formula))
        inputs = [x * scaled(unit, scales) for x, (unit, _) in zip(inputs_of(formula), formula.inputs, strict=True)]
        after = call(part, formula, grown, inputs)
        np.testing.assert_allclose(after, np.asarray(before) * scaled(formula.unit, scales), rtol=2e-4, atol=1e-12)


@pytest.mark.parametrize(("part", "formula"), cases())
def test_value_and_gradient_are_finite_at_kinks_and_bounds(part: Any, formula: Formula):
    bounds = {q.name: q.bounds for q in part.quantities if not q.shape}
    with double():
        for name in bounds:
            for end in bounds[name]:
                values = {k: jnp.asarray(v) for k, v in {**rows(part), name: end}.items()}
                function = lambda values, inputs: jnp.sum(call(part, formula, values, inputs) * 1.0)  # noqa: E731
                value, slopes = jax.value_and_grad(function, argnums=(0, 1))(values, inputs_of(formula))
                assert np.isfinite(value), f"{name} = {end}"
                assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(slopes)), f"{name} = {end}"


@pytest.mark.parametrize(("part", "formula"), cases(with_inputs=True))
def test_a_trailing_batch_equals_vmap(part: Any, formula: Formula):
    with double():
        together = call(part, formula, rows(part), inputs_of(formula))
        apart = jax.vmap(lambda *x: call(part, formula, rows(part), list(x)))(*inputs_of(formula))
        np.testing.assert_allclose(together, apart, rtol=1e-14)


@pytest.mark.parametrize(("part", "formula"), cases())
def test_float32_agrees_with_float64(part: Any, formula: Formula):
    with double():
        wide = np.asarray(call(part, formula, rows(part), inputs_of(formula, jnp.float64)))
    with double(False):
        narrow = np.asarray(call(part, formula, rows(part), inputs_of(formula, jnp.float32)))
    if formula.inputs:
        assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, wide, rtol=2e-5, atol=2e-6 * np.max(np.abs(wide)))


@pytest.mark.parametrize(("part", "formula"), cases())
def test_the_formula_lowers_for_cuda(part: Any, formula: Formula):
    values = {name: jnp.asarray(value, jnp.float32) for name, value in rows(part).items()}
    program = jax.jit(lambda values, inputs: call(part, formula, values, inputs) * 1.0)
    lowered = program.trace(values, inputs_of(formula, jnp.float32)).lower(lowering_platforms=("cuda",))
    assert "custom_call" not in lowered.as_text()
