"""Seconds of compiling, apart from running."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp

from hemotwin.engine.compile_clock import EVENTS, compile_clock


def test_nested_and_parallel_compiling_counts_once():
    with compile_clock() as clock:
        now = time.perf_counter()
        clock.note(EVENTS[0], 0.5)
        clock.note(EVENTS[1], 0.2)
        clock.note("/some/other/event", 100.0)
    assert abs(clock.between(now - 1.0, now + 1.0) - 0.5) < 0.01
    assert clock.between(now - 1.0, now - 0.6) == 0.0


def test_a_program_compiles_once_and_runs_without_the_clock():
    program = jax.jit(lambda x: jnp.cumsum(jnp.sin(x) * 3.25))
    x = jnp.ones(7)
    with compile_clock() as clock:
        start = time.perf_counter()
        program(x).block_until_ready()
        compiled = time.perf_counter()
        program(x).block_until_ready()
        done = time.perf_counter()
    assert 0.0 < clock.between(start, compiled) <= compiled - start
    assert clock.between(compiled, done) == 0.0
