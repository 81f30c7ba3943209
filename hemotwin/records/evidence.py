"""What a calibration sees of records, as one hash: equal hashes, equal twins."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from .record import Measurement, MeasurementSet

__all__ = ["evidence_of", "evidence_sha256"]


def evidence_sha256(sets: Iterable[MeasurementSet]) -> str:
    """SHA-256 over the evidence of every patient who has a measurement, ordered by name.

    Two reads with the same hash give the same twins for the same settings and seed. Where the values stood in the
    source (origin) and what else was in it do not enter: a set from which a reading was withdrawn and one that never
    had it are the same.
    """
    lines = sorted(json.dumps(evidence_of(one), sort_keys=True) for one in sets if one.measurements)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def evidence_of(one: MeasurementSet) -> dict[str, Any]:
    """The evidence of one patient as plain values; numbers as text with every digit."""
    return {
        "patient": one.patient,
        "covariates": {name: _plain(value) for name, value in sorted(one.covariates.items())},
        "measurements": [_fields(m) for m in one.measurements],
        "conflicts": list(one.conflicts),
    }


def _fields(m: Measurement) -> list[str]:
    return [m.observable, m.modality, m.kind, m.unit, m.quality, m.time or "", m.condition or "",
            *(_plain(number) for number in (m.value, m.sd, m.lower, m.upper))]  # fmt: skip


def _plain(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else repr(float(value))
