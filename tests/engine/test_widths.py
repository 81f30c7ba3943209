"""Claims of the widths of blocks: they are a matter of speed alone."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from hemotwin.core.reduction import Reduction
from hemotwin.engine import forward as forward_room
from hemotwin.engine import quasi_newton as quasi_newton_room
from hemotwin.engine.beat import BeatMap
from hemotwin.engine.forward import Forward, forward
from hemotwin.engine.precision import double
from hemotwin.physiology.model import circulation

LANES, STEPS = 203, 120
READ = (Reduction("maximum", "pressure", "lv"), Reduction("mean", "flow", "aortic_valve"))


def solved(backend: str, precision: str) -> Forward:
    model = circulation("regazzoni_2022_a")
    rows = model.system.parameters.pack(model.values, LANES)
    rows = rows * np.exp(0.1 * np.random.default_rng(0).standard_normal(rows.shape))
    with double(precision == "float64"):
        return forward(BeatMap(model.system, READ, backend=backend), rows.astype(precision), None, STEPS)


usual = functools.cache(solved)


@pytest.mark.parametrize("precision", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("backend", "widths"),
    [
        ("auto", {"WIDTH": 24, "NARROW": 8, "NEWTON": 8}),
        pytest.param("auto", {"WIDTH": 512, "NARROW": 32, "NEWTON": 64}, marks=pytest.mark.slow),
        pytest.param("xla", {"WIDTH": 24, "NARROW": 8, "NEWTON": 16}, marks=pytest.mark.slow),
    ],
)
def test_answers_are_the_same_whatever_the_width_of_blocks(
    backend: str, widths: dict[str, int], precision: str, monkeypatch: pytest.MonkeyPatch
):
    """To some ten times the tolerance of a steady beat (1e-9 and 3e-4 mL). Most runs give the same to the last bit, but
    XLA may compile Newton's step otherwise for another width, and a lane at the tolerance then takes a beat more."""
    expected = usual(backend, precision)
    for name, width in widths.items():
        monkeypatch.setattr(forward_room if name == "NEWTON" else quasi_newton_room, name, width)
    monkeypatch.setattr(forward_room, "beat_width", lambda beat, count: widths["WIDTH"])
    found, within = solved(backend, precision), {"float64": 1e-8, "float32": 1e-4}[precision]
    np.testing.assert_array_equal(found.status, expected.status)
    for one, other in ((found.state, expected.state), (found.values, expected.values)):
        np.testing.assert_allclose(one, other, rtol=within, atol=100.0 * within)
