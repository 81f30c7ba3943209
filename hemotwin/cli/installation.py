"""What is installed: hemotwin itself and where it came from, Python, the libraries it needs, its extras."""

from __future__ import annotations

import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import __version__
from ..core.install import NAME, ROOT, command, direct_url, installer, project_of
from .checkup import Finding, Problem

__all__ = ["Declared", "declared", "extras", "install_command", "libraries", "python", "source"]

FOR = {  # what an extra is for; one that is not listed is shown without
    "gpu": "NVIDIA GPU",
    "omop": "OMOP CDM, Parquet",
    "fhir": "FHIR validation",
    "native": "code for this CPU",
    "wave": "WFDB and EDF waveforms",
    "provenance": "signatures, RO-Crate",
    "peers": "benchmarks beside other solvers",
    "test": "developers",
    "dev": "developers",
}
CUDA = re.compile(r"cuda\d+(-local)?")  # extras of JAX for NVIDIA GPUs


@dataclass(frozen=True)
class Declared:
    """What the project asks for: Python versions, those it is tested on, requirements by extra ("" for all users)."""

    python: str
    tested: tuple[str, ...]
    requirements: dict[str, tuple[str, ...]]
    checkout: Path | None
    direct: dict[str, Any]


def declared(root: Path = ROOT) -> Declared:
    """From pyproject.toml where hemotwin runs from a checkout, else from the installed metadata."""
    direct = direct_url()
    if project := project_of(root):
        optional = project.get("optional-dependencies", {}).items()
        needs = {"": tuple(project["dependencies"])} | {extra: tuple(lines) for extra, lines in optional}
        return Declared(project["requires-python"], _tested(project.get("classifiers", ())), needs, root, direct)
    try:
        about = metadata.metadata(NAME)
    except metadata.PackageNotFoundError:
        return Declared("", (), {}, None, direct)
    extras_named: list[str] = about.get_all("Provides-Extra") or []
    lines: dict[str, list[str]] = {extra: [] for extra in ["", *extras_named]}
    for line in metadata.requires(NAME) or ():
        extra = re.search(r"""extra\s*==\s*['"]([^'"]+)['"]""", line)
        lines[extra[1] if extra else ""].append(line)
    wanted = {extra: tuple(needs) for extra, needs in lines.items()}
    return Declared(about["Requires-Python"] or "", _tested(about.get_all("Classifier") or ()), wanted, None, direct)


def _tested(classifiers: Iterable[str]) -> tuple[str, ...]:
    return tuple(found[1] for line in classifiers if (found := re.search(r"Python :: (\d+\.\d+)$", line)))


def install_command(about: Declared, extra: str = "") -> str:
    """The command that installs hemotwin again, with an extra, from where it came, into the Python that runs now."""
    return command(extra, about.checkout, about.direct)


def source(about: Declared) -> Finding:
    """Version of hemotwin and where it runs from."""
    facts: dict[str, Any] = {"version": __version__, "folder": str(Path(__file__).resolve().parents[1])}
    if about.checkout:
        facts["commit"] = _commit(about.checkout)
        where = f"checkout {about.checkout}" + (f" at {facts['commit']}" if facts["commit"] else "")
    elif about.direct:
        where = f"installed from {about.direct['url']}"
    elif about.requirements:
        where = f"installed from a package index, in {facts['folder']}"
    else:
        where = f"copied to {facts['folder']}, not installed"
    return Finding(NAME, f"{__version__}, {where}", {**facts, "source": where})


def _commit(checkout: Path) -> str | None:
    """Short commit of a git checkout, "+" after it where files differ from it; None without git."""
    asked = ["git", "-C", str(checkout), "describe", "--always", "--exclude=*", "--dirty=+"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=5, check=True).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None


def python(about: Declared, version: str | None = None) -> Finding:
    """Version of Python, whether it is supported and whether it is one that the suite runs on."""
    version = version or platform.python_version()
    facts = {"version": version, "executable": sys.executable, "required": about.python, "tested": list(about.tested)}
    problems: tuple[Problem, ...] = ()
    short = ".".join(version.split(".")[:2])
    if not _allows(about.python, version):
        fix = (
            f"install hemotwin into a Python that fits ({about.python}), for example: make twin PYTHON=/path/to/python"
        )
        problems = (Problem(f"Python {version} is not supported ({about.python})", fix, blocking=True),)
    elif about.tested and short not in about.tested:
        fix = f"use Python {about.tested[-1]} where results must rest on a tested version"
        problems = (Problem(f"Python {short} is allowed but none that hemotwin is tested on", fix),)
    verdict = "not supported" if problems and problems[0].blocking else "untested" if problems else "supported"
    return Finding("Python", f"{version}, {verdict} ({about.python or 'range not known'})", facts, problems)


