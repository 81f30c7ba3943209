"""Lanes in blocks: how wide, and regrouped until all are done."""

from __future__ import annotations

import threading
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.engine import blocks
from hemotwin.engine.precision import double

LANES, WIDTH = 11, 4


def halved(goal: np.ndarray) -> dict[str, np.ndarray]:
    """Every lane halves its value until it is at most its goal, two halvings a round."""
    seen: list[int] = []

    def advance(mine: np.ndarray, held: Any) -> Any:
        seen.append(len(mine))
        for _ in range(2):
            live = held["value"][0] > jnp.asarray(goal[mine])
            held = {
                "value": jnp.where(live, 0.5 * held["value"], held["value"]),
                "used": held["used"] + live.astype("int64"),
            }
        return held

    lanes = {"value": np.full((1, LANES), 64.0), "used": np.zeros(LANES, np.int64)}
    with double():
        found = blocks.in_rounds(advance, lanes, lambda held: np.asarray(held["value"][0]) > goal, WIDTH)
    assert set(seen) == {WIDTH}, "one width, so one program"
    return found


def test_lanes_on_a_device_end_as_those_in_place(monkeypatch: pytest.MonkeyPatch):
    goal = 64.0 / 2.0 ** np.arange(LANES)
    in_place = halved(goal)
    np.testing.assert_array_equal(in_place["used"], np.arange(LANES))
    monkeypatch.setattr(blocks.jax, "default_backend", lambda: "gpu")
    on_device = halved(goal)
    for name, expected in in_place.items():
        np.testing.assert_array_equal(np.asarray(on_device[name]), expected)


def test_a_gpu_takes_wide_blocks_and_few_widths(monkeypatch: pytest.MonkeyPatch):
    assert blocks.block_width(16, 80_000) == 16
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert [blocks.block_width(16, count) for count in (1, 3, 64, 65, 8192, 80_000)] == [1, 4, 64, 128, 8192, 8192]


def test_the_first_block_runs_alone_until_its_program_is_known(monkeypatch: pytest.MonkeyPatch):
    """So that no two threads compile the same program; afterwards no thread waits for it."""
    told: list[str] = []

    def told_in_order(lanes: Any) -> np.ndarray:
        told.append("in")
        told.append("out")
        return np.arange(2 * WIDTH)[lanes]

    together = threading.Barrier(2)

    def at_once(lanes: Any) -> np.ndarray:
        together.wait(timeout=30.0)  # passes only when both blocks are there at the same time
        return np.arange(2 * WIDTH)[lanes]

    monkeypatch.setattr(blocks, "usable", lambda: 2)
    program = object()
    for run in (told_in_order, at_once):
        np.testing.assert_array_equal(blocks.in_blocks(run, 2 * WIDTH, WIDTH, program), np.arange(2 * WIDTH))
    assert told == ["in", "out"] * 2
