"""Which readings can stand, and where the record contradicts itself; the rules and their limits are in quality.yaml.

A value outside its plausible range, or a pair in impossible order, is quarantined. A contradiction that a bedside
explains (catheters not zeroed together, two methods) keeps its readings, some with a wider error, and is reported in a
sentence that names the values. An extreme value that the others agree with stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .codes import info
from .derived import computed_values, fits
from .quality_rules import Flag, Rule, load_rules, rule
from .reading import Reading, plausible_range, show

__all__ = ["Findings", "find_conflicts", "flag_of", "implausible", "impossible_order", "mosteller", "row_rule"]


@dataclass
class Findings:
    """What the rules say of one patient's readings: flags, and the wider error by the row that gets it."""

    flags: list[Flag] = field(default_factory=list)
    widened: dict[int, float] = field(default_factory=dict)
    flagged: dict[int, str] = field(default_factory=dict)

    def add(self, by: Rule, sentence: str, readings: Iterable[Reading]) -> None:
        """A flag of a rule about these readings."""
        about = tuple(readings)
        self.flags.append(flag_of(by.name, sentence, tuple(dict.fromkeys(one.name for one in about))))
        for one in about:
            self.flagged.setdefault(one.row, by.name)

    def widen(self, one: Reading, usual: float, excess: float) -> None:
        """The wider error of a reading in its unit: hypot(usual, excess / sqrt(2)), or its own where that is wider."""
        wider = math.hypot(usual, excess / math.sqrt(2.0))
        self.widened[one.row] = max(self.widened.get(one.row, 0.0), wider, one.sd or 0.0)


def flag_of(name: str, sentence: str, observables: tuple[str, ...] = (), patients: tuple[str, ...] = ()) -> Flag:
    """A flag of the rule with this name."""
    by = rule(name)
    return Flag(by.name, by.category, by.severity, by.consequence, sentence, observables, patients)


def implausible(name: str, value: float) -> str | None:
    """Why a value cannot be a patient's, with the allowed range and the fix; None when it can."""
    about = info(name)
    if about.low is None or about.high is None or about.low <= value <= about.high:
        return None
    outside = f"{about.label} {show(value)} {about.unit} is outside {plausible_range(name)}"
    if value in rule("zero_as_missing").limits["numbers"]:
        return f"{outside}: {show(value)} probably stands for a missing value, leave the cell empty"
    return f"{outside}: check the unit, the decimal point and the column"


def row_rule(reason: str) -> str:
    """The rule that a reading out of range falls under, by its reason."""
    return "zero_as_missing" if "stands for a missing value" in reason else "value_in_range"


def impossible_order(readings: list[Reading]) -> dict[int, tuple[str, str]]:
    """{row: (rule, reason)} of readings in impossible order (SBP not above DBP, a mean outside its extremes).

    Of a range only the end that leaves it most room counts.
    """
    bad: dict[int, tuple[str, str]] = {}
    for by in load_rules().values():
        if by.check == "order":
            for high, low in _pairs(readings, by.limits["upper"], by.limits["lower"]):
                if high.most <= low.least:
                    reason = f"{high} is not above {low}: check whether the two are swapped"
                    bad[high.row] = bad[low.row] = by.name, reason
    for by in load_rules().values():
        if by.check != "between":
            continue
        for middle, high in _pairs(readings, by.limits["mean"], by.limits["upper"]):
            for low in (one for one in _named(readings, by.limits["lower"]) if one.modality == high.modality):
                if {high.row, low.row, middle.row} & bad.keys():
                    continue
                if middle.most < low.least or middle.least > high.most:
                    bad[middle.row] = by.name, f"{middle} is not between {low} and {high}: check the three values"
    return bad


def find_conflicts(readings: list[Reading], covariates: dict[str, Any], recorded_bsa: float | None) -> Findings:
    """Contradictions among the readings of one patient, one sentence each; the readings stay."""
    found = Findings()
    for by in load_rules().values():
        check = _CHECKS.get(by.check)
        if check is not None:
            check(by, readings, covariates, found)
    by, bsa = rule("surface_area_against_size"), mosteller(covariates)
    if bsa and recorded_bsa and abs(recorded_bsa / bsa - 1) > by.limit("relative"):
        sentence = (
            f"The recorded body surface area {recorded_bsa:.2f} m2 is not that of the recorded height and weight "
            f"({bsa:.2f} m2, Mosteller): height and weight are used."
        )
        found.add(by, sentence, ())
    return found


def mosteller(covariates: dict[str, Any]) -> float | None:
    """Body surface area in m2, sqrt(height[cm] weight[kg] / 3600) (Mosteller 1987, NEJM 317:1098); None if unknown."""
    if "height" not in covariates or "weight" not in covariates:
        return None
    return math.sqrt(covariates["height"] * covariates["weight"] / 3600)


def _named(readings: Iterable[Reading], name: str) -> list[Reading]:
    return [one for one in readings if one.name == name]


def _pairs(readings: list[Reading], first: str, second: str) -> list[tuple[Reading, Reading]]:
    """Readings of two observables taken the same way."""
    return [(a, b) for a in _named(readings, first) for b in _named(readings, second) if a.modality == b.modality]


