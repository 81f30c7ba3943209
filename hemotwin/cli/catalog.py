"""`hemotwin catalog`: what is registered."""

from __future__ import annotations

import argparse

__all__ = ["add_arguments", "run"]

KINDS = (
    "circulation", "chamber", "vessel", "valve", "conduit", "activation", "surroundings", "reflex", "observable",
    "scenario",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("kind", nargs="?", choices=KINDS, metavar="KIND", help=f"one of {', '.join(KINDS)}")


def run(options: argparse.Namespace) -> int:
    """Print the table of everything registered, or of one kind."""
    from ..physiology.catalog import catalog
    from .terminal import show

    show(catalog(options.kind))
    return 0
