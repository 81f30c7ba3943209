"""Any number of lanes in blocks of one width, on all cores: one compiled program serves cohorts of any size."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .compilation import accelerators
from .crew import crew, usable
from .precision import double

__all__ = ["block_width", "blocks", "filled", "in_blocks", "in_rounds", "rounded_up"]

Lanes = np.ndarray | slice
_compiled: set[Hashable] = set()  # (program, width of its blocks, float64 or not) that have run in this process
FEW = 4  # narrow blocks that are taken rather than a wide one
DIGITS = 4  # binary ones of a number of lanes that has a program of its own
FILLING = 8192  # lanes per block that keep a GPU busy where each runs some passes side by side


def block_width(on_cpu: int, count: int, filling: int = FILLING) -> int:
    """Lanes per block for `count` lanes: `on_cpu` there; else enough to fill every GPU, or the next power of 2 each."""
    if jax.default_backend() == "cpu":
        return on_cpu
    devices = len(accelerators())
    return devices * min(filling, 1 << max(0, -(-count // devices) - 1).bit_length())


def rounded_up(count: int) -> int:
    """The next number of lanes of four binary digits, at most an eighth more: few programs serve all numbers."""
    unit = 1 << max(0, count.bit_length() - DIGITS)
    return -(-count // unit) * unit


def blocks(count: int, width: int) -> Iterator[tuple[Lanes, int]]:
    """Blocks of fixed width over `count` lanes, the last filled up with repeats: (which lanes, how many are real)."""
    for first in range(0, count, width):
        last = min(first + width, count)
        whole = last - first == width
        yield slice(first, last) if whole else filled(np.arange(first, last), width), last - first


def filled(lanes: np.ndarray, width: int) -> np.ndarray:
    """Indices of lanes, the last repeated until there are `width`."""
    return np.concatenate([lanes, np.full(width - len(lanes), lanes[-1])])


def in_blocks(run: Callable[[Any], Any], count: int, width: int, program: Hashable = None) -> Any:
    """Call `run(lanes)` for every block (a slice, or indices) and join the results (tuples of arrays, lanes last).

    On a CPU the blocks run on all cores that this process may use, one thread each (XLA keeps to one core for loops
    this small). The first runs alone, so that the program is compiled once, unless a call of the same `program` (None:
    not known) on blocks of this width has been here before.
    """
    wide = bool(getattr(jax.config, "jax_enable_x64"))  # noqa: B009
    todo, key, ends = list(blocks(count, width)), (program, width, wide), _Ends(count)

    def one(at: int) -> None:
        lanes, real = todo[at]
        with double(wide):
            ends.put(run(lanes), at * width, real)

    known = program is not None and key in _compiled
    if not known:
        one(0)
        _compiled.add(key)
    left = range(0 if known else 1, len(todo))
    if len(left) > 1 and usable() > 1 and jax.default_backend() == "cpu":
        crew(usable() - 1).run(lambda at: one(left[at]), len(left))
    else:
        for at in left:
            one(at)
    return ends.joined()


class _Ends:
    """Results of blocks, each written to its place by the thread that has it."""

    def __init__(self, count: int) -> None:
        self.count, self.structure = count, None
        self.whole: list[np.ndarray] = []
        self._first = threading.Lock()

    def put(self, found: Any, first: int, real: int) -> None:
        """The result of the block of lanes `first` .. `first` + `real` - 1."""
        leaves, structure = jax.tree.flatten(found)
        parts = [np.asarray(leaf)[..., :real] for leaf in leaves]
        with self._first:
            if self.structure is None:
                self.whole = [np.empty((*part.shape[:-1], self.count), part.dtype) for part in parts]
                self.structure = structure
        for kept, part in zip(self.whole, parts, strict=True):
            kept[..., first : first + real] = part

    def joined(self) -> Any:
        """All of them."""
        assert self.structure is not None, "at least one block has run"
        return jax.tree.unflatten(self.structure, self.whole)


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
