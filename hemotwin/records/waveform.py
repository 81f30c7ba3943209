"""From a pressure signal to one beat: systolic, diastolic, mean pressure and heart rate, or the reason for none.

The latest ten minutes with a usable signal are taken; of them the median over the beats that can be believed. A signal
that looks like no pressure of that site is refused with what it looks like: a disconnected or damped line, the wrong
channel, zeros. Sources of the method and of every threshold: configs/codes/waveforms.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from ..core.errors import UnitError
from ..core.units import factor
from .beats import AveragedBeat, Beats, average, find_beats
from .signal import Artefact, Channel, artefacts, believed, channel_kind, plain, settings

__all__ = ["SignalValue", "Summary", "latest_number", "summarise"]


@dataclass(frozen=True)
class SignalValue:
    """One value from a signal: an observable, its number in `unit`, or the reason why it cannot be used."""

    observable: str
    part: str
    value: float
    unit: str
    reason: str = ""


@dataclass(frozen=True)
class Summary:
    """What a channel says: values, the averaged beat, artefacts in seconds, and `reason` where it says nothing.

    `time` is the end of the stretch that was averaged, `seconds` its length, `beats` those of `seen` that were used.
    """

    channel: str
    reason: str = ""
    values: tuple[SignalValue, ...] = ()
    beat: AveragedBeat | None = None
    artefacts: tuple[Artefact, ...] = ()
    time: datetime | None = None
    seconds: float = 0.0
    beats: int = 0
    seen: int = 0
    modality: str = "unspecified"
    notes: tuple[str, ...] = field(default=())


def summarise(channel: Channel) -> Summary:
    """The beat of a pressure channel; `reason` says why there is none.

    The unit must be one of pressure. Reads at most ten minutes of the signal at a time, from its end backwards.
    """
    kind = channel_kind(channel.name)
    if kind is None:
        return Summary(channel.name, "no pressure channel: its shape is not used")
    rules = settings()["pressures"][kind]
    try:
        to_mercury = factor(read_unit(channel.unit), "mm[Hg]")
    except UnitError as error:
        return Summary(channel.name, f"{rules['label']} in `{channel.unit[:20]}`: {error}")
    if channel.rate < settings()["detection"]["lowest_rate_hz"]:
        return Summary(channel.name, f"{channel.rate:.3g} samples a second are too few to see a beat")
    window = round(settings()["detection"]["window_s"] * channel.rate)
    first: Summary | None = None
    totals: dict[str, Artefact] = {}
    for stop in range(channel.samples, 0, -window):
        start = max(0, stop - window)
        pressure = channel.read(start, stop) * to_mercury
        found = _of_window(channel, rules, pressure, stop)
        _add(totals, found.artefacts)
        if not found.reason or found.notes:
            return _with(found, totals)
        # of several refusals the one of the stretch with the most signal tells what is wrong
        first = found if first is None or found.seconds > first.seconds else first
    return _with(first or Summary(channel.name, "the signal holds no sample"), totals)


def latest_number(channel: Channel) -> tuple[float | None, datetime | None, int, int, int]:
    """Of a trend: (median of the latest ten minutes with a number, time of the last one, numbers used, zeros, gaps).

    Zero is taken as missing unless the data file says that it can be a reading.
    """
    rule = settings()["numerics"].get(plain(channel.name), {})
    values = _whole(channel)
    known = np.isfinite(values)
    zeros = known & (values == 0) & bool(rule.get("zero_is_missing", True))
    usable = np.flatnonzero(known & ~zeros)
    counts = int(zeros.sum()), int((~known).sum())
    if not len(usable):
        return None, None, 0, *counts
    within = usable[usable > usable[-1] - max(1, settings()["detection"]["window_s"] * channel.rate)]
    return float(np.median(values[within])), _at(channel, int(usable[-1])), len(within), *counts


def read_unit(unit: str) -> str:
    """A monitor's spelling of a unit as one that is read."""
    return settings()["units"].get(unit.strip().lower(), unit.strip())


def _of_window(channel: Channel, rules: dict[str, Any], pressure: np.ndarray, stop: int) -> Summary:
    masks = believed(pressure, channel.rate, rules["flush"])
    bad = np.logical_or.reduce(list(masks.values()))
    left = pressure[~bad]
    seen: dict[str, Any] = {
        "channel": channel.name, "artefacts": tuple(artefacts(masks, channel.rate)), "time": _at(channel, stop - 1),
        "seconds": len(left) / channel.rate, "modality": rules["modality"],
    }  # fmt: skip
    if not len(left):
        return Summary(reason=_empty(masks, pressure, rules), **seen)
    if "systolic" not in rules:
        return _mean_only(rules, left, seen)
    beats = find_beats(pressure, channel.rate, rules, bad)
    seen |= {"beats": beats.count, "seen": int(beats.whole.sum())}
    refusal = _refusal(beats, left, rules)
    if refusal:
        return Summary(reason=refusal, **seen)
    damped = beats.dampened < settings()["quality"]["damped_per_s"]
    return Summary(
        values=_values(beats, rules, damped), beat=average(pressure, channel.rate, beats),
        notes=(_damped(beats),) if damped else (), **seen,
    )  # fmt: skip


