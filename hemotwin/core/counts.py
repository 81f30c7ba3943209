"""Numbers of things that a caller asks for: whole, in their range, and refused with the fix where they are not."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from .errors import InputError

__all__ = ["LEAST_STEPS", "MOST_STEPS", "beat_steps", "step_count", "whole_number"]

LEAST_STEPS, MOST_STEPS = 20, 100_000  # per beat: below, no beat is followed; above, rounding grows and nothing is won


def whole_number(argument: str, value: Any, least: int, otherwise: str = "") -> int:
    """`value` as an int; raises `InputError` unless it is a whole number (no truth value) of at least `least`.

    `otherwise` says what else the argument may be, as in "or None for all".
    """
    if not _whole(value) or value < least:
        raise InputError(
            f"`{argument}` must be a whole number, at least {least}{f' ({otherwise})' if otherwise else ''}, but got "
            f"{repr(value)[:60]}; use {_nearest(value, least)}."
        )
    return int(value)


def step_count(steps: Any, own: int) -> int | None:
    """Steps per beat as an int, None where the circulation's `own` number is to be used.

    They must be even, as the error is judged from a second solution on half of them. Raises `InputError` otherwise.
    """
    if steps is None:
        return None
    if not _whole(steps) or steps % 2 or not LEAST_STEPS <= steps <= MOST_STEPS:
        raise InputError(
            f"`steps` must be an even whole number of steps per beat from {LEAST_STEPS} to {MOST_STEPS}, or None for "
            f"the circulation's own {own}, but got {repr(steps)[:60]}; use steps={own}, or leave it out."
        )
    return int(steps)


def beat_steps(steps: Any) -> int:
    """Steps of one beat as an int: also a quarter of what `step_count` allows, as the error is judged from half as many
    and a quarter.

    Raises `InputError` otherwise.
    """
    least = LEAST_STEPS // 4
    if not _whole(steps) or not least <= steps <= MOST_STEPS:
        raise InputError(
            f"`steps` must be a whole number of steps per beat from {least} to {MOST_STEPS}, but got "
            f"{repr(steps)[:60]}; a circulation's own number is `model.steps`."
        )
    return int(steps)


def _whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _nearest(value: Any, least: int) -> int:
    """The whole number that was probably meant."""
    try:
        return max(int(float(value)), least)
    except (TypeError, ValueError, OverflowError):
        return least
