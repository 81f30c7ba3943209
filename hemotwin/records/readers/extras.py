"""Libraries that only some readers need: imported when they are used, and what they raise put into words."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...core.errors import InputError

__all__ = ["refusal", "required"]

_PLACE = re.compile(r"\S*://\S*|(?<!\w)/\S+")  # an address may hold a password, a path a name


def required(module: str, extra: str) -> Any:
    """The module; raises `InputError` with the install command when it is not there."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError(
            f"this format needs {module.partition('.')[0]}, which is not installed: `pip install 'hemotwin[{extra}]'`."
        ) from None


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
