"""What is shipped is whole: the sdist builds the wheel, the wheel holds every module and data file, each imports."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
ROOMS = ("engine", "physiology", "calibration", "configs")

pytestmark = pytest.mark.skipif(not (TOP / "LICENSE").exists(), reason="only in a checkout or an unpacked sdist")


def run(*command: str | Path, cwd: Path, **options) -> str:
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=900, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def sdist(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", out, TOP, cwd=out)
    return next(out.glob("*.tar.gz"))


@pytest.fixture(scope="session")
def wheel(sdist, tmp_path_factory) -> Path:
    """Built from the unpacked sdist, not from the checkout: what a downloader gets."""
    out = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(out, filter="data")
    source = next(path for path in out.iterdir() if path.is_dir())
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source, cwd=out)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="session")
def unpacked(wheel, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(out)
    return out


def shipped_files() -> set[str]:
    """Every file under hemotwin with its links followed, as paths inside the package."""
    found = set()
    for folder, names, files in os.walk(TOP / "hemotwin", followlinks=True):
        names[:] = [name for name in names if not name.startswith((".", "__pycache__"))]
        found |= {Path(folder, file).relative_to(TOP).as_posix() for file in files if not file.endswith(".pyc")}
    return {file for file in found if not Path(file).name.startswith(".")}


def test_wheel_built_from_the_sdist_holds_every_module_and_data_file(unpacked):
    inside = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert shipped_files() <= inside
    assert {path.split("/")[0].split("-")[0] for path in inside} == {"hemotwin"}, "no bare room in site-packages"


def test_wheel_from_the_checkout_equals_the_wheel_from_the_sdist(wheel, tmp_path):
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, TOP, cwd=tmp_path)
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as other:
        assert {item.filename: item.CRC for item in one.infolist()} == {i.filename: i.CRC for i in other.infolist()}


def test_every_module_of_the_wheel_imports_from_another_folder(unpacked, tmp_path):
    code = (
        "import importlib, pkgutil, sys; sys.path.insert(0, sys.argv[1]); import hemotwin\n"
        "assert hemotwin.__file__.startswith(sys.argv[1]), hemotwin.__file__\n"
        "names = [m.name for m in pkgutil.walk_packages(hemotwin.__path__, 'hemotwin.')]\n"
        "for name in names:\n"
        "    if not name.endswith('__main__'): importlib.import_module(name)\n"
        "print(*names)"
    )
    names = set(run(sys.executable, "-I", "-c", code, unpacked, cwd=tmp_path).split())
    modules = {file for file in shipped_files() if file.endswith(".py") and not file.endswith("__init__.py")}
    assert {file.removesuffix(".py").replace("/", ".") for file in modules} <= names


def test_sdist_holds_no_link(sdist):
    with tarfile.open(sdist) as archive:
        assert not [member.name for member in archive if member.issym() or member.islnk()]


@pytest.mark.slow
def test_wheel_in_an_empty_environment_runs_the_main_job_from_another_folder(wheel, tmp_path):
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "HEMOTWIN_DATA")}
    record = TOP / "configs" / "records" / "ph9" / "P1.json"
    run(tmp_path / "env" / "bin" / "hemotwin", "twin", record, cwd=tmp_path, env=clean)
    assert (tmp_path / "twin-P1" / "report.html").stat().st_size > 10_000
