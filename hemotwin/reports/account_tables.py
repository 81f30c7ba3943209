"""An account as tables and as plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

from .. import __version__
from ..core.disclaimer import DISCLAIMER
from ..core.table import Table
from ..records.needs import examinations
from .account import USABLE, Account

__all__ = ["NOT_USABLE", "figures", "first_few", "plain", "short", "tables"]

NOT_USABLE = "Twins that are not usable"
T = TypeVar("T")


def tables(found: Account, limit: int | None = None) -> list[Table]:
    """Main figures, reasons, patients without a usable twin (`limit` of them), seconds by stage, cost by kind; empty
    ones left out."""
    every = [figures(found), _reasons(found), _patients(found, limit), _seconds(found), _costs(found)]
    return [table for table in every if len(table)]


def figures(found: Account) -> Table:
    """Usable twins, seconds and, with costs, money, each over patients."""
    count, seconds = len(found.patients), found.seconds_per_patient
    rows: list[list[Any]] = [
        ["usable twins", f"{found.usable} of {count} ({100 * found.fraction:.0f} %)"],
        ["seconds per patient", "not recorded" if seconds is None else f"{seconds:.1f}"],
        ["seconds of compiling, once a calibration", f"{found.compile_seconds:.1f}"],
    ]
    if found.spent:
        each = found.cost_per_usable_twin
        rows.append(["cost per patient", _money(found, found.cost_per_patient)])
        rows.append(["cost per usable twin", "no twin is usable" if each is None else _money(found, each)])
    note = USABLE + (" Wall time of calibrating; reading and predicting are not in it." if found.seconds else "")
    return Table(["figure", "value"], rows, f"Account of {count} patient{'' if count == 1 else 's'}", note)


def _money(found: Account, amount: float | None) -> str:
    return "–" if amount is None else f"{amount:.2f} {found.costs.currency}".rstrip()


def _reasons(found: Account) -> Table:
    rows = [[reason, count] for reason, count in found.reasons().items()]
    return Table(["why not usable (the gravest reason of each)", "patients"], rows, NOT_USABLE)


def first_few(rows: Sequence[T], limit: int | None, rest: str) -> tuple[Sequence[T], str]:
    """The first `limit` rows (all for None), and how many more `rest` says where to find; empty where none is left."""
    shown = rows[:limit]
    more = len(rows) - len(shown)
    return shown, f"{more} more {rest}" if more else ""


def short(reasons: Sequence[str]) -> str:
    """The reasons of one patient in a few words: without advice, and without what lay behind a missing measurement."""
    return "; ".join(": ".join(reason.split(": ")[: 2 if reason.startswith("no twin") else 1]) for reason in reasons)


def _patients(found: Account, limit: int | None) -> Table:
    words = "; ".join if limit is None else short  # the reasons above it have every word
    rows = [[one.patient, one.informed, words(one.reasons)] for one in found.patients if one.reasons]
    shown, note = first_few(rows, limit, "in the file of --json FILE, and where the output goes to a file or a pipe.")
    return Table(["patient", "quantities informed", "why not usable"], shown, "Patient by patient", note)


def _seconds(found: Account) -> Table:
    rows = [[stage.replace("_", " "), f"{spent:.2f}"] for stage, spent in found.seconds.items()]
    devices = ", ".join(dict.fromkeys(run.device for run in found.runs if run.device))
    return Table(["stage", "seconds per patient"], rows, "What it took", f"On: {devices}" if devices else "")


def _costs(found: Account) -> Table:
    if not found.spent:
        return Table(["kind", "all", "per patient"], [], "What it cost")
    count = len(found.patients)
    rows = [[kind, _money(found, cost), _money(found, cost / count)] for kind, cost in found.spent.items()]
    total = sum(found.spent.values())
    rows.append(["together", _money(found, total), _money(found, total / count)])
    return Table(["kind", "all", "per patient"], rows, "What it cost", " ".join(_missing(found)))


def _missing(found: Account) -> list[str]:
    """What the sum does not hold."""
    said = ["At your own costs; an examination counts once a patient, of whose readings the twin used any."]
    if found.unpriced:
        listed = ", ".join(f"{examinations()[name].label} ({count})" for name, count in found.unpriced.items())
        said.append(f"Without a cost, and not in the sum: {listed}.")
    if found.without_seconds:
        said.append("Computing is not in the sum: the twins do not say how long it took for how many patients.")
    lacking = sum(one.examinations is None for one in found.patients)
    if lacking and "examinations" in found.spent:
        said.append(f"Nor are examinations of the {lacking} without a twin, of whom only the reason is kept.")
    return said


def plain(found: Account) -> dict[str, Any]:
    """Everything as plain values; without costs no key of money is there."""
    money: dict[str, Any] = {}
    if found.spent:
        money["cost"] = {
            "currency": found.costs.currency, "all": found.spent, "per_patient": found.cost_per_patient,
            "per_usable_twin": found.cost_per_usable_twin, "without_a_cost": found.unpriced,
            "given": dataclasses.asdict(found.costs),
        }  # fmt: skip
    return {
        "disclaimer": DISCLAIMER, "hemotwin": __version__, "usable_means": USABLE, "patients": len(found.patients),
        "usable": found.usable, "usable_fraction": found.fraction, "reasons": found.reasons(),
        "seconds_per_patient": found.seconds_per_patient, "seconds_by_stage": found.seconds,
        "compile_seconds": found.compile_seconds, "runs": [dataclasses.asdict(run) for run in found.runs], **money,
        "by_patient": [{"patient": one.patient, "usable": one.usable, "reasons": list(one.reasons),
                        "informed": one.informed,
                        "examinations": None if one.examinations is None else list(one.examinations)}
                       for one in found.patients],
    }  # fmt: skip
