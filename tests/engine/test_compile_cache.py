"""A process that only imports the library finds what another has compiled, and JAX's own settings have their say."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from hemotwin.engine import compile_cache
from hemotwin.engine.backends.native import call
from hemotwin.engine.machine import instructions

# Something else is compiled first, as in a notebook; then a beat as native code and as XLA's program.
PROCESS = """
import jax, jax.numpy as jnp, numpy as np
before = jax.jit(lambda x: x + 1.0)(1.0)
from hemotwin.engine.beat import BeatMap, compiled
from hemotwin.engine.forward import equal_start
from hemotwin.physiology.model import circulation
model = circulation("regazzoni_2022_a")
rows = model.system.parameters.pack(model.values, 1)
start = equal_start(model.system, jnp.asarray(rows))
for backend in ("native", "xla"):
    compiled(BeatMap(model.system, backend=backend), None)(rows, start, 100)
"""
OF_ANOTHER_USER = """
import pathlib
read = pathlib.Path.read_bytes
def refused(path):
    if path.suffix in (".code", ".target"):
        raise PermissionError(13, "Permission denied", str(path))
    return read(path)
pathlib.Path.read_bytes = refused
"""
JAX_SETTINGS = ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")


def left_by_a_process(place: Path, begins: str = "", **settings: str) -> set[str]:
    """Kinds of files (how their names end) that a process leaves in the user's cache folder `place`; `begins` runs
    before all else in it."""
    environment = {name: value for name, value in os.environ.items() if name not in JAX_SETTINGS}
    environment |= {"XDG_CACHE_HOME": str(place), **settings}
    subprocess.run([sys.executable, "-c", begins + PROCESS], check=True, env=environment)
    kinds = (".code", ".target", "-cache")  # native code, which beat it is, XLA's programs
    files = [file.name for file in (place / "hemotwin" / instructions()).glob("*")]
    return {kind for kind in kinds for name in files if name.endswith(kind)}


@pytest.mark.skipif(bool(call.why_not()), reason=call.why_not() or "native code runs")
def test_the_library_keeps_what_it_compiles_unless_jax_is_told_not_to(tmp_path: Path):
    assert left_by_a_process(tmp_path / "kept") == {".code", ".target", "-cache"}
    assert left_by_a_process(tmp_path / "kept", OF_ANOTHER_USER) == {".code", ".target", "-cache"}  # made again
    assert not left_by_a_process(tmp_path / "off", JAX_ENABLE_COMPILATION_CACHE="false")


@pytest.fixture
def jax_settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """JAX's settings as of a user who has chosen none; they change in this dictionary alone."""
    settings: dict[str, object] = {"jax_compilation_cache_dir": None, "jax_enable_compilation_cache": True}

    class Config:
        def __getattr__(self, name: str) -> object:
            return settings[name]

        def update(self, name: str, value: object) -> None:
            settings[name] = value

    monkeypatch.setattr(compile_cache.jax, "config", Config())
    return settings


def test_a_folder_chosen_for_jax_is_left_alone(tmp_path: Path, jax_settings: dict[str, object]):
    jax_settings["jax_compilation_cache_dir"] = str(tmp_path / "own")
    assert compile_cache.enable() == tmp_path / "own" == compile_cache.folder_in_use()
    assert len(jax_settings) == 2  # nothing else was set


def test_the_cache_stays_off_where_it_cannot_be_or_is_not_wanted(
    tmp_path: Path, jax_settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert compile_cache.enable() is None and compile_cache.folder_in_use() is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jax_settings["jax_enable_compilation_cache"] = False
    assert compile_cache.enable() is None and not (tmp_path / "hemotwin").exists()
    jax_settings["jax_enable_compilation_cache"] = True
    assert compile_cache.enable() == tmp_path / "hemotwin" / instructions()
    jax_settings["jax_enable_compilation_cache"] = False  # JAX's programs and our native code alike
    assert compile_cache.folder_in_use() is None


def test_without_a_home_folder_the_cache_stays_off(
    tmp_path: Path, jax_settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
):
    """As in a container whose user is a number without a name."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert compile_cache.default_folder() is None and compile_cache.enable() is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert compile_cache.enable() == tmp_path / "hemotwin" / instructions()


def test_machines_with_other_instructions_keep_their_programs_apart(tmp_path: Path):
    marks = set()
    for flags in ("flags : sse avx", "flags : sse avx avx512f", "Features : asimd sve"):
        facts = tmp_path / "cpuinfo"
        facts.write_text(f"processor : 0\nmodel name : One\n{flags}\n\nprocessor : 1\n{flags}\n")
        marks.add(instructions(facts))
    assert len(marks) == 3
    folder = compile_cache.default_folder()
    assert folder is not None and instructions(tmp_path / "absent").startswith(folder.name.rsplit("-", 1)[0])


def test_a_kept_file_has_the_permissions_of_any_other(tmp_path: Path):
    """A cluster's users may share a cache: a file that only its maker may read would stop the others."""
    (tmp_path / "other").touch()
    compile_cache.keep(tmp_path / "made" / "one.code", b"content")
    kept = tmp_path / "made" / "one.code"
    assert kept.read_bytes() == b"content" and kept.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_files_that_no_process_can_use_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole, text = zlib.compress(b"program" * 100), "not packed by zlib"
    for name, content in (("whole", whole), ("cut", whole[:-5]), ("empty", b""), ("other", text.encode())):
        (tmp_path / f"{name}-cache").write_bytes(content)
    for name in ("ours.code", "theirs.code"):
        (tmp_path / name).write_bytes(b"")

    def opened(file: Path, mode: str) -> Any:
        if file.name == "theirs.code":
            raise PermissionError(file)
        return open(file, mode)

    monkeypatch.setattr(compile_cache, "open", opened, raising=False)
    unread, damaged = compile_cache.faulty(tmp_path)
    assert [file.name for file in unread] == ["theirs.code"]
    assert [file.name for file in damaged] == ["cut-cache", "empty-cache"]
    assert compile_cache.faulty(tmp_path / "absent") == ([], [])


def test_a_full_disk_leaves_no_drafts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compile_cache.os, "replace", full)
    compile_cache.keep(tmp_path / "one.code", b"content")
    assert not list(tmp_path.iterdir())
