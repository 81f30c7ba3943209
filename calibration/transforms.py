"""Between natural units and the unconstrained space in which quantities are fitted."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["LOGARITHMIC", "from_free", "to_free"]

LOGARITHMIC = frozenset({"lognormal"})  # kinds of prior whose free value is the logarithm; all others stay as they are


def to_free(kind: str, value: Any) -> np.ndarray:
    """Free value of a quantity with this kind of prior: log(value) when lognormal, else the value itself."""
    value = np.asarray(value, dtype=float)
    return np.asarray(np.log(value)) if kind in LOGARITHMIC else value


def from_free(kind: str, theta: Any) -> np.ndarray:
    """Natural value of a free value: exp(theta) when lognormal, else theta itself."""
    theta = np.asarray(theta, dtype=float)
    return np.asarray(np.exp(theta)) if kind in LOGARITHMIC else theta
