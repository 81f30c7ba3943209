"""Do the smooth readings (for gradients) equal the hard ones (for reports) over the wide prior?

1,024 draws of `adult_wide` (--quick: 128), each reading as a simulation gives it (on the default step, or on twice the
steps where its own certificate asks for them) against its hard definition on a record of 6,400 samples: the difference
holds the step's error too, which `accuracy.py` measures alone, and on the default step in every draw. Limits: 0.1 mmHg,
0.1 mL, 0.5 % otherwise, the last without the floors that the certificate has near zero (`certificate.FLOORS`); a bar is
the largest difference in its limit, beside it the share of draws beyond, and the share that needed more steps. And the
steady beats.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from bars import Bars

from hemotwin.calibration.certified import certified
from hemotwin.core.registry import known
from hemotwin.engine.precision import double
from tests.problems import BODY_SURFACE_AREA, drawn

DENSE, DRAWS, QUICK = 6400, 1024, 128
ALLOWED = {"mmHg": 0.1, "mL": 0.1}
PERIODIC = 1e-9  # mL


def main() -> int:
    """Compare every observable and say whether it holds; 1 when a bar is missed."""
    bars = Bars("observables", __doc__ or "")
    draws = drawn("adult_wide", QUICK if bars.quick else DRAWS)
    good = draws.steady.status == 0
    bars.least("periodic", 100.0 * float(np.mean(draws.steady.residual <= PERIODIC)), 99.9, "%")
    with double():
        size = np.full(len(good), BODY_SURFACE_AREA)
        found = certified(draws.model, draws.parameters, draws.steady.state, size, draws.model.steps)
    finer = 100.0 * float(np.mean(found.steps > draws.model.steps))
    bars.figure("draws_on_more_steps", finer, "%")
    bars.figure("draws_beyond_their_certificate", 100.0 * float(np.mean(found.error > 1.0)), "%")
    hard = draws.hard(DENSE, found.readings.solved.state)
    for name, about in known("observable").items():
        difference = np.abs(found.readings.of(name) - hard[name])[good]
        limits = difference / ALLOWED.get(about.unit, 0.005 * np.abs(hard[name][good]))
        bars.most(name, float(np.max(limits)), 1.0)
        if np.any(limits > 1.0):
            bars.figure(f"{name}.draws_beyond", 100.0 * float(np.mean(limits > 1.0)), "%")
    return bars.finish()


if __name__ == "__main__":
    sys.exit(main())
