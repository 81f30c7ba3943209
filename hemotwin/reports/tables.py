"""Rows of a twin and of a what-if as people read them: texts and positions for the page, tables for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from ..calibration.twin import CalibratedTwin, FitRow, ObservableRow, QuantityRow
from ..core.disclaimer import DISCLAIMER
from ..core.rounding import amount, interval, parameter, recorded, shown_unit, signed
from ..core.table import Table

__all__ = [
    "HEADLINES", "fit_cells", "fit_table", "foremost", "headlines", "narrowed", "nobody_measured", "quantity_cells",
    "quantity_table", "relative", "strip", "tone", "unmeasured_cells", "what_if_cells", "what_if_reach",
    "what_if_table",
]  # fmt: skip

VERDICTS = {"informed": "informed", "partly informed": "partly informed", "prior": "prior only"}
SHORT = {
    "fitted, but the rest did not expect it": "fits, unexpected",
    "not fitted: contradicts the rest": "contradicts the rest",
    "derived, not counted": "not counted",
}
MODALITIES = {"cmr": "cardiac MRI", "flow4d": "4D flow MRI", "fick": "Fick", "unspecified": ""}

# What stands under the summary of a page.
FRONT = {
    "cardiac_output": "cardiac output", "map": "mean arterial", "pa_pressure_mean": "mean pulmonary artery",
    "pvr": "pulmonary resistance", "pcwp_mean": "wedge", "ra_pressure_mean": "mean right atrial",
    "lvef": "LV ejection fraction", "rvef": "RV ejection fraction",
}  # fmt: skip

# The readings of a what-if that stand in front; the others follow on demand.
HEADLINES = (
    "sbp", "dbp", "map", "cardiac_output", "stroke_volume", "pa_pressure_systolic", "pa_pressure_diastolic",
    "pa_pressure_mean", "pvr", "rv_pressure_max", "rv_edv", "rvef", "ra_pressure_mean", "pcwp_mean", "lvef",
)  # fmt: skip
REGULATED = ("heart_rate", "svr")  # by a reflex; without one they do not answer to a scenario


def strip(low: float, high: float, values: Iterable[float | None]) -> list[float | None]:
    """Positions in per cent of `values` on a strip from `low` to `high`, cut at its ends; None stays None."""
    width = (high - low) or 1.0
    return [None if v is None or not math.isfinite(v) else round(min(max(100.0 * (v - low) / width, 0.0), 100.0), 2)
            for v in values]  # fmt: skip


def fit_cells(row: FitRow) -> dict[str, Any]:
    """One reading: texts of every column and the positions of its strip."""
    unit, half = row.unit, _half(row.low, row.high)
    wide = _half(row.left_out_low, row.left_out_high)
    return {
        "label": row.label, "unit": shown_unit(unit), "modality": MODALITIES.get(row.modality, row.modality),
        "measured": _recorded(row), "sd": "" if row.sd is None else f"{row.sd:.3g}",
        "fitted": amount(row.fitted, unit, _finer(half)), "fitted_interval": interval(row.low, row.high, unit),
        "difference": signed(row.difference, unit),
        "left_out": amount(row.left_out, unit, wide),
        "left_out_interval": interval(row.left_out_low, row.left_out_high, unit),
        "counted": row.counted, "verdict": row.verdict, "tone": tone(row), "note": row.note, "strip": _fit_strip(row),
        "range": "range below" if row.lower is None else "range above" if row.upper is None else "range",
    }  # fmt: skip


def tone(row: FitRow) -> str:
    """How the verdict is coloured: good, surprise, conflict or quiet."""
    if not row.counted:
        return "quiet"
    if row.verdict.startswith("not fitted"):
        return "conflict"
    return "good" if row.verdict == "fits" else "surprise"


def _recorded(row: FitRow) -> str:
    """What was measured with the digits it was recorded with: a number, or a range in words."""
    if row.measured is not None or (row.lower is None and row.upper is None):
        return recorded(row.measured)
    if row.lower is None:
        return f"below {recorded(row.upper)}"
    return f"above {recorded(row.lower)}" if row.upper is None else f"{recorded(row.lower)} to {recorded(row.upper)}"


def _fit_strip(row: FitRow) -> dict[str, float | None]:
    """Positions of a strip; a range has its two ends, a limit reaches to the end of the strip."""
    ranged = row.measured is None and not (row.lower is None and row.upper is None)
    measured = (row.lower, row.upper) if ranged else (row.measured,)
    every = [v for v in (*measured, row.fitted, row.low, row.high, row.left_out_low, row.left_out_high)
             if v is not None and math.isfinite(v)]  # fmt: skip
    low, high = min(every, default=0.0), max(every, default=1.0)
    pad = 0.06 * (high - low) or 1.0
    ends = (None, None)
    if ranged:
        ends = (low - pad if row.lower is None else row.lower, high + pad if row.upper is None else row.upper)
    keys = ("measured", "range_low", "range_high", "fitted", "low", "high", "out_low", "out_high", "out")
    values = (row.measured, *ends, row.fitted, row.low, row.high, row.left_out_low, row.left_out_high, row.left_out)
    return dict(zip(keys, strip(low - pad, high + pad, values), strict=True))


def quantity_cells(row: QuantityRow, low: float, high: float) -> dict[str, Any]:
    """One quantity: texts, and its prior and posterior on a strip from `low` to `high`.

    The strip holds log2(value / prior median) for a lognormal quantity, the difference from the prior median otherwise.
    """
    place = relative(row)
    keys = ("prior_low", "prior_high", "low", "high", "value")
    values = [place(v) for v in (row.prior_low, row.prior_high, row.low, row.high, row.value)]
    return {
        "label": row.label, "symbol": row.symbol, "unit": shown_unit(row.unit), "name": row.name,
        "value": parameter(row.value, row.unit), "interval": _ends(row.low, row.high, row.unit),
        "prior": f"{parameter(row.prior_median, row.unit)} ({_ends(row.prior_low, row.prior_high, row.unit)})",
        "contraction": f"{row.contraction:.2f}", "verdict": VERDICTS.get(row.verdict, row.verdict),
        "tone": row.verdict.replace(" ", "-"), "strip": dict(zip(keys, strip(low, high, values), strict=True)),
        "beyond": any(v < low or v > high for v in values),
    }  # fmt: skip


def _ends(low: float, high: float, unit: str) -> str:
    return f"{parameter(low, unit, 2)} to {parameter(high, unit, 2)}"


def relative(row: QuantityRow) -> Any:
    """Function from a value to its place beside the prior median."""
    if row.kind == "lognormal" and row.prior_median > 0.0:
        return lambda v: math.log2(v / row.prior_median) if v > 0.0 else -math.inf
    return lambda v: v - row.prior_median


def what_if_reach(rows: Iterable[Any]) -> float:
    """Share of the baseline that the strips of a what-if span to either side: 0.1 to 1, the same for all its rows."""
    shares = [abs(v / row.baseline) for row in rows if row.observable in HEADLINES and abs(row.baseline) > 1e-9
              for v in (row.change_low, row.change_high)]  # fmt: skip
    widest = max((s for s in shares if math.isfinite(s)), default=0.1)
    return min((step for step in (0.1, 0.2, 0.5) if step >= widest), default=1.0)


def what_if_cells(row: Any, reach: float = 1.0) -> dict[str, Any]:
    """One reading of a what-if: baseline, after, change, with intervals, and whether the change is certain in sign.

    The strip shows the change as a share of the baseline, from `-reach` to `reach`.
    """
    unit = row.unit
    sure = row.change_low > 0.0 or row.change_high < 0.0
    edge = reach * abs(row.baseline) or 1.0
    places = strip(-edge, edge, (row.change_low, row.change_high, row.change))
    return {
        "observable": row.observable, "label": row.label, "unit": shown_unit(unit),
        "baseline": amount(row.baseline, unit, _finer(_half(row.baseline_low, row.baseline_high))),
        "baseline_interval": interval(row.baseline_low, row.baseline_high, unit),
        "after": amount(row.after, unit, _finer(_half(row.after_low, row.after_high))),
        "after_interval": interval(row.after_low, row.after_high, unit),
        "change": signed(row.change, unit),
        "change_interval": interval(row.change_low, row.change_high, unit, plus=True),
        "sure": sure, "strip": dict(zip(("low", "high", "value"), places, strict=True)),
    }  # fmt: skip


def fit_table(twin: CalibratedTwin, width: int | None = 110) -> Table:
    """Measured, fitted, difference, without this value [95 %], verdict: for a terminal of `width` columns.

    None, here and in the other tables: for no terminal, so that every name is whole.
    """
    rows = []
    for row in twin.fit:
        c = fit_cells(row)
        out = "" if row.left_out is None else f"{c['left_out']} [{c['left_out_interval']}]"
        rows.append([c["label"], c["unit"], c["measured"], c["fitted"], c["difference"], out or None,
                     SHORT.get(row.verdict, row.verdict)])  # fmt: skip
    columns = ["reading", "unit", "measured", "fitted", "diff.", "without it [95 %]", "verdict"]
    return Table(columns, narrowed(columns, rows, width), title=f"Twin of {twin.patient}", note=DISCLAIMER)


def quantity_table(twin: CalibratedTwin, width: int | None = 110) -> Table:
    """The quantities that the data informed, at least in part: prior and posterior with 95 % intervals."""
    kept = sorted((q for q in twin.quantities if q.verdict != "prior"), key=lambda q: q.contraction)
    rows = []
    for q in kept:
        prior, now = _ends(q.prior_low, q.prior_high, q.unit), _ends(q.low, q.high, q.unit)
        value = f"{parameter(q.value, q.unit)} [{now}]"
        rows.append([q.label, shown_unit(q.unit), prior, value, VERDICTS.get(q.verdict, q.verdict)])
    columns = ["what the data informed", "unit", "prior, 95 %", "with the data [95 %]", "verdict"]
    left = sum(q.verdict == "prior" for q in twin.free)
    note = f"{left} of {len(twin.free)} free quantities stayed where the prior had them."
    return Table(columns, narrowed(columns, rows, width), note=note)


def foremost(prediction: Any) -> tuple[str, ...]:
    """The readings that stand in front, with those by which a reflex answers where one acts."""
    return HEADLINES if prediction.reflex is None else (*HEADLINES, *REGULATED)


def what_if_table(prediction: Any, width: int | None = 110) -> Table:
    """Baseline, after and change with 95 % intervals of the headline readings."""
    rows = []
    for row in prediction.rows:
        if row.observable in foremost(prediction):
            c = what_if_cells(row)
            spans = [f"{c[k]} [{c[k + '_interval']}]" for k in ("baseline", "after", "change")]
            rows.append([c["label"], c["unit"], *spans])
    columns = ["what if", "unit", "baseline [95 %]", "after [95 %]", "change [95 %]"]
    title = f"{prediction.patient}: {prediction.label}"
    return Table(columns, narrowed(columns, rows, width), title=title, note=prediction.note)


def narrowed(columns: Sequence[str], rows: list[list[Any]], width: int | None) -> list[list[Any]]:
    """The rows with the first column cut so that a line stays within `width`; as they are without one."""
    if width is None:
        return rows
    widths = [max([len(name), *(len(str(row[k])) for row in rows)]) for k, name in enumerate(columns)]
    room = max(12, width - sum(widths[1:]) - 2 * (len(columns) - 1))
    return [[row[0] if len(row[0]) <= room else row[0][: room - 1] + "…", *row[1:]] for row in rows]


def _half(low: float | None, high: float | None) -> float | None:
    return None if low is None or high is None else abs(high - low) / 2.0


def _finer(half: float | None) -> float | None:
    """A value is written one decimal finer than its interval, so that the difference beside it adds up."""
    return None if half is None else half / 10.0


def headlines(twin: CalibratedTwin) -> list[dict[str, str]]:
    """The few numbers that say how the circulation stands: fitted, or as the twin has them when not measured."""
    fitted = {r.observable: (r, r.fitted) for r in reversed(twin.fit) if r.counted}
    derived = {r.observable for r in twin.fit if not r.counted}
    known = {r.observable: (r, r.value) for r in twin.unmeasured} | fitted
    found = []
    for name in FRONT:
        if name in known:
            row, value = known[name]
            how = "fitted" if name in fitted else "derived" if name in derived else "not measured"
            found.append({"label": FRONT[name], "value": amount(value, row.unit, _half(row.low, row.high)),
                          "unit": shown_unit(row.unit), "interval": interval(row.low, row.high, row.unit),
                          "how": how})  # fmt: skip
    return found


def nobody_measured(twin: CalibratedTwin) -> list[ObservableRow]:
    """The readings that the record holds in no form, not even derived from others."""
    shown = {r.observable for r in twin.fit}
    return [r for r in twin.unmeasured if r.observable not in shown]


def unmeasured_cells(twin: CalibratedTwin) -> list[dict[str, str]]:
    """What nobody measured, with 95 % intervals, in the order of the twin."""
    return [
        {"label": r.label, "unit": shown_unit(r.unit), "value": amount(r.value, r.unit, _half(r.low, r.high)),
         "interval": interval(r.low, r.high, r.unit)}
        for r in nobody_measured(twin)
    ]  # fmt: skip
