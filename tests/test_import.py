"""The front door is light: names load on first use, and records need no JAX."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hemotwin

HEAVY = ("jax", "jaxlib", "matplotlib", "xarray", "pandas", "scipy", "diffrax", "equinox")
ROOT = Path(hemotwin.__file__).resolve().parent


def in_fresh_python(code: str, **options) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_after(code: str) -> set[str]:
    return set(in_fresh_python(f"import sys\n{code}\nprint(*[m for m in {HEAVY} if m in sys.modules])").split())


def test_importing_hemotwin_loads_no_heavy_library():
    assert loaded_after("import hemotwin; dir(hemotwin); hemotwin.__version__") == set()


def test_command_line_help_loads_no_heavy_library():
    code = (
        "from hemotwin.cli import main\n"
        "sys.argv = ['hemotwin', '--help']\n"
        "import contextlib, io\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): main()"
    )
    assert loaded_after(code) == set()


def test_records_are_read_with_jax_blocked(tmp_path):
    table = tmp_path / "one.csv"
    table.write_text("patient,observable,value,unit\nA,sbp,120,mm[Hg]\nA,dbp,80,mm[Hg]\n")
    code = (
        "import sys\n"
        "for name in ('jax', 'jaxlib', 'equinox', 'diffrax'): sys.modules[name] = None\n"  # None makes an import fail
        "import pkgutil, importlib, hemotwin.records as records\n"
        "found = pkgutil.walk_packages(records.__path__, 'hemotwin.records.')\n"
        "for module in found: importlib.import_module(module.name)\n"
        f"import hemotwin; print(len(hemotwin.read({str(table)!r})['A'].measurements))"
    )
    assert int(in_fresh_python(code)) >= 2


@pytest.mark.parametrize("name", sorted(set(hemotwin.__all__) - {"__version__"}))
def test_public_name_is_a_function_of_that_name_with_a_docstring(name):
    public = getattr(hemotwin, name)
    assert callable(public)
    assert public.__name__ == name
    assert public.__doc__


def test_an_unknown_public_name_lists_the_known_ones():
    with pytest.raises(AttributeError, match="calibrate, catalog, circulation"):
        _ = hemotwin.calibrat


def test_the_stub_declares_what_the_front_door_gives():
    stub = ast.parse((ROOT / "__init__.pyi").read_text())
    imported = {
        alias.asname: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert imported == hemotwin._PUBLIC
    assert sorted(hemotwin.__all__) == sorted({"__version__", *imported})


def test_a_checkout_without_symbolic_links_imports_its_rooms(tmp_path):
    """Some file systems and archives lose the links; the rooms then stand beside the package."""
    top = ROOT.parent
    if not (ROOT / "engine").is_symlink():
        pytest.skip("only in a checkout; an installed package holds real folders")
    for room in ("engine", "physiology", "calibration", "configs"):
        shutil.copytree(top / room, tmp_path / room, ignore=_links_and_caches)
    shutil.copytree(ROOT, tmp_path / "hemotwin", ignore=_links_and_caches)
    assert not (tmp_path / "hemotwin" / "engine").exists()
    code = "import hemotwin, hemotwin.engine; print(hemotwin.engine.__file__)"
    assert in_fresh_python(code, cwd=tmp_path).strip() == str(tmp_path / "engine" / "__init__.py")


def _links_and_caches(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__" or Path(folder, name).is_symlink()]
