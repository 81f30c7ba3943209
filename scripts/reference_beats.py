"""The readings of every circulation at its own values, beside those stored with the tests: what has a change moved?

    python scripts/reference_beats.py            prints every reading that differs
    python scripts/reference_beats.py --write    stores the new ones

The stored numbers are no evidence that a reading is right; they only show that it is no longer what it was.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np

from hemotwin.calibration.readings import observe
from hemotwin.core.registry import known
from hemotwin.engine.precision import double
from hemotwin.physiology.model import circulation

STORED = Path(__file__).resolve().parents[1] / "tests" / "contracts" / "reference_beats.json"
BODY_SURFACE_AREA = 1.83  # m2, for indexed readings
SAME = 1e-9  # relative; rounding, in whatever order a backend adds


def readings_now(name: str) -> dict[str, float | None]:
    """Every observable of a circulation's steady beat at its own values; None where it has no such reading."""
    model = circulation(name)
    rows = model.system.parameters.pack({n: model.values[n] for n in model.system.parameters.names}, 1)
    with double():
        found = observe(model, rows, None, np.array([BODY_SURFACE_AREA]), model.steps)
    return {n: float(v) if math.isfinite(v) else None for n, v in zip(found.names, found.values[:, 0], strict=True)}


def differences(old: dict[str, float | None], new: dict[str, float | None], relative: float = SAME) -> list[str]:
    """One line for every reading that differs, came or went."""
    lines = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before is None or after is None:
            if before is not after:
                lines.append(f"{name}: {before} -> {after}")
        elif abs(after - before) > relative * max(abs(before), 1.0):
            lines.append(f"{name}: {before:.10g} -> {after:.10g} ({after - before:+.2g})")
    return lines


def main() -> int:
    """Print what differs, and store it on request; 1 when something differs and is not stored."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="store the readings of now")
    write = parser.parse_args().write
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    now = {name: readings_now(name) for name in known("circulation")}
    moved = False
    for name, readings in now.items():
        for line in differences(stored.get(name, {}), readings):
            moved = True
            print(f"{name} {line}")
    if write:
        STORED.write_text(json.dumps(now, indent=1) + "\n")
        print(f"stored {sum(map(len, now.values()))} readings of {len(now)} circulations")
    return int(moved and not write)


if __name__ == "__main__":
    sys.exit(main())
