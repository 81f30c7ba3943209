"""Threads that share work out: every number once, errors told, nobody waits for a thread that has nothing to do."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue

import pytest

from hemotwin.engine import crew as crew_module
from hemotwin.engine.crew import Crew, crew

PATIENCE = 30.0  # s; a thread that does not come within them never does


def test_every_number_is_worked_on_once_by_the_caller_too():
    """Three at once: two threads and the caller's own meet at a barrier."""
    together, seen = threading.Barrier(3), []

    def work(at: int) -> None:
        seen.append((at, threading.get_ident()))
        if at < 3:
            together.wait(timeout=PATIENCE)

    Crew(2).run(work, 40)
    assert sorted(at for at, _ in seen) == list(range(40))
    assert threading.get_ident() in {who for _, who in seen}


def test_an_error_in_any_thread_ends_the_work_and_is_raised():
    """The caller's own call waits until the other thread has failed; what is left is not begun."""
    failed, begun = threading.Event(), []

    def work(at: int) -> None:
        begun.append(at)
        if threading.current_thread().name == "hemotwin":
            failed.set()
            raise ValueError("a block that cannot be")
        failed.wait(timeout=PATIENCE)

    with pytest.raises(ValueError, match="cannot be"):
        Crew(1).run(work, 1000)
    assert len(begun) <= 3, "one each, and at most one that the caller took before the other thread had said so"


def test_an_interrupt_waits_for_what_another_thread_is_at():
    """A process that ended meanwhile would free what that thread's program runs on."""
    begun, ended, late = threading.Event(), [], []

    def work(at: int) -> None:
        if threading.current_thread().name == "hemotwin":
            begun.set()
            time.sleep(0.2)
            ended.append(at)
        elif begun.wait(timeout=PATIENCE):
            late.append(at)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Crew(1).run(work, 1000)
    assert len(ended) == 1 and len(late) == 1, "the other thread's call has ended, and nothing more was begun"


def test_an_interrupt_while_the_caller_waits_lets_the_last_call_end(monkeypatch: pytest.MonkeyPatch):
    """It comes as the caller waits for the last call of another thread."""
    ended: list[int] = []

    class Interrupted(SimpleQueue):
        def get(self, *given, **named):
            raise KeyboardInterrupt

    def work(at: int) -> None:
        together.wait(timeout=PATIENCE)
        if at:
            time.sleep(0.2)
        ended.append(at)

    threads, together = Crew(1), threading.Barrier(2)
    monkeypatch.setattr(crew_module, "SimpleQueue", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        threads.run(work, 2)
    assert sorted(ended) == [0, 1]


def test_a_thread_that_failed_serves_on():
    threads = Crew(1)

    def fails(at: int) -> None:
        raise KeyError(at)

    with pytest.raises(KeyError):
        threads.run(fails, 4)
    together = threading.Barrier(2)
    threads.run(lambda at: together.wait(timeout=PATIENCE), 2)


def test_work_may_ask_for_work():
    """All threads are busy with what asked: it does everything itself."""
    seen: list[int] = []
    threads = Crew(1)
    threads.run(lambda at: threads.run(lambda inner: seen.append(10 * at + inner), 3), 2)
    assert sorted(seen) == [0, 1, 2, 10, 11, 12]


def test_a_process_keeps_its_threads():
    assert crew(2) is crew(2)
