"""Marks of values that nobody measured, as they leave and as they come back: predicted by a model, or made up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["MADE_UP", "MARK_COLUMN", "MARK_SYSTEM", "MEASURED", "PREDICTED", "SYNTHETIC", "mark_of_labels", "refusal"]

MARK_COLUMN = "value_origin"  # of a table
MARK_SYSTEM = "urn:hemotwin:value-origin"  # of a FHIR tag
MEASURED, PREDICTED, SYNTHETIC = "measured", "predicted by a model", "synthetic"
MADE_UP = f"{SYNTHETIC}: made up, of no real person."  # what a synthetic record says of itself


def refusal(mark: str | None) -> str | None:
    """Why a value with this mark is no measurement; None for a measured one, a synthetic one, and no mark at all.

    A synthetic record is there to be read in the place of a real one; a prediction that were read as a measurement
    would confirm itself.
    """
    text = (mark or "").strip().lower()
    if text.startswith(PREDICTED.split()[0]):
        return "marked as predicted by a model: it is no measurement"
    return None


def mark_of_labels(labels: Iterable[Any]) -> str:
    """The mark among the tags of a FHIR resource; "" when there is none."""
    for one in labels:
        if isinstance(one, Mapping) and one.get("system") == MARK_SYSTEM:
            return str(one.get("code") or "")
    return ""
