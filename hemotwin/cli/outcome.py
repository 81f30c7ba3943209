"""Which patients came out sound: a failed one stays with its reason, and only when all failed does the run fail."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["all_failed", "explain", "failed"]


def failed(twin: Any) -> bool:
    """Whether a twin has no numbers to show: no steady beat, no convergence, or values no circulation can have."""
    from ..core.status import Status

    return Status(twin.status) >= Status.NOT_PERIODIC


def all_failed(twins: Any) -> bool:
    """Whether nobody has a twin that can be shown."""
    return all(failed(twin) for twin in twins)


def explain(twins: Any) -> set[str]:
    """Say on stderr why patients failed, with what to do; their names."""
    from ..core.status import Status

    found = set()
    for twin in twins:
        if failed(twin):
            status = Status(twin.status)
            words = f"{twin.patient}: {status.name.replace('_', ' ').lower()}. {status.advice}"
            print(words, file=sys.stderr, flush=True)
            found.add(twin.patient)
    if all_failed(twins):
        reasons = "; ".join(f"{p}: {r}" for p, r in (getattr(twins, "skipped", None) or {}).items())
        print(f"No patient could be calibrated{f' ({reasons})' if reasons else ''}.", file=sys.stderr, flush=True)
    return found
