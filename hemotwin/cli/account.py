"""`hemotwin account`: how many twins are usable, why the others are not, what it took and what it cost."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    what = "a .zarr that calibrate saved, a folder twin-<patient>, or a folder of these"
    parser.add_argument("twins", metavar="TWINS", nargs="+", help=what)
    parser.add_argument("--costs", metavar="FILE", help="your own costs (YAML); without them no money is shown")
    parser.add_argument("--json", metavar="FILE", help="write everything as JSON")


def run(options: argparse.Namespace) -> int:
    """Print usable fraction, reasons, seconds and, with costs, money; write the JSON file when asked for."""
    from ..calibration.twin import load
    from ..reports.account import account
    from .inputs import there
    from .outcome import show_account
    from .targets import writable_file
    from .terminal import say

    if options.json:
        writable_file("--json", options.json, "account.json")
    stores = [load(path) for given in options.twins for path in _saved(there(given))]
    found = account(stores, costs=options.costs)
    show_account(found)
    if options.json:
        say(f"\nJSON: {found.save(options.json)}")
    say("\nNot for clinical use.")
    return 0


def _saved(path: Path) -> list[Path]:
    """What was saved at a path: itself, the twin in a folder of one patient, or all that a folder holds of these."""
    if (path / "twin.zarr").is_dir():
        return [path / "twin.zarr"]
    inside = sorted(path.glob("*/twin.zarr")) + [one for one in sorted(path.glob("*.zarr")) if one.is_dir()]
    return inside or [path]
