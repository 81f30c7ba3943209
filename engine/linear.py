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
        best = jnp.argmax(jnp.where(rows >= k, jnp.abs(column), -1.0), axis=0)[None]
        pivot_row = jnp.take_along_axis(table, best[:, None], axis=0)[0]
        this_row = lax.dynamic_index_in_dim(table, k, axis=0, keepdims=False)
        scaled = pivot_row / lax.dynamic_index_in_dim(pivot_row, k, axis=0, keepdims=False)[None]
        is_best = rows == best
        factors = jnp.where(is_best, lax.dynamic_index_in_dim(this_row, k, axis=0, keepdims=True), column)
        # the rows are made before the table is passed through: fused into it they are computed for each of its elements
        scaled, factors, this_row = lax.optimization_barrier((scaled, factors, this_row))
        swapped = jnp.where(is_best[:, None], this_row[None], table)
        return jnp.where((rows == k)[:, None], scaled[None], swapped - factors[:, None] * scaled[None])

    table = lax.fori_loop(0, size, eliminate, jnp.concatenate([matrix, right], axis=1))
    return table[:, size:]
