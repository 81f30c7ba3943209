"""Threads that stay and share work out with the one that asks for it.

To start a thread takes as long as the beat of 500 patients, to wake one as long as that of 50; the standard library's
pool takes as long again for what it keeps of each task. Here a thread is told one function that it calls until nothing
is left, and the one that asked works beside it.
"""

from __future__ import annotations

import ctypes
import functools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from .machine import cores

__all__ = ["Crew", "crew", "spare", "usable"]

Work = Callable[[int], object]
LOOK = 0.005  # s between looks at whether threads have ended what was abandoned


class Crew:
    """`size` threads, as daemons; several callers may ask at once."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._asked: SimpleQueue[Callable[[], None]] = SimpleQueue()
        for _ in range(size):
            threading.Thread(target=self._serve, name="hemotwin", daemon=True).start()

    def run(self, work: Work, count: int) -> None:
        """Call `work` with 0 .. count - 1, each once, in these threads and the caller's; raises what a call raises.

        Whatever ends it, an interrupt too, no call is under way when it returns: a process that ends while a thread of
        its own runs a program of XLA's crashes. A second interrupt does not wait.
        """
        with _spare.none():
            shared = _Shared(work, count)
            try:
                for _ in range(min(self.size, count - 1)):
                    self._asked.put(shared.help)
                shared.finish()
            except BaseException:
                shared.abandon()
                raise

    def _serve(self) -> None:
        while True:
            self._asked.get()()


class _Shared:
    """Calls of `work` that are shared out: which are left, how those that were made ended, and who helps."""

    def __init__(self, work: Work, count: int) -> None:
        self.work, self.count = work, count
        self.left = iter(range(count))  # its `next` is one step of the interpreter: no two threads get the same number
        self.ended: SimpleQueue[BaseException | None] = SimpleQueue()
        self.came: list[None] = []
        self.went: list[None] = []

    def finish(self) -> None:
        """Work until nothing is left and wait for what others work on; a thread that wakes later finds nothing, and
        nobody waits for it."""
        self._take()
        for _ in range(self.count):
            error = self.ended.get()
            if error is not None:
                raise error

    def help(self) -> None:
        """What another thread does."""
        self.came.append(None)
        try:
            self._take()
        finally:
            self.went.append(None)

    def abandon(self) -> None:
        """Leave what is left, and wait for the threads that are at work."""
        deque(self.left, maxlen=0)
        while len(self.went) < len(self.came):
            time.sleep(LOOK)

    def _take(self) -> None:
        for at in self.left:
            try:
                self.work(at)
            except BaseException as error:
                deque(self.left, maxlen=0)
                self.ended.put(error)
                return
            self.ended.put(None)


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
