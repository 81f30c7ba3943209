"""Any number of lanes in blocks of one width, on all cores: one compiled program serves cohorts of any size."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .compilation import accelerators
from .machine import cores
from .precision import double

__all__ = ["block_width", "blocks", "in_blocks", "in_rounds"]

Lanes = np.ndarray | slice
_compiled: set[Hashable] = set()  # (program, width of its blocks, float64 or not) that have run in this process
FEW = 4  # narrow blocks that are taken rather than a wide one
FILLING = 8192  # lanes per block that keep a GPU busy where each runs some passes side by side


def block_width(on_cpu: int, count: int, filling: int = FILLING) -> int:
    """Lanes per block for `count` lanes: `on_cpu` there; else enough to fill every GPU, or the next power of 2 each."""
    if jax.default_backend() == "cpu":
        return on_cpu
    devices = len(accelerators())
    return devices * min(filling, 1 << max(0, -(-count // devices) - 1).bit_length())


def blocks(count: int, width: int) -> Iterator[tuple[Lanes, int]]:
    """Blocks of fixed width over `count` lanes, the last filled up with repeats: (which lanes, how many are real)."""
    for first in range(0, count, width):
        last = min(first + width, count)
        whole = last - first == width
        yield slice(first, last) if whole else _filled(np.arange(first, last), width), last - first


def _filled(lanes: np.ndarray, width: int) -> np.ndarray:
    return np.concatenate([lanes, np.full(width - len(lanes), lanes[-1])])


def in_blocks(run: Callable[[Any], Any], count: int, width: int, program: Hashable = None) -> Any:
    """Call `run(lanes)` for every block (a slice, or indices) and join the results (tuples of arrays, lanes last).

    On a CPU the blocks run on all cores that this process may use, one thread each (XLA keeps to one core for loops
    this small). The first runs alone, so that the program is compiled once, unless a call of the same `program` (None:
    not known) on blocks of this width has been here before.
    """
    wide = bool(getattr(jax.config, "jax_enable_x64"))  # noqa: B009

    def one(block: tuple[Lanes, int]) -> Any:
        with double(wide):
            return jax.tree.map(lambda leaf: np.asarray(leaf)[..., : block[1]], run(block[0]))

    todo, parts, key = list(blocks(count, width)), [], (program, width, wide)
    if program is None or key not in _compiled:
        parts.append(one(todo[0]))
        _compiled.add(key)
    left = todo[len(parts) :]
    threads = _usable() if len(left) > 1 and jax.default_backend() == "cpu" else 1
    parts += _shared(one, left, threads) if threads > 1 else [one(block) for block in left]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=-1), *parts)


def _shared(one: Callable[[Any], Any], todo: Sequence[Any], threads: int) -> list[Any]:
    """`one` of every block, each taken by whichever thread is free next, the caller's among them: to wake a thread
    takes as long as the beat of 100 patients."""
    parts: list[Any] = [None] * len(todo)
    waiting = iter(range(len(todo)))  # its `next` is one step of the interpreter: no two threads get the same block

    def work() -> None:
        for at in waiting:
            parts[at] = one(todo[at])

    pool = _threads(threads - 1)
    others = [pool.submit(work) for _ in range(min(threads, len(todo)) - 1)]
    try:
        work()
    finally:
        deque(waiting, maxlen=0)  # nothing is left, unless this thread failed: then the others begin no more
        for other in others:
            if not other.cancel():
                other.result()
    return parts


@functools.cache
def _usable() -> int:
    """Cores of this process, asked once: the answer is read from files."""
    return cores().usable


@functools.cache
def _threads(count: int) -> ThreadPoolExecutor:
    """Threads that stay: to start them anew costs as much as the beat of 500 patients."""
    return ThreadPoolExecutor(count, thread_name_prefix="hemotwin")


def in_rounds(
    advance: Callable[[Any, Any], Any], lanes: Any, moving: Callable[[Any], np.ndarray], width: int,
    program: Hashable = None, narrow: int | None = None,
) -> Any:  # fmt: skip
    """`lanes` (a tree of arrays, lanes last) advanced until `moving(lanes)` holds for none.

    `advance(indices or a slice, their part of the lanes)` takes one block some steps further. Between rounds the lanes
    that still move are put together anew, so that no block waits for its slowest; where they are few, in blocks of
    `narrow` lanes. On a CPU numpy arrays are written in place; elsewhere the lanes stay on the device until they are
    done. `program` as for `in_blocks`.
    """
    if jax.default_backend() != "cpu":
        return _in_rounds_on_device(advance, lanes, moving, width)
    while len(left := np.flatnonzero(still := moving(lanes))):

        def some(block: Lanes, left: np.ndarray = left, whole: bool = bool(still.all())) -> Any:
            mine = block if whole else left[block]
            return advance(mine, jax.tree.map(lambda held: held[..., mine], lanes))

        fitting = width if narrow is None or len(left) > FEW * narrow else narrow
        found = in_blocks(some, len(left), fitting, program)
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
