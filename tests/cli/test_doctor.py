"""`hemotwin doctor`: every fault comes with its fix, and the exit code says whether anything can be computed."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from importlib import metadata

import pytest

import hemotwin as ht
from hemotwin.cli import doctor, installation, main, self_check
from hemotwin.cli.checkup import Checkup, Finding, Problem
from hemotwin.cli.installation import declared
from hemotwin.core.status import Status
from hemotwin.engine import machine

BEATS = self_check.Beats(
    {"sbp": 118.0, "dbp": 74.0, "cardiac_output": 5.4}, {"sbp": 118.0}, ("float64", "float32"), 3e-5, 3e-5, 1e-13,
    int(Status.OK), 400, 12.0, 0.07, 0.001,
)  # fmt: skip
WHOLE = installation.Declared(
    ">=3.11", ("3.11", "3.12"), {"": ("jax>=0.8", "numpy>=2.0"), "wave": ("wfdb>=4",), "all": ("hemotwin[wave]",)},
    None, {},
)  # fmt: skip


@pytest.fixture(autouse=True)
def ready(monkeypatch, tmp_path):
    """A machine on which nothing is wrong; each test spoils one thing."""
    found = machine.Devices("cpu", ("x86_64 CPU",), False, ())
    monkeypatch.setattr(machine, "devices", lambda: found)
    monkeypatch.setattr(machine, "cores", lambda: machine.Cores(8, 8, None))
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(16 << 30, 8 << 30))
    monkeypatch.setattr(machine, "nvidia_driver", lambda: False)
    monkeypatch.setattr("hemotwin.engine.compile_cache.enable", lambda: tmp_path)
    monkeypatch.setattr(self_check, "steady_beats", lambda: BEATS)
    monkeypatch.setattr(installation, "declared", lambda: WHOLE)
    monkeypatch.setattr(installation, "_version", lambda name: {"jax": "0.9", "numpy": "2.1", "wfdb": "4.2"}.get(name))
    monkeypatch.setattr("platform.python_version", lambda: "3.12.1")


def problem_of(*words: str) -> Problem:
    """The one problem found, whose sentence and fix hold the words."""
    (problem,) = doctor.doctor().problems
    assert all(word in str(problem) for word in words), str(problem)
    return problem


def test_sound_machine_is_usable_and_told_in_one_table(capsys, tmp_path):
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    for text in ("jax 0.9", "3.12.1, supported", "8 of 8 used", "8.0 of 16.0 GiB", "JAX backend cpu", str(tmp_path),
                 "float64 is the reference", "within 3e-05 mmHg", "compiling 12.0", "Usable; no problems found.",
                 "Not for clinical use."):  # fmt: skip
        assert text in shown


def test_json_on_the_terminal_is_nothing_but_json(capsys, tmp_path):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["usable"] is True
    assert found["findings"]["cores"]["used"] == 8
    assert found["findings"]["extra wave (WFDB and EDF waveforms)"]["present"] is True
    assert found["findings"]["seconds"]["compile_seconds"] == 12.0
    assert main(["doctor", "--json", str(tmp_path / "d.json")]) == 0
    assert "Usable" in capsys.readouterr().out
    assert json.loads((tmp_path / "d.json").read_text())["findings"]["device"]["backend"] == "cpu"


def test_quick_leaves_the_self_check_out(capsys, monkeypatch):
    monkeypatch.setattr(self_check, "steady_beats", lambda: pytest.fail("--quick must not compute"))
    assert main(["doctor", "--quick"]) == 0
    assert "left out (--quick)" in capsys.readouterr().out


def test_jax_that_does_not_start_ends_with_two_and_how_to_install_it(capsys, monkeypatch):
    def broken():
        raise ImportError("libxla.so: cannot open shared object file")

    monkeypatch.setattr(machine, "devices", broken)
    monkeypatch.setattr(self_check, "steady_beats", lambda: pytest.fail("nothing can be computed"))
    assert main(["doctor"]) == 2
    shown = capsys.readouterr().out
    assert "cannot open shared object file" in shown
    assert "install --upgrade jax jaxlib" in shown
    assert "Not usable: 1 of 1 problem must be mended first." in shown


def test_platform_that_is_not_here_is_told_by_its_variable(monkeypatch):
    def absent():
        raise RuntimeError("Unable to initialize backend 'tpu'")

    monkeypatch.setattr(machine, "devices", absent)
    monkeypatch.setenv("JAX_PLATFORMS", "tpu")
    assert problem_of("unset JAX_PLATFORMS", "'tpu'").blocking
    monkeypatch.setattr(machine, "devices", lambda: (_ for _ in ()).throw(AssertionError()))  # JAX without its plugin
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    assert problem_of("unset JAX_PLATFORMS", "hemotwin[gpu]").what == "JAX does not start: AssertionError"


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ({"numpy": "2.1"}, ("jax is not installed", "install 'jax>=0.8'")),
        ({"jax": "0.7", "numpy": "2.1"}, ("jax 0.7 is out of range", "install 'jax>=0.8'")),
    ],
)
def test_missing_or_old_library_is_blocking_with_its_install_command(versions, words, monkeypatch):
    monkeypatch.setattr(installation, "_version", lambda name: versions.get(name))
    assert problem_of(*words).blocking


@pytest.mark.parametrize(("version", "blocking"), [("3.10.4", True), ("3.14.0", False)])
def test_python_out_of_range_is_blocking_and_an_untested_one_is_told(version, blocking, monkeypatch):
    monkeypatch.setattr("platform.python_version", lambda: version)
    assert problem_of("Python 3.1").blocking is blocking


def test_missing_extra_names_its_command_and_is_no_problem(monkeypatch):
    monkeypatch.setattr(installation, "_version", lambda name: {"jax": "0.9", "numpy": "2.1"}.get(name))
    found = doctor.doctor()
    rows = {row["what"]: row["found"] for row in found.table()}
    assert rows["extra wave (WFDB and EDF waveforms)"].startswith("missing wfdb: ")
    assert rows["extra wave (WFDB and EDF waveforms)"].endswith("install 'hemotwin[wave]'")
    assert rows["extra all"].startswith("missing wfdb: ")  # an extra made of another
    assert found.usable and not found.problems


@pytest.mark.parametrize(
    ("plugin", "found"),
    [
        ("jax-cuda12-plugin", "there"),
        ("jax-cuda13-plugin", "there"),
        ("jax-rocm7-plugin", "missing jax-cuda12-plugin: "),
    ],
)
def test_jax_for_any_version_of_cuda_is_the_extra_for_gpus(monkeypatch, plugin, found):
    version = metadata.version("jax")
    there = dict.fromkeys(("jax", "jaxlib", plugin), version)
    monkeypatch.setattr(installation, "_version", there.get)
    about = dataclasses.replace(WHOLE, requirements={"gpu": ("jax[cuda12]>=0.8",)})
    assert installation.extras(about)[0].sentence.startswith(found)


@pytest.mark.parametrize(
    ("direct", "what"),
    [
        ({}, "'hemotwin[gpu]'"),
        ({"url": "file:///a/h.whl"}, "'hemotwin[gpu] @ file:///a/h.whl'"),
        (
            {"url": "https://h.org/h", "vcs_info": {"vcs": "git", "commit_id": "ab1"}},
            "'hemotwin[gpu] @ git+https://h.org/h@ab1'",
        ),
    ],
)
def test_install_command_takes_hemotwin_from_where_it_came(direct, what):
    about = dataclasses.replace(WHOLE, direct=direct)
    assert installation.install_command(about, "gpu").endswith(f"install {what}")


def test_cache_that_cannot_be_written_names_folder_and_fix(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("hemotwin.engine.compile_cache.enable", lambda: tmp_path / "file" / "inside")
    assert not problem_of(str(tmp_path), "compiles again", "XDG_CACHE_HOME").blocking


def test_a_user_without_a_home_folder_is_told_where_the_cache_can_be(monkeypatch):
    monkeypatch.setattr("hemotwin.engine.compile_cache.enable", lambda: None)
    monkeypatch.setattr("hemotwin.engine.compile_cache.default_folder", lambda: None)
    assert not problem_of("no home folder", "compiles again", "set XDG_CACHE_HOME").blocking


def test_files_of_the_cache_that_cannot_be_used_are_told_with_what_to_do(monkeypatch, tmp_path):
    theirs, cut = [tmp_path / "theirs.code"], [tmp_path / "cut-cache", tmp_path / "empty-cache"]
    monkeypatch.setattr("hemotwin.engine.compile_cache.faulty", lambda folder: (theirs, []))
    problem_of("1 file ", str(tmp_path), "may not be read", "theirs.code", "chmod a+r", "XDG_CACHE_HOME")
    monkeypatch.setattr("hemotwin.engine.compile_cache.faulty", lambda folder: ([], cut))
    problem_of("2 files", "cannot be unpacked", "cut-cache", "delete them")
    monkeypatch.setattr("hemotwin.engine.compile_cache.faulty", lambda folder: (theirs, []))
    monkeypatch.setenv("HEMOTWIN_PROGRAMS", str(tmp_path))
    assert any("HEMOTWIN_PROGRAMS" in problem.fix for problem in doctor._programs().problems)


def test_native_code_is_tried_with_the_cache_on(monkeypatch, tmp_path):
    """As it is wherever beats run; else what a cache does to it would not be seen."""
    asked = []
    monkeypatch.setattr("hemotwin.engine.compile_cache.enable", lambda: asked.append("cache") or tmp_path)
    monkeypatch.setattr("hemotwin.engine.backends.native.call.why_not", lambda: asked.append("native") or "")
    doctor.doctor(quick=True)
    assert asked == ["cache", "native"]


def test_card_that_jax_does_not_use_is_told_with_the_extra(monkeypatch):
    monkeypatch.setattr(machine, "nvidia_driver", lambda: True)
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    assert not problem_of("NVIDIA GPU", "hemotwin[gpu]").blocking
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    problem_of("unset JAX_PLATFORMS")


def test_one_core_of_many_little_memory_and_slow_settings_are_told(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: machine.Cores(8, 1, None))
    problem_of("one of 8 cores", "more cores")
    monkeypatch.setattr(machine, "cores", lambda: machine.Cores(8, 8, None))
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(1 << 30, 1 << 29))
    problem_of("0.5 GiB", "2 GiB or more")
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(None, None))
    slow = machine.Devices("cpu", ("CPU",), True, ("jax_disable_jit",))
    monkeypatch.setattr(machine, "devices", lambda: slow)
    problem_of("jax_disable_jit", "unset JAX_DISABLE_JIT")


@pytest.mark.parametrize(
    ("change", "blocking", "words"),
    [
        ({"dtypes": ("float32", "float32")}, True, ("float32 where float64", "JAX_PLATFORMS=cpu")),
        ({"status": int(Status.NOT_PERIODIC)}, True, ("NOT_PERIODIC", "jax and jaxlib")),
        ({"pressure": 0.2}, False, ("differs from float64 by 0.2 mmHg", "use float64")),
        ({"volume": float("nan")}, False, ("nan mL",)),
    ],
)
def test_wrong_answers_of_the_self_check_are_problems(change, blocking, words, monkeypatch):
    monkeypatch.setattr(self_check, "steady_beats", lambda: dataclasses.replace(BEATS, **change))
    assert problem_of(*words).blocking is blocking


def test_self_check_that_breaks_down_is_a_finding_and_no_traceback(monkeypatch):
    def fail():
        raise RuntimeError("XlaRuntimeError: illegal instruction\nand a long story")

    monkeypatch.setattr(self_check, "steady_beats", fail)
    assert problem_of("illegal instruction").blocking


def test_python_gives_what_the_command_prints():
    found = ht.doctor(quick=True)
    assert isinstance(found, Checkup)
    assert found.usable
    assert "hemotwin doctor" in repr(found) and "<table>" in found._repr_html_()


def test_blocking_problems_come_first():
    small, large = Problem("a", "b"), Problem("c", "d", blocking=True)
    found = Checkup((Finding("one", "", {}, (small,)), Finding("two", "", {}, (large,))))
    assert found.problems == (large, small)
    assert found.verdict == "Not usable: 1 of 2 problems must be mended first."


def test_without_jax_and_packaging_the_real_command_still_answers():
    code = (
        "import sys, importlib.util as u\n"
        "for name in ('jax', 'jaxlib'): sys.modules[name] = None\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'packaging' else find(name, *more)\n"
        "from hemotwin.cli import main\nsys.exit(main(['doctor']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert "packaging is not installed" in done.stdout
    assert "JAX does not start" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_self_check_solves_the_same_beat_in_both_precisions(monkeypatch):
    monkeypatch.undo()
    found = self_check.steady_beats()
    assert all(not finding.problems for finding in self_check.judged(found))
    assert 0.0 < found.pressure < 1e-2  # float32 is not float64: rounding of 120 mmHg over 400 steps shows
    assert found.residual < 1e-9


def test_requirements_are_read_from_an_installed_package_as_from_a_checkout(tmp_path):
    installed, checkout = declared(tmp_path), declared()
    for about in (installed, checkout):
        assert any(line.startswith("jax>=") for line in about.requirements[""])
        assert about.python.startswith(">=3.") and "3.12" in about.tested
        assert "gpu" in about.requirements
    assert installed.checkout is None


@pytest.mark.parametrize(
    ("reason", "told", "fix"),
    [
        (
            "llvmlite is not installed: pip install 'hemotwin[native]'",
            "native code: llvmlite is not installed",
            "native",
        ),
        ("a test function answered 3, not 2", "a test function answered 3, not 2", "--upgrade jax jaxlib llvmlite"),
    ],
)
def test_native_code_that_does_not_answer_is_told_with_its_reason(monkeypatch, reason, told, fix):
    monkeypatch.setattr("hemotwin.engine.backends.native.call.why_not", lambda: reason)
    problem = problem_of("through XLA", told)
    assert fix in problem.fix
    assert doctor.doctor().usable


@pytest.mark.parametrize(
    ("asked", "told", "usable"),
    [("xla", "asks for it", True), ("xlaa", "must be one of", False), ("pallas", "must have an NVIDIA GPU", False)],
)
def test_a_backend_chosen_in_the_environment_is_told(monkeypatch, asked, told, usable):
    monkeypatch.setenv("HEMOTWIN_BACKEND", asked)
    assert problem_of("HEMOTWIN_BACKEND", told).fix == "unset HEMOTWIN_BACKEND"
    assert doctor.doctor().usable is usable


@pytest.mark.parametrize(
    ("asked", "told", "problems"), [("auto", "a beat in one kernel", 0), ("xla", "beats through XLA", 1)]
)
def test_how_beats_run_on_a_gpu_is_told(monkeypatch, asked, told, problems):
    monkeypatch.setattr("hemotwin.engine.backends.choice.on_nvidia", lambda: True)
    monkeypatch.setattr("hemotwin.engine.backends.choice.no_kernel", lambda: "")
    monkeypatch.setenv("HEMOTWIN_BACKEND", asked)
    found = doctor._device(machine.Devices("gpu", ("NVIDIA H100 80GB HBM3",), False, ()))
    assert found.sentence == f"NVIDIA H100 80GB HBM3, {told}, JAX backend gpu" and len(found.problems) == problems


@pytest.mark.parametrize(
    ("obstacle", "reason", "fix"),
    [
        ("no_compiler", "JAX 9 has no Triton compiler", "JAX that has it"),
        ("no_kernel", "a test kernel did not run (XlaRuntimeError: ptxas)", "hemotwin[gpu]"),
    ],
)
def test_a_gpu_that_runs_no_kernel_is_told_with_what_mends_it(monkeypatch, obstacle, reason, fix):
    choice = "hemotwin.engine.backends.choice"
    monkeypatch.setattr(f"{choice}.on_nvidia", lambda: True)
    monkeypatch.setattr(f"{choice}.no_compiler", lambda: "")
    monkeypatch.setattr(f"{choice}.no_kernel", lambda: reason)
    monkeypatch.setattr(f"{choice}.{obstacle}", lambda: reason)
    monkeypatch.delenv("HEMOTWIN_BACKEND", raising=False)
    found = doctor._device(machine.Devices("gpu", ("NVIDIA H100 80GB HBM3",), False, ()))
    (problem,) = found.problems
    assert "beats through XLA" in found.sentence and found.facts["kernel"] is False
    assert reason in problem.what and fix in problem.fix


def test_folder_of_programs_is_counted_and_one_that_others_may_write_to_is_named(monkeypatch, tmp_path):
    from hemotwin.cli.doctor import _programs

    monkeypatch.delenv("HEMOTWIN_PROGRAMS", raising=False)
    assert "HEMOTWIN_PROGRAMS is not set" in _programs().sentence and not _programs().problems
    kept = tmp_path / "programs"
    monkeypatch.setenv("HEMOTWIN_PROGRAMS", str(kept))
    kept.mkdir(mode=0o700)
    (kept / "a.program").write_bytes(b"12345")
    found = _programs()
    assert (found.facts["programs"], found.facts["bytes"], found.problems) == (1, 5, ())
    kept.chmod(0o777)
    (problem,) = _programs().problems
    assert str(kept) in problem.what and "only you can write" in problem.fix
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HEMOTWIN_PROGRAMS", str(tmp_path / "file" / "inside"))
    assert not _programs().facts["writable"] and "file" in _programs().problems[0].what
