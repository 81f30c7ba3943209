"""The quality rules of configs/codes/quality.yaml, and the flag that a rule leaves on a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..core.configs import config_path, load_yaml
from ..core.errors import InputError
from .codes import info

__all__ = ["CATEGORIES", "CONSEQUENCES", "SEVERITIES", "Flag", "Rule", "load_rules", "rule"]

CATEGORIES = ("conformance", "completeness", "plausibility")
SEVERITIES = ("error", "warning", "info")
CONSEQUENCES = ("quarantine", "widen", "note")
CHECKS = ("row", "order", "between", "gap", "modalities", "stroke_volume", "implied_volume", "formula", "surface_area",
          "visit", "patients")  # fmt: skip

_READINGS = ("upper", "lower", "mean", "above", "below")  # keys of limits that name an observable


@dataclass(frozen=True)
class Rule:
    """One rule: its OHDSI category, how severe a finding is, what is done about it, and the limits of its check."""

    name: str
    category: str
    severity: str
    consequence: str
    check: str
    limits: Mapping[str, Any]

    @property
    def label(self) -> str:
        """What the rule finds, in words."""
        named = {key: info(str(name)).label for key, name in self.limits.items() if key in _READINGS}
        if "label" in self.limits:
            return str(self.limits["label"])
        if self.check == "order":
            return f"{named['upper']} not above {named['lower']}"
        if self.check == "between":
            return f"{named['mean']} outside its extremes"
        if self.check == "gap":
            return f"{named['above']} above {named['below']}"
        return self.name.replace("_", " ")

    def limit(self, key: str) -> float:
        """A number of the rule; raises `InputError` when the data file does not give it."""
        value = self.limits.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"quality.yaml {self.name}: `{key}` must be a number, but got {value!r}.")
        return float(value)


@dataclass(frozen=True)
class Flag:
    """What a rule found: the sentence names the values that contradict each other.

    `observables` are the readings it is about, `patients` those it concerns (two for a likely repeat visit).
    """

    rule: str
    category: str
    severity: str
    consequence: str
    sentence: str
    observables: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()


def rule(name: str) -> Rule:
    """One rule by its name."""
    return load_rules()[name]


@lru_cache(maxsize=4)
def load_rules(path: Path | None = None) -> dict[str, Rule]:
    """All rules in the order of the data file.

    Raises `InputError` for an unknown category, severity, consequence or check, naming the rule and what is known.
    """
    file = config_path("codes", "quality.yaml") if path is None else path
    data = load_yaml(file)
    if not isinstance(data, Mapping) or not isinstance(data.get("rules"), Mapping):
        raise InputError(f"{file.name} must map `rules` to names and their entries.")
    return {str(name): _rule(f"{file.name} {name}", str(name), entry) for name, entry in data["rules"].items()}


def _rule(where: str, name: str, entry: Any) -> Rule:
    if not isinstance(entry, Mapping):
        raise InputError(f"{where} must be a mapping, but got {str(entry)[:60]!r}.")
    known = {"category": CATEGORIES, "severity": SEVERITIES, "consequence": CONSEQUENCES, "check": CHECKS}
    for key, words in known.items():
        if entry.get(key) not in words:
            raise InputError(f"{where}: `{key}` must be one of {', '.join(words)}, but got {entry.get(key)!r}.")
    limits = {str(key): value for key, value in entry.items() if key not in known}
    return Rule(name, entry["category"], entry["severity"], entry["consequence"], entry["check"], limits)
