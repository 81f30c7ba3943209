"""Small dense systems, one per lane, batch last: no library call inside the compiled loop.

LAPACK solves one matrix after the other and its calls inside concurrent compiled loops were seen to deadlock on CPU;
elimination with the lanes last is a handful of fused elementwise operations and runs anywhere.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["solve"]


def solve(matrix: jax.Array, right: jax.Array) -> jax.Array:
    """x of A x = b for every lane: A [S, S, B], b [S, K, B] -> x [S, K, B].

    Gauss-Jordan elimination with partial pivoting; a singular lane gives inf or nan in that lane alone.
    """
    size = matrix.shape[0]
    rows = jnp.arange(size)[:, None]

    def eliminate(k: jax.Array, table: jax.Array) -> jax.Array:
        column = lax.dynamic_index_in_dim(table, k, axis=1, keepdims=False)
        candidates = jnp.where(rows >= k, jnp.abs(column), -1.0)
        best = jnp.argmax(candidates, axis=0)[None]
        is_best = (rows == best).astype(table.dtype)[:, None]
        pivot_row = jnp.sum(jnp.where(is_best > 0, table, 0.0), axis=0)
        this_row = lax.dynamic_index_in_dim(table, k, axis=0, keepdims=False)
        is_this = (rows == k)[:, None]
        table = jnp.where(is_best > 0, this_row[None], table)
        pivot = lax.dynamic_index_in_dim(pivot_row, k, axis=0, keepdims=False)
        scaled = pivot_row / pivot[None]
        factors = lax.dynamic_index_in_dim(table, k, axis=1, keepdims=True)
        return jnp.where(is_this, scaled[None], table - factors * scaled[None])

    table = lax.fori_loop(0, size, eliminate, jnp.concatenate([matrix, right], axis=1))
    return table[:, size:]
