"""`hemotwin show`: the tables of saved twins."""

from __future__ import annotations

import argparse
from shlex import quote

from .inputs import add_twins, read_cohort

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_twins(parser)


def run(options: argparse.Namespace) -> int:
    """Print what `calibrate` prints of the twins; 0 also where they are not usable."""
    from .outcome import failed, show_cohort, tell_all
    from .terminal import at_a_glance, say, show_twin

    twins = read_cohort(options)
    if at_a_glance(len(twins)):
        show_cohort(twins, f"hemotwin show {quote(options.twin)} --patient ID")
    else:
        for twin in twins:
            if not failed(twin):
                show_twin(twin)
        tell_all(twins)
    say("\nNot for clinical use.")
    return 0
