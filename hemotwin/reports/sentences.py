"""The plain sentences of the page: who, how well it fits, what the data could not tell."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from ..calibration.twin import CalibratedTwin
from ..core.rounding import interval, shown_unit
from .tables import nobody_measured

__all__ = ["could_not_tell", "day", "least_certain", "listed", "person", "summary"]


def person(covariates: dict[str, Any]) -> str:
    """Sex, age and body size as far as they are known."""
    parts = [str(covariates["sex"])] if covariates.get("sex") else []
    for key, unit in (("age", "years"), ("height", "cm"), ("weight", "kg")):
        if covariates.get(key) is not None:
            parts.append(f"{covariates[key]:g} {unit}")
    if covariates.get("bsa") is not None:
        parts.append(f"BSA {covariates['bsa']:.2f} m²")
    missing = [word for word in ("sex", "age", "height", "weight") if covariates.get(word) is None]
    return ", ".join(parts) + (f"{' · ' if parts else ''}{listed(missing)} not known" if missing else "")


def day(provenance: dict[str, Any]) -> str:
    """The date of the calibration in words, empty when unknown."""
    try:
        when = datetime.datetime.fromisoformat(str(provenance.get("date", "")))
    except ValueError:
        return ""
    return f"{when.day} {when:%B %Y}"


def summary(twin: CalibratedTwin) -> str:
    """One sentence: how many values, how many fit, what they informed, what contradicts."""
    counted = [row for row in twin.fit if row.counted]
    against = [row for row in counted if row.verdict.startswith("not fitted")]
    odd = [row for row in counted if row.verdict.startswith("fitted, but")]
    fits = "all of them" if not against else f"{len(counted) - len(against)} of them"
    text = f"From {_count(len(counted), 'measured value')} the twin reproduces {fits}"
    text += f", {len(odd)} against what the rest would have predicted" if odd else ""
    text += f"; the data informed {len(twin.informed)} of {len(twin.free)} free quantities"
    text += (
        f", and {_count(len(twin.conflicts), 'conflict')} in the record {_are(len(twin.conflicts))} reported"
        if (twin.conflicts)
        else ", and the record holds no conflict"
    )
    return text + "."


def could_not_tell(twin: CalibratedTwin) -> dict[str, Any]:
    """Labels of the quantities that stayed with the prior, and of those that the data moved only in part."""
    return {
        "prior": [q.label for q in twin.free if q.verdict == "prior"],
        "partly": [q.label for q in twin.free if q.verdict == "partly informed"],
        "free": len(twin.free),
        "least": least_certain(twin),
    }


def least_certain(twin: CalibratedTwin, count: int = 3) -> list[str]:
    """The unmeasured readings with the widest interval relative to their value."""
    known = [r for r in nobody_measured(twin) if r.value and abs(r.value) > 1e-9]
    wide = sorted(known, key=lambda r: -(r.high - r.low) / abs(r.value))[:count]
    return [f"{r.label} ({interval(r.low, r.high, r.unit)} {shown_unit(r.unit)})".replace(" )", ")") for r in wide]


def listed(words: Iterable[str]) -> str:
    """Words joined as in a sentence."""
    words = list(words)
    return " and ".join(words) if len(words) < 3 else ", ".join(words[:-1]) + " and " + words[-1]


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
