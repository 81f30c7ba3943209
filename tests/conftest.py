"""What every test shares: the compile cache, the strictness of JAX, and the folder of real records."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

import pytest
from jaxtyping import config, install_import_hook

import tests.types_checked  # noqa: F401  (the hook below finds it by name)

DATA = "HEMOTWIN_DATA"


def _compile_cache() -> Path:
    """A folder for this processor: compiled programs hold its instructions and must not move to another."""
    try:
        processor = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    except (OSError, StopIteration):
        processor = platform.processor()
    mark = hashlib.sha256(f"{platform.machine()} {processor}".encode()).hexdigest()[:12]
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hemotwin" / f"tests-{mark}"


# JAX reads these once, when it is first imported.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_compile_cache()))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
os.environ.setdefault("JAX_NUMPY_DTYPE_PROMOTION", "strict")
os.environ.setdefault("MPLBACKEND", "agg")

# Annotations are checked at run time in all rooms but physiology, where a part's field may hold a traced row.
ROOMS = ("core", "engine", "calibration", "records", "prediction", "reports", "cli")
install_import_hook([f"hemotwin.{room}" for room in ROOMS], "tests.types_checked.checked")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real records; a test that asks for it bears the marker `real_data`."""
    folder = os.environ.get(DATA)
    if not folder:
        pytest.skip(f"needs real records: set {DATA} to the folder that holds them")
    if not Path(folder).is_dir():
        pytest.fail(f"{DATA} must be a folder, but got {folder!r}")
    return Path(folder)


@pytest.fixture(autouse=True)
def _rows_unchecked(request: pytest.FixtureRequest):
    """Types are not checked while whole exports are read: millions of calls, ten times as slow, every one of which the
    small records of other tests make with its types checked."""
    before = config.jaxtyping_disable
    if request.node.get_closest_marker("real_data") and "records" in request.path.parts:
        config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", before)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "data_folder" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("real_data"):
            raise pytest.UsageError(f"{item.nodeid} reads real records and must be marked real_data")
        if item.get_closest_marker("gpu") and not _accelerator():
            item.add_marker(pytest.mark.skip(reason="needs an accelerator that JAX can see"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """With real records at hand, a real_data test that skips has not looked at them: that fails the run."""
    report = yield
    ran = hasattr(report, "wasxfail")
    if report.skipped and not ran and os.environ.get(DATA) and item.get_closest_marker("real_data"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} skipped although {DATA} is set: {call.excinfo.value if call.excinfo else ''}"
    return report


def _accelerator() -> bool:
    import jax

    return any(device.platform != "cpu" for device in jax.devices())
