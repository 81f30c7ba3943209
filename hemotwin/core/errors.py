"""Errors a user meets, all under one base class.

Programming mistakes and unusable input raise; trouble of a single patient during a run is a `Status` instead.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable
from types import UnionType

__all__ = ["HemotwinError", "InputError", "UnitError", "UnknownNameError", "each_once", "nearest", "required"]


class HemotwinError(Exception):
    """Base of every error that hemotwin raises on purpose."""


class InputError(HemotwinError, ValueError):
    """Input that cannot be used; the message names file, place, value, allowed range and the fix where known.

    What it quotes of the input cannot steer a terminal: characters that do not print are shown as a question mark.
    """

    def __init__(self, message: str = "", *more: object):
        clean = (
            message if message.isprintable() else "".join(c if c.isprintable() or c == "\n" else "?" for c in message)
        )
        super().__init__(clean, *more)


class UnitError(InputError):
    """A unit that is missing, unknown, or of another dimension than the quantity asks for.

    `hint` names what is near; it is worked out only when the message is printed, as millions of rows may share a fault.
    """

    def __init__(self, message: str, hint: Callable[[], str] | None = None):
        super().__init__(message)
        self._hint = hint

    def __str__(self) -> str:
        return f"{self.args[0]}; {self._hint()}" if self._hint else str(self.args[0])


class UnknownNameError(InputError, KeyError):
    """A name that is not known: says which names are, and the nearest one.

    `what` is the kind of thing looked up ("observable", "circulation"), `name` what was asked for.
    """

    def __init__(self, what: str, name: object, known: Iterable[str]):
        self.what, self.name, self.known = what, name, tuple(known)
        guess = nearest(str(name), self.known)
        listed = ", ".join(self.known[:20]) + (", ..." if len(self.known) > 20 else "")
        hint = f" Did you mean `{guess[0]}`?" if guess else ""
        super().__init__(f"{what} must be a known name, but got `{name}`; known names are: {listed or 'none'}.{hint}")

    def __str__(self) -> str:  # KeyError would print the quoted representation
        return str(self.args[0])


def required(argument: str, value: object, kind: type | UnionType, wanted: str) -> None:
    """Raise `InputError` unless `value` is a `kind`; `wanted` says what the argument must be, with an example."""
    if not isinstance(value, kind):
        got = repr(value)[:60] if isinstance(value, str | int | float) else f"a {type(value).__name__}"
        raise InputError(f"`{argument}` must be {wanted}, but got {got}.")


def each_once(argument: str, patients: Iterable[str], fix: str) -> None:
    """Raise `InputError` where a patient is there more than once: results go by name, and one would replace another."""
    twice = [patient for patient, count in Counter(patients).items() if count > 1]
    if twice:
        more = f" and {len(twice) - 5} more" if len(twice) > 5 else ""
        raise InputError(
            f"`{argument}` must hold each patient once, but holds more than once: {', '.join(twice[:5])}{more}; {fix}."
        )


def nearest(name: str, known: Iterable[str], count: int = 1, cutoff: float = 0.5) -> list[str]:
    """The `count` known names closest to `name` (case ignored), best first; empty when none is close."""
    lower: dict[str, str] = {}
    for candidate in known:
        lower.setdefault(candidate.lower(), candidate)
    return [lower[match] for match in difflib.get_close_matches(name.lower()[:80], list(lower), count, cutoff)]
