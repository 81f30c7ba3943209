"""How much of a stage was compiling: tracing, lowering, XLA and reading the compilation cache, apart from running."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax

__all__ = ["CompileClock", "compile_clock"]

# JAX's own events; the compiling one includes reading the cache. Events nest (a trace inside a trace), so that
# seconds are those of the union of their intervals.
EVENTS = (
    "/jax/core/compile/jaxpr_trace_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
)


class CompileClock:
    """Wall seconds in which at least one thread was compiling, since the clock was started."""

    def __init__(self) -> None:
        self._spans: list[tuple[float, float]] = []
        self._lock = threading.Lock()

    def note(self, event: str, duration_secs: float, **kwargs: Any) -> None:
        """Listener of JAX's events: one has just ended after so many seconds."""
        if event in EVENTS:
            now = time.perf_counter()
            with self._lock:
                self._spans.append((now - duration_secs, now))

    def between(self, start: float, stop: float) -> float:
        """Seconds of compiling between two readings of `time.perf_counter`."""
        with self._lock:
            spans = sorted((max(a, start), min(b, stop)) for a, b in self._spans if b > start and a < stop)
        total, reached = 0.0, start
        for first, last in spans:
            total += max(0.0, last - max(first, reached))
            reached = max(reached, last)
        return total


@contextmanager
def compile_clock() -> Iterator[CompileClock]:
    """A clock that listens while the block runs."""
    clock = CompileClock()
    jax.monitoring.register_event_duration_secs_listener(clock.note)
    try:
        yield clock
    finally:
        _forget(clock.note)


def _forget(listener: Any) -> None:
    """Take the listener away where this JAX can; one that stays only adds to a list that nobody reads."""
    forget = getattr(jax.monitoring, "unregister_event_duration_listener", None)
    if forget is not None:
        forget(listener)