def _refusal(beats: Beats, left: np.ndarray, rules: dict[str, Any]) -> str:
    """Why a stretch gives no beat; empty when it does."""
    low, middle, high = (float(one) for one in np.percentile(left, (1, 50, 99)))
    range_seen = f"{low:.0f} to {high:.0f} mmHg"
    quality = settings()["quality"]
    mean = float(left.mean())
    lowest, highest = rules["signal_mean"]
    if low < 0 and (middle < lowest or high < rules["disconnected_below"]):
        return (
            f"the line is disconnected, open to air or sends a test signal: it reads {range_seen}, which is no "
            f"{rules['label']}: use another source"
        )
    if not lowest <= mean <= highest:
        return (
            f"implausible as {rules['label']}: the signal runs from {range_seen} with a mean of {mean:.0f} mmHg, "
            f"allowed is a mean of {lowest} to {highest} mmHg: check channel, unit and zero"
        )
    if beats.count < quality["beats"]:
        return (
            f"{beats.count} beats of {len(beats)} can be believed, at least {quality['beats']} are needed: the signal "
            f"({range_seen}) is too short or too disturbed"
        )
    share = beats.count / max(1, int(beats.whole.sum()))
    if share < quality["good_fraction"]:
        return (
            f"only {100 * share:.0f} % of {int(beats.whole.sum())} beats are plausible and steady, at least "
            f"{100 * quality['good_fraction']:.0f} % must be: the signal ({range_seen}) is too disturbed"
        )
    return ""


def _values(beats: Beats, rules: dict[str, Any], damped: bool) -> tuple[SignalValue, ...]:
    reason = _damped(beats) if damped else ""
    values = [
        SignalValue(rules[part], part, round(beats.median(part), 1), "mm[Hg]", reason if part != "mean" else "")
        for part in ("systolic", "diastolic", "mean")
    ]
    return (*values, SignalValue(rules["rate"], "rate", round(60 / beats.interval, 1), "/min"))


def _damped(beats: Beats) -> str:
    return (
        f"the line is damped: the steepest rise is {beats.dampened:.1f} pulse pressures a second, a free line shows at "
        f"least {settings()['quality']['damped_per_s']:.0f}: its mean stands, flush the line for the extremes"
    )


def _mean_only(rules: dict[str, Any], left: np.ndarray, seen: dict[str, Any]) -> Summary:
    mean, (lowest, highest) = float(left.mean()), rules["signal_mean"]
    low, high = (float(one) for one in np.percentile(left, (1, 99)))
    if not lowest <= mean <= highest:
        return Summary(
            reason=f"implausible as {rules['label']}: a mean of {mean:.0f} mmHg, {low:.0f} to {high:.0f} mmHg, allowed "
            f"is {lowest} to {highest} mmHg: check channel, unit and zero", **seen,
        )  # fmt: skip
    return Summary(values=(SignalValue(rules["mean"], "mean", round(mean, 1), "mm[Hg]"),), **seen)


def _empty(masks: dict[str, np.ndarray], pressure: np.ndarray, rules: dict[str, Any]) -> str:
    counts = {kind: int(mask.sum()) for kind, mask in masks.items()}
    worst = max(counts, key=lambda kind: counts[kind])
    if worst == "missing":
        return "no sample was recorded"
    if worst == "zero":
        return "zero throughout: a missing value or the zeroing of the line, no pressure"
    known = pressure[np.isfinite(pressure)]
    return (
        f"the signal stands still at {float(np.median(known)):.0f} mmHg: the line is disconnected, closed or flushed, "
        f"this is no {rules['label']}"
    )


def _add(totals: dict[str, Artefact], found: tuple[Artefact, ...]) -> None:
    for one in found:
        before = totals[one.kind].seconds if one.kind in totals else 0.0
        totals[one.kind] = Artefact(one.kind, before + one.seconds, one.reason)


def _with(summary: Summary, totals: dict[str, Artefact]) -> Summary:
    return replace(summary, artefacts=tuple(totals.values()))


def _at(channel: Channel, sample: int) -> datetime | None:
    if channel.begins is None:
        return None
    try:
        return channel.begins + timedelta(seconds=sample / channel.rate)
    except OverflowError:
        return None


def _whole(channel: Channel) -> np.ndarray:
    """All samples of a slow channel, read in pieces."""
    step = 1 << 20
    return np.concatenate([channel.read(k, min(k + step, channel.samples)) for k in range(0, channel.samples, step)])
