"""Which patients came out sound: the others stay with their reason; without any usable twin the run fails."""

from __future__ import annotations

import sys
from typing import Any

__all__ = [
    "all_failed", "exit_code", "explain", "failed", "say_with_care", "show_account", "show_cohort", "tell_all",
]  # fmt: skip

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
        sentence(f"Read with care, the twin is {status.words}: {status.advice}")


def tell_all(twins: Any) -> None:
    """Every patient once: with a sound twin, with one to be read with care and why, or without a twin and why not.

    On a terminal only the first of many are named.
    """
    from ..core.status import Status
    from ..reports.account_tables import first_few
    from .terminal import bullets, limit

    skipped, by_status = getattr(twins, "skipped", None) or {}, _by_status(twins)
    told = []
    for status, those in sorted(by_status.items()):
        if status != Status.OK:
            named, more = first_few(those, limit(), "of them")
            names = ", ".join(named) + (f" and {more}" if more else "")
            told.append(f"{status.words} ({len(those)}): {status.advice} {names}.")
    named, more = first_few(list(skipped.items()), limit(), "without a twin.")
    told += [f"{patient}: {why}." for patient, why in named] + ([f"And {more}"] if more else [])
    if skipped:
        told.append("`hemotwin check RECORD` shows row by row why.")
    bullets(_counted(by_status, skipped), told or ["Every patient has a twin, and every certificate holds."])


def _by_status(twins: Any) -> dict[Any, list[str]]:
    from ..core.status import Status

    found: dict[Status, list[str]] = {}
    for twin in twins:
        found.setdefault(Status(twin.status), []).append(twin.patient)
    return found


def _counted(by_status: dict[Any, list[str]], skipped: dict[str, str]) -> str:
    """How many patients ended how, as in "3 patients = 1 ok + 1 unidentifiable + 1 without a twin"."""
    parts = [f"{len(by_status[status])} {status.words}" for status in sorted(by_status)]
    parts += [f"{len(skipped)} without a twin"] if skipped else []
    people = sum(map(len, by_status.values())) + len(skipped)
    return f"{people} patient{'' if people == 1 else 's'} = {' + '.join(parts)}"


def show_account(found: Any) -> None:
    """The tables of an account; on a terminal its reasons, which are long, one below the other, and of many patients
    the first."""
    from ..reports.account_tables import NOT_USABLE
    from .terminal import limit, on_terminal, say, show

    for number, table in enumerate(found.tables(limit())):
        if on_terminal() and table.title == NOT_USABLE:
            _list_reasons(found)
            continue
        if number:
            say()
        show(table)


def _list_reasons(found: Any) -> None:
    from ..reports.account_tables import NOT_USABLE, first_few
    from .terminal import bullets, limit

    named, more = first_few(list(found.reasons().items()), limit(), "reasons.")
    told = [f"{count} patient{'' if count == 1 else 's'}: {reason.rstrip('.')}." for reason, count in named]
    bullets(f"{NOT_USABLE}, by the gravest reason of each", [*told, *([f"And {more}"] if more else [])])


def show_cohort(twins: Any, whole: str) -> None:
    """Many twins on a terminal: how they ended, figures, reasons, and the first patients a line each.

    `whole` is the command that prints the tables of one of them.
    """
    from ..reports.account import account
    from ..reports.account_tables import figures
    from ..reports.cohort import patients_table
    from .terminal import limit, say, sentence, show

    found = account(twins)
    say(f"\n{_counted(_by_status(twins), getattr(twins, 'skipped', None) or {})}\n")
    show(figures(found))
    if found.reasons():
        _list_reasons(found)
    say()
    show(patients_table(twins, found, limit(), "where the output goes to a file or a pipe, with their tables."))
    say()
    sentence(f"One patient's tables: {whole}")


def explain(twins: Any) -> set[str]:
    """Say on stderr why patients failed or have a twin that is not usable, with what to do; the names of the former.

    Of many on a terminal that is left to `show_cohort`, which follows.
    """
    from ..core.status import Status
    from ..reports.account import reasons_against
    from .terminal import at_a_glance, few

    found, told = set(), []
    for twin in twins:
        if failed(twin):
            told.append(f"{twin.patient}: {Status(twin.status).words}. {Status(twin.status).advice}")
            found.add(twin.patient)
        elif reasons := reasons_against(twin):
            words = "; ".join(reason.rstrip(".") for reason in reasons)
            told.append(f"{twin.patient}: the twin is not usable: {words}.")
    nobody = all_failed(twins)
    told = [] if at_a_glance(len(twins)) and sys.stderr.isatty() and not nobody else few(told)
    if nobody:
        reasons = "; ".join(few([f"{p}: {r}" for p, r in (getattr(twins, "skipped", None) or {}).items()]))
        told.append(f"No patient could be calibrated{f' ({reasons})' if reasons else ''}.")
    elif exit_code(twins):
        told.append("No patient has a usable twin; what is written is to be looked at alone.")
    for line in told:
        print(line, file=sys.stderr, flush=True)
    return found
