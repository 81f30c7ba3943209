"""Which patients came out sound: a failed one stays with its reason, and only when all failed does the run fail."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["all_failed", "explain", "failed", "say_with_care", "tell_all"]


def failed(twin: Any) -> bool:
    """Whether a twin has no numbers to show: no steady beat, no convergence, or values no circulation can have."""
    from ..core.status import Status

    return Status(twin.status).precedence >= Status.NOT_PERIODIC.precedence


def all_failed(twins: Any) -> bool:
    """Whether nobody has a twin that can be shown."""
    return all(failed(twin) for twin in twins)


def say_with_care(twin: Any) -> None:
    """What is wrong with the twin itself, below what it answered; nothing where it is sound."""
    from ..core.status import Status
    from .terminal import say

    status = Status(twin.status)
    if status != Status.OK:
        say(f"Read with care, the twin is {status.name.replace('_', ' ').lower()}: {status.advice}")


def tell_all(twins: Any) -> None:
    """Every patient once: with a sound twin, with one to be read with care and why, or without a twin and why not."""
    from ..core.status import Status
    from .terminal import bullets

    skipped = getattr(twins, "skipped", None) or {}
    people = [twin.patient for twin in twins] + list(skipped)
    by_status: dict[Status, list[str]] = {}
    for twin in twins:
        by_status.setdefault(Status(twin.status), []).append(twin.patient)
    words = {status: status.name.replace("_", " ").lower() for status in by_status}
    parts = [f"{len(by_status[status])} {words[status]}" for status in sorted(by_status)]
    without = [f"{len(skipped)} without a twin"] if skipped else []
    count = "1 patient" if len(people) == 1 else f"{len(people)} patients"
    told = [
        f"{words[status]} ({len(those)}): {status.advice} {', '.join(those)}."
        for status, those in sorted(by_status.items())
        if status != Status.OK
    ]
    told += [f"{patient}: {why}." for patient, why in skipped.items()]
    if skipped:
        told.append("`hemotwin check RECORD` shows row by row why.")
    title = f"{count} = {' + '.join([*parts, *without])}"
    bullets(title, told or ["Every patient has a twin, and every certificate holds."])


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
