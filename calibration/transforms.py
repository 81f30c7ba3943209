"""Between natural units and the unconstrained space in which quantities are fitted."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["LOGARITHMIC", "from_free", "to_free"]

LOGARITHMIC = frozenset({"lognormal"})  # kinds of prior whose free value is the logarithm; all others stay as they are


def to_free(kind: str, value: Any) -> np.ndarray:
    """Free value of a quantity with this kind of prior: log(value) when lognormal, else the value itself."""
    return np.log(np.asarray(value, dtype=float)) if kind in LOGARITHMIC else np.asarray(value, dtype=float)


def from_free(kind: str, theta: Any) -> np.ndarray:
    """Natural value of a free value: exp(theta) when lognormal, else theta itself."""
    return np.exp(np.asarray(theta, dtype=float)) if kind in LOGARITHMIC else np.asarray(theta, dtype=float)
