"""Libraries that only some verbs need, imported when used; a missing one is answered with how to install it."""

from __future__ import annotations

import importlib
from typing import Any

from .errors import InputError
from .install import command

__all__ = ["required"]


def required(module: str, extra: str, purpose: str) -> Any:
    """The module; raises `InputError` with the install command when it, or something that it needs, is not there."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = (error.name or module).partition(".")[0]
    raise InputError(f"{purpose} needs {missing}, which is not installed: {command(extra)}")
