"""`hemotwin doctor`: is this machine ready, what does it compute on, and how is what is wrong mended?"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from .checkup import Checkup, Finding, Problem

__all__ = ["add_arguments", "doctor", "run"]

USABLE, NOT_USABLE = 0, 2
GIBIBYTE, MEBIBYTE = 1 << 30, 1 << 20
LEAST_MEMORY = 2 * GIBIBYTE  # a calibration of one patient on `adult` takes about half of it, compiling included
LEAST_DISK = 200 * MEBIBYTE  # the programs of a few circulations


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument(
        "--quick", action="store_true", help="leave out the self-check, which compiles (a minute, once)"
    )
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE",
                        help="everything as JSON: to FILE, or to the terminal in place of the table")  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Print findings, problems with their fixes and the verdict; 0 when usable, 2 when not."""
    import json

    from ..core.disclaimer import DISCLAIMER
    from .terminal import say, show

    found = doctor(quick=options.quick)
    if options.json:
        text = json.dumps(found.to_dict(), indent=1, default=str)
        if options.json == "-":
            say(text)
            return USABLE if found.usable else NOT_USABLE
        Path(options.json).write_text(text + "\n", encoding="utf-8")
    show(found.table())
    say()
    for line in found.lines():
        say(line)
    if options.json:
        say(f"JSON: {options.json}")
    say(DISCLAIMER)
    return USABLE if found.usable else NOT_USABLE


def doctor(*, quick: bool = False) -> Checkup:
    """Look at the installation and the machine; unless `quick`, solve a steady beat in float64 and float32 too.

    Works where JAX or another library is missing or broken, and says how to mend it. `found.usable` says whether
    anything can be computed; `found.problems` lists what is wrong, each with its fix.
    """
    if importlib.util.find_spec("packaging") is None:
        from ..core.install import installer

        fix = f"{installer()} packaging"
        findings = [Finding("libraries", "packaging is missing, by which versions are compared", {},
                            (Problem("packaging is not installed", fix, blocking=True),))]  # fmt: skip
    else:
        from .installation import declared, extras, libraries, python, source

        about = declared()
        findings = [source(about), python(about), libraries(about), *extras(about)]
    findings += [_cores(), _memory(), *_computing()]
    if quick:
        findings.append(Finding("self-check", "left out (--quick)"))
    elif not Checkup(tuple(findings)).usable:
        findings.append(Finding("self-check", "left out: the problems below must be mended first"))
    else:
        findings += _self_check()
    return Checkup(tuple(findings))


def _cores() -> Finding:
    from ..engine.machine import cores, processor

    found = cores()
    sentence = f"{found.usable} of {found.present} used, {processor()}"
    problems: tuple[Problem, ...] = ()
    if found.usable < found.present:
        why = "its affinity" if found.usable == found.allowed else f"a quota of {found.quota:.2g} of the control group"
        sentence += f"; {why} allows no more"
        fix = "give the job more cores: taskset, --cpus of a container, --cpus-per-task of a scheduler"
        if found.usable == 1:
            problems = (Problem(f"only one of {found.present} cores may be used", fix),)
    facts = {"present": found.present, "allowed": found.allowed, "quota": found.quota, "used": found.usable}
    return Finding("cores", sentence, facts, problems)


def _memory() -> Finding:
    from ..engine.machine import memory

    found = memory()
    facts = {"total": found.total, "available": found.available}
    if found.total is None:
        return Finding("memory", "this system does not tell", facts)
    left = found.total if found.available is None else found.available
    sentence = f"{left / GIBIBYTE:.1f} of {found.total / GIBIBYTE:.1f} GiB available"
    problems: tuple[Problem, ...] = ()
    if left < LEAST_MEMORY:
        what = f"only {left / GIBIBYTE:.1f} GiB of memory are available; a calibration may be killed"
        problems = (Problem(what, f"free memory, or raise the limit, to {LEAST_MEMORY / GIBIBYTE:.0f} GiB or more"),)
    return Finding("memory", sentence, facts, problems)


