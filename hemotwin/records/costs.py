"""The user's own costs, from a YAML file: nothing is priced that was not given here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.configs import load_yaml
from ..core.errors import InputError, nearest
from .folder import not_there
from .needs import examinations

__all__ = ["Costs", "load_costs"]

_RATES = ("compute_per_hour", "staff_per_hour", "staff_minutes_per_patient", "once")


@dataclass(frozen=True)
class Costs:
    """Costs in one currency; what is None or not in `of` was not given and is not priced.

    of: each examination (names as in needs.yaml), once a patient; compute_per_hour of wall time; staff_per_hour and
    staff_minutes_per_patient together; once: what the whole data set costs whatever its size, such as access or set-up.
    """

    currency: str = ""
    of: Mapping[str, float] = field(default_factory=dict)
    compute_per_hour: float | None = None
    staff_per_hour: float | None = None
    staff_minutes_per_patient: float | None = None
    once: float | None = None

    def total(self, names: Sequence[str]) -> float | None:
        """The sum for these examinations; None when one of them has no price."""
        known = [self.of.get(name) for name in names]
        return None if not known or None in known else float(sum(cost for cost in known if cost is not None))


def load_costs(path: str | Path) -> Costs:
    """Costs from a YAML file: `currency`, and any of `examinations`, `compute_per_hour`, `staff_per_hour` with
    `staff_minutes_per_patient`, `once`.

    Raises `InputError` naming the file and the key for an unknown key or examination, anything but a number from 0, or
    one of the two staff entries without the other.
    """
    if not Path(path).exists():
        raise InputError(not_there(Path(path), "a YAML file with your costs"))
    data, name = load_yaml(path), Path(path).name
    if not isinstance(data, Mapping) or not set(data) - {"currency"}:
        raise InputError(f"{name}: must hold `currency` and costs, such as examinations: {{echo: 180}}.")
    given = data.get("examinations", {})
    if not isinstance(given, Mapping):
        raise InputError(f"{name}: `examinations` must hold a cost each, such as echo: 180, but got {given!r}.")
    _check_names(name, "key", data, ("currency", "examinations", *_RATES))
    _check_names(name, "examination", given, examinations())
    of = {str(key): _cost(name, key, value) for key, value in given.items()}
    rates = {key: _cost(name, key, data[key]) for key in _RATES if key in data}
    if ("staff_per_hour" in rates) != ("staff_minutes_per_patient" in rates):
        raise InputError(f"{name}: `staff_per_hour` and `staff_minutes_per_patient` must be given together.")
    return Costs(str(data.get("currency", "")), of, **rates)


def _check_names(file: str, what: str, given: Mapping[Any, Any], known: Any) -> None:
    for key in given:
        if key not in known:
            close = nearest(str(key), known)
            hint = f"; did you mean `{close[0]}`?" if close else ""
            raise InputError(f"{file}: unknown {what} `{key}`; known are {', '.join(known)}{hint}")


def _cost(file: str, key: Any, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise InputError(f"{file}: the cost of `{key}` must be a number from 0, but got {value!r}.")
    return float(value)
