"""The house rules that a machine can check: import arrows, style, and a repository that speaks of the project alone."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

# Written in halves, so that this file does not find itself.
FOREIGN = [
    "/wo" r"rk/",
    "/ho" r"me/\w",
    "/tm" r"p/",
    "py" r"pi\.org",
    "python" r"hosted\.org",
    "registry\\." r"npm",
    "deb" r"ian\.org",
    r"\bsk-" r"[A-Za-z0-9]{20}",
    r"BEGIN [A-Z ]*PRIVATE" " KEY",
]

in_checkout = pytest.mark.skipif(not (TOP / ".git").exists(), reason="only in a git checkout")


def tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which(name, path=str(BIN)) or shutil.which(name)
    assert program, f"{name} is not installed; it comes with the test extra: pip install -e '.[test]'"
    return subprocess.run([program, *arguments], cwd=TOP, capture_output=True, text=True, timeout=300)


def tracked_text() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, capture_output=True, text=True, check=True).stdout
    paths = [TOP / name for name in listed.split("\0") if name and not name.startswith(".ci/")]
    return [
        path for path in paths if path.is_file() and not path.is_symlink() and b"\0" not in path.read_bytes()[:4096]
    ]


@in_checkout
def test_each_room_imports_only_the_rooms_below_it():
    done = tool("lint-imports", "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr


@in_checkout
def test_style_holds():
    done = tool("ruff", "check", "--no-cache", ".")
    assert done.returncode == 0, done.stdout + done.stderr


@in_checkout
def test_repository_names_no_machine_registry_or_secret():
    found = []
    for path in tracked_text():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            found += [f"{path.relative_to(TOP)}:{number} {word}" for word in FOREIGN if re.search(word, line)]
    assert not found, "\n".join(found)


@in_checkout
def test_no_source_file_outgrows_its_noun():
    long = {str(path.relative_to(TOP)): count for path in tracked_text() if path.suffix == ".py"
            if (count := len(path.read_text().splitlines())) > 400}  # fmt: skip
    assert not long, f"split by noun: {long}"


@in_checkout
def test_links_stand_in_the_repository_as_links():
    listed = subprocess.run(["git", "ls-files", "-s", "hemotwin"], cwd=TOP, capture_output=True, text=True, check=True)
    links = {line.split("\t")[1] for line in listed.stdout.splitlines() if line.startswith("120000")}
    assert links == {f"hemotwin/{room}" for room in ("engine", "physiology", "calibration", "configs")}


def test_version_of_the_citation_is_that_of_the_package():
    import hemotwin

    citation = TOP / "CITATION.cff"
    if not citation.exists():
        pytest.skip("only in a checkout")
    assert f"\nversion: {hemotwin.__version__}\n" in citation.read_text()
