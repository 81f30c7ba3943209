"""Random numbers of a patient: the same whoever else is calibrated beside, in whatever order, on whatever machine."""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["random_stream"]


def random_stream(seed: int, patient: str) -> np.random.Generator:
    """Generator of the patient of this name: PCG64 seeded by `seed` and the name's SHA-256."""
    words = np.frombuffer(hashlib.sha256(patient.encode()).digest(), "<u4")
    return np.random.default_rng([seed, *map(int, words)])
