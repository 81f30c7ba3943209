"""Any number of lanes in blocks of one width, on all cores: one compiled program serves cohorts of any size."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .machine import cores
from .precision import double

__all__ = ["block_width", "blocks", "in_blocks", "in_rounds"]

FILLING = 8192  # lanes per block that keep a GPU busy where each runs some passes side by side


def block_width(on_cpu: int, count: int) -> int:
    """Lanes per block for `count` lanes: `on_cpu` there; else enough to fill a GPU, or the next power of 2."""
    if jax.default_backend() == "cpu":
        return on_cpu
    return min(FILLING, 1 << max(0, count - 1).bit_length())


def blocks(count: int, width: int) -> Iterator[tuple[np.ndarray, int]]:
    """Index blocks of fixed width over `count` lanes, the last padded by repeats: (indices, how many are real)."""
    for first in range(0, count, width):
        lanes = np.arange(first, min(first + width, count))
        yield np.concatenate([lanes, np.full(width - len(lanes), lanes[-1])]), len(lanes)


def in_blocks(run: Callable[[np.ndarray], Any], count: int, width: int) -> Any:
    """Call `run(indices)` for every block and join the results (tuples of arrays, lanes last) into one.

    On a CPU the blocks run on all cores that this process may use, one thread each (XLA keeps to one core for loops
    this small); the first runs alone, so that the program is compiled once.
    """
    wide = bool(getattr(jax.config, "jax_enable_x64"))  # noqa: B009

    def one(block: tuple[np.ndarray, int]) -> Any:
        with double(wide):
            return jax.tree.map(lambda leaf: np.asarray(leaf)[..., : block[1]], run(block[0]))

    todo = list(blocks(count, width))
    parts = [one(todo[0])]
    threads = cores().usable if len(todo) > 2 and jax.default_backend() == "cpu" else 1
    if threads > 1:
        with ThreadPoolExecutor(min(threads, len(todo) - 1)) as pool:
            parts += list(pool.map(one, todo[1:]))
    else:
        parts += [one(block) for block in todo[1:]]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=-1), *parts)


def in_rounds(
    advance: Callable[[np.ndarray, Any], Any], lanes: Any, moving: Callable[[Any], np.ndarray], width: int
) -> Any:
    """`lanes` (a tree of arrays, lanes last) advanced until `moving(lanes)` holds for none.

    `advance(indices, their part of the lanes)` takes one block some steps further. Between rounds the lanes that still
    move are put together anew, so that no block waits for its slowest. On a CPU numpy arrays are written in place;
    elsewhere the lanes stay on the device until they are done.
    """
    if jax.default_backend() != "cpu":
        return _in_rounds_on_device(advance, lanes, moving, width)
    while len(left := np.flatnonzero(moving(lanes))):

        def some(block: np.ndarray, left: np.ndarray = left) -> Any:
            mine = left[block]
            return advance(mine, jax.tree.map(lambda held: jnp.asarray(held[..., mine]), lanes))

        found = in_blocks(some, len(left), width)
        for kept, new in zip(jax.tree.leaves(lanes), jax.tree.leaves(found), strict=True):
            kept[..., left] = new
    return lanes


def _in_rounds_on_device(
    advance: Callable[[np.ndarray, Any], Any], lanes: Any, moving: Callable[[Any], np.ndarray], width: int
) -> Any:
    held = jax.tree.map(jnp.asarray, lanes)
    while len(left := np.flatnonzero(moving(held))):
        for block, _ in blocks(len(left), width):
            mine = left[block]
            held = _put(held, mine, advance(mine, _taken(held, mine)))
    return jax.tree.map(np.array, held)


@jax.jit
def _taken(lanes: Any, which: jax.Array) -> Any:
    return jax.tree.map(lambda held: held[..., which], lanes)


@functools.partial(jax.jit, donate_argnums=0)
def _put(lanes: Any, which: jax.Array, new: Any) -> Any:
    """The lanes with some replaced; a lane that fills a block up more than once brings the same numbers each time."""
    return jax.tree.map(lambda held, part: held.at[..., which].set(part), lanes, new)
