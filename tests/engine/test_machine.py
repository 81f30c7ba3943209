"""What the machine gives a run, read from the files of a control group and tried on a folder."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from hemotwin.engine import machine

GIBIBYTE = 1 << 30


def test_cores_used_are_those_of_the_affinity_not_of_the_machine(monkeypatch, tmp_path):
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {3, 5, 7}, raising=False)
    found = machine.cores(tmp_path)
    assert (found.present, found.allowed, found.usable) == (64, 3, 3)


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_quota_of_a_container_is_read_in_both_versions(files, quota, tmp_path, monkeypatch):
    write(tmp_path, files)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(8)), raising=False)
    found = machine.cores(tmp_path)
    assert found.quota == quota
    assert found.usable == (8 if quota is None else 2 if quota > 1 else 1)


def test_memory_is_what_the_container_leaves_of_the_machine(tmp_path):
    facts = tmp_path / "meminfo"
    facts.write_text("MemTotal:       16777216 kB\nMemAvailable:   12582912 kB\n")
    assert machine.memory(tmp_path, facts) == machine.Memory(16 * GIBIBYTE, 12 * GIBIBYTE)
    write(tmp_path, {"memory.max": str(4 * GIBIBYTE), "memory.current": str(GIBIBYTE)})
    assert machine.memory(tmp_path, facts) == machine.Memory(4 * GIBIBYTE, 3 * GIBIBYTE)
    write(tmp_path, {"memory.max": "max"})
    assert machine.memory(tmp_path, facts).total == 16 * GIBIBYTE


def test_cache_counts_programs_and_is_tried_by_writing(tmp_path):
    write(tmp_path, {"jit_a-1-cache": "12345", "jit_a-1-atime": "12", "jit_b-2-cache": "123"})
    found = machine.cache_in(tmp_path)
    assert (found.programs, found.size, found.trouble) == (2, 10, "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["jit_a-1-atime", "jit_a-1-cache", "jit_b-2-cache"]
    assert machine.cache_in(tmp_path / "nowhere").trouble == "No such file or directory"


def test_blocks_run_on_the_cores_that_the_affinity_allows(monkeypatch):
    from hemotwin.engine import blocks

    asked, crew = [], blocks.crew
    monkeypatch.setattr(blocks, "crew", lambda size: asked.append(size) or crew(size))
    for allowed in (3, 1):
        monkeypatch.setattr(blocks, "usable", lambda n=allowed: n)
        found = blocks.in_blocks(lambda lanes: np.arange(50)[lanes], 50, 4)
        assert found.tolist() == list(range(50))
    assert asked == [2]  # the caller's thread and two more; one core: no other threads at all
    monkeypatch.undo()
    assert blocks.usable() == machine.cores().usable


def test_machine_is_described_without_importing_jax():
    code = (
        "import sys\nfrom hemotwin.engine import machine as m\n"
        "m.cores(), m.memory(), m.processor(), m.nvidia_driver()\n"
        "print('jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"


def write(folder, files) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