def _computing() -> list[Finding]:
    """Device, precision and cache, or that JAX does not start, with what it says."""
    from ..core.install import installer
    from ..engine.machine import devices
    from .installation import declared, install_command

    try:
        found = devices()
    except Exception as error:  # whatever a broken installation raises is the finding
        what = f"JAX does not start: {_said(error)}"
        asked = os.environ.get("JAX_PLATFORMS")
        fix = f"{installer()} --upgrade jax jaxlib"
        if asked and not isinstance(error, ImportError):  # it is imported, but the platform asked for is not here
            fix = f"unset JAX_PLATFORMS (now {asked!r}), or set it to a platform that is here, such as cpu"
            if asked.startswith(("cuda", "gpu")):
                fix += f"; for an NVIDIA GPU: {install_command(declared(), 'gpu')}"
        return [Finding("device", "none: JAX does not start", {"backend": None}, (Problem(what, fix, blocking=True),))]
    cache = _cache()  # switched on, as it is wherever beats run: native code is tried with it
    return [_device(found), _precision(found), cache, _programs()]


def _beats(facts: dict[str, Any], shown: str) -> tuple[dict[str, Any], str, list[Problem]]:
    """How beats run, added to what is told of the device: as its own code, or through XLA and why."""
    from ..core.errors import HemotwinError
    from ..engine.backends.choice import SETTING, chosen, takes_kernel

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # what it would warn of is told here
            kernel, asked = takes_kernel("auto"), chosen()
    except HemotwinError as error:
        return facts, shown, [Problem(str(error), f"unset {SETTING}", blocking=True)]
    on_cpu = facts["backend"] == "cpu"
    reason, fix = _no_native() if on_cpu else _no_kernel()
    own = asked != "xla" and (not reason if on_cpu else kernel)
    facts = facts | ({"native": own, "native_obstacle": reason or None} if on_cpu else {"kernel": own})
    if own:
        return facts, f"{shown}, {'native code' if on_cpu else 'a beat in one kernel'}", []
    if asked == "xla" or (asked != "auto" and not on_cpu):
        reason, fix = f"{SETTING}={asked} asks for it", f"unset {SETTING}"
    slower = f"beats run through XLA, some ten times slower than {'native code' if on_cpu else 'in one kernel'}"
    return facts, f"{shown}, beats through XLA", [Problem(f"{slower}: {reason}", fix)] if reason else []


def _no_native() -> tuple[str, str]:
    """Why this process cannot run native code, or "", and what mends it."""
    from ..core.install import installer
    from ..engine.backends.native.call import NOT_INSTALLED, why_not
    from .installation import declared, install_command

    reason = why_not()
    if reason.startswith(NOT_INSTALLED):
        return reason.partition(":")[0], install_command(declared(), "native")
    return reason.removesuffix("."), f"{installer()} --upgrade jax jaxlib llvmlite"


def _no_kernel() -> tuple[str, str]:
    """Why no kernel runs on this GPU, or "" where one does or could not at all, and what mends it."""
    from ..engine.backends.choice import no_compiler, no_kernel, on_nvidia
    from .installation import declared, install_command

    if not on_nvidia():
        return "", ""
    if no_compiler():
        return no_compiler(), "install a JAX that has it"
    return no_kernel(), f"update NVIDIA's driver, or install JAX for it anew: {install_command(declared(), 'gpu')}"


def _device(found: Any) -> Finding:
    from ..engine.machine import nvidia_driver
    from .installation import declared, install_command

    kinds = list(dict.fromkeys(found.kinds))
    shown = ", ".join(f"{found.kinds.count(kind)} x {kind}" if found.kinds.count(kind) > 1 else kind for kind in kinds)
    problems = []
    if found.backend == "cpu" and nvidia_driver():
        asked = os.environ.get("JAX_PLATFORMS", "")
        fix = f"unset JAX_PLATFORMS (now {asked!r})" if "cpu" in asked else install_command(declared(), "gpu")
        problems.append(Problem("an NVIDIA GPU is here, but JAX computes on the CPU", fix))
    facts: dict[str, Any] = {"backend": found.backend, "kinds": kinds}
    facts, shown, problem = _beats(facts, shown)
    problems += problem
    for setting in found.slow_settings:
        fix = f"unset {setting.upper()}, or jax.config.update({setting!r}, False)"
        problems.append(Problem(f"{setting} is on, which makes everything many times slower", fix))
    return Finding("device", f"{shown}, JAX backend {found.backend}", facts, tuple(problems))


def _precision(found: Any) -> Finding:
    default = "on" if found.double_by_default else "off"
    sentence = f"float64 is the reference, float32 the fast path; x64 is {default} in JAX, hemotwin chooses for itself"
    return Finding("precision", sentence, {"reference": "float64", "fast": "float32", "x64": found.double_by_default})


