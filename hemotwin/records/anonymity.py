"""k-anonymity of what is about to leave: how many people share each combination of sex, age and body size.

Source: Sweeney L. k-anonymity: a model for protecting privacy. IJUFKS 2002;10:557-570, doi 10.1142/S0218488502001648.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import InputError

__all__ = ["QUASI_IDENTIFIERS", "check_anonymity", "generalised", "smallest_class"]

QUASI_IDENTIFIERS = ("sex", "age", "height", "weight", "bsa")


def generalised(covariates: Mapping[str, Any], steps: Mapping[str, float | None]) -> dict[str, Any]:
    """Covariates rounded to the nearest multiple of their step (age in a, height in cm, weight in kg, bsa in m2).

    A covariate with the step None is left out; one without an entry stays as it is. Raises `InputError` for a step
    that is not above 0.
    """
    coarse: dict[str, Any] = {}
    for name, value in covariates.items():
        step = steps.get(name, 0.0)
        if step is None:
            continue
        if name in steps and not (isinstance(step, int | float) and step > 0):
            raise InputError(f"the step of `{name}` must be a number above 0, or null to leave it out, but got {step}.")
        coarse[name] = float(f"{round(value / step) * step:.6g}") if step and isinstance(value, int | float) else value
    if "bsa" in coarse and "bsa" not in steps and {"height", "weight"} & steps.keys():
        del coarse["bsa"]  # a function of height and weight in full would undo their rounding
        if "height" in coarse and "weight" in coarse:
            coarse["bsa"] = math.sqrt(coarse["height"] * coarse["weight"] / 3600)
    return coarse


def smallest_class(people: Iterable[Mapping[str, Any]]) -> int:
    """How many people share the rarest combination of quasi-identifiers (k); 0 when there is nobody.

    Values are compared as they are given, so that k holds for exactly what is written; "not recorded" is a value too.
    """
    return min(Counter(_class_of(one) for one in people).values(), default=0)


def check_anonymity(people: Iterable[Mapping[str, Any]], k: int) -> None:
    """Raise `InputError` unless every combination of quasi-identifiers is shared by at least `k` people.

    The message counts and never names anybody. Measured values are not quasi-identifiers here: who already knows
    a patient's readings finds the patient by them, whatever k is.
    """
    counts = Counter(_class_of(one) for one in people)
    few = {values: count for values, count in counts.items() if count < k}
    if not few:
        return
    varied = [name for number, name in enumerate(QUASI_IDENTIFIERS) if len({values[number] for values in counts}) > 1]
    raise InputError(
        f"the export must be {k}-anonymous in {', '.join(varied) or 'number of people'}, but {sum(few.values())} of "
        f"{sum(counts.values())} people are in groups of fewer than {k} (the smallest has {min(few.values())}): round "
        "age, height and weight to coarser steps, leave one of them out, or export more people together."
    )


def _class_of(covariates: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(covariates.get(name) for name in QUASI_IDENTIFIERS)
