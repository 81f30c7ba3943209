"""What is known of a quantity before any measurement, for a patient of given sex, age and body size.

median of a patient = median (BSA / BSA_ref)^bsa_exponent x sex factor x exp(age_slope (age - age_ref)) x wide_factor.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError, UnknownNameError
from .data_file import Entry, open_data
from .transforms import LOGARITHMIC, from_free, to_free

__all__ = ["PatientPrior", "Prior", "PriorQuantity", "load_prior"]

ADULT_FROM = 18.0  # years; below, scaling by body size and age is extrapolated
_ALWAYS = ("symbol", "label", "unit", "kind", "free", "median", "sd", "low", "high", "source")
_SCALING = ("bsa_exponent", "factor_male", "factor_female", "age_slope")
_NUMBERS = ("median", "sd", "low", "high", "bsa_exponent", "age_slope")
_FACTORS = ("factor_male", "factor_female", "wide_factor")
_KEYS = {  # kind: keys that it needs, keys that it may have
    "lognormal": (_SCALING, ("wide_factor",)),
    "normal": (_SCALING, ("wide_factor",)),
    "nuisance": (("adds_to",), ()),
    "fixed": ((), ()),
}


@dataclass(frozen=True)
class PriorQuantity:
    """Prior of one quantity in its own unit; `sd` is of the natural logarithm when `kind` is lognormal.

    `kind` is lognormal, normal, nuisance (a zero error added to the readings `adds_to`) or fixed (no prior: the model's
    own value stands). `low` and `high` say when a value stands at a bound; they do not cut the prior.
    """

    name: str
    symbol: str
    label: str
    unit: str
    kind: str
    median: float
    sd: float
    low: float
    high: float
    free: bool
    source: str
    comment: str = ""
    bsa_exponent: float = 0.0
    factor_male: float = 1.0
    factor_female: float = 1.0
    age_slope: float = 0.0
    wide_factor: float = 1.0
    adds_to: tuple[str, ...] = ()

    def check(self, value: float) -> float:
        """The value as a float; raises `InputError` when it lies outside low to high."""
        number = float(value)
        if not self.low <= number <= self.high:
            unit, unit_too = ("", "") if self.unit == "1" else (f" {self.unit}", ", in this unit")
            raise InputError(
                f"`{self.name}` must lie between {self.low:g} and {self.high:g}{unit}, "
                f"but got {number:g}{unit}; give a value inside the range{unit_too}."
            )
        return number

    def scaled(self, sex: str | None, age_beyond: float, bsa_ratio: float) -> float:
        """Median for a sex (None: unknown), years beyond the reference age, and BSA over the reference BSA."""
        factor = {"male": self.factor_male, "female": self.factor_female}.get(sex or "", 1.0)
        growth = bsa_ratio**self.bsa_exponent * math.exp(self.age_slope * age_beyond)
        return self.median * self.wide_factor * factor * growth


@dataclass(frozen=True, eq=False)
class PatientPrior:
    """Normal prior of the free quantities of one patient: theta = centre + factor z, z ~ N(0, I).

    theta is unconstrained (the logarithm where `logarithmic`); `centre`, `sd` [n] and `covariance`, `factor` (lower
    Cholesky) [n, n] are in that space, `low` and `high` [n] in natural units. Quantities come first, nuisances last.
    `fixed` holds the scaled medians of the prior's other quantities, so that a fixed compliance fits the body's size.
    """

    quantities: tuple[PriorQuantity, ...]
    centre: np.ndarray
    covariance: np.ndarray
    factor: np.ndarray
    fixed: dict[str, float]
    sex: str | None
    age: float
    bsa: float
    notes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free quantities and nuisances, in the order of theta."""
        return tuple(q.name for q in self.quantities)

    @property
    def logarithmic(self) -> tuple[bool, ...]:
        """Whether theta holds the logarithm."""
        return tuple(q.kind in LOGARITHMIC for q in self.quantities)

    @property
    def sd(self) -> np.ndarray:
        """Prior sd of theta."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def low(self) -> np.ndarray:
        """Lower bounds in natural units."""
        return np.array([q.low for q in self.quantities])

    @property
    def high(self) -> np.ndarray:
        """Upper bounds in natural units."""
        return np.array([q.high for q in self.quantities])

    @property
    def medians(self) -> dict[str, float]:
        """The patient's median of every quantity, free and fixed, in natural units."""
        return {**self.fixed, **self.values(self.centre)}

    def values(self, theta: np.ndarray) -> dict[str, Any]:
        """Natural values by name of theta [n] (floats) or [n, batch] (arrays)."""
        rows = [from_free(q.kind, row) for q, row in zip(self.quantities, np.asarray(theta), strict=True)]
        return {q.name: row.item() if row.ndim == 0 else row for q, row in zip(self.quantities, rows, strict=True)}

    def theta(self, values: Mapping[str, float]) -> np.ndarray:
        """Unconstrained theta [n] of natural values by name; a nuisance that is not given is 0."""
        missing = [q.name for q in self.quantities if q.name not in values and q.kind != "nuisance"]
        if missing:
            raise InputError(f"`values` must hold every free quantity, but {', '.join(missing)} is missing.")
        return np.array([float(to_free(q.kind, values.get(q.name, 0.0))) for q in self.quantities])

    def whitened(self, theta: np.ndarray) -> np.ndarray:
        """z of theta: prior sds along independent directions."""
        return np.linalg.solve(self.factor, np.asarray(theta) - self.centre)


