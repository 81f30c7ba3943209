"""Which patients came out sound: the others stay with their reason; without any usable twin the run fails."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["all_failed", "exit_code", "explain", "failed", "say_with_care", "tell_all"]

DONE, NOBODY = 0, 1


def failed(twin: Any) -> bool:
    """Whether a twin has no numbers to show: no steady beat, no convergence, or values no circulation can have."""
    from ..core.status import Status

    return Status(twin.status).precedence >= Status.NOT_PERIODIC.precedence


def all_failed(twins: Any) -> bool:
    """Whether nobody has a twin that can be shown."""
    return all(failed(twin) for twin in twins)


def exit_code(twins: Any) -> int:
    """What a calibration ends with: 0 where a patient has a usable twin as `hemotwin account` counts it, otherwise 1.

    Twins that are not usable but have numbers are written all the same; a pipeline tells them from this code alone.
    """
    from ..reports.account import reasons_against

    return DONE if any(not reasons_against(twin) for twin in twins) else NOBODY


def say_with_care(twin: Any) -> None:
    """What is wrong with the twin itself, below what it answered; nothing where it is sound."""
    from ..core.status import Status
    from .terminal import sentence

    status = Status(twin.status)
    if status != Status.OK:
        sentence(f"Read with care, the twin is {status.name.replace('_', ' ').lower()}: {status.advice}")


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
    """Say on stderr why patients failed or have a twin that is not usable, with what to do; the names of the former."""
    from ..core.status import Status
    from ..reports.account import reasons_against

    found = set()
    for twin in twins:
        if failed(twin):
            status = Status(twin.status)
            words = f"{twin.patient}: {status.name.replace('_', ' ').lower()}. {status.advice}"
            print(words, file=sys.stderr, flush=True)
            found.add(twin.patient)
        elif reasons := reasons_against(twin):
            words = "; ".join(reason.rstrip(".") for reason in reasons)
            print(f"{twin.patient}: the twin is not usable: {words}.", file=sys.stderr, flush=True)
    if all_failed(twins):
        reasons = "; ".join(f"{p}: {r}" for p, r in (getattr(twins, "skipped", None) or {}).items())
        print(f"No patient could be calibrated{f' ({reasons})' if reasons else ''}.", file=sys.stderr, flush=True)
    elif exit_code(twins):
        print("No patient has a usable twin; what is written is to be looked at alone.", file=sys.stderr, flush=True)
    return found
