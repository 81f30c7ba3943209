"""Parts are found by whoever asks first: several threads at once, or after a walk through the rooms that failed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
THREADS = """
import threading
from hemotwin.core.registry import look_up
together, found = threading.Barrier(4), []
def ask():
    together.wait()
    try:
        found.append(look_up("reader", "csv_table").__name__)
    except Exception as error:
        found.append(repr(error))
asking = [threading.Thread(target=ask) for _ in range(4)]
[one.start() for one in asking]
[one.join() for one in asking]
print(set(found), len(found))
"""
TWICE = """
from hemotwin.core.registry import known
for _ in range(2):
    try:
        print("csv_table" in known("reader"), getattr(known("reader").get("mine"), "__name__", "none"))
    except BaseException as error:
        print(type(error).__name__, error, *getattr(error, "__notes__", ()))
"""
REGISTERS = """
from hemotwin.core.registry import known, register
@register("reader", "mine")
def mine(): ...

print("csv_table" in known("reader"))
"""


def said(script: str, plug_in: str, place: Path) -> list[str]:
    """What a new process prints where a plug-in is installed whose module is `plug_in`."""
    about = place / "plug_in-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plug-in\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[hemotwin.components]\nmine = plug_in\n")
    (place / "plug_in.py").write_text(plug_in)
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": f"{ROOT}:{place}"},
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def test_threads_that_ask_together_first_all_find_the_parts(tmp_path: Path):
    (said_by_all,) = said(THREADS, "", tmp_path)
    assert said_by_all.endswith(" 4") and "UnknownNameError" not in said_by_all and said_by_all.count("'") == 2


def test_a_plug_in_may_look_parts_up_while_it_is_imported(tmp_path: Path):
    assert said(TWICE, REGISTERS, tmp_path) == ["True", *["True mine"] * 2]


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "ValueError"])
def test_a_walk_that_failed_is_made_again(error: str, tmp_path: Path):
    """The plug-in has registered its part when it fails, and does so again."""
    once = f'{REGISTERS}\nimport pathlib\nif not pathlib.Path(__file__ + ".seen").exists():\n'
    once += f'    pathlib.Path(__file__ + ".seen").touch()\n    raise {error}("stopped")\n'
    lines = said(TWICE, once, tmp_path)
    assert lines[0] == "True" and lines[1].startswith(f"{error} stopped")
    assert lines[2:] == ["True", "True mine"]


def test_a_plug_in_that_does_not_load_says_so_each_time(tmp_path: Path):
    lines = said(TWICE, 'raise ValueError("broken")', tmp_path)
    assert lines == ["ValueError broken A plug-in of hemotwin does not load: mine = plug_in. Mend or uninstall it."] * 2
