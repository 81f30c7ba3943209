"""What a library raises on a damaged source, put into words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ...core.errors import InputError

__all__ = ["refusal"]

_PLACE = re.compile(r"\S*://\S*|(?<!\w)/\S+")  # an address may hold a password, a path a name


@contextmanager
def refusal(name: str, what: str) -> Iterator[None]:
    """Whatever a library raises on a damaged source becomes one `InputError`, without addresses and without paths."""
    try:
        yield
    except (InputError, GeneratorExit, MemoryError):
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        why = f": {_PLACE.sub('(path)', lines[0][:160])}" if lines else ""
        clean = "".join(c if c.isprintable() else "?" for c in why)
        raise InputError(
            f"{name}: {what} cannot be read ({type(error).__name__}{clean}): export or connect it again."
        ) from None