@dataclass(frozen=True, eq=False)
class Prior:
    """Prior of every quantity of a circulation, and the correlations that act when both quantities are free."""

    name: str
    circulation: str
    quantities: tuple[PriorQuantity, ...]
    correlations: dict[tuple[str, str], float]
    reference_age: float
    reference_bsa: float

    def __getitem__(self, name: str) -> PriorQuantity:
        for q in self.quantities:
            if q.name == name:
                return q
        raise UnknownNameError("quantity", name, [q.name for q in self.quantities])

    def __repr__(self) -> str:
        return f"Prior({self.name!r}, {len(self.quantities)} quantities, {len(self.default_free)} free)"

    @property
    def default_free(self) -> tuple[str, ...]:
        """Quantities that are free unless the user chooses otherwise, nuisances last."""
        return (*(q.name for q in self.quantities if q.free and q.kind != "nuisance"), *self.nuisances)

    @property
    def nuisances(self) -> tuple[str, ...]:
        """Zero errors of measurements; they are always free, since they belong to the data and not to the model."""
        return tuple(q.name for q in self.quantities if q.kind == "nuisance" and q.sd > 0.0)

    def offset_of(self, observable: str) -> str | None:
        """The nuisance that shifts a reading, or None."""
        return next((q.name for q in self.quantities if q.name in self.nuisances and observable in q.adds_to), None)

    def correlation(self, names: Iterable[str]) -> np.ndarray:
        """Correlation matrix [n, n] of some quantities in the unconstrained space."""
        order = {name: n for n, name in enumerate(names)}
        matrix = np.eye(len(order))
        for (one, other), value in self.correlations.items():
            if one in order and other in order:
                matrix[order[one], order[other]] = matrix[order[other], order[one]] = value
        return matrix

    def for_patient(self, covariates: Mapping[str, Any], free: Iterable[str] | None = None) -> PatientPrior:
        """The prior of one patient.

        `covariates` holds any of sex ("male", "female"), age (years), height (cm), weight (kg), bsa (m2, else by
        Mosteller 1987); what is unknown takes the reference value and is noted. `free` names the free quantities
        (None: the prior's own choice); nuisances are added. Raises `InputError` for covariates that are no positive
        numbers, and for names that are unknown, repeated or without a spread.
        """
        names = self._free_names(self.default_free if free is None else free)
        notes: list[str] = []
        sex, age, bsa = _sex(covariates, notes), self._age(covariates, notes), self._bsa(covariates, notes)
        medians = {q.name: q.scaled(sex, age - self.reference_age, bsa / self.reference_bsa) for q in self.quantities}
        chosen = tuple(self[name] for name in names)
        sd = np.array([q.sd for q in chosen])
        covariance = self.correlation(names) * np.outer(sd, sd)
        rest = {q.name for q in self.quantities if q.kind in ("lognormal", "normal")} - set(names)
        return PatientPrior(
            quantities=chosen,
            centre=np.array([float(to_free(q.kind, medians[q.name])) for q in chosen]),
            covariance=covariance,
            factor=np.linalg.cholesky(covariance),
            fixed={name: medians[name] for name in medians if name in rest},
            sex=sex, age=age, bsa=bsa, notes=tuple(notes),
        )  # fmt: skip

    def _free_names(self, free: Iterable[str]) -> tuple[str, ...]:
        wanted = [free] if isinstance(free, str) else list(free)
        for name in wanted:
            if self[name].sd <= 0.0:
                raise InputError(f"`free` must name quantities with a spread, but {name} has none in {self.name}.")
        if len(set(wanted)) < len(wanted):
            raise InputError(f"`free` must name each quantity once, but got {', '.join(wanted)}.")
        kept = tuple(name for name in wanted if name not in self.nuisances)
        if not kept:
            raise InputError("`free` must name at least one quantity, but names none.")
        return kept + self.nuisances

    def _age(self, covariates: Mapping[str, Any], notes: list[str]) -> float:
        age = _positive(covariates, "age", "a")
        if age is None:
            notes.append(f"Age unknown: reference age {self.reference_age:g} y used.")
            return self.reference_age
        if age < ADULT_FROM:
            notes.append(f"The age is below {ADULT_FROM:g} y: the prior of adults is extrapolated.")
        return age

    def _bsa(self, covariates: Mapping[str, Any], notes: list[str]) -> float:
        bsa, height = _positive(covariates, "bsa", "m2"), _positive(covariates, "height", "cm")
        weight = _positive(covariates, "weight", "kg")
        if bsa is not None:
            return bsa
        if height is not None and weight is not None:
            return math.sqrt(height * weight / 3600.0)  # Mosteller 1987, doi 10.1056/NEJM198710223171717
        lacking = " and ".join(name for name, value in (("height", height), ("weight", weight)) if value is None)
        notes.append(f"Body surface area unknown ({lacking} missing): reference {self.reference_bsa:g} m2 used.")
        return self.reference_bsa


