"""The notebooks run, say what their scripts say, and use the public names only."""

from __future__ import annotations

import ast
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

import hemotwin

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
SCRIPTS = sorted(FOLDER.glob("*.py"))

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="only in a checkout")
SLOW = {"03_waveform_to_measurement_set": "five signals written and read; its readers have tests of their own"}
each_notebook = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
each_to_run = pytest.mark.parametrize(
    "script", [pytest.param(path, marks=[pytest.mark.slow] * (path.stem in SLOW), id=path.stem) for path in SCRIPTS]
)


@each_notebook
def test_notebook_and_script_are_the_same_text(script):
    cells = [(cell.cell_type, cell.source) for cell in jupytext.read(script).cells]
    stored = nbformat.read(script.with_suffix(".ipynb"), as_version=4).cells
    assert [(cell.cell_type, cell.source) for cell in stored] == cells, (
        f"run scripts/run_notebooks.py notebooks/{script.name}"
    )


@each_notebook
def test_notebook_uses_only_public_names(script):
    tree = ast.parse(script.read_text())
    imports = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    imports += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert [name for name in imports if name.startswith("hemotwin")] == ["hemotwin"]
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ht"
    }
    assert used <= set(hemotwin.__all__)


@each_notebook
def test_stored_notebook_shows_its_output(script):
    stored = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    outputs = [output for cell in stored.cells if cell.cell_type == "code" for output in cell.outputs]
    assert outputs, f"{script.stem} has no output: run it and store it"
    assert not [output for output in outputs if output.output_type == "error"]
    assert script.with_suffix(".ipynb").stat().st_size < 400_000, "keep the output light"


@each_to_run
def test_notebook_runs_from_top_to_bottom(script):
    notebook = jupytext.read(script)
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    ).execute()
    errors = [o for cell in notebook.cells for o in cell.get("outputs", []) if o.output_type == "error"]
    assert not errors