def _cache() -> Finding:
    from ..engine.compile_cache import default_folder, enable
    from ..engine.machine import cache_in

    folder = enable()
    where = folder or default_folder()
    if where is None:
        what = "there is no home folder to keep compiled programs in, so that every run compiles again"
        return Finding("cache", "off: there is no home folder", {"folder": None, "writable": False},
                       (Problem(what, "set XDG_CACHE_HOME to a folder that can be written"),))  # fmt: skip
    if folder is not None:  # one that the user has named for JAX is made when the first program is kept
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
    found = cache_in(where)
    facts = {"folder": str(where), "programs": found.programs, "bytes": found.size, "writable": not found.trouble}
    choose = "point XDG_CACHE_HOME (or JAX_COMPILATION_CACHE_DIR) to a folder that can be written"
    if found.trouble:
        what = f"compiled programs cannot be kept in {where} ({found.trouble}), so that every run compiles again"
        return Finding("cache", f"off: {where} is not writable", facts, (Problem(what, choose),))
    sentence = f"{where}, {found.programs} programs, {found.size / MEBIBYTE:.1f} MiB, writable"
    problems = _unusable(where, choose)
    if found.free is not None and found.free < LEAST_DISK:
        what = f"only {found.free / MEBIBYTE:.0f} MiB are free on the disk of the cache {where}"
        problems.append(Problem(what, f"free some, or {choose}; the cache itself may be emptied at any time"))
    return Finding("cache", sentence, facts, tuple(problems))


def _unusable(where: Path, choose: str) -> list[Problem]:
    """Files of a cache that no process of this user can take anything from."""
    from ..engine.compile_cache import faulty

    fixes = f"delete them, let their owner make them readable (chmod a+r), or {choose}", "delete them"
    states, found = ("may not be read by this user", "cannot be unpacked"), []
    for files, state, fix in zip(faulty(where), states, fixes, strict=True):
        if files:
            count = f"{len(files)} file{'s' * (len(files) != 1)} in {where}, first {files[0].name},"
            found.append(Problem(f"{count} {state}: every run compiles again what they hold", fix))
    return found


def _programs() -> Finding:
    """The folder of programs compiled ahead of time for jobs, if the environment names one."""
    from ..core.install import command
    from ..engine.programs import SETTING, folder

    where = folder()
    if where is None:
        return Finding("programs for jobs", f"none kept ({SETTING} is not set)", {"folder": None})
    choose = f"point {SETTING} to a folder that only you can write to"
    problems = []
    try:
        where.mkdir(parents=True, exist_ok=True)
        kept = sorted(where.glob("*.program"))
        size = sum(file.stat().st_size for file in kept)
        writable, open_to_others = os.access(where, os.W_OK), bool(where.stat().st_mode & 0o022)
    except OSError as error:
        what = f"programs cannot be kept in {where} ({error.strerror or type(error).__name__})"
        return Finding("programs for jobs", f"off: {where} cannot be used", {"folder": str(where), "writable": False},
                       (Problem(what, choose),))  # fmt: skip
    if importlib.util.find_spec("flatbuffers") is None:
        problems.append(Problem(f"{SETTING} is set, but flatbuffers is not installed", command("jobs")))
    if open_to_others:
        problems.append(Problem(f"others may write to {where}, whose files are run as code", choose))
    problems += _unusable(where, choose)
    facts = {"folder": str(where), "programs": len(kept), "bytes": size, "writable": writable}
    state = "writable" if writable else "read only: what is missing is compiled in each job"
    sentence = f"{where}, {len(kept)} programs, {size / MEBIBYTE:.1f} MiB, {state}"
    return Finding("programs for jobs", sentence, facts, tuple(problems))


def _self_check() -> list[Finding]:
    from .self_check import judged, steady_beats

    print("solving a steady beat in float64 and float32; the first time on a machine compiles (--quick leaves it out)",
          file=sys.stderr, flush=True)  # fmt: skip
    try:
        return judged(steady_beats())
    except Exception as error:  # a broken backend may fail in any way; that is what is looked for
        what = f"the self-check failed: {_said(error)}"
        fix = "install the supported versions again, or run on the CPU: JAX_PLATFORMS=cpu hemotwin ..."
        return [Finding("self-check", "failed", {}, (Problem(what, fix, blocking=True),))]


def _said(error: Exception) -> str:
    """Kind of an error and its first line, if it says anything."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
