"""How far a reading may lie from the truth: the noise sd by observable and modality."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..core.errors import InputError, UnknownNameError
from ..records.record import Measurement
from .data_file import Entry, open_data
from .exact_functions import removed_with
from .noise_scale import NoiseScale

__all__ = ["Noise", "NoiseRule", "load_noise", "reach_of", "removed_with"]

MODALITIES = ("cuff", "catheter", "thermodilution", "fick", "echo", "cmr", "flow4d", "monitor", "unspecified")
ANY = "any"


@dataclass(frozen=True)
class NoiseRule:
    """Noise of one way of taking a reading: an `sd` in its unit, or a share `relative` of the reading above `least`."""

    unit: str
    source: str
    sd: float | None = None
    relative: float | None = None
    least: float = 0.0

    def at(self, value: float) -> float:
        """The sd of a reading of this size: sd, or max(relative value, least)."""
        return float(self.scale.sd_at(float(value)))

    @property
    def scale(self) -> NoiseScale:
        """The scale on which this noise has sd 1."""
        return NoiseScale(self.sd or 0.0, self.relative or 0.0, self.least)


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise of every observable: `rules[observable][modality]`, "any" for the modalities that are not listed."""

    name: str
    rules: dict[str, dict[str, NoiseRule]]

    def rule(self, observable: str, modality: str = "unspecified") -> NoiseRule:
        """The rule for one way of taking a reading; raises `UnknownNameError` for an observable without one."""
        if observable not in self.rules:
            raise UnknownNameError("observable with a noise", observable, self.rules)
        ways = self.rules[observable]
        return ways.get(modality, ways[ANY])

    def sd(self, measurement: Measurement) -> float:
        """Noise sd of a measurement in its observable's unit, `scale` at its value.

        An interval or a censored value is taken at its middle, or at the bound that is known.
        """
        return float(self.scale(measurement).sd_at(_size(measurement)))

    def scale(self, measurement: Measurement) -> NoiseScale:
        """The scale on which a measurement's noise has sd 1; an sd in the record itself goes before the rule.

        Raises `InputError` when the record's sd is not above 0, `UnknownNameError` for an observable without a rule.
        """
        if measurement.sd is None:
            return self.rule(measurement.observable, measurement.modality).scale
        if not 0.0 < measurement.sd < float("inf"):
            raise InputError(
                f"{measurement.patient} {measurement.observable} ({measurement.origin}): sd must be above 0 "
                f"{measurement.unit}, but got {measurement.sd:g}; leave it out to use the usual one."
            )
        return NoiseScale(float(measurement.sd), 0.0, 0.0)


def reach_of(measurement: Measurement) -> tuple[float, float, float]:
    """(value, below, above) of a reading: a number with no reach, or the middle of its range and how far that reaches.

    A limit stands at its bound and reaches inf to one side. Raises `InputError` for a reading with neither value nor
    bound, or bounds that run backwards.
    """
    lower, upper, value = measurement.lower, measurement.upper, measurement.value
    if value is not None:
        return float(value), 0.0, 0.0
    if (lower is None and upper is None) or (lower is not None and upper is not None and lower > upper):
        raise InputError(
            f"{measurement.patient} {measurement.observable} ({measurement.origin}): a reading without a value must "
            f"have a bound, or two in order, but got {lower} to {upper} {measurement.unit}; give one number or a range."
        )
    if lower is None:
        return float(upper or 0.0), math.inf, 0.0
    if upper is None:
        return float(lower), 0.0, math.inf
    half = 0.5 * (upper - lower)
    return lower + half, half, half


def _size(measurement: Measurement) -> float:
    if measurement.value is not None:
        return measurement.value
    ends = [end for end in (measurement.lower, measurement.upper) if end is not None]
    return sum(ends) / len(ends) if ends else 0.0


@lru_cache(maxsize=8)
def load_noise(name: str | Path) -> Noise:
    """A noise file of configs/noise/ by name, or a file of the same form by its path.

    Raises `UnknownNameError` for an unknown name and `InputError` for an unknown or missing key, a rule without source
    or without exactly one of sd and relative, or a unit that cannot be read.
    """
    file, content = open_data("noise", name)
    top = Entry(file, content, ("name", "observables"))
    rules = {}
    for observable, row in top.entries("observables").items():
        entry = Entry(f"{file} {observable}", row, ("unit", ANY), MODALITIES)
        ways = [way for way in entry.content if way != "unit"]
        rules[observable] = {way: _rule(f"{entry.where} {way}", entry.content[way], entry.unit()) for way in ways}
    return Noise(top.text("name"), rules)


def _rule(where: str, row: Any, unit: str) -> NoiseRule:
    entry = Entry(where, row, ("source",), ("sd", "relative", "least"))
    kind = [key for key in ("sd", "relative") if key in entry.content]
    if len(kind) != 1 or ("least" in entry.content) != (kind == ["relative"]):
        raise InputError(f"{where}: must give either `sd`, or `relative` with `least`, but got {dict(entry.content)}.")
    if kind == ["sd"]:
        return NoiseRule(unit, entry.text("source"), sd=entry.number("sd", above=0.0))
    relative, least = entry.number("relative", above=0.0), entry.number("least", above=0.0)
    return NoiseRule(unit, entry.text("source"), relative=relative, least=least)
