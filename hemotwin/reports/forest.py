"""Prior against posterior of every quantity: groups of strips on one axis each."""

from __future__ import annotations

from typing import Any

from ..calibration.twin import CalibratedTwin, QuantityRow
from ..core.rounding import significant
from .tables import quantity_cells, relative, strip

__all__ = ["forest"]

WIDEST = 4.0  # factors of two from the prior median that an axis spans at most


def forest(twin: CalibratedTwin) -> list[dict[str, Any]]:
    """Quantities on a log axis relative to the prior median, additive ones on a linear axis; most informed first."""
    ordered = sorted(twin.quantities, key=lambda q: q.contraction)
    logarithmic = [q for q in ordered if q.kind == "lognormal" and q.prior_median > 0.0]
    additive = [q for q in ordered if q not in logarithmic]
    groups = [_log_group(logarithmic)] if logarithmic else []
    return groups + [_linear_group([q for q in additive if q.unit == u], u) for u in sorted({q.unit for q in additive})]


def _log_group(rows: list[QuantityRow]) -> dict[str, Any]:
    reach = 1.12 * max(1.0, min(WIDEST, _furthest(rows)))
    powers = [k for k in range(-4, 5) if abs(k) <= reach]
    texts = ["1" if k == 0 else f"×{2**k}" if k > 0 else f"×1/{2**-k}" for k in powers]
    return _group("Relative to the prior median (log scale)", rows, reach, [float(k) for k in powers], texts)


def _linear_group(rows: list[QuantityRow], unit: str) -> dict[str, Any]:
    reach = 1.08 * _furthest(rows) or 1.0
    step = max((s for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0) if 2.0 * s <= reach), default=reach / 2.0)
    marks = [k * step for k in (-2, -1, 0, 1, 2)]
    texts = [("+" if m > 0.0 else "") + significant(m, 2 if m % 1.0 else 1 if abs(m) < 10 else 2) for m in marks]
    return _group(f"Difference from the prior median ({unit})", rows, reach, marks, texts)


def _group(title: str, rows: list[QuantityRow], reach: float, marks: list[float], texts: list[str]) -> dict[str, Any]:
    ticks = list(zip(strip(-reach, reach, marks), texts, strict=True))
    return {"title": title, "ticks": ticks, "rows": [quantity_cells(q, -reach, reach) for q in rows]}


def _furthest(rows: list[QuantityRow]) -> float:
    ends = [(q, v) for q in rows for v in (q.prior_low, q.prior_high, q.low, q.high)]
    return max(abs(relative(q)(v)) for q, v in ends)
