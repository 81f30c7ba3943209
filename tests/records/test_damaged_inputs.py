"""Whatever is read ends with records that add up or with one named error: no traceback, no hang, no flood of memory."""

import shutil
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError

from .build import checked
from .damaged import damaged, good_inputs

for library in ("duckdb", "pyarrow", "wfdb", "pyedflib"):
    pytest.importorskip(library)

SECONDS = 10.0  # of this process for one input, whatever else the machine does; most take milliseconds
GIGABYTES = 2.0


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return good_inputs(tmp_path_factory.mktemp("good"))


def outcome(folder: Path, good: dict[str, bytes], seed: int) -> str:
    """ "read" or "refused"; fails on anything else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = damaged(folder, good, np.random.default_rng(seed))
    before = {one.resolve() for one in folder.parent.iterdir()}
    began = time.process_time()
    try:
        records = checked(ht.read(path))
        assert all(name.isprintable() for name in records.patients)
        assert repr(records.table()).replace("\n", "").isprintable()
        ended = "read"
    except InputError as error:
        message = str(error)
        assert message.strip() and message.replace("\n", "").isprintable(), f"seed {seed}: {message!r}"
        ended = "refused"
    assert time.process_time() - began < SECONDS, f"seed {seed} took too long"
    assert {one.resolve() for one in folder.parent.iterdir()} == before, f"seed {seed} wrote outside its folder"
    return ended


def memory(field: str) -> float:
    """Gigabytes of this process: "VmRSS" now, "VmHWM" at most since the peak was forgotten (Linux; 0 elsewhere)."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((float(line.split()[1]) / 1e6 for line in lines if line.startswith(field)), 0.0)


def forget_peak_memory() -> None:
    """What other tests held before is none of ours."""
    handle = Path("/proc/self/clear_refs")
    if handle.exists():
        handle.write_text("5")


def run(folder: Path, good: dict[str, bytes], seeds: range) -> None:
    forget_peak_memory()
    before = memory("VmRSS")
    outcomes = [outcome(folder / "one", good, seed) for seed in seeds]
    assert set(outcomes) == {"read", "refused"}
    assert memory("VmHWM") - before < GIGABYTES


def test_damaged_inputs_end_with_a_named_error_or_with_rows_that_add_up(tmp_path, good):
    run(tmp_path, good, range(90))


@pytest.mark.slow
def test_a_thousand_damaged_inputs_end_so_too(tmp_path, good):
    run(tmp_path, good, range(1000))


def test_good_inputs_are_all_read(tmp_path, good):
    for name, data in good.items():
        (tmp_path / name).write_bytes(data)
    for name in good:
        if name not in ("r1.dat", "measurement.parquet", "m_mapping.yaml"):  # read with their header, as a folder
            checked(ht.read(tmp_path / name))
    assert not [row for row in checked(ht.read(tmp_path)).rows if " file " in row.origin]


def test_archive_that_grows_without_end_is_refused_early(tmp_path):
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", bytes(200 << 20))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"z\.zip: a member grows to more than"):
        ht.read(tmp_path / "z.zip")
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
