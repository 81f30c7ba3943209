"""What a run has to work with: cores, memory, processor, devices, the compilation cache.

JAX is imported by `devices` alone, when it is called: the rest answers on a machine where JAX is missing or broken.
"""

from __future__ import annotations

import hashlib
import math
import os
import platform
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Cache",
    "Cores",
    "Devices",
    "Memory",
    "cache_in",
    "cores",
    "devices",
    "instructions",
    "memory",
    "nvidia_driver",
    "processor",
]

CONTROL_GROUPS = Path("/sys/fs/cgroup")  # Linux; absent elsewhere
MEMORY_FACTS = Path("/proc/meminfo")
PROCESSOR_FACTS = Path("/proc/cpuinfo")
UNLIMITED = 1 << 60  # bytes; control groups of version 1 write a number near 2^63 for no limit
KIBIBYTE = 1024
MARK = 12  # characters that tell processors apart


@dataclass(frozen=True)
class Cores:
    """Logical cores: `present` in the machine, `allowed` to this process (affinity), `quota` of CPU time or None."""

    present: int
    allowed: int
    quota: float | None

    @property
    def usable(self) -> int:
        """How many threads find a core: the allowed ones, or the quota rounded up where that is less."""
        return self.allowed if self.quota is None else max(1, min(self.allowed, math.ceil(self.quota)))


@dataclass(frozen=True)
class Memory:
    """Bytes: `total` of the machine or of the limit on this process, `available` now; None where it cannot be told."""

    total: int | None
    available: int | None


@dataclass(frozen=True)
class Devices:
    """What JAX computes on: backend ("cpu", "gpu"), one kind per device, JAX's own default precision, settings."""

    backend: str
    kinds: tuple[str, ...]
    double_by_default: bool
    slow_settings: tuple[str, ...]


@dataclass(frozen=True)
class Cache:
    """The compilation cache: folder, programs in it, their bytes, free bytes of the disk, trouble in writing or ""."""

    folder: Path
    programs: int
    size: int
    free: int | None
    trouble: str


def cores(groups: Path = CONTROL_GROUPS) -> Cores:
    """Cores of the machine, of this process's affinity and of its control group's quota."""
    present = os.cpu_count() or 1
    affinity = getattr(os, "sched_getaffinity", None)  # Linux; elsewhere a process may use every core
    return Cores(present, len(affinity(0)) if affinity else present, _quota(groups))


def _quota(groups: Path) -> float | None:
    """CPU seconds per second that the control group grants (version 2, then 1), None without a limit."""
    words = (_text(groups / "cpu.max") or "").split()
    if not words:
        words = [_text(groups / "cpu" / name) or "" for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")]
    try:
        granted, period = (float(word) for word in words)
    except ValueError:  # "max": no limit; nothing there: no control groups
        return None
    return granted / period if granted > 0 and period > 0 else None


def memory(groups: Path = CONTROL_GROUPS, facts: Path = MEMORY_FACTS) -> Memory:
    """Memory of the machine, or what the control group leaves of it."""
    lines = dict(line.split(":", 1) for line in (_text(facts) or "").splitlines() if ":" in line)
    total, available = (_kibibytes(lines.get(name)) for name in ("MemTotal", "MemAvailable"))
    if total is None and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:  # macOS and other Unix
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit_file, used_file in (("memory.max", "memory.current"),
                                  ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")):  # fmt: skip
        limit, used = (_number(_text(groups / name)) for name in (limit_file, used_file))
        if limit is not None and limit < min(UNLIMITED, total or UNLIMITED):
            left = max(0, limit - (used or 0))
            return Memory(limit, left if available is None else min(left, available))
    return Memory(total, available)


def processor(facts: Path = PROCESSOR_FACTS) -> str:
    """The processor's name, as far as the machine tells it."""
    for line in (_text(facts) or "").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def instructions(facts: Path = PROCESSOR_FACTS) -> str:
    """A short mark of the instructions that this processor knows: code made for them may not run elsewhere."""
    lines = (_text(facts) or "").splitlines()
    known = next((line for line in lines if line.lower().startswith(("flags", "features"))), platform.processor())
    return f"{platform.machine()}-{hashlib.sha256(known.encode()).hexdigest()[:MARK]}"


def nvidia_driver() -> bool:
    """Whether an NVIDIA driver is loaded, so that a card is there to be used."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def devices() -> Devices:
    """What JAX sees; raises whatever importing JAX or starting its backend raises."""
    import jax

    slow = [
        name for name in ("jax_disable_jit", "jax_debug_nans", "jax_debug_infs") if getattr(jax.config, name, False)
    ]
    found = jax.devices()
    return Devices(
        backend=jax.default_backend(),
        kinds=tuple(f"{platform.machine()} CPU" if d.platform == "cpu" else d.device_kind for d in found),
        double_by_default=bool(getattr(jax.config, "jax_enable_x64")),  # noqa: B009  (a setting without a stub)
        slow_settings=tuple(slow),
    )


def cache_in(folder: Path) -> Cache:
    """Count what a cache folder holds and try to write there: permissions alone do not tell of a full disk."""
    programs = size = 0
    trouble, free = "", None
    try:
        for entry in os.scandir(folder):
            if entry.is_file():
                programs += entry.name.endswith("-cache")  # JAX's name for a program; beside it stands its time of use
                size += entry.stat().st_size
        free = shutil.disk_usage(folder).free
        with tempfile.TemporaryFile(dir=folder) as draft:
            draft.write(b"hemotwin")
    except OSError as error:
        trouble = error.strerror or type(error).__name__
    return Cache(folder, programs, size, free, trouble)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _kibibytes(text: str | None) -> int | None:
    """Bytes of a line such as "16384 kB"."""
    number = _number((text or "").split()[0]) if (text or "").split() else None
    return None if number is None else number * KIBIBYTE
