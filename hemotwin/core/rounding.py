"""Numbers and units as people read them: no more digits than the unit and the interval deserve."""

from __future__ import annotations

import math

__all__ = [
    "amount", "decimals", "interval", "parameter", "recorded", "rounded", "shown_unit", "signed", "significant", "span",
]  # fmt: skip

DASH = "–"
MINUS = "−"

# Finest decimals that a clinician would write for the unit.
_DECIMALS = {
    "mmHg": 1, "mL": 1, "mL/m2": 1, "L/min": 2, "L/(min.m2)": 2, "L/min/m2": 2, "1/min": 0, "%": 1,
    "s": 3, "mL/s": 0, "mmHg/s": 0,
    "dyn.s/cm5": 0, "dyn s/cm5": 0, "[wood'U]": 2, "Wood units": 2, "J": 2, "mmHg.s/mL": 3, "1": 2,
}  # fmt: skip

_UNITS = {
    "1": "", "1/min": "/min", "[wood'U]": "WU", "Wood units": "WU", "dyn.s/cm5": "dyn·s/cm⁵",
    "dyn s/cm5": "dyn·s/cm⁵", "L/(min.m2)": "L/min/m²", "L/min/m2": "L/min/m²",
    "mL/m2": "mL/m²", "m2": "m²", "cm2": "cm²", "a": "y",
}  # fmt: skip


def shown_unit(unit: str) -> str:
    """The unit in print: `dyn.s/cm5` becomes dyn·s/cm⁵, a pure number nothing."""
    return _UNITS.get(unit, unit.replace(".", "·").replace(" s/", "·s/"))


def decimals(unit: str, half_width: float | None = None) -> int:
    """Decimals worth printing: those of the unit, fewer when the interval is wide.

    A half width of 5 or more leaves whole numbers, of 0.5 or more one decimal, and so on.
    """
    most = _DECIMALS.get(unit, 2)
    if half_width is None or not math.isfinite(half_width) or half_width <= 0.0:
        return most
    return max(0, min(most, 1 - math.floor(math.log10(half_width / 0.5))))


def amount(value: float | None, unit: str, half_width: float | None = None) -> str:
    """A value without its unit, rounded for the unit and the width of its interval; None and NaN as a dash."""
    if value is None or not math.isfinite(value):
        return DASH
    return _minus(f"{value:.{decimals(unit, half_width)}f}")


def signed(value: float | None, unit: str, half_width: float | None = None) -> str:
    """A difference with its sign; a difference that rounds to nothing is 0."""
    text = amount(value, unit, half_width)
    if text == DASH:
        return DASH
    return text if text.startswith(MINUS) or not text.strip("0.") else f"+{text}"


def interval(low: float | None, high: float | None, unit: str, plus: bool = False) -> str:
    """`low to high`, rounded by its own width; empty when either is unknown."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    write, half = (signed if plus else amount), abs(high - low) / 2.0
    return f"{write(low, unit, half)} to {write(high, unit, half)}"


def rounded(value: float | None, unit: str, half_width: float | None = None) -> float | None:
    """A value as a number, with the decimals that `amount` writes; None stays None."""
    return None if value is None else round(value, decimals(unit, half_width)) + 0.0  # never -0


def span(low: float | None, high: float | None, unit: str) -> str | None:
    """`low to high` for a table of plain numbers: as `interval`, with the minus of the keyboard; None when unknown."""
    return interval(low, high, unit).replace(MINUS, "-") or None


def recorded(value: float | None) -> str:
    """A measured value with the digits it was recorded with (five at most)."""
    if value is None or not math.isfinite(value):
        return DASH
    return _minus(f"{value:.0f}" if abs(value) >= 1e5 else f"{value:.5g}")


def significant(value: float | None, figures: int = 3) -> str:
    """A parameter with a number of significant figures, never in powers of ten."""
    if value is None or not math.isfinite(value):
        return DASH
    if value == 0.0:
        return "0"
    places = max(0, figures - 1 - math.floor(math.log10(abs(value))))
    return _minus(f"{value:.{places}f}")


def parameter(value: float | None, unit: str, figures: int = 3) -> str:
    """A quantity of the model: as a reading where its unit is a clinical one, else with significant figures."""
    return amount(value, unit) if unit in ("mmHg", "1/min") else significant(value, figures)


def _minus(text: str) -> str:
    """The minus of print, and none before a number that rounds to nothing."""
    return text.replace("-", MINUS if text.strip("-0.") else "")
