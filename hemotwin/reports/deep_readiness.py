"""Readiness with what a calibration is expected to learn: the one step of readiness that needs JAX."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

from ..core.errors import InputError
from ..records.readiness import Readiness

__all__ = ["deepened"]


def deepened(
    found: Readiness,
    *,
    circulation: str = "adult",
    prior: str | Path = "adult_wide",
    noise: str | Path = "clinical",
    about: Sequence[str] = (),
    draws: int | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Readiness:
    """The same readiness with `expected`: by patient, the contraction of each quantity and the best next measurements.

    The visit is the one that a calibration would use. `about` names the quantities or readings that the ranking is to
    serve. Raises `InputError` without JAX, and for unknown names.
    """
    if importlib.util.find_spec("jax") is None:
        raise InputError("`deep` needs JAX, which is not installed: pip install jax; the rest of readiness needs none.")
    from ..calibration.expected_information import DRAWS, expected_information
    from ..physiology.model import circulation as model_of

    expected = expected_information(
        model_of(circulation), list(found.records), prior=prior, noise=noise, about=tuple(about), costs=found.costs,
        draws=DRAWS if draws is None else draws, seed=seed, progress=progress,
    )  # fmt: skip
    return dataclasses.replace(found, expected=expected)
