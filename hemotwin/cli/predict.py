"""`hemotwin predict`: a what-if asked of saved twins."""

from __future__ import annotations

import argparse

from .inputs import add_reflex, add_scenario, add_twins, read_twins, reflex_of, scenarios, what_first

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    what_first(parser, "TWIN", "--scenario NAME [SETTING=VALUE ...] ")
    add_twins(parser)
    add_scenario(parser, required=True)
    add_reflex(parser)
    parser.add_argument("--draws", type=int, metavar="N", help="posterior draws to use (default: all that were kept)")


def run(options: argparse.Namespace) -> int:
    """Print before, after and change of every twin and what-if; 1 when none could be solved."""
    from ..core.errors import InputError
    from ..prediction.predict import predict
    from .outcome import failed, say_with_care
    from .terminal import Progress, say, show_what_if

    if options.draws is not None and options.draws < 2:
        raise InputError(f"--draws must be at least 2, to have an interval, but got {options.draws}.")
    progress = Progress()
    asked = scenarios(options.scenario)
    reflex, twins = reflex_of(options, asked), read_twins(options)
    progress("predicting; the first run on a machine compiles, later ones do not")
    sound = False
    for twin in twins:
        for scenario in asked:
            prediction = predict(twin, scenario, draws=options.draws, **reflex)[twin.patient]
            progress(f"{twin.patient}: {prediction.label}")
            show_what_if(prediction)
            say_with_care(twin)
            sound = sound or not failed(prediction)
    say("\nNot for clinical use.")
    return 0 if sound else 1