def _gap(by: Rule, readings: list[Reading], covariates: dict[str, Any], found: Findings) -> None:
    """A pressure that lies above one that it cannot lie above in the same heart."""
    for high in _named(readings, by.limits["above"]):
        for low in _named(readings, by.limits["below"]):
            excess = high.least - low.most
            if not by.limit("most") < excess < math.inf:
                continue
            sentence = f"{_capital(str(high))} lies {show(excess)} {by.limits['unit']} above {low}: {by.limits['why']}."
            found.add(by, sentence, (high, low))
            if by.consequence == "widen":
                for one, usual in zip((high, low), by.limits["usual"], strict=True):
                    found.widen(one, usual, excess)


def _modalities(by: Rule, readings: list[Reading], covariates: dict[str, Any], found: Findings) -> None:
    for name in dict.fromkeys(one.name for one in readings):
        same = sorted((one for one in _named(readings, name) if one.exact), key=lambda one: one.value)
        if len(same) < 2:
            continue
        low, high, unit = same[0], same[-1], info(name).unit
        gap, floor = high.value - low.value, by.limits["absolute"].get(unit, 0.0)
        if gap > floor and gap > by.limit("relative") * abs(low.value):
            relative = f", {100 * gap / abs(low.value):.0f} % apart" if low.value else ""
            sentence = (
                f"{_capital(info(name).label)} is {show(low.value)} {unit} by {low.modality} and {show(high.value)} "
                f"{unit} by {high.modality}{relative}: both are used, each with its own error; none is averaged away."
            )
            found.add(by, sentence, (low, high))


def _stroke_volumes(by: Rule, readings: list[Reading], covariates: dict[str, Any], found: Findings) -> None:
    ways = _ways_to_stroke_volume(readings)
    if not any(_mismatch(a, b) > by.limit("relative") for k, a in enumerate(ways) for b in ways[k + 1 :]):
        return
    listed = ", ".join(f"{value:.0f} mL from {words}" for value, words, _ in sorted(ways, key=lambda way: way[:2]))
    sentence = f"Stroke volume is {listed}: the sources contradict each other; valves that leak would explain it too."
    found.add(by, sentence, (one for _, _, parts in ways for one in parts))


def _mismatch(one: tuple[float, str, tuple[Reading, ...]], other: tuple[float, str, tuple[Reading, ...]]) -> float:
    """Difference of two stroke volumes relative to the one measured as a flow, of two such to the smaller."""
    flows = [value for value, words, _ in (one, other) if not words.startswith("LV volumes")] or [one[0], other[0]]
    reference = min(flows)
    return abs(one[0] - other[0]) / reference if reference > 0 else math.inf


def _ways_to_stroke_volume(readings: list[Reading]) -> list[tuple[float, str, tuple[Reading, ...]]]:
    exact = [one for one in readings if one.exact]
    ways = [(one.value, f"recorded ({one.modality})", (one,)) for one in _named(exact, "stroke_volume")]
    for output in _named(exact, "cardiac_output"):
        ways += [(1000 * output.value / rate.value, f"cardiac output ({output.modality}) / heart rate", (output, rate))
                 for rate in _named(exact, "heart_rate")]  # fmt: skip
    ways += [
        (edv.value - esv.value, f"LV volumes ({edv.modality})", (edv, esv))
        for edv, esv in _pairs(exact, "lv_edv", "lv_esv")
    ]
    return ways


def _implied_volume(by: Rule, readings: list[Reading], covariates: dict[str, Any], found: Findings) -> None:
    """EDV against stroke volume / ejection fraction; with an ESV the stroke volumes are compared already."""
    exact = [one for one in readings if one.exact]
    if _named(exact, "lv_esv"):
        return
    for volume in _named(exact, "lv_edv"):
        for fraction in _named(exact, "lvef"):
            for stroke, words, parts in _ways_to_stroke_volume(exact):
                implied = 100 * stroke / fraction.value
                if abs(volume.value / implied - 1) > by.limit("relative"):
                    sentence = (
                        f"{_capital(str(volume))} is not the {show(implied)} mL that {fraction} and the stroke volume "
                        f"of {stroke:.0f} mL ({words}) imply: check them; valves that leak would explain it too."
                    )
                    found.add(by, sentence, (volume, fraction, *parts))


def _formulas(by: Rule, readings: list[Reading], covariates: dict[str, Any], found: Findings) -> None:
    for one in (one for one in readings if one.name in by.limits["of"]):
        computed = computed_values(one, readings, covariates)
        apart = [max(one.least - value, value - one.most, 0.0) for _, value in computed]
        limit = [by.limits.get("absolute", by.limits.get("relative", 0.0) * abs(value)) for _, value in computed]
        if not computed or not all(gap > most for gap, most in zip(apart, limit, strict=True)):
            continue
        formula, value = computed[0]
        parts = [part for part in readings if part.exact and fits(formula, one, part)]
        named = f" ({', '.join(map(str, parts))})" if parts else ""
        given = f"{show(value)} {info(one.name).unit}".strip()
        found.add(by, f"{_capital(str(one))} is not the {given} that {formula.words} of the record{named} gives.",
                  (one, *parts))  # fmt: skip
        if by.consequence == "widen" and one.exact:
            found.widen(one, by.limit("usual"), min(apart))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_CHECKS: dict[str, Callable[[Rule, list[Reading], dict[str, Any], Findings], None]] = {
    "gap": _gap, "modalities": _modalities, "stroke_volume": _stroke_volumes, "implied_volume": _implied_volume,
    "formula": _formulas,
}  # fmt: skip
