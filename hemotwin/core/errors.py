"""Errors for mistakes of the caller; numerical trouble of a patient is a status instead."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

__all__ = ["HemotwinError", "InputError", "UnknownNameError"]


class HemotwinError(Exception):
    """Base of all errors that hemotwin raises on purpose."""


class InputError(HemotwinError, ValueError):
    """Bad input: the message names the field, the value, the unit, the allowed range and the fix."""


class UnknownNameError(InputError):
    """A name that is not known: the message lists the known ones and the nearest."""

    def __init__(self, what: str, name: str, known: Sequence[str]) -> None:
        near = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(f"`{what}` must be a known name, but got {name!r}; known names are {', '.join(known)}.{hint}")
        self.what, self.name, self.known = what, name, tuple(known)