def libraries(about: Declared) -> Finding:
    """The libraries that every user needs: missing ones, versions outside the range, JAX and jaxlib named."""
    wrong, versions = [], {}
    for line in about.requirements.get("", ()):
        name, found, trouble = _met(line)
        versions[name] = found
        if trouble:
            wrong.append((line, trouble))
    problems = tuple(Problem(f"{trouble} (needed: {line})", f"{installer()} {shlex.quote(line)}", blocking=True)
                     for line, trouble in wrong)  # fmt: skip
    if not about.requirements:
        versions = {name: _version(name) for name in ("jax", "jaxlib", "numpy")}
        problems = (Problem("hemotwin is not installed, so that what it needs cannot be checked",
                            f"install it: {installer()} hemotwin"),)  # fmt: skip
    shown = ", ".join(f"{name} {versions.get(name) or 'missing'}" for name in ("jax", "jaxlib", "numpy"))
    range_of = next((line for line in about.requirements.get("", ()) if re.match(r"jax\b(?!lib)", line)), "")
    state = f"{len(versions) - len(wrong)} of {len(versions)} libraries in the supported range ({range_of})"
    return Finding("libraries", f"{shown}; {state}" if about.requirements else shown, {"versions": versions}, problems)


def extras(about: Declared) -> list[Finding]:
    """One finding per extra: there, or missing with the command that installs it. A missing extra is no problem."""
    found = []
    for extra in sorted((e for e in about.requirements if e), key=lambda e: (FOR.get(e) == "developers", e)):
        missing = list(dict.fromkeys(_missing(about, extra)))
        command = install_command(about, extra)
        purpose = f" ({FOR[extra]})" if extra in FOR else ""
        state = f"missing {', '.join(missing)}: {command}" if missing else "there"
        facts = {"present": not missing, "missing": missing, "install": command}
        found.append(Finding(f"extra {extra}{purpose}", state, facts))
    return found


def _missing(about: Declared, extra: str) -> list[str]:
    """Distributions of an extra that are absent or out of range; an extra may name others of hemotwin's own."""
    from packaging.requirements import Requirement

    found = []
    for line in about.requirements.get(extra, ()):
        wanted = Requirement(line)
        if wanted.name == NAME:
            found += [name for other in sorted(wanted.extras) for name in _missing(about, other)]
        else:
            name, _, trouble = _met(line)
            found += [name] if trouble else []
    return found


def _met(line: str) -> tuple[str, str | None, str]:
    """(distribution, version found, what is wrong or "") of a requirement, the extras that it names included."""
    from packaging.requirements import Requirement

    wanted = Requirement(line)
    found = _version(wanted.name)
    if found is None:
        return wanted.name, None, f"{wanted.name} is not installed"
    if not wanted.specifier.contains(found, prereleases=True):
        return wanted.name, found, f"{wanted.name} {found} is out of range"
    for extra in sorted(wanted.extras):
        wrong = [_wrong_in(wanted.name, one) for one in _alternatives(wanted.name, extra)]
        if all(wrong):  # of the one that is asked for, which stands first
            return wrong[0][0], found, wrong[0][1]
    return wanted.name, found, ""


def _alternatives(name: str, extra: str) -> list[str]:
    """The extra, then those of the same library that serve as well: JAX has one for each version of CUDA."""
    others = (metadata.metadata(name).get_all("Provides-Extra") or []) if CUDA.fullmatch(extra) else []
    return [extra, *(other for other in others if CUDA.fullmatch(other) and other != extra)]


def _wrong_in(name: str, extra: str) -> tuple[str, ...]:
    """(distribution, what is wrong) of the first requirement of a library's extra that is not met; empty where none."""
    from packaging.requirements import Requirement

    for inner in metadata.requires(name) or ():
        part = Requirement(inner)
        if part.marker and part.marker.evaluate({"extra": extra}) and not part.marker.evaluate({"extra": ""}):
            inside, _, trouble = _met(f"{part.name}{part.specifier}")
            if trouble:
                return inside, trouble
    return ()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _allows(specifier: str, version: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(specifier).contains(version, prereleases=True)
