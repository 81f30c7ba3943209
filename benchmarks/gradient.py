"""Is the gradient of the steady beat that of the map which is solved, and is it converged in the step?

Of the map: against central differences of newly solved beats, over 32 draws of each prior (--quick: 8), as shares of
each reading's largest slope; differences that do not agree among themselves to 1e-6 (an event of that patient passes
from one step to the next) are counted apart. Converged: whitened Jacobian (prior sd over noise sd, 13 readings x all
free quantities, timings and heart rate included) at 400 against 6,400 steps over 128 draws of `adult_wide` (--quick:
16): the largest entry of each draw, of all readings and of each, its median and 95th percentile. `accuracy.py` asks it
of 1,024 draws of both priors and of the Regazzoni loop.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from bars import Bars

from hemotwin.engine.forward import forward
from hemotwin.engine.precision import double
from tests.engine.sensitivity import NOISE, disagreement, jacobian, whitened
from tests.problems import drawn

COARSE, FINE, MEDIAN, MOST = 400, 6400, 0.02, 0.05
SAME = 1e-6  # of the largest slope of a reading


def main() -> int:
    """Compare with differences and with the finer step and say whether the gradient holds; 1 when a bar is missed."""
    bars = Bars("gradient", __doc__ or "")
    for prior in ("adult_wide", "adult_healthy"):
        error, without = disagreement(drawn(prior, 8 if bars.quick else 32), COARSE)
        bars.most(f"differences.{prior}.largest", float(np.max(error)), SAME)
        bars.figure(f"differences.{prior}.median", float(np.median(error)))
        bars.figure(f"differences.{prior}.unsettled", 100.0 * float(np.mean(without)), "%")
    draws = drawn("adult_wide", 16 if bars.quick else 128)
    found = {}
    for steps in (COARSE, FINE):
        with double():
            steady = forward(draws.beat, draws.parameters, draws.steady.state, steps)
        found[steps] = whitened(draws, jacobian(draws, steps, steady.state))
    error = np.max(np.abs(found[COARSE] - found[FINE]), axis=1)
    for name, one in {"all": np.max(error, axis=0), **dict(zip(NOISE, error, strict=True))}.items():
        bars.most(f"{name}.median", float(np.median(one)), MEDIAN)
        bars.most(f"{name}.95%", float(np.quantile(one, 0.95)), MOST)
    return bars.finish()


if __name__ == "__main__":
    sys.exit(main())
