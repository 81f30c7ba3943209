"""Is the gradient of the steady beat converged in the step, and Newton sure of its beat?

Whitened Jacobian (prior sd over noise sd, 13 readings x all free quantities, timings and heart rate included) at 400
against 6,400 steps, 128 draws of `adult_wide` (--quick: 16; --full: 1,024). Prints `bar <name> <measured> limit <limit>
ok|MISSED` for the largest entry of each draw and of each reading (median and 95th percentile); exits 1 on a miss.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from hemotwin.engine.forward import forward
from hemotwin.engine.precision import double
from tests.engine.sensitivity import NOISE, jacobian, whitened
from tests.problems import drawn

COARSE, FINE, MEDIAN, MOST = 400, 6400, 0.02, 0.05


def bar(name: str, error: np.ndarray) -> int:
    """Print the two lines of one question and count what is missed."""
    missed = 0
    for label, value, limit in (("median", np.median(error), MEDIAN), ("95%", np.quantile(error, 0.95), MOST)):
        missed += value > limit
        print(f"bar gradient.{name}.{label} {value:.4f} limit {limit:g} {'MISSED' if value > limit else 'ok'}")
    return int(missed)


def main() -> int:
    """Compare the two resolutions and say whether the gradient holds."""
    draws = drawn("adult_wide", 16 if "--quick" in sys.argv else 1024 if "--full" in sys.argv else 128)
    found = {}
    for steps in (COARSE, FINE):
        with double():
            steady = forward(draws.beat, draws.parameters, draws.steady.state, steps)
        found[steps] = whitened(draws, jacobian(draws, steps, steady.state))
    error = np.max(np.abs(found[COARSE] - found[FINE]), axis=1)
    missed = bar("all", np.max(error, axis=0))
    for row, name in enumerate(NOISE):
        missed += bar(name, error[row])
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
