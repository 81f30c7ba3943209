"""The strictness that conftest.py promises is in force."""

from __future__ import annotations

import jax.numpy as jnp
import pytest
from jaxtyping import TypeCheckError

from hemotwin.core.provenance import provenance


def test_a_wrong_argument_type_is_an_error():
    with pytest.raises(TypeCheckError):
        provenance(precision=64)  # type: ignore[arg-type]


def test_silent_promotion_of_rank_is_an_error():
    with pytest.raises(ValueError, match="rank_promotion"):
        jnp.ones((3, 2)) + jnp.ones(2)


def test_silent_promotion_of_dtype_is_an_error():
    with pytest.raises(ValueError, match="dtype_promotion"):
        jnp.ones(2) + jnp.arange(2)
