"""Threads that stay and share work out with the one that asks for it.

To start a thread takes as long as the beat of 500 patients, to wake one as long as that of 50; the standard library's
pool takes as long again for what it keeps of each task. Here a thread is told one function that it calls until nothing
is left, and the one that asked works beside it.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from .machine import cores

__all__ = ["Crew", "crew", "spare", "usable"]

Work = Callable[[int], object]


class Crew:
    """`size` threads, as daemons; several callers may ask at once."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._asked: SimpleQueue[Callable[[], None]] = SimpleQueue()
        for _ in range(size):
            threading.Thread(target=self._serve, name="hemotwin", daemon=True).start()

    def run(self, work: Work, count: int) -> None:
        """Call `work` with 0 .. count - 1, each once, in these threads and the caller's; raises what a call raises."""
        with _spare.none():
            self._run(work, count)

    def _run(self, work: Work, count: int) -> None:
        left = iter(range(count))  # its `next` is one step of the interpreter: no two threads get the same number
        done: SimpleQueue[BaseException | None] = SimpleQueue()
        for _ in range(min(self.size, count - 1)):
            self._asked.put(functools.partial(_take, work, left, done))
        _take(work, left, done)
        for _ in range(count):  # a thread that wakes later finds nothing left, and nobody waits for it
            error = done.get()
            if error is not None:
                raise error

    def _serve(self) -> None:
        while True:
            self._asked.get()()


def _take(work: Work, left: Iterator[int], done: SimpleQueue[BaseException | None]) -> None:
    """Work on numbers until none is left; after an error none is."""
    for at in left:
        try:
            work(at)
        except BaseException as error:
            deque(left, maxlen=0)
            done.put(error)
            return
        done.put(None)


@functools.cache
def crew(size: int) -> Crew:
    """The crew of `size` threads that this process keeps."""
    return Crew(size)


@functools.cache
def usable() -> int:
    """Cores that threads of this process find, asked once: the answer is read from files."""
    return cores().usable


class _Spare:
    """How many cores stand idle beside the one that a call runs on, for native code to read; a crew leaves none."""

    def __init__(self) -> None:
        self.number = ctypes.c_int32(usable() - 1)
        self._crews, self._change = 0, threading.Lock()

    @contextmanager
    def none(self) -> Iterator[None]:
        """Within, calls keep to the core they run on."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        with self._change:
            self._crews += more
            self.number.value = 0 if self._crews else usable() - 1


_spare = _Spare()


def spare() -> int:
    """Address of the number (int32) of cores that stand idle; it changes while this process runs."""
    return ctypes.addressof(_spare.number)