def load_prior(name: str | Path) -> Prior:
    """A prior of configs/priors/ by name, or a file of the same form by its path.

    Raises `UnknownNameError` for an unknown name and `InputError` for an unknown or missing key, a unit that cannot be
    read, or correlations that contradict each other.
    """
    file, content = open_data("priors", name)
    top = Entry(file, content, ("name", "circulation", "reference", "quantities"), ("correlations",))
    reference = Entry(f"{file} reference", content["reference"], ("age", "age_unit", "bsa", "bsa_unit", "source"))
    if (reference.text("age_unit"), reference.text("bsa_unit")) != ("a", "m2"):
        raise InputError(f"{file} reference: `age_unit` must be a and `bsa_unit` m2.")
    quantities = tuple(_quantity(file, key, row) for key, row in top.entries("quantities").items())
    correlations = _correlations(file, top.items("correlations"), quantities)
    ages, sizes = reference.number("age", above=0.0), reference.number("bsa", above=0.0)
    prior = Prior(top.text("name"), top.text("circulation"), quantities, correlations, ages, sizes)
    # eigenvalues of any choice of free quantities lie between those of the whole matrix, so this holds for all
    spread = [q.name for q in quantities if q.sd > 0.0]
    if np.linalg.eigvalsh(prior.correlation(spread)).min() < 1e-6:
        raise InputError(f"{file}: `correlations` contradict each other (not positive definite); weaken some of them.")
    return prior


def _quantity(file: str, name: str, row: Any) -> PriorQuantity:
    entry = Entry(f"{file} {name}", row, _ALWAYS, ("comment", "wide_factor", "adds_to", *_SCALING))
    kind = entry.text("kind")
    if kind not in _KEYS:
        raise UnknownNameError(f"{entry.where}: kind", kind, _KEYS)
    scaling, others = _KEYS[kind]
    entry = Entry(entry.where, row, (*_ALWAYS, *scaling), ("comment", *others))
    numbers = {key: entry.number(key) for key in _NUMBERS if key in row}
    numbers |= {key: entry.number(key, above=0.0) for key in _FACTORS if key in row}
    _check_spread(entry, kind, numbers)
    return PriorQuantity(
        name=name, kind=kind, symbol=entry.text("symbol"), label=entry.text("label"), unit=entry.unit(),
        free=entry.flag("free"), source=entry.text("source"), comment=entry.text("comment", ""),
        adds_to=entry.names("adds_to"), **numbers,
    )  # fmt: skip


def _check_spread(entry: Entry, kind: str, numbers: dict[str, float]) -> None:
    low, median, high, sd = (numbers[key] for key in ("low", "median", "high", "sd"))
    floor = 0.0 if kind == "lognormal" else -math.inf
    if not floor < low <= median <= high:
        raise InputError(
            f"{entry.where}: `median` must lie between `low` and `high`, and `low` above 0 when lognormal, "
            f"but got {low:g}, {median:g}, {high:g}."
        )
    wrong = {"fixed": sd != 0.0, "nuisance": sd < 0.0}.get(kind, sd <= 0.0)
    if wrong:
        raise InputError(f"{entry.where}: `sd` must be above 0 (0 where nothing varies), but got {sd:g}.")
    if entry.flag("free") and sd == 0.0:
        raise InputError(f"{entry.where}: `free` must be false where `sd` is 0.")


def _correlations(file: str, rows: list[Any], quantities: tuple[PriorQuantity, ...]) -> dict[tuple[str, str], float]:
    known = [q.name for q in quantities]
    found: dict[tuple[str, str], float] = {}
    for number, row in enumerate(rows, 1):
        entry = Entry(f"{file} correlation {number}", row, ("between", "value"))
        pair, value = entry.names("between"), entry.number("value")
        for name in pair:
            if name not in known:
                raise UnknownNameError(f"{entry.where}: quantity", name, known)
        if len(pair) != 2 or pair[0] == pair[1] or pair in found or pair[::-1] in found or not -1.0 < value < 1.0:
            raise InputError(
                f"{entry.where}: must join two different quantities, once, by a value between -1 and 1, but got {row}."
            )
        found[(pair[0], pair[1])] = value
    return found


def _sex(covariates: Mapping[str, Any], notes: list[str]) -> str | None:
    sex = covariates.get("sex")
    if sex in ("male", "female"):
        return sex
    notes.append("Sex unknown: factors of neither sex used.")
    return None


def _positive(covariates: Mapping[str, Any], key: str, unit: str) -> float | None:
    value = covariates.get(key)
    if value is None:
        return None
    sound = isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)
    if not sound or value < 0.0 or (value == 0.0 and key != "age"):
        raise InputError(f"`{key}` must be a positive number in {unit}, but got {value!r}; leave it out when unknown.")
    return float(value)
