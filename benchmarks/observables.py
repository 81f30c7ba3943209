"""Do the smooth readings (for gradients) equal the hard ones (for reports) over the wide prior?

1,024 draws of `adult_wide` (--quick: 128), each reading at the default step against its hard definition on a record of
6,400 samples of the same steady state: the difference holds the step's error too. Limits: 0.1 mmHg, 0.1 mL, 0.5 %
otherwise. Prints one line per observable, `bar <name> <worst, in limits> limit 1 ok|MISSED`, with the share of draws
beyond the limit, then the steady beats; exits 1 when a bar is missed.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from hemotwin.core.registry import known
from tests.problems import drawn

DENSE, DRAWS, QUICK = 6400, 1024, 128
ALLOWED = {"mmHg": 0.1, "mL": 0.1}
PERIODIC = 1e-9  # mL


def main() -> int:
    """Compare every observable and say whether it holds."""
    draws = drawn("adult_wide", QUICK if "--quick" in sys.argv else DRAWS)
    good = draws.steady.status == 0
    missed = int(np.mean(draws.steady.residual <= PERIODIC) < 0.999)
    print(f"bar observables.periodic {100.0 * np.mean(draws.steady.residual <= PERIODIC):.2f} % of {len(good)} draws "
          f"within {PERIODIC:g} mL limit 99.9 % {'MISSED' if missed else 'ok'}")  # fmt: skip
    hard = draws.hard(DENSE)
    for name, about in known("observable").items():
        difference = np.abs(draws.readings[name] - hard[name])[good]
        limits = difference / ALLOWED.get(about.unit, 0.005 * np.abs(hard[name][good]))
        worst, share = float(np.max(limits)), float(np.mean(limits > 1.0))
        missed += worst > 1.0
        print(f"bar observables.{name} {worst:.3f} limit 1 {'MISSED' if worst > 1.0 else 'ok'} "
              f"({100.0 * share:.2f} % of draws beyond, at most {np.max(difference):.3g} {about.unit})")  # fmt: skip
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
