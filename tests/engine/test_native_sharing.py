"""A call of native code shares its patients out among XLA's threads, and is right whoever comes, late or not at all."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.engine import crew
from hemotwin.engine.backends.native import call, entry, handler, interface
from hemotwin.engine.backends.pallas import on_backend
from hemotwin.engine.beat import compiled
from hemotwin.engine.precision import double
from tests.engine.kernels import STEPS, patients, small_beat

pytestmark = pytest.mark.skipif(
    bool(call.why_not()) or jax.default_backend() != "cpu", reason="native code needs a CPU and llvmlite"
)

# Each patient's number doubled; patient 0 is done only when another is (or after PATIENCE turns: then it gets none).
TOGETHER = """
@{name}.others = global i64 0
define void @{name}(ptr %in, ptr %out, ptr %own, i64 %patients, i64 %i) nounwind {{
  %first = icmp eq i64 %i, 0
  br i1 %first, label %wait, label %other
wait:
  %n = phi i64 [ 0, %0 ], [ %next, %on ]
  %others = load atomic i64, ptr @{name}.others acquire, align 8
  %some = icmp sgt i64 %others, 0
  br i1 %some, label %write, label %on
on:
  %next = add i64 %n, 1
  %yielded = call i32 @sched_yield()
  %long = icmp sgt i64 %next, {patience}
  br i1 %long, label %done, label %wait
other:
  %before = atomicrmw add ptr @{name}.others, i64 1 release
  br label %write
write:
  %given = getelementptr float, ptr %in, i64 %i
  %number = load float, ptr %given
  %twice = fmul float %number, 2.0
  %place = getelementptr float, ptr %out, i64 %i
  store float %twice, ptr %place
  br label %done
done:
  ret void
}}
"""
PATIENCE = 10**7  # turns of some 100 ns: a second
NUMBERS = np.arange(1.0, 6.0, dtype=np.float32)


def spare_cores() -> ctypes.c_int32:
    return ctypes.c_int32.from_address(crew.spare())


@pytest.fixture
def spare() -> Iterator[ctypes.c_int32]:
    """The number of idle cores that native code reads, put back afterwards."""
    number = spare_cores()
    before = number.value
    yield number
    number.value = before


def text(name: str, patience: int = PATIENCE) -> str:
    return TOGETHER.format(name=name, patience=patience) + entry.entry(name, 1, 2, 0, 1, 4)


def test_another_thread_takes_patients_of_the_same_call(spare: ctypes.c_int32):
    """Patient 0 ends only if another is done meanwhile; alone it never is."""
    name = "hemotwin_test_" + hashlib.sha256(text("").encode()).hexdigest()[:16]  # machine code is kept by name
    handler.registered(name, lambda: text(name))
    ends = [jax.ShapeDtypeStruct(NUMBERS.shape, jnp.float32), jax.ShapeDtypeStruct((4,), jnp.uint8)]
    run = jax.jit(lambda x: jax.ffi.ffi_call(name, ends)(x)[0])
    spare.value = 1
    np.testing.assert_array_equal(np.asarray(run(NUMBERS)), 2.0 * NUMBERS)


def test_the_beat_is_the_same_however_many_share_it(spare: ctypes.c_int32):
    """Bit by bit, for groups that come out even or not, with tangents and without; 5 threads are more than help."""
    with double():
        for lanes in (1, 9, 37, 130):
            for free in (None, (0, 1)):
                run = compiled(on_backend(small_beat(), "native"), free)
                found = []
                for spare.value in (0, 1, 5):
                    found.append([np.asarray(leaf) for leaf in run(*patients(count=lanes), STEPS)])
                for other in found[1:]:
                    for one, two in zip(found[0], other, strict=True):
                        np.testing.assert_array_equal(one, two)


def test_calls_of_many_threads_share_and_none_disturbs_another(spare: ctypes.c_int32):
    """Helpers that come when their call is over find its memory whole: 8 threads, 100 calls each."""
    run = compiled(on_backend(small_beat(), "native"), None)
    with double():
        rows = [patients(count=lanes) for lanes in (9, 17, 33, 65)]
        spare.value = 0
        expected = [np.asarray(run(*some, STEPS).state) for some in rows]
    spare.value = 3

    def often(at: int) -> bool:
        with double():
            k = at % len(rows)
            return all(np.array_equal(np.asarray(run(*rows[k], STEPS).state), expected[k]) for _ in range(100))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(often, range(8)))


def test_no_core_is_spare_while_a_crew_works(spare: ctypes.c_int32):
    """Nor does an error leave it so."""
    seen = []
    crew.crew(1).run(lambda _: seen.append(spare.value), 3)
    assert seen == [0, 0, 0]
    assert spare.value == crew.usable() - 1
    with pytest.raises(ZeroDivisionError):
        crew.crew(1).run(lambda at: 1 // at, 3)
    assert spare.value == crew.usable() - 1


class Frame:
    """A call as XLA makes it, with threads that never come, that come late, or that are refused."""

    def __init__(self, numbers: np.ndarray, refuses: bool) -> None:
        api = interface.interface()
        self.numbers, self.out, self.own = numbers, np.zeros_like(numbers), np.zeros(64, np.uint8)
        self.asked: list[tuple[int, int]] = []
        self.destroyed: list[int] = []
        self.held: list[object] = []
        dims = self.keep((ctypes.c_int64 * 1)(len(numbers)))
        buffers = [self.buffer(x, dims) for x in (self.numbers, self.out, self.own)]
        functions = self.words({api.schedule: self.function(lambda told: self.scheduled(told, refuses)),
                                api.destroy: self.function(self.freed)})  # fmt: skip
        self.address = self.words({
            api.arguments: self.keep((ctypes.c_void_p * 1)(buffers[0])),
            api.results: self.keep((ctypes.c_void_p * 2)(*buffers[1:])),
            api.functions: functions, api.context: 12345,
        })  # fmt: skip

    def keep(self, structure: ctypes.Array) -> int:
        self.held.append(structure)
        return ctypes.addressof(structure)

    def words(self, values: dict[int, int]) -> int:
        words = (ctypes.c_uint64 * 64)()
        for place, value in values.items():
            words[place // 8] = value
        return self.keep(words)

    def buffer(self, array: np.ndarray, dims: int) -> int:
        api = interface.interface()
        return self.words({api.data: array.ctypes.data, api.rank: 1, api.dimensions: dims})

    def function(self, run: Callable[[int], Any]) -> int:
        made = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(run)
        self.held.append(made)
        return ctypes.cast(made, ctypes.c_void_p).value or 0

    def scheduled(self, told: int, refuses: bool) -> int | None:
        api = interface.interface()
        word = lambda place: ctypes.c_uint64.from_address(told + place).value  # noqa: E731
        assert (word(0), word(api.work_context)) == (api.work_size, 12345)
        self.asked.append((word(api.work_task), word(api.work_data)))
        return 777 if refuses else None

    def freed(self, told: int) -> None:
        api = interface.interface()
        assert ctypes.c_uint64.from_address(told).value == api.error_size
        self.destroyed.append(ctypes.c_uint64.from_address(told + api.error).value)


@pytest.mark.parametrize(("refuses", "idle", "helpers"), [(True, 2, 2), (False, 2, 2), (False, 9, 4), (False, 0, 0)])
def test_a_call_is_whole_without_its_helpers_and_late_ones_find_nothing(refuses: bool, idle: int, helpers: int):
    """As many are asked as are idle and could find a patient; an error of XLA's is freed; late ones change nothing."""
    name = "hemotwin_test_alone"
    kind = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
    run, engine = handler.loaded(text(name, patience=10), f"{name}.call", kind)
    number = ctypes.c_int32(idle)
    pointer = ctypes.c_void_p.from_address(engine.get_global_value_address(f"{name}.spare"))
    pointer.value = ctypes.addressof(number)
    frame = Frame(NUMBERS, refuses)
    assert run(frame.address) is None
    expected = np.where(np.arange(5) == 0, 0.0, 2.0 * NUMBERS)  # nobody came: patient 0 has waited in vain
    np.testing.assert_array_equal(frame.out, expected)
    assert len(frame.asked) == helpers and len(set(frame.asked)) == bool(helpers)
    assert frame.destroyed == ([777] * helpers if refuses else [])
    if not refuses:
        frame.out[:] = -1.0
        for task, job in frame.asked:
            ctypes.CFUNCTYPE(None, ctypes.c_void_p)(task)(job)
        np.testing.assert_array_equal(frame.out, -1.0)
