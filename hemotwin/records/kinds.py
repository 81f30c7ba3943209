"""What kind of value a reading is, in words; the kind is decided for each value by itself."""

from __future__ import annotations

__all__ = ["KINDS", "NOT_COUNTED"]

KINDS = {
    "exact": "a number: evidence, with a normal error",
    "interval": "between two bounds, as 55-60: evidence that the reading lies between them",
    "censored": "below or above a limit, as <10: evidence that the reading lies beyond it",
    "ordinal": "a word that stands for a range, as elevated: evidence as an interval",
    "derived": "a function of other readings of the record: shown beside the fit, not evidence of its own",
    "recovered": "never recorded, given back by a value that was computed with it: offered, not evidence of its own",
}
NOT_COUNTED = ("derived", "recovered")
