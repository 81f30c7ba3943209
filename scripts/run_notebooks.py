"""Run notebooks/*.py from top to bottom and store each with its output beside it.

    python scripts/run_notebooks.py [NOTEBOOK.py ...]

Times of execution are left out and cells are named by their place, so that a further run changes the output alone.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import jupytext
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
TIMEOUT_S = 600  # of one cell: the first calibration compiles


def main() -> None:
    """Run what is named, or all, and say what was written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scripts", nargs="*", type=Path, default=sorted(FOLDER.glob("*.py")), metavar="NOTEBOOK.py")
    for script in parser.parse_args().scripts:
        notebook = jupytext.read(script)
        place = {"metadata": {"path": str(script.resolve().parent)}}
        NotebookClient(
            notebook, timeout=TIMEOUT_S, kernel_name="python3", resources=place, record_timing=False
        ).execute()
        for number, cell in enumerate(notebook.cells):
            cell["id"] = hashlib.sha256(f"{script.name} {number}".encode()).hexdigest()[:8]
        target = script.with_suffix(".ipynb")
        jupytext.write(notebook, target, fmt="ipynb")
        print(target)


if __name__ == "__main__":
    main()
